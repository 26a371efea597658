//! Geometry that knows the grid: places and areas, datums, lines with their spans and chainage, the match of a
//! position to a line, and tracks that become stretches of lines.
//!
//! Pure. It knows no voltage, no rule and no record. Start at [`place()`] for the boxes of an area, at
//! [`GridIndex::locate`] for a hazard and at `docs/geometry.md` for the rules.

mod datum;
mod ecef;
mod follow;
mod gpx;
mod intervals;
mod line;
mod matching;
mod pieces;
mod place;
mod suspicion;
mod track;
mod units;

pub use datum::{AxisOrder, Converter, Datum, DatumError, Degrees, Zone};
pub use follow::{CORRIDOR_MM, LAPSE_MM, SAME_STRUCTURES_MM, SHORTEST_RUN_MM, Walked, follow};
pub use gpx::{GpxFault, GpxTrack, LARGEST_FILE, MOST_POINTS, read_gpx};
pub use intervals::Intervals;
pub use line::{LONGEST_LINE_MM, Line, LineError, Span, UNTRACED_SPAN_MM, Vertex, destination, distance_mm};
pub use matching::{
    CERTAIN_ACCURACY_DM, CERTAIN_WITHIN_MM, Certainty, GridIndex, GridLine, Hit, Located, MatchOptions,
    PROBABLE_ACCURACY_DM, PROBABLE_WITHIN_MM, REACH_MM, RIVAL_HORIZON_MM, Side, UNKNOWN_ACCURACY_DM,
    certainty,
};
pub use place::{Area, GRID_BITS, GeoBox, around, grid_of_key, key_of_grid, place, sides};
pub use suspicion::{Suspicion, suspicions};
pub use track::{
    FASTEST_M_S, Fix, LONGEST_HOP_MM, Piece, STANDING_AT_MOST_MM, STANDING_MM, WORST_ACCURACY_DM, assembled,
    clean,
};
pub use units::{degrees, metres};
