//! Conditions written as CQL2 text (OGC 21-065r2): read into a [`Predicate`], or refused with what is wrong.
//!
//! Pure. The grammar is the crate's; what its expressions mean on a layer is decided here, and every value has the kind of
//! its column before it is compared. What CQL2 has beyond this (arithmetic, arrays, functions, other relations of
//! geometries) is refused by its name. Start at [`parse`].

mod limits;
mod reader;
mod spatial;
mod temporal;
mod values;

use jiff::tz::TimeZone;
use thiserror::Error;

use super::Layer;
use super::crs::Crs;
use super::predicate::Predicate;
pub use spatial::corners_of;
pub use values::{moment, property_is};

/// Bytes of a filter.
pub const FILTER_BYTES: usize = 8 << 10;
/// Parentheses within each other that belong to no function: the parser may read what is in one of them twice.
pub const FILTER_DEPTH: usize = 6;
/// Parentheses within each other, those of functions and geometries too.
pub const FILTER_NESTING: usize = 16;
/// Negations, signs and comparisons: the parser recurses on each.
pub const FILTER_OPERATORS: usize = 100;
/// Conditions and values.
pub const FILTER_TERMS: usize = 1_000;

/// Why a filter was not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FilterError {
    /// See [`FILTER_BYTES`].
    #[error("{0} bytes are more than {FILTER_BYTES}")]
    TooLong(usize),
    /// See [`FILTER_DEPTH`] and [`FILTER_NESTING`].
    #[error("parentheses are nested too deeply at character {0}")]
    TooDeep(usize),
    /// See [`FILTER_OPERATORS`] and [`FILTER_TERMS`].
    #[error("it has too many conditions or values")]
    TooManyTerms,
    /// It is no CQL2 text.
    #[error("it cannot be read as CQL2 text at character {0}")]
    Unreadable(usize),
    /// A property that the layer does not have.
    #[error("{0}: there is no such property")]
    UnknownProperty(String),
    /// A value that the property is never compared with.
    #[error("{property}: {wanted} is expected here")]
    WrongKind {
        /// The property.
        property: String,
        /// What its values are.
        wanted: &'static str,
    },
    /// A value that is none.
    #[error("{0} is not a valid value")]
    BadValue(String),
    /// Something of CQL2 that is not understood here.
    #[error("{0} is not supported here")]
    Unsupported(String),
}

/// What a filter is read with.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The layer of its properties.
    pub layer: Layer,
    /// The system of its geometries.
    pub crs: &'a Crs,
    /// The zone of its days, where it compares moments with days.
    pub zone: &'a TimeZone,
}

/// What a filter calls the geometry.
pub const GEOMETRY: &str = "geometry";

/// Reads a filter.
///
/// # Errors
/// [`FilterError`].
pub fn parse(text: &str, reading: Reading<'_>) -> Result<Predicate, FilterError> {
    limits::hold(text)?;
    let read = cql2::parse_text(text).map_err(|error| unreadable(&error))?;
    reader::Reader::new(reading).condition(read)
}

/// Where the parser stopped: its message begins with line and column.
fn unreadable(error: &cql2::Error) -> FilterError {
    let text = error.to_string();
    let place = text.split("-->").nth(1).and_then(|rest| rest.split_whitespace().next());
    let column = place.and_then(|place| place.split(':').nth(1)?.parse().ok());
    match column {
        Some(column) => FilterError::Unreadable(column),
        None => FilterError::BadValue("a geometry or number".to_owned()),
    }
}

#[cfg(test)]
mod tests;
