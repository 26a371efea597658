//! Tiles of the map: who may be shown which, what they are made of, and the version that says whether one is still the same.
//!
//! What a tile looks like is in [`crate::tiles`], the rows behind it in `store::tiles`. Start at [`made`].

use std::sync::Arc;

use geo::Rect;
use jiff::tz::TimeZone;
use sync_protocol::codes::Code;

use super::derive::local_day;
use super::layers::{self, Moment, PAGE_MOST, Selection};
use super::sight::Sight;
use super::{Engine, SyncError};
use crate::domain::{District, DistrictKey};
use crate::layers::predicate::Predicate;
use crate::layers::{Feature, Layer};
use crate::store::{StoreError, TileFilter, TileHazard, TileStrips, Transaction};
use crate::tiles::counts::{self, Count};
use crate::tiles::features::{self, MARGIN};
use crate::tiles::points::{self, Point};
use crate::tiles::{COUNTED_ZOOM, MvtError, STRUCTURES_ZOOM, TILE_FEATURES, Tile};

/// A tile that somebody asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Of which layer.
    pub layer: Layer,
    /// Which tile.
    pub tile: Tile,
    /// Which of its hazards, by what counts tell apart.
    pub filter: TileFilter,
    /// Which of its features, by anything else, and what whoever asks sees.
    pub selection: Selection,
}

impl Wanted {
    /// Everything in a tile that is seen.
    pub fn all(layer: Layer, tile: Tile, sight: Sight) -> Self {
        Self { layer, tile, filter: TileFilter::default(), selection: Selection::seen_by(sight) }
    }

    /// Whether it is narrowed by what counts do not tell apart.
    pub const fn is_narrowed(&self) -> bool {
        !self.selection.is_whole()
    }

    /// Whether it is of hazards by what counts tell apart.
    fn is_of_hazards(&self) -> bool {
        self.layer == Layer::Hazards && !self.is_narrowed()
    }
}

/// What a tile holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its bytes; none where nothing lies in it.
    pub bytes: Option<Vec<u8>>,
    /// It holds counts of hazards and not the hazards.
    pub is_counted: bool,
    /// Something lies in it or beside it, if perhaps too small to be drawn at its zoom.
    pub is_met: bool,
    /// The text of [`version`], of hazards: read with what the tile is made of, or before it.
    pub version: Option<String>,
}

impl Made {
    /// A tile of hazards.
    fn of(bytes: Option<Vec<u8>>, is_counted: bool, version: String) -> Self {
        Self { is_met: bytes.is_some(), bytes, is_counted, version: Some(version) }
    }
}

/// Bytes of strips that are encoded where they were read, in less than half a millisecond: to wake a thread for it is no gain.
const AT_ONCE_BYTES: usize = 256 << 10;

/// The first zoom that shows a layer.
pub const fn first_zoom(layer: Layer) -> u8 {
    match layer {
        Layer::HazardStates => COUNTED_ZOOM + 1,
        Layer::Structures => STRUCTURES_ZOOM,
        Layer::Hazards
        | Layer::Lines
        | Layer::Patrolled
        | Layer::NotPatrolled
        | Layer::Works
        | Layer::Regions
        | Layer::Unsent => 0,
    }
}

/// What tiles of a layer are made of, in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// Another one means that tiles may be others: tiles are tagged with it.
    OfLayer(String),
    /// It is another with every sync, whatever came: the same one means the same tiles, another means nothing. Tiles are
    /// tagged with their bytes.
    OfLedger(String),
}

impl Version {
    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::OfLayer(text) | Self::OfLedger(text) => text.as_bytes(),
        }
    }
}

/// The version of what tiles of a layer are made of: while it is the same, none of them changes. It is read before what a
/// tile is made of, so that no tile is older than what its tag says.
///
/// # Errors
/// The store's.
pub async fn version(engine: &Arc<Engine>, district: &District, layer: Layer) -> Result<Version, SyncError> {
    let key = district.key;
    let of_map = engine.store.glance().await?.map_version(key).await?;
    let (epoch, hazards) = (hex::encode(&of_map.0), of_map.1);
    if layer == Layer::Hazards {
        return Ok(Version::OfLayer(said(of_map)));
    }
    let zone = TimeZone::get(&district.time_zone).unwrap_or(TimeZone::UTC);
    let today = local_day(engine.clock.now_ms(), &zone);
    let derived = async || engine.store.read().await?.derivation(key).await;
    let (grid, regions) = engine.grid(district).await?.basis;
    Ok(match layer {
        Layer::Hazards | Layer::Lines | Layer::Structures => {
            Version::OfLayer(format!("{epoch}.{grid}.{regions}"))
        }
        Layer::Regions => Version::OfLayer(format!("{epoch}.{grid}.{regions}.{today}")),
        Layer::HazardStates => Version::OfLedger(format!("{epoch}.{hazards}.{:?}", derived().await?)),
        Layer::Patrolled | Layer::Works => {
            Version::OfLedger(format!("{epoch}.{grid}.{regions}.{:?}", derived().await?))
        }
        Layer::NotPatrolled => {
            Version::OfLedger(format!("{epoch}.{grid}.{regions}.{today}.{:?}", derived().await?))
        }
        // Devices are few, and what is told of them follows the clock.
        Layer::Unsent => {
            let all = Selection::seen_by(Sight::District);
            let devices = layers::page(engine, district, layer, &all, Some(-1), PAGE_MOST).await?;
            Version::OfLayer(format!("{epoch}.{devices:?}"))
        }
    })
}

