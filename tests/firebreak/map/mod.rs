//! The map: its layers, its tiles, its files.

pub(crate) mod downloads;
mod exports;
mod round_trip;
