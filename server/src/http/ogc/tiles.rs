//! `GET …/tiles/WebMercatorQuad/{z}/{y}/{x}`: a vector tile of a layer, made from the ledger as it is now.
//!
//! A reader who has the tile is told so before it is made. What tiles there are is in [`super::tile_sets`]; what they hold
//! in `sync::tiles`. Start at [`tile`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use sync_protocol::codes::Code;
use sync_protocol::field::CATEGORIES;
use utoipa::IntoParams;

use super::asked::Asked;
use super::{Asker, layer};
use crate::http::Shared;
use crate::http::auth::Account;
use crate::http::conditional;
use crate::http::encoding::{self, Encoding};
use crate::http::error::ApiError;
use crate::http::parameters::Parameters;
use crate::layers::Layer;
use crate::store::TileFilter;
use crate::sync::SyncError;
use crate::sync::tiles::{self, Made, Version, Wanted};
use crate::tiles::{COUNTED_ZOOM, FORMAT, MEDIA_TYPE, SEVERITIES, Tile};

/// Tiles that are made at a time; others wait for their turn.
pub(in crate::http) const TILES_AT_ONCE: usize = 8;
/// Bytes of the hash in a tag.
const HASH_BYTES: usize = 16;
/// Bytes of a tile that are squeezed where they are: to hand them over would take longer.
const AT_ONCE_BYTES: usize = 16 << 10;
/// How a tile of counts is told from one of hazards: `counts` or `features`.
const CONTENT: &str = "firebreak-tile";

/// What narrows a tile of hazards.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the parameters, which are read one by one")]
pub(in crate::http) struct TileParameters {
    /// `mvt`, which is all there is.
    #[param(inline)]
    f: Option<String>,
    /// `critical`, `serious`, `general`, `none`, several by commas.
    severity: Option<String>,
    /// `line_body`, `corridor`, `forest_fire`, `fire_sighting`, several by commas, or `none`.
    category: Option<String>,
    open: Option<bool>,
    /// CQL2 text, as of `items`; hazards from zoom 10 on. So too every column by its name, `datetime`, `bbox`.
    filter: Option<String>,
}

/// 矢量瓦片 A vector tile of a layer (Mapbox Vector Tile), row before column.
///
/// Hazards to zoom 9 are counts by severity, category and whether they are open (layer `hazard_counts`), from zoom 10 on
/// the hazards themselves (layer `hazards`). 204: nothing lies in it.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}/tiles/WebMercatorQuad/{z}/{y}/{x}", tag = "map",
    params(TileParameters),
    responses(
        (status = 200, description = "The tile", body = Vec<u8>, content_type = "application/vnd.mapbox-vector-tile"),
        (status = 204, description = "Nothing lies in it"),
    ),
    extensions(("x-codes" = json!(["tile-needs-zoom", "filter-bad"]))),
)]
pub(in crate::http) async fn tile(
    State(shared): State<Shared>,
    Asker(account): Asker,
    Path((id, z, y, x)): Path<(String, String, String, String)>,
    Parameters(parameters): Parameters<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let layer = layer(&account, &id)?;
    let tile = numbered(&z, &x, &y).ok_or_else(|| ApiError::with(Code::NotFound, "tile"))?;
    let (filter, rest) = filter(layer, tile, parameters)?;
    let selection = Asked::of(&rest, layer, &account)?.selection;
    let encoding = encoding::accepted(&headers);
    let wanted = Wanted { layer, tile, filter, selection };
    // Who has none of its tags is not told whether it is the same; hazards then say their version themselves.
    let is_asked = headers.contains_key(header::IF_NONE_MATCH);
    let version = if layer == Layer::Hazards && !wanted.is_narrowed() && !is_asked {
        None
    } else {
        Some(tiles::version(&shared.engine, &account.district, layer).await?)
    };
    shared.engine.note_map_read(&account.district, account.person.id, "map.read", layer).await?;
    let of_version = version.map(|version| {
        let tag = tag(&account, &wanted, version.as_bytes(), encoding);
        (version, tag)
    });
    let early = match &of_version {
        Some((Version::OfLayer(_), tag)) => Some(tag.clone()),
        Some((Version::OfLedger(_), of_version)) => shared.tile_tags.get(of_version),
        None => None,
    };
    if let Some(tag) = early.as_ref().filter(|tag| is_known(&headers, tag)) {
        return Ok((StatusCode::NOT_MODIFIED, told(tag)).into_response());
    }
    let _turn = shared.tiles.acquire().await.map_err(|_closed| ApiError::from(Code::Internal))?;
    let made = tiles::made(&shared.engine, &account.district, &wanted).await?;
    let tag = match of_version {
        Some((Version::OfLayer(_), tag)) => tag,
        Some((Version::OfLedger(_), of_version)) => {
            let of_bytes = tag(&account, &wanted, made.bytes.as_deref().unwrap_or_default(), encoding);
            shared.tile_tags.keep(of_version, of_bytes.clone());
            of_bytes
        }
        None => tag(&account, &wanted, made.version.as_deref().unwrap_or_default().as_bytes(), encoding),
    };
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, told(&tag)).into_response());
    }
    reply(made, &tag, encoding).await
}

