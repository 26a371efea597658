//! `GET /ogc/collections`, `/ogc/collections/{collection}` and its `queryables`: the layers, and by what they are asked.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Asker, Base, Format, Written, document, layer, link, own_links, shown};
use crate::http::Shared;
use crate::http::error::ApiError;
use crate::http::pages;
use crate::http::parameters::Parameters;
use crate::layers::crs::{self, Crs};
use crate::layers::{Column, ColumnKind, Layer, Shape, cql, geojson};
use crate::sync::layers::{self, Extent};
use crate::web;

/// The relation of a collection to what it can be asked by (Part 3).
const QUERYABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";
/// The relation of a collection to what its features look like. Case means nothing in it, but GDAL looks for this one.
const DESCRIBED: &str = "describedBy";
/// The relation of a collection to its tiles (OGC API – Tiles).
const TILESETS: &str = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector";

/// The system of times.
const GREGORIAN: &str = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian";

/// 图层列表 The layers of the district's map.
#[utoipa::path(
    get, path = "/ogc/collections", tag = "map",
    params(Written),
    responses((status = 200, description = "The collections", body = Object)),
)]
pub(in crate::http) async fn list(
    State(shared): State<Shared>,
    Asker(account): Asker,
    Base(base): Base,
    headers: HeaderMap,
    Parameters(written): Parameters<Written>,
) -> Result<Response, ApiError> {
    let format = Format::of(written.f.as_deref(), &headers)?;
    if format == Format::Html {
        let layers: Vec<Layer> = shown(&account).collect();
        return Ok(pages::shown_page(&account, |viewer| web::ogc::collections(&layers, viewer)));
    }
    let links = own_links(&format!("{base}/collections"), format, "application/json");
    let mut collections = Vec::new();
    for layer in shown(&account) {
        let extent = layers::extent(&shared.engine, &account.district, layer, &account.sight).await?;
        collections.push(described(&base, layer, format, extent));
    }
    let body = json!({ "links": links, "collections": collections, "crs": Crs::names() });
    Ok(document("application/json", body.to_string()))
}

/// 图层 One layer.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}", tag = "map",
    params(Written),
    responses((status = 200, description = "The collection", body = Object)),
)]
pub(in crate::http) async fn one(
    State(shared): State<Shared>,
    Asker(account): Asker,
    Base(base): Base,
    Path(name): Path<String>,
    headers: HeaderMap,
    Parameters(written): Parameters<Written>,
) -> Result<Response, ApiError> {
    let layer = layer(&account, &name)?;
    let format = Format::of(written.f.as_deref(), &headers)?;
    if format == Format::Html {
        return Ok(pages::shown_page(&account, |viewer| web::ogc::collection(layer, viewer)));
    }
    let extent = layers::extent(&shared.engine, &account.district, layer, &account.sight).await?;
    Ok(document("application/json", described(&base, layer, format, extent).to_string()))
}

/// 可查询属性 What the features of a layer can be asked by, as a JSON Schema.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}/queryables", tag = "map",
    params(Written),
    responses((status = 200, description = "The schema", body = Object, content_type = "application/schema+json")),
)]
pub(in crate::http) async fn queryables(
    State(_shared): State<Shared>,
    Asker(account): Asker,
    Base(base): Base,
    Path(name): Path<String>,
    headers: HeaderMap,
    Parameters(written): Parameters<Written>,
) -> Result<Response, ApiError> {
    let layer = layer(&account, &name)?;
    if Format::of(written.f.as_deref(), &headers)? == Format::Html {
        return Ok(pages::shown_page(&account, |viewer| web::ogc::queryables(layer, viewer)));
    }
    let mut properties = columns(layer);
    properties.insert(cql::GEOMETRY.to_owned(), geometry_schema(layer.shape()));
    let body = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{base}/collections/{}/queryables", layer.name()),
        "type": "object",
        "title": title(layer),
        "properties": properties,
        "additionalProperties": false,
    });
    Ok(document("application/schema+json", body.to_string()))
}

