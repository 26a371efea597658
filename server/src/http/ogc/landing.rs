//! `GET /ogc`, `/ogc/conformance`, `/ogc/api`: what this is, which standards it keeps, how it is asked.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::{Map, Value, json};

use super::{Asker, Base, Format, Written, document, link, own_links};
use crate::http::Shared;
use crate::http::error::ApiError;
use crate::http::openapi;
use crate::http::openapi::older::older;
use crate::http::pages;
use crate::http::parameters::Parameters;
use crate::web;

/// The classes of requirements that are met (docs/conformance.md has a test for each requirement).
pub(super) const CONFORMANCE: &[&str] = &[
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables-query-parameters",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tileset",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tilesets-list",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/geodata-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/mvt",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/tms/2.0/conf/tilematrixset",
    "http://www.opengis.net/spec/tms/2.0/conf/json-tilematrixset",
    "http://www.opengis.net/spec/tms/2.0/conf/tilesetmetadata",
    "http://www.opengis.net/spec/tms/2.0/conf/json-tilesetmetadata",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions-plus",
];

/// The media type of the document of `/ogc/api`.
const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";

/// 地图服务 The landing page of OGC API – Features.
#[utoipa::path(
    get, path = "/ogc", tag = "map",
    params(Written),
    responses((status = 200, description = "Links to everything else", body = Object)),
)]
pub(in crate::http) async fn landing(
    State(_shared): State<Shared>,
    Asker(account): Asker,
    Base(base): Base,
    headers: HeaderMap,
    Parameters(written): Parameters<Written>,
) -> Result<Response, ApiError> {
    let format = Format::of(written.f.as_deref(), &headers)?;
    if format == Format::Html {
        return Ok(pages::shown_page(&account, web::ogc::landing));
    }
    let mut links = own_links(&base, format, "application/json");
    links.extend([
        link(&format!("{base}/api"), "service-desc", OPENAPI, "OpenAPI"),
        link(&format!("{base}/api?f=html"), "service-doc", "text/html", "接口文档 Documentation"),
        link(&format!("{base}/conformance"), "conformance", "application/json", "符合的标准 Conformance"),
        link(&format!("{base}/collections"), "data", "application/json", "图层 Collections"),
    ]);
    let title = format!("Firebreak {}", account.district.name);
    let body = json!({
        "title": title,
        "description": "输电线路隐患台账的图层 The layers of a ledger of hazards on power lines",
        "links": links,
    });
    Ok(document("application/json", body.to_string()))
}

/// 符合的标准 The classes of requirements that are met.
#[utoipa::path(
    get, path = "/ogc/conformance", tag = "map",
    params(Written),
    responses((status = 200, description = "Their URIs", body = Object)),
)]
pub(in crate::http) async fn conformance(
    State(_shared): State<Shared>,
    Asker(account): Asker,
    headers: HeaderMap,
    Parameters(written): Parameters<Written>,
) -> Result<Response, ApiError> {
    if Format::of(written.f.as_deref(), &headers)? == Format::Html {
        return Ok(pages::shown_page(&account, |viewer| web::ogc::conformance(CONFORMANCE, viewer)));
    }
    Ok(document("application/json", json!({ "conformsTo": CONFORMANCE }).to_string()))
}

/// 接口说明 The description of `/ogc` in OpenAPI; as HTML: the page of the whole API.
#[utoipa::path(
    get, path = "/ogc/api", tag = "map",
    params(Written),
    responses((status = 200, description = "The document", body = Object, content_type = "application/vnd.oai.openapi+json")),
)]
pub(in crate::http) async fn api(
    State(_shared): State<Shared>,
    Asker(_account): Asker,
    Base(base): Base,
    headers: HeaderMap,
    Parameters(written): Parameters<Written>,
) -> Result<Response, ApiError> {
    if Format::of(written.f.as_deref(), &headers)? == Format::Html {
        return Ok(Redirect::to("/docs#map").into_response());
    }
    Ok(document(OPENAPI, described(&base).to_string()))
}

/// The document with the paths below `/ogc` alone, as they are below its address.
fn described(base: &str) -> Value {
    let whole = openapi::document();
    let mut own = Map::new();
    for (path, item) in whole.get("paths").and_then(Value::as_object).into_iter().flatten() {
        if let Some(rest) = path.strip_prefix("/ogc") {
            own.insert(if rest.is_empty() { "/".to_owned() } else { rest.to_owned() }, item.clone());
        }
    }
    let mut document = older(&whole, own);
    if let Some(document) = document.as_object_mut() {
        document.insert("servers".to_owned(), json!([{ "url": base }]));
    }
    document
}