/// Tags of tiles that were made, each by that of the version of the ledger that it was made of: who has the tile is told so
/// before it is made again.
#[derive(Debug, Default)]
pub(in crate::http) struct Tags(Mutex<BTreeMap<String, String>>);

/// Tags that are kept; beyond them all are forgotten.
const TAGS: usize = 4_096;

impl Tags {
    fn get(&self, of_version: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(of_version).cloned()
    }

    fn keep(&self, of_version: String, of_bytes: String) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= TAGS {
            kept.clear();
        }
        kept.insert(of_version, of_bytes);
    }
}

fn numbered(z: &str, x: &str, y: &str) -> Option<Tile> {
    // `+5` is read by `parse` and is no number of a tile.
    let is_plain = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if ![z, x, y].iter().all(is_plain) {
        return None;
    }
    Tile::new(z.parse().ok()?, x.parse().ok()?, y.parse().ok()?)
}

/// What narrows a tile by what counts tell apart, and what else was said.
fn filter(
    layer: Layer,
    tile: Tile,
    parameters: Vec<(String, String)>,
) -> Result<(TileFilter, Vec<(String, String)>), ApiError> {
    let mut filter = TileFilter::default();
    let mut rest = Vec::new();
    let mut known = BTreeSet::new();
    for (name, value) in parameters {
        let bad = || ApiError::with(Code::BadParameter, name.as_str());
        if !known.insert(name.clone()) {
            return Err(bad());
        }
        match (name.as_str(), layer) {
            ("f", _) if value == "mvt" => {}
            ("severity", Layer::Hazards) => {
                filter.severity_ranks = Some(ranks(&value).ok_or_else(bad)?);
            }
            ("category", Layer::Hazards) => {
                filter.categories = Some(categories(&value).ok_or_else(bad)?);
            }
            ("open", Layer::Hazards) => {
                filter.is_open = Some(value.parse().map_err(|_source| bad())?);
            }
            (other, layer) if is_narrowing(layer, other) => {
                if layer == Layer::Hazards && tile.zoom() <= COUNTED_ZOOM {
                    return Err(ApiError::with(Code::TileNeedsZoom, other));
                }
                rest.push((name, value));
            }
            _ => return Err(bad()),
        }
    }
    Ok((filter, rest))
}

/// Whether a parameter narrows features, as it does those of `items`.
fn is_narrowing(layer: Layer, name: &str) -> bool {
    matches!(name, "filter" | "filter-lang" | "filter-crs" | "datetime" | "bbox" | "bbox-crs")
        || (name == "since" && layer == Layer::NotPatrolled)
        || layer.columns().iter().any(|column| column.name == name)
}

fn ranks(value: &str) -> Option<Vec<i64>> {
    let rank = |name: &str| SEVERITIES.iter().position(|known| *known == name);
    let mut ranks: Vec<i64> =
        value.split(',').map(|name| i64::try_from(rank(name)?).ok()).collect::<Option<_>>()?;
    ranks.sort_unstable();
    ranks.dedup();
    Some(ranks)
}

