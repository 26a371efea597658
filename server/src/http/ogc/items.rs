//! `GET /ogc/collections/{collection}/items` and `…/items/{feature}`: the features themselves.
//!
//! A page goes on where the one before ended, by the number of its last feature: numbers never change and are never given
//! twice, so that no feature is left out or comes twice whatever devices send meanwhile. A page is written into one
//! buffer; a large one is read and sent in parts, each read for itself.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use sync_protocol::codes::Code;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::asked::Asked;
use super::{Asker, Base, Format, document, layer, link};
use crate::domain::District;
use crate::http::Shared;
use crate::http::error::ApiError;
use crate::http::pages;
use crate::layers::crs::Crs;
use crate::layers::geojson::{self, Writer};
use crate::layers::{Feature, Layer};
use crate::sync::layers;
use crate::sync::listing::Calendar;
use crate::sync::{Engine, SyncError};
use crate::web;

/// Features that are read at a time.
const READ_AT_ONCE: u32 = 1_000;
/// Parts that wait for a slow reader.
const PARTS_WAITING: usize = 2;
/// Features of a page of HTML.
const SHOWN: u32 = 50;
/// Bytes of a feature, as it comes to on average: the buffer of a page is made so large.
const FEATURE_BYTES: usize = 1_200;
/// The media type of features.
const GEOJSON: &str = "application/geo+json";
/// The header that names the system of a reply's coordinates (Part 2).
const CONTENT_CRS: HeaderName = HeaderName::from_static("content-crs");

/// What features are asked for by; any column of the layer is a parameter too: `state=closed`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the parameters, which `asked` reads")]
pub(in crate::http) struct Filters {
    /// Least and most corner, four numbers: what meets this box.
    #[param(value_type = Option<String>)]
    bbox: Option<String>,
    /// The system of `bbox`, by its URI; CRS84 without it.
    #[serde(rename = "bbox-crs")]
    bbox_crs: Option<String>,
    /// The system of the reply, by its URI; CRS84 without it.
    crs: Option<String>,
    /// A moment, or two with `/` between them; `..` is an open end.
    datetime: Option<String>,
    /// Features of a page.
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<u32>,
    /// Where the page before ended: it stands in its link `next`.
    cursor: Option<String>,
    /// A condition in CQL2 text.
    filter: Option<String>,
    /// `cql2-text`.
    #[serde(rename = "filter-lang")]
    filter_lang: Option<String>,
    /// The system of the geometries of `filter`.
    #[serde(rename = "filter-crs")]
    filter_crs: Option<String>,
    /// `json` or `html`.
    f: Option<String>,
}

/// 要素 Features of a layer, by their numbers.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}/items", tag = "map",
    params(Filters),
    responses((status = 200, description = "A page", body = Object, content_type = "application/geo+json")),
    extensions(("x-codes" = json!(["filter-bad"]))),
)]
pub(in crate::http) async fn items(
    State(shared): State<Shared>,
    Asker(account): Asker,
    Base(base): Base,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let layer = layer(&account, &name)?;
    let mut asked = Asked::read(&uri, layer, &account)?;
    let format = Format::of(asked.f.as_deref(), &headers)?;
    shared.engine.note_map_read(&account.district, account.person.id, "map.read", layer).await?;
    let engine = &shared.engine;
    let district = account.district.clone();
    if format == Format::Html {
        asked.limit = asked.limit.min(SHOWN);
        let page = Page { engine: Arc::clone(engine), district, layer, asked, base };
        let (features, next) = page.read(page.asked.after, page.asked.limit).await?;
        let matched = page.matched().await?;
        let next = next.map(|after| page.asked.query(layer, Some(after)));
        let calendar = Calendar::of(&account.district);
        return Ok(pages::shown_page(&account, |viewer| {
            web::ogc::items(layer, &features, (matched, next.as_deref()), viewer, &calendar)
        }));
    }
    Page { engine: Arc::clone(engine), district, layer, asked, base }.reply().await
}

/// 一个要素 One feature of a layer, by its number.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}/items/{feature}", tag = "map",
    params(One),
    responses((status = 200, description = "The feature", body = Object, content_type = "application/geo+json")),
)]
pub(in crate::http) async fn one(
    State(shared): State<Shared>,
    Asker(account): Asker,
    Base(base): Base,
    Path((name, id)): Path<(String, String)>,
    crate::http::parameters::Parameters(wanted): crate::http::parameters::Parameters<One>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let layer = layer(&account, &name)?;
    let format = Format::of(wanted.f.as_deref(), &headers)?;
    let crs = wanted.crs.as_deref().map_or_else(|| Some(Crs::storage()), Crs::parse);
    let crs = crs.ok_or_else(|| ApiError::with(Code::BadParameter, "crs: it is none of the collection's"))?;
    // What is no number names no feature.
    let id: i64 = id.parse().map_err(|_source| Code::NotFound)?;
    shared.engine.note_map_read(&account.district, account.person.id, "map.read", layer).await?;
    let found = layers::one(&shared.engine, &account.district, layer, &account.sight, id).await?;
    let feature = found.ok_or(Code::NotFound)?;
    if format == Format::Html {
        let calendar = Calendar::of(&account.district);
        return Ok(pages::shown_page(&account, |viewer| web::ogc::item(layer, &feature, viewer, &calendar)));
    }
    let collection = format!("{base}/collections/{}", layer.name());
    let address = format!("{collection}/items/{id}");
    let mut links = super::own_links(&address, format, GEOJSON);
    links.push(link(&collection, "collection", "application/json", layer.title().zh));
    let links = serde_json::Value::Array(links).to_string();
    let mut text = String::new();
    Writer::new(layer, &crs).feature(&mut text, &feature, Some(&links));
    Ok(in_system(document(GEOJSON, text), &crs))
}

