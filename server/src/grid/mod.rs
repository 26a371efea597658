//! Reading the grid and the regions that a bureau is given: files in, lines, structures and regions out. Pure.
//!
//! A file becomes features ([`geojson`], [`csv`], [`geopackage`]); a [`mapping`] says which column means what;
//! [`items`] makes lines, structures and regions of features; [`assemble`] puts structures on lines; [`plan`]
//! compares with what the ledger holds. A file that cannot be read is refused whole, a bad row is left out with
//! its reason. Nothing here reads files or the ledger: that is in `sync::grid`.

pub mod assemble;
pub mod csv;
pub mod datum;
pub mod geojson;
pub mod geopackage;
pub mod items;
pub mod mapping;
pub mod own;
pub mod plan;
pub mod regions;
pub mod report;
pub mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sync_protocol::codes::Code;

use crate::layers::Layer;

/// Bytes of one file.
pub const FILE_BYTES: usize = 32 << 20;
/// Features of one file.
pub const FEATURES: usize = 200_000;
/// Bytes of one feature of a GeoJSON file: bounds what reading it takes.
pub const FEATURE_BYTES: usize = 4 << 20;
/// Files of one import.
pub const FILES: usize = 32;
/// Bytes of a column mapping.
pub const MAPPING_BYTES: usize = 16 << 10;

/// A position as it was given: x is longitude or easting, y is latitude or northing.
pub type Point = (f64, f64);

/// The geometry of a feature, in the datum of its file.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// None, or one that nothing here is made of.
    None,
    /// A point.
    Point(Point),
    /// One or more lines.
    Lines(Vec<Vec<Point>>),
    /// Polygons, each an outer ring and its holes.
    Polygons(Vec<Vec<Vec<Point>>>),
}

/// A feature as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Where it stands in its file, counted from 1; of a table with headings, the row of the table.
    pub row: u64,
    /// The id that the format itself gives it.
    pub id: Option<String>,
    /// Its values by column; what is empty is absent, lists are joined by semicolons.
    pub properties: BTreeMap<String, String>,
    /// Its geometry.
    pub shape: Shape,
    /// The layer of ours that it comes from, where its file is one of ours.
    pub own: Option<Layer>,
}

/// A row that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The row.
    pub row: u64,
    /// Why.
    pub code: Code,
    /// The value at fault.
    pub at: String,
}

/// What a file gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// Its features.
    pub features: Vec<Feature>,
    /// Rows that could not be read.
    pub refused: Vec<Refusal>,
    /// Rows in all.
    pub rows: u64,
    /// What the file says of its coordinate system.
    pub system: Option<String>,
    /// The datum that a file of ours names where it has no coordinate system to name.
    pub own_datum: Option<String>,
    /// It was not in UTF-8 and was read as GB 18030.
    pub is_gb18030: bool,
}

/// Why a file is refused whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// It is not what it is said to be.
    #[error("{0}")]
    Unreadable(String),
    /// It has more rows than [`FEATURES`].
    #[error("more than {FEATURES} rows")]
    TooManyRows,
    /// It has more bytes than [`FILE_BYTES`].
    #[error("more than {FILE_BYTES} bytes")]
    TooLarge,
}

impl FileFault {
    /// The code that its sender is told.
    pub const fn code(&self) -> Code {
        match self {
            Self::Unreadable(_) => Code::ImportUnreadable,
            Self::TooManyRows | Self::TooLarge => Code::ImportTooLarge,
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// GeoJSON (RFC 7946): a feature collection.
    GeoJson,
    /// A table with headings, its fields parted by commas, semicolons or tabs.
    Csv,
    /// An OGC GeoPackage.
    GeoPackage,
}

impl Format {
    /// The format of this name, or of a file name's ending.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "geojson" | "json" => Some(Self::GeoJson),
            "csv" | "tsv" | "txt" => Some(Self::Csv),
            "gpkg" | "geopackage" => Some(Self::GeoPackage),
            _ => None,
        }
    }

    /// The format of this media type.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/geo+json" | "application/json" => Some(Self::GeoJson),
            "text/csv" => Some(Self::Csv),
            "application/geopackage+sqlite3" | "application/vnd.sqlite3" => Some(Self::GeoPackage),
            _ => None,
        }
    }
}

/// Reads a GeoJSON or CSV file that is in memory.
///
/// # Errors
/// Where it is refused whole. A [`Format::GeoPackage`] is a database: it is read by `store::geopackage`.
pub fn read(bytes: &[u8], format: Format, mapping: &mapping::Mapping) -> Result<Read, FileFault> {
    if bytes.len() > FILE_BYTES {
        return Err(FileFault::TooLarge);
    }
    match format {
        Format::GeoJson => geojson::read(bytes),
        Format::Csv => csv::read(bytes, mapping),
        Format::GeoPackage => Err(FileFault::Unreadable("a GeoPackage is read as a database".to_owned())),
    }
}

impl Read {
    /// Takes a feature of a table; the first of one of ours says the datum of all.
    pub(crate) fn push(&mut self, feature: Feature) {
        if feature.own.is_some() && self.own_datum.is_none() {
            let datum = own::DATUM.into_iter().find_map(|name| feature.properties.get(name));
            self.own_datum = datum.cloned();
        }
        self.features.push(feature);
    }

    /// Counts a row and refuses it.
    pub(crate) fn refuse(&mut self, row: u64, code: Code, at: impl Into<String>) {
        self.refused.push(Refusal { row, code, at: at.into() });
    }

    /// The number of the next row.
    ///
    /// # Errors
    /// [`FileFault::TooManyRows`].
    pub(crate) fn next_row(&mut self) -> Result<u64, FileFault> {
        self.rows += 1;
        if usize::try_from(self.rows).is_ok_and(|rows| rows <= FEATURES) {
            Ok(self.rows)
        } else {
            Err(FileFault::TooManyRows)
        }
    }
}