fn categories(value: &str) -> Option<Vec<String>> {
    let known = |name: &str| match name {
        "none" => Some(String::new()),
        name => CATEGORIES.contains(&name).then(|| name.to_owned()),
    };
    let mut names: Vec<String> = value.split(',').map(known).collect::<Option<_>>()?;
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// The strong tag of a tile: of everything that its bytes depend on, or of them themselves.
fn tag(account: &Account, wanted: &Wanted, version: &[u8], encoding: Encoding) -> String {
    let mut hasher = Sha256::new_with_prefix(format!("{FORMAT} {} {wanted:?} ", account.district.id));
    hasher.update(version);
    let hash = hasher.finalize();
    let hash = hex::encode(hash.get(..HASH_BYTES).unwrap_or_default());
    match encoding.name() {
        Some(name) => format!("{hash}-{name}"),
        None => hash,
    }
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let asked = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    asked.flat_map(conditional::tags).any(|known| known == tag || known == "*")
}

/// The headers of a tile, whether it is sent or not.
fn told(tag: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        headers.insert(header::ETAG, tag);
    }
    // A reader keeps it and asks each time whether it is still the same.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding, authorization, cookie"));
    headers
}

async fn reply(made: Made, tag: &str, encoding: Encoding) -> Result<Response, ApiError> {
    let mut headers = told(tag);
    let content = if made.is_counted { "counts" } else { "features" };
    headers.insert(CONTENT, HeaderValue::from_static(content));
    let Some(bytes) = made.bytes else { return Ok((StatusCode::NO_CONTENT, headers).into_response()) };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Some(name) = encoding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    let bytes = if encoding == Encoding::Identity || bytes.len() <= AT_ONCE_BYTES {
        squeezed(bytes, encoding)
    } else {
        let squeezed = tokio::task::spawn_blocking(move || squeezed(bytes, encoding)).await;
        squeezed.map_err(|_source| SyncError::Gone)?
    };
    let bytes = bytes.map_err(|_source| SyncError::Gone)?;
    Ok((StatusCode::OK, headers, Body::from(bytes)).into_response())
}

/// A tile is asked for once and looked at: it is squeezed fast rather than small.
fn squeezed(tile: Vec<u8>, encoding: Encoding) -> std::io::Result<Bytes> {
    Ok(match encoding {
        Encoding::Identity => tile.into(),
        Encoding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&tile)?;
            encoder.finish()?.into()
        }
        Encoding::Zstd => zstd::bulk::compress(&tile, 1)?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_plain_numbers_are_numbers_of_tiles() {
        assert!(numbered("5", "25", "13").is_some());
        for (z, x, y) in
            [("+5", "25", "13"), ("", "0", "0"), ("5", "-1", "0"), ("23", "0", "0"), ("5", "32", "0")]
        {
            assert_eq!(numbered(z, x, y), None, "{z}/{x}/{y}");
        }
    }

    #[test]
    fn what_counts_tell_apart_narrows_every_zoom_and_nothing_else_does() {
        let small = Tile::new(9, 0, 0).unwrap();
        let read = filter(
            Layer::Hazards,
            small,
            parameters(&[("severity", "serious,critical"), ("category", "none,corridor"), ("open", "true")]),
        );
        let (read, rest) = read.unwrap();
        assert_eq!(read.severity_ranks, Some(vec![2, 3]));
        assert_eq!(read.categories, Some(vec![String::new(), "corridor".to_owned()]));
        assert_eq!((read.is_open, rest), (Some(true), Vec::new()));
        let refused =
            |tile, pairs: &[(&str, &str)]| filter(Layer::Hazards, tile, parameters(pairs)).unwrap_err().code;
        assert_eq!(refused(small, &[("township", "a")]), Code::TileNeedsZoom);
        let deep = Tile::new(10, 0, 0).unwrap();
        let (_, rest) =
            filter(Layer::Hazards, deep, parameters(&[("township", "a"), ("open", "true")])).unwrap();
        assert_eq!(rest, parameters(&[("township", "a")]));
        for wrong in [
            ("severity", "worst"),
            ("category", ""),
            ("open", "1"),
            ("f", "png"),
            ("colour", "red"),
            ("limit", "1"),
        ] {
            assert_eq!(refused(small, &[wrong]), Code::BadParameter, "{wrong:?}");
        }
        assert_eq!(refused(small, &[("open", "true"), ("open", "false")]), Code::BadParameter);
    }
}
