//! Geometry that knows the grid: places and areas, datums, lines with their spans and chainage, the match of a
//! position to a line, and tracks that become stretches of lines.
//!
//! Pure. It knows no voltage, no rule and no record. Start at [`place()`] for the boxes of an area, at
//! [`GridIndex::locate`] for a hazard and at `docs/geometry.md` for the rules.

mod ecef;
mod intervals;
mod line;
mod matching;
mod pieces;
mod place;
mod units;

pub use intervals::Intervals;
pub use line::{Line, LineError, Span, UNTRACED_SPAN_MM, Vertex, destination, distance_mm};
pub use matching::{
    CERTAIN_ACCURACY_DM, CERTAIN_WITHIN_MM, Certainty, GridIndex, GridLine, Hit, Located, MatchOptions,
    PROBABLE_ACCURACY_DM, PROBABLE_WITHIN_MM, REACH_MM, RIVAL_HORIZON_MM, Side, UNKNOWN_ACCURACY_DM,
    certainty,
};
pub use place::{Area, GeoBox, place};