/// 要素结构 What a feature of a layer looks like, as a JSON Schema of its GeoJSON.
///
/// GDAL takes the types of columns from it: by what it reads first it would take a column for one of whole numbers.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}/schema", tag = "map",
    responses((status = 200, description = "The schema", body = Object, content_type = "application/schema+json")),
)]
pub(in crate::http) async fn schema(
    State(_shared): State<Shared>,
    Asker(account): Asker,
    Base(base): Base,
    Path(name): Path<String>,
    Parameters(_none): Parameters<Nothing>,
) -> Result<Response, ApiError> {
    let layer = layer(&account, &name)?;
    let geometry = match layer.shape() {
        Shape::Point => "Point",
        Shape::LineString => "LineString",
        Shape::MultiLineString => "MultiLineString",
        Shape::MultiPolygon => "MultiPolygon",
    };
    let body = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{base}/collections/{}/schema", layer.name()),
        "title": title(layer),
        "type": "object",
        "required": ["type", "id", "geometry", "properties"],
        "properties": {
            "type": { "const": "Feature" },
            "id": { "type": "integer" },
            "geometry": { "type": "object", "properties": { "type": { "const": geometry }, "coordinates": { "type": "array" } } },
            "properties": { "type": "object", "properties": columns(layer) },
        },
    });
    Ok(document("application/schema+json", body.to_string()))
}

/// No parameter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Nothing {}

/// The schema of each column, by its name.
fn columns(layer: Layer) -> Map<String, Value> {
    layer.columns().iter().map(|column| (column.name.to_owned(), of_column(*column))).collect()
}

fn title(layer: Layer) -> String {
    let title = layer.title();
    format!("{} {}", title.zh, title.en)
}

fn described(base: &str, layer: Layer, format: Format, extent: Extent) -> Value {
    let address = format!("{base}/collections/{}", layer.name());
    let mut links = own_links(&address, format, "application/json");
    links.extend([
        link(&format!("{address}/items?f=json"), "items", "application/geo+json", "GeoJSON"),
        link(&format!("{address}/items?f=html"), "items", "text/html", "HTML"),
        link(
            &format!("{address}/queryables"),
            QUERYABLES,
            "application/schema+json",
            "可查询属性 Queryables",
        ),
        link(&format!("{address}/schema"), DESCRIBED, "application/schema+json", "结构 Schema"),
        link(&format!("{address}/tiles"), TILESETS, "application/json", "矢量瓦片 Vector tiles"),
    ]);
    let mut described = json!({
        "id": layer.name(),
        "title": title(layer),
        "itemType": "feature",
        "crs": Crs::names(),
        "storageCrs": crs::STORAGE,
        "links": links,
    });
    if let (Some(described), Some(extent)) = (described.as_object_mut(), extent_of(extent)) {
        described.insert("extent".to_owned(), extent);
    }
    described
}

/// Where and when the features are, as far as that is told.
fn extent_of(extent: Extent) -> Option<Value> {
    let moment = |at_ms: i64| geojson::moment(at_ms).map_or(Value::Null, Value::String);
    let spatial = extent.bbox.map(|bbox| ("spatial", json!({ "bbox": [bbox], "crs": crs::STORAGE })));
    let temporal = extent.interval.map(|(from_ms, to_ms)| {
        let interval = [moment(from_ms), to_ms.map_or(Value::Null, moment)];
        ("temporal", json!({ "interval": [interval], "trs": GREGORIAN }))
    });
    let told: Map<String, Value> =
        spatial.into_iter().chain(temporal).map(|(name, value)| (name.to_owned(), value)).collect();
    (!told.is_empty()).then_some(Value::Object(told))
}

fn geometry_schema(shape: Shape) -> Value {
    let format = match shape {
        Shape::Point => "geometry-point",
        Shape::LineString => "geometry-linestring",
        Shape::MultiLineString => "geometry-multilinestring",
        Shape::MultiPolygon => "geometry-multipolygon",
    };
    json!({ "title": "位置 Geometry", "format": format, "x-ogc-role": "primary-geometry" })
}

fn of_column(column: Column) -> Value {
    let title = format!("{} {}", column.zh, column.en);
    let mut schema = match column.kind {
        ColumnKind::Text => json!({ "type": "string" }),
        ColumnKind::Integer => json!({ "type": "integer" }),
        ColumnKind::Real => json!({ "type": "number" }),
        ColumnKind::Boolean => json!({ "type": "boolean" }),
        ColumnKind::Time => json!({ "type": "string", "format": "date-time" }),
        ColumnKind::Day => json!({ "type": "string", "format": "date" }),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), Value::String(title));
    }
    schema
}
