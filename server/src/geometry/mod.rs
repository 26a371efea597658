//! Geometry: places and areas. Pure; start at [`place()`].

mod place;

pub use place::{Area, GeoBox, place};