fn said((epoch, version): (Vec<u8>, i64)) -> String {
    format!("{}.{version}", hex::encode(epoch))
}

/// Makes a tile of [`TILE_FEATURES`] features at most, as the ledger is now.
///
/// # Errors
/// [`Code::TileNeedsZoom`] where the layer is not shown at this zoom, or has too many features in the tile; of hazards
/// never. [`Code::Forbidden`] where the layer is not seen; the store's.
pub async fn made(engine: &Arc<Engine>, district: &District, wanted: &Wanted) -> Result<Made, SyncError> {
    made_within(engine, district, wanted, TILE_FEATURES).await
}

/// Makes a tile of so many features at most: more hazards are counted, so that none is left out.
///
/// # Errors
/// As [`made`].
pub async fn made_within(
    engine: &Arc<Engine>,
    district: &District,
    wanted: &Wanted,
    limit: u32,
) -> Result<Made, SyncError> {
    must_be_shown(wanted)?;
    let found = if wanted.is_of_hazards() {
        hazards(&mut engine.store.glance().await?, district.key, wanted, limit).await?
    } else {
        let moment = Moment::of(engine, district).await?;
        let mut reading = engine.store.read().await?;
        selected(&mut reading, &moment, district, wanted, limit).await?
    };
    encoded(wanted, found).await
}

/// Makes a tile of the snapshot that is being read, with the grid of a moment.
///
/// # Errors
/// As [`made`].
pub async fn made_in(
    reading: &mut Transaction,
    moment: &Moment,
    district: &District,
    wanted: &Wanted,
) -> Result<Made, SyncError> {
    must_be_shown(wanted)?;
    let found = if wanted.is_of_hazards() {
        hazards(reading, district.key, wanted, TILE_FEATURES).await?
    } else {
        selected(reading, moment, district, wanted, TILE_FEATURES).await?
    };
    encoded(wanted, found).await
}

fn must_be_shown(wanted: &Wanted) -> Result<(), SyncError> {
    // Counts are of all hazards.
    let is_uncounted = wanted.layer == Layer::Hazards && wanted.is_narrowed();
    let first = if is_uncounted { COUNTED_ZOOM + 1 } else { first_zoom(wanted.layer) };
    if wanted.tile.zoom() < first {
        return Err(SyncError::RefusedFor(Code::TileNeedsZoom, format!("zoom {first}")));
    }
    Ok(())
}

/// What was read for a tile; of hazards with the text of [`version`].
enum Found {
    Strips(TileStrips, TileFilter),
    Hazards(Vec<TileHazard>, String),
    Counts(Vec<Count>, String),
    Features(Vec<Feature>),
}

/// Hazards of a tile that nothing narrows but what counts tell apart.
async fn hazards(
    reading: &mut Transaction,
    key: DistrictKey,
    wanted: &Wanted,
    limit: u32,
) -> Result<Found, SyncError> {
    let tile = wanted.tile;
    let mut filter = wanted.filter.clone();
    if let Sight::Units(units) = &wanted.selection.sight {
        filter.units = Some(units.iter().copied().collect());
    }
    let is_counted = tile.zoom() <= COUNTED_ZOOM;
    if !is_counted
        && filter.units.is_none()
        && let Some(strips) = reading.tile_strips(key, tile, limit).await?
    {
        return Ok(Found::Strips(strips, filter));
    }
    let version = said(reading.map_version(key).await?);
    if !is_counted && reading.has_few_hazards(key, tile, &filter, limit).await? {
        return Ok(Found::Hazards(reading.tile_hazards(key, tile, &filter, limit).await?, version));
    }
    // A unit's hazards are few, and what too many hazards come to is counted when it is asked for.
    let counted = if !is_counted || filter.units.is_some() {
        reading.tile_groups(key, tile, &filter).await?
    } else {
        let mut kept = reading.tile_counts(key, tile).await?;
        kept.retain(|count| filter.shows_key(&count.key));
        kept
    };
    Ok(Found::Counts(counted, version))
}

