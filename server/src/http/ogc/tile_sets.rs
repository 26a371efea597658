//! What tiles there are (OGC API Tiles, `TileJSON` 3): the one tile matrix set, and the tiles of each layer in it.
//!
//! The tiles themselves are in [`super::tiles`].

use axum::Json;
use axum::extract::Path;
use serde_json::{Map, Value, json};

use super::{Asker, Base, layer};
use crate::http::error::ApiError;
use crate::layers::{ColumnKind, Layer, Shape};
use crate::sync::tiles::first_zoom;
use crate::tiles::{COUNTED_ZOOM, HAZARD_COUNTS, HAZARDS, MEDIA_TYPE, ZOOM_MAX};

/// The name of the tile matrix set.
const SET: &str = "WebMercatorQuad";
/// Where OGC defines it.
const SET_URI: &str = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad";
/// Its coordinates: EPSG:3857.
const CRS_URI: &str = "http://www.opengis.net/def/crs/EPSG/0/3857";
/// Half the side of the world in metres of EPSG:3857.
const HALF_WORLD_M: f64 = 20_037_508.342_789_244;
/// Pixels along the side of a tile that the definition counts with.
const PIXELS: u32 = 256;
/// Metres of one pixel on a screen, by OGC's definition of a scale.
const PIXEL_M: f64 = 0.000_28;

/// 瓦片矩阵集列表 The tile matrix sets that there are.
#[utoipa::path(
    get, path = "/ogc/tileMatrixSets", tag = "map",
    responses((status = 200, description = "The sets", body = Object)),
)]
pub(in crate::http) async fn matrix_sets(_asker: Asker, Base(base): Base) -> Json<Value> {
    let at = format!("{base}/tileMatrixSets/{SET}");
    Json(json!({ "tileMatrixSets": [{
        "id": SET, "title": "Google Maps Compatible for the World", "uri": SET_URI, "crs": CRS_URI,
        "links": [{ "rel": "self", "type": "application/json", "href": at }],
    }] }))
}

/// 瓦片矩阵集 `WebMercatorQuad`, zooms 0 to 22.
#[utoipa::path(
    get, path = "/ogc/tileMatrixSets/WebMercatorQuad", tag = "map",
    responses((status = 200, description = "The set", body = Object)),
)]
pub(in crate::http) async fn matrix_set(_asker: Asker) -> Json<Value> {
    let matrices: Vec<Value> = (0..=ZOOM_MAX).map(matrix).collect();
    Json(json!({
        "id": SET, "title": "Google Maps Compatible for the World", "uri": SET_URI, "crs": CRS_URI,
        "orderedAxes": ["X", "Y"], "wellKnownScaleSet": "http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible",
        "tileMatrices": matrices,
    }))
}

fn matrix(zoom: u8) -> Value {
    let across = 1_u32 << zoom;
    let cell_m = 2.0 * HALF_WORLD_M / f64::from(PIXELS) / f64::from(across);
    json!({
        "id": zoom.to_string(), "cellSize": cell_m, "scaleDenominator": cell_m / PIXEL_M,
        "cornerOfOrigin": "topLeft", "pointOfOrigin": [-HALF_WORLD_M, HALF_WORLD_M],
        "tileWidth": PIXELS, "tileHeight": PIXELS, "matrixWidth": across, "matrixHeight": across,
    })
}

/// 图层的瓦片集列表 The tile sets of a layer.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}/tiles", tag = "map",
    responses((status = 200, description = "The tile sets", body = Object)),
)]
pub(in crate::http) async fn of_layer(
    Asker(account): Asker,
    Path(id): Path<String>,
    Base(base): Base,
) -> Result<Json<Value>, ApiError> {
    let layer = layer(&account, &id)?;
    let at = Addresses::of(&base, layer);
    Ok(Json(json!({
        "links": [link("self", "application/json", &at.list)],
        "tilesets": [tile_set(layer, &at)],
    })))
}

/// 图层的瓦片集 The tile set of a layer, with its layers and their properties.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}/tiles/WebMercatorQuad", tag = "map",
    responses((status = 200, description = "The tile set", body = Object)),
)]
pub(in crate::http) async fn set_of_layer(
    Asker(account): Asker,
    Path(id): Path<String>,
    Base(base): Base,
) -> Result<Json<Value>, ApiError> {
    let layer = layer(&account, &id)?;
    let mut set = tile_set(layer, &Addresses::of(&base, layer));
    if let Some(set) = set.as_object_mut() {
        set.insert("layers".to_owned(), Contained::of(layer).iter().map(Contained::described).collect());
    }
    Ok(Json(set))
}

/// 瓦片说明 `TileJSON` 3 of a layer, for maps in browsers.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}/tiles/WebMercatorQuad/tilejson.json", tag = "map",
    responses((status = 200, description = "TileJSON", body = Object)),
)]
pub(in crate::http) async fn tile_json(
    Asker(account): Asker,
    Path(id): Path<String>,
    Base(base): Base,
) -> Result<Json<Value>, ApiError> {
    let layer = layer(&account, &id)?;
    let at = Addresses::of(&base, layer);
    let contained = Contained::of(layer);
    let first = contained.iter().map(|layer| layer.first_zoom).min().unwrap_or(0);
    // No bounds: what lies outside of those that were said would never be asked for.
    Ok(Json(json!({
        "tilejson": "3.0.0", "name": layer.title().zh, "description": layer.title().en, "scheme": "xyz",
        "tiles": [at.tile.replace("{tileMatrix}", "{z}").replace("{tileRow}", "{y}").replace("{tileCol}", "{x}")],
        "minzoom": first, "maxzoom": ZOOM_MAX,
        "vector_layers": contained.iter().map(Contained::in_tile_json).collect::<Vec<_>>(),
    })))
}

