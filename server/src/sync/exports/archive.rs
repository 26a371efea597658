//! The tiles of a layer as one PMTiles archive: those that the map gives, zoom by zoom, all of one moment.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use geo::Geometry;
use sync_protocol::codes::Code;
use tokio::sync::mpsc;

use super::make::Pages;
use crate::exports::pmtiles::{Archive, TileLayer, order};
use crate::exports::{Outline, WriteError};
use crate::geometry::{Degrees, place};
use crate::layers::{Layer, Shape};
use crate::sync::SyncError;
use crate::sync::layers::Selection;
use crate::sync::tiles::{Wanted, first_zoom, made_in};
use crate::tiles::{COUNTED_ZOOM, HAZARD_COUNTS, Tile};

/// The last zoom of an archive: readers draw deeper ones of it. A tile is 2 km wide there.
const LAST_ZOOM: u8 = 14;
/// Tiles that wait for a slow writer.
const TILES_WAITING: usize = 64;
/// What counts of hazards say.
const COUNT_FIELDS: &[(&str, &str)] = &[
    ("severity", "String"),
    ("category", "String"),
    ("open", "Boolean"),
    ("count", "Number"),
    ("due", "Number"),
];
/// What hazards say in tiles.
const HAZARD_FIELDS: &[(&str, &str)] = &[
    ("severity", "String"),
    ("category", "String"),
    ("open", "Boolean"),
    ("kind", "String"),
    ("state", "String"),
    ("number", "String"),
    ("due", "Number"),
];

/// The first zoom of an archive: hazards of a filter are not counted, and so not on small zooms.
const fn begins(layer: Layer, selection: &Selection) -> u8 {
    match layer {
        Layer::Hazards if !selection.is_whole() => COUNTED_ZOOM + 1,
        layer => first_zoom(layer),
    }
}

/// What the tiles of a layer hold.
fn contained(layer: Layer, first_zoom: u8) -> Vec<TileLayer> {
    let own = TileLayer { name: layer.name(), fields: None, first_zoom, last_zoom: LAST_ZOOM };
    if layer != Layer::Hazards {
        return vec![own];
    }
    if first_zoom > COUNTED_ZOOM {
        return vec![TileLayer { fields: Some(HAZARD_FIELDS), ..own }];
    }
    let counts =
        TileLayer { name: HAZARD_COUNTS, fields: Some(COUNT_FIELDS), last_zoom: COUNTED_ZOOM, ..own };
    vec![counts, TileLayer { fields: Some(HAZARD_FIELDS), first_zoom: COUNTED_ZOOM + 1, ..own }]
}

/// Writes an archive.
pub(super) async fn write(
    pages: &mut Pages<'_>,
    (layer, outline): (Layer, Outline),
    path: &Path,
) -> Result<(), SyncError> {
    let request = pages.request;
    let (give, mut take) = mpsc::channel::<(Tile, Vec<u8>)>(TILES_WAITING);
    let path = path.to_owned();
    let first = begins(layer, &request.selection);
    let writing = tokio::task::spawn_blocking(move || -> Result<(), WriteError> {
        let (contained, zooms) = (contained(layer, first), (first, LAST_ZOOM));
        let mut archive = Archive::new(&outline, &contained, zooms, Box::new(File::create(path)?))?;
        while let Some((tile, bytes)) = take.blocking_recv() {
            archive.tile((tile.zoom(), tile.x(), tile.y()), tile.bounds(0.0), &bytes)?;
        }
        archive.finish()
    });
    let selection = &request.selection;
    let wanted =
        |tile| Wanted { selection: selection.clone(), ..Wanted::all(layer, tile, request.sight.clone()) };
    let points = match layer.shape() {
        Shape::Point => Some(occupied(pages, layer).await?),
        Shape::LineString | Shape::MultiLineString | Shape::MultiPolygon => None,
    };
    let mut above: Vec<Tile> = Tile::new(0, 0, 0).into_iter().collect();
    for zoom in 0..=LAST_ZOOM {
        let mut tiles: Vec<Tile> = match &points {
            Some(points) => points.get(&zoom).cloned().unwrap_or_default(),
            None if zoom == 0 => above.clone(),
            None => above.iter().flat_map(|tile| children(*tile)).collect(),
        };
        tiles.sort_by_key(|tile| order(tile.zoom(), tile.x(), tile.y()));
        above.clear();
        if zoom < first {
            continue;
        }
        for tile in tiles {
            match made_in(&mut pages.reading, &pages.moment, pages.district, &wanted(tile)).await {
                Ok(it) => {
                    // What is too small to be drawn here is drawn below.
                    if it.is_met {
                        above.push(tile);
                    }
                    let Some(bytes) = it.bytes else { continue };
                    // Where the writer is gone, what it says comes below.
                    if give.send((tile, bytes)).await.is_err() {
                        break;
                    }
                    pages.count(1);
                }
                // Too much for one tile: those below it have it.
                Err(SyncError::RefusedFor(Code::TileNeedsZoom, _)) => above.push(tile),
                Err(error) => return Err(error),
            }
        }
    }
    drop(give);
    Ok(writing.await.map_err(|_panicked| SyncError::Gone)??)
}

fn children(tile: Tile) -> impl Iterator<Item = Tile> {
    let (zoom, x, y) = (tile.zoom() + 1, tile.x() * 2, tile.y() * 2);
    [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)]
        .into_iter()
        .filter_map(move |(x, y)| Tile::new(zoom, x, y))
}

/// The tiles of every zoom in which a feature lies.
async fn occupied(pages: &mut Pages<'_>, layer: Layer) -> Result<BTreeMap<u8, Vec<Tile>>, SyncError> {
    let mut cells = std::collections::BTreeSet::new();
    let mut after = None;
    while let Some(page) = pages.next(layer, &mut after).await? {
        cells.extend(page.iter().filter_map(|feature| match &feature.geometry {
            Some(Geometry::Point(point)) => {
                let (lat_e7, lon_e7) = Degrees { lat: point.y(), lon: point.x() }.vertex();
                let tile = Tile::of_place(place(lat_e7, lon_e7), LAST_ZOOM)?;
                Some((tile.x(), tile.y()))
            }
            _ => None,
        }));
    }
    let mut zooms = BTreeMap::new();
    for zoom in (0..=LAST_ZOOM).rev() {
        zooms.insert(zoom, cells.iter().filter_map(|(x, y)| Tile::new(zoom, *x, *y)).collect());
        cells = cells.iter().map(|(x, y)| (x / 2, y / 2)).collect();
    }
    Ok(zooms)
}