/// How one feature is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct One {
    /// The system of the reply, by its URI; CRS84 without it.
    crs: Option<String>,
    /// `json` or `html`.
    f: Option<String>,
}

fn in_system(mut response: Response, crs: &Crs) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("<{}>", crs.name())) {
        response.headers_mut().insert(CONTENT_CRS, value);
    }
    response
}

/// A page of features on its way.
struct Page {
    engine: Arc<Engine>,
    district: District,
    layer: Layer,
    asked: Asked,
    base: String,
}

/// What of a page is written.
struct Written {
    features: u64,
    /// The last feature, where more follow.
    next: Option<i64>,
}

impl Page {
    /// Features after this one; and the last of them, where more follow.
    async fn read(&self, after: Option<i64>, limit: u32) -> Result<(Vec<Feature>, Option<i64>), SyncError> {
        let selection = &self.asked.selection;
        let one_more = limit.saturating_add(1);
        let read = layers::page(&self.engine, &self.district, self.layer, selection, after, one_more);
        let mut features = read.await?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = features.len() > wanted;
        features.truncate(wanted);
        let last = features.last().filter(|_| has_more).map(|feature| feature.id);
        Ok((features, last))
    }

    async fn matched(&self) -> Result<Option<u64>, SyncError> {
        layers::count(&self.engine, &self.district, self.layer, &self.asked.selection).await
    }

    async fn reply(self) -> Result<Response, ApiError> {
        let first = self.asked.limit.min(READ_AT_ONCE);
        let (features, next) = self.read(self.asked.after, first).await?;
        let matched = self.matched().await?;
        let mut text = String::with_capacity(FEATURE_BYTES * (features.len() + 1));
        text.push_str("{\"type\":\"FeatureCollection\",\"features\":[\n");
        self.write(&mut text, &features, "");
        let mut written = Written { features: count(&features), next };
        let name = self.asked.crs.name();
        let is_whole = next.is_none() || first == self.asked.limit;
        let body = if is_whole {
            self.close(&mut text, &written, matched);
            Body::from(text)
        } else {
            let (parts, ready) = mpsc::channel(PARTS_WAITING);
            tokio::spawn(async move {
                if let Err(error) = self.rest(text, &mut written, matched, &parts).await {
                    tracing::error!(error = %error, "a page of features was cut short: {error}");
                    // The reader sees a broken body, not a short page.
                    let _gone = parts.send(Err(std::io::Error::other("the page is incomplete"))).await;
                }
            });
            Body::from_stream(futures::stream::unfold(ready, |mut ready| async move {
                ready.recv().await.map(|part| (part, ready))
            }))
        };
        let mut response = document(GEOJSON, String::new());
        *response.body_mut() = body;
        response.headers_mut().remove(header::CONTENT_LENGTH);
        if let Ok(value) = HeaderValue::from_str(&format!("<{name}>")) {
            response.headers_mut().insert(CONTENT_CRS, value);
        }
        Ok(response)
    }

    /// Sends what is written and reads and sends what follows, to the end of the page.
    async fn rest(
        &self,
        mut text: String,
        written: &mut Written,
        matched: Option<u64>,
        parts: &mpsc::Sender<Result<Bytes, std::io::Error>>,
    ) -> Result<(), SyncError> {
        loop {
            let left = u64::from(self.asked.limit).saturating_sub(written.features);
            let is_over = written.next.is_none() || left == 0;
            if is_over {
                self.close(&mut text, written, matched);
            }
            // A reader who has gone needs no more.
            if parts.send(Ok(Bytes::from(std::mem::take(&mut text)))).await.is_err() || is_over {
                return Ok(());
            }
            let wanted = u32::try_from(left).unwrap_or(READ_AT_ONCE).min(READ_AT_ONCE);
            let (features, next) = self.read(written.next, wanted).await?;
            self.write(&mut text, &features, ",\n");
            written.features += count(&features);
            written.next = next;
        }
    }

    fn write(&self, text: &mut String, features: &[Feature], joint: &str) {
        let writer = Writer::new(self.layer, &self.asked.crs);
        let mut joint = joint;
        for feature in features {
            text.push_str(joint);
            writer.feature(text, feature, None);
            joint = ",\n";
        }
    }

    /// What stands behind the features: only then it is known.
    fn close(&self, text: &mut String, written: &Written, matched: Option<u64>) {
        let collection = format!("{}/collections/{}", self.base, self.layer.name());
        let with = |query: String, f: &str| {
            let joint = if query.is_empty() { "" } else { "&" };
            format!("{collection}/items?{query}{joint}f={f}")
        };
        let own = || self.asked.query(self.layer, self.asked.after);
        let mut links = vec![
            link(&with(own(), "json"), "self", GEOJSON, "GeoJSON"),
            link(&with(own(), "html"), "alternate", "text/html", "HTML"),
            link(&collection, "collection", "application/json", self.layer.title().zh),
        ];
        if written.next.is_some() {
            let next = self.asked.query(self.layer, written.next);
            links.push(link(&with(next, "json"), "next", GEOJSON, "下一页 Next"));
        }
        text.push_str("\n],\"links\":");
        text.push_str(&serde_json::Value::Array(links).to_string());
        if let Some(matched) = matched {
            text.push_str(",\"numberMatched\":");
            text.push_str(&matched.to_string());
        }
        let at = geojson::moment(self.engine.clock.now_ms()).unwrap_or_default();
        let returned = written.features;
        let end = format!(",\"numberReturned\":{returned},\"timeStamp\":\"{at}\"}}\n");
        text.push_str(&end);
    }
}

fn count(features: &[Feature]) -> u64 {
    u64::try_from(features.len()).unwrap_or(u64::MAX)
}