/// The features that are asked for in a tile and its margin.
async fn selected(
    reading: &mut Transaction,
    moment: &Moment,
    district: &District,
    wanted: &Wanted,
    limit: u32,
) -> Result<Found, SyncError> {
    let mut selection = wanted.selection.clone();
    if let Some([west, south, east, north]) = selection.bbox.replace(wanted.tile.bounds(MARGIN)) {
        let within = Predicate::Intersects(Box::new(Rect::new((west, south), (east, north)).into()));
        selection.predicate = Some(match selection.predicate.take() {
            Some(predicate) => Predicate::And(vec![predicate, within]),
            None => within,
        });
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found: Vec<Feature> = Vec::new();
    let mut after = None;
    loop {
        let page =
            layers::page_in(reading, moment, district, wanted.layer, &selection, after, PAGE_MOST).await?;
        let is_last = page.len() < usize::try_from(PAGE_MOST).unwrap_or(usize::MAX);
        after = page.last().map(|feature| feature.id);
        found.extend(page);
        if found.len() > most {
            let needed = format!("more than {limit} features");
            return Err(SyncError::RefusedFor(Code::TileNeedsZoom, needed));
        }
        if is_last {
            return Ok(Found::Features(found));
        }
    }
}

/// The tile of what was read for it.
async fn encoded(wanted: &Wanted, found: Found) -> Result<Made, SyncError> {
    let tile = wanted.tile;
    match found {
        Found::Strips(strips, filter) => of_strips(tile, filter, strips).await,
        Found::Hazards(found, version) => {
            let bytes = away(move || points::encode(tile, found.iter().map(TileHazard::point))).await?;
            Ok(Made::of(bytes, false, version))
        }
        Found::Counts(counted, version) => {
            let bytes = away(move || counts::encode(tile, &counted)).await?;
            Ok(Made::of(bytes.map_err(|error| unwritten(&error))?, true, version))
        }
        Found::Features(found) => {
            let (layer, filter, is_met) = (wanted.layer, wanted.filter.clone(), !found.is_empty());
            let encode = move || match layer {
                Layer::Hazards => {
                    let points = found.iter().filter_map(Point::of).filter(|point| tile.holds(point.place));
                    Ok(points::encode(tile, points.filter(|point| filter.shows_key(&point.key()))))
                }
                layer => features::encode(tile, layer, &found),
            };
            let bytes = away(encode).await?.map_err(|error| unwritten(&error))?;
            Ok(Made { bytes, is_counted: false, is_met, version: None })
        }
    }
}

/// The tile of strips, as far as the filter shows their hazards.
async fn of_strips(tile: Tile, filter: TileFilter, strips: TileStrips) -> Result<Made, SyncError> {
    let TileStrips { version, strips } = strips;
    let is_small = strips.iter().map(Vec::len).sum::<usize>() <= AT_ONCE_BYTES;
    let encode = move || {
        points::encode_strips(tile, &strips, |rank, category, is_open| filter.shows(rank, category, is_open))
    };
    let made = if is_small { encode() } else { away(encode).await? };
    let made = made.ok_or(StoreError::Damaged("a strip of the map"))?;
    Ok(Made::of(made.bytes, false, said(version)))
}

/// Where the counts and the strips that are kept are not what the hazards come to.
///
/// # Errors
/// The store's.
pub(super) async fn faults(
    transaction: &mut Transaction,
    district: DistrictKey,
) -> Result<Vec<String>, StoreError> {
    let mut faults = Vec::new();
    let counted = transaction.recounted_tile_counts(district).await?;
    match transaction.kept_tile_counts(district).await? {
        Some(kept) if kept == counted => {}
        Some(kept) => {
            let odd = kept.iter().zip(&counted).find(|(kept, counted)| kept != counted);
            let (kept, counted) = (kept.len(), counted.len());
            faults.push(format!("counts of the map: {kept} are kept, {counted} are counted, first {odd:?}"));
        }
        None => faults.push("counts of the map: a page of them is damaged".to_owned()),
    }
    let (kept, is_sound) = transaction.hazards_of_strips(district).await?;
    let shown = transaction.hazards_for_strips(district).await?;
    if kept != shown || !is_sound {
        let (kept, shown) = (kept.amount, shown.amount);
        let how = if is_sound { "" } else { ", out of order or damaged" };
        faults.push(format!("strips of the map: {kept} hazards are kept{how}, {shown} are on it"));
    }
    Ok(faults)
}

/// Does work away from the threads that wait for others.
async fn away<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SyncError> {
    tokio::task::spawn_blocking(work).await.map_err(|_source| SyncError::Gone)
}

fn unwritten(error: &MvtError) -> SyncError {
    SyncError::RefusedFor(Code::Internal, error.to_string())
}