/// Where the tiles of a layer and what is said of them are.
struct Addresses {
    list: String,
    set: String,
    tile: String,
    tile_json: String,
    matrices: String,
}

impl Addresses {
    fn of(base: &str, layer: Layer) -> Self {
        let list = format!("{base}/collections/{}/tiles", layer.name());
        let set = format!("{list}/{SET}");
        Self {
            tile: format!("{set}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?f=mvt"),
            tile_json: format!("{set}/tilejson.json"),
            matrices: format!("{base}/tileMatrixSets/{SET}"),
            list,
            set,
        }
    }
}

fn link(rel: &str, media_type: &str, at: &str) -> Value {
    json!({ "rel": rel, "type": media_type, "href": at })
}

fn tile_set(layer: Layer, at: &Addresses) -> Value {
    let mut item = link("item", MEDIA_TYPE, &at.tile);
    if let Some(item) = item.as_object_mut() {
        item.insert("templated".to_owned(), true.into());
    }
    json!({
        "title": layer.title().zh, "description": layer.title().en, "dataType": "vector", "crs": CRS_URI,
        "tileMatrixSetURI": SET_URI,
        "links": [
            link("self", "application/json", &at.set), item,
            link("http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme", "application/json", &at.matrices),
            link("describedby", "application/json", &at.tile_json),
        ],
    })
}

/// A layer inside the tiles of one of ours.
struct Contained {
    name: &'static str,
    first_zoom: u8,
    last_zoom: u8,
    /// Points, chains or areas: 0, 1 or 2.
    dimension: u8,
    fields: Vec<(&'static str, &'static str, Option<&'static str>)>,
}

impl Contained {
    fn of(layer: Layer) -> Vec<Self> {
        let dimension = match layer.shape() {
            Shape::Point => 0,
            Shape::LineString | Shape::MultiLineString => 1,
            Shape::MultiPolygon => 2,
        };
        let whole = |first_zoom, fields| Self {
            name: layer.name(),
            first_zoom,
            last_zoom: ZOOM_MAX,
            dimension,
            fields,
        };
        match layer {
            Layer::Hazards => {
                let common =
                    [("severity", "string", None), ("category", "string", None), ("open", "boolean", None)];
                let due = ("due", "integer", Some("milliseconds since 1970"));
                let counts = common.into_iter().chain([("count", "integer", None), due]).collect();
                let texts = [("kind", "string", None), ("state", "string", None), ("number", "string", None)];
                let hazards = common.into_iter().chain(texts).chain([due]).collect();
                vec![
                    Self { name: HAZARD_COUNTS, last_zoom: COUNTED_ZOOM, ..whole(0, counts) },
                    Self { name: HAZARDS, ..whole(COUNTED_ZOOM + 1, hazards) },
                ]
            }
            Layer::HazardStates
            | Layer::Structures
            | Layer::Lines
            | Layer::Patrolled
            | Layer::NotPatrolled
            | Layer::Works
            | Layer::Regions
            | Layer::Unsent => vec![whole(first_zoom(layer), fields(layer))],
        }
    }

    fn described(&self) -> Value {
        let property = |(name, kind, note): &(&str, &str, Option<&str>)| {
            let mut schema = json!({ "type": kind });
            if let (Some(note), Some(schema)) = (note, schema.as_object_mut()) {
                schema.insert("description".to_owned(), (*note).into());
            }
            ((*name).to_owned(), schema)
        };
        json!({
            "id": self.name, "dataType": "vector", "geometryDimension": self.dimension,
            "minTileMatrix": self.first_zoom.to_string(), "maxTileMatrix": self.last_zoom.to_string(),
            "propertiesSchema": {
                "type": "object", "properties": self.fields.iter().map(property).collect::<Map<_, _>>(),
            },
        })
    }

    fn in_tile_json(&self) -> Value {
        let field = |(name, kind, note): &(&str, &str, Option<&str>)| {
            ((*name).to_owned(), note.unwrap_or(kind).into())
        };
        json!({
            "id": self.name, "minzoom": self.first_zoom, "maxzoom": self.last_zoom,
            "fields": self.fields.iter().map(field).collect::<Map<String, Value>>(),
        })
    }
}

/// The columns of a layer as tags of its tiles.
fn fields(layer: Layer) -> Vec<(&'static str, &'static str, Option<&'static str>)> {
    let field = |column: &crate::layers::Column| {
        let (kind, note) = match column.kind {
            ColumnKind::Text => ("string", None),
            ColumnKind::Integer => ("integer", None),
            ColumnKind::Real => ("number", None),
            ColumnKind::Boolean => ("boolean", None),
            ColumnKind::Time => ("integer", Some("milliseconds since 1970")),
            ColumnKind::Day => ("integer", Some("days since 1970")),
        };
        (column.name, kind, note)
    };
    layer.columns().iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scales_are_those_of_the_definition() {
        // OGC 17-083r4, annex D.1.
        for (zoom, scale, cell) in [
            (0, 559_082_264.028_717_8, 156_543.033_928_04),
            (22, 133.295_598_975_233_8, 0.037_322_767_717_468),
        ] {
            let matrix = matrix(zoom);
            let near = |name: &str, expected: f64| {
                let is = matrix[name].as_f64().unwrap();
                assert!((is / expected - 1.0).abs() < 1e-9, "{zoom} {name}: {is} {expected}");
            };
            near("scaleDenominator", scale);
            near("cellSize", cell);
            assert_eq!(matrix["matrixWidth"], 1_u32 << zoom);
        }
    }
}
