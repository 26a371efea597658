//! Vector tiles (Mapbox Vector Tile 2.1, `WebMercatorQuad`): which places a tile holds, and its bytes.
//!
//! Pure. Every tile is one range of place keys, and where in it a place lies is read from its key by shifting, so that a
//! hazard is in exactly one tile of a zoom whatever the rounding. Up to [`COUNTED_ZOOM`] a tile of hazards holds counts
//! ([`counts`]), from there on the hazards themselves ([`points`], read from [`strips`]); every other layer is in [`features`]. What is read for
//! a tile, and who may see it, is in `sync::tiles`. Start at [`Tile`].

mod clip;
pub mod count_pages;
pub mod counts;
pub mod features;
mod point_layer;
pub mod points;
pub mod strips;
mod tile;

pub use fast_mvt::MvtError;
pub use tile::{EXTENT, Tile, ZOOM_MAX};

/// The last zoom whose tiles of hazards hold counts.
pub const COUNTED_ZOOM: u8 = 9;
/// The first zoom that shows structures.
pub const STRUCTURES_ZOOM: u8 = 12;
/// Features of one tile, at most: of hazards, more are counted instead; of other layers, more are refused.
pub const TILE_FEATURES: u32 = 50_000;
/// What is read and written of a tile: a change of the bytes that are made of the same ledger makes it another.
pub const FORMAT: u32 = 5;
/// The media type of a tile.
pub const MEDIA_TYPE: &str = "application/vnd.mapbox-vector-tile";
/// The name of the layer that holds hazards.
pub const HAZARDS: &str = "hazards";
/// The name of the layer that holds counts of hazards.
pub const HAZARD_COUNTS: &str = "hazard_counts";

/// Names of severities, by rank: 0 where none is known.
pub const SEVERITIES: [&str; 4] = ["none", "general", "serious", "critical"];

/// The name of a rank of severity.
pub fn severity(rank: i64) -> &'static str {
    let known = usize::try_from(rank).ok().and_then(|rank| SEVERITIES.get(rank));
    known.or_else(|| SEVERITIES.first()).copied().unwrap_or_default()
}
