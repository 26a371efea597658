//! Files for planners: one writer a format, all behind [`FeatureWriter`].
//!
//! Pure: features and places to write to are given. Which features, in which transaction, and where files are kept is in
//! `sync::exports`; the database behind a GeoPackage is written by `store::geopackage_out`, from what [`geopackage`] gives
//! it. The same features and the same [`Outline`] give the same bytes: nothing of the moment is in them. Start at
//! [`Writer::new`].

pub mod about;
mod csv;
mod flatgeobuf;
mod geojson;
pub mod geopackage;
mod kml;
pub mod ledger;
mod outline;
pub mod pmtiles;
mod projection;
pub mod reference;
mod shapefile;
pub mod style;
mod text;
mod xlsx;

use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

pub use outline::{Headings, Outline, Schema};
pub use projection::Projection;
pub use reference::Reference;
pub use shapefile::Encoding;

use bytes::Bytes;

use crate::layers::Feature;

macro_rules! formats {
    ($($(#[$doc:meta])* $format:ident = $name:literal, $extension:literal, $media:literal;)*) => {
        /// A format of files.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Format {
            $($(#[$doc])* $format,)*
        }

        impl Format {
            /// Every format.
            pub const ALL: &'static [Self] = &[$(Self::$format,)*];

            /// Its name in paths and options.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$format => $name,)* }
            }

            /// How the names of its files end, without the dot.
            pub const fn extension(self) -> &'static str {
                match self { $(Self::$format => $extension,)* }
            }

            /// Its media type.
            pub const fn media_type(self) -> &'static str {
                match self { $(Self::$format => $media,)* }
            }

            /// The format of a name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$format),)* _ => None }
            }
        }
    };
}

formats! {
    /// OGC GeoPackage 1.3: every layer fits in one file.
    GeoPackage = "gpkg", "gpkg", "application/geopackage+sqlite3";
    /// RFC 7946.
    GeoJson = "geojson", "geojson", "application/geo+json";
    /// RFC 8142.
    GeoJsonSeq = "geojsonseq", "geojsons", "application/geo+json-seq";
    /// FlatGeobuf 3.
    FlatGeobuf = "fgb", "fgb", "application/vnd.flatgeobuf";
    /// A zip with a shapefile.
    Shapefile = "shp", "shp.zip", "application/zip";
    /// OGC KML 2.2.
    Kml = "kml", "kml", "application/vnd.google-earth.kml+xml";
    /// The same, zipped.
    Kmz = "kmz", "kmz", "application/vnd.google-earth.kmz";
    /// Comma-separated, UTF-8 with a byte order mark.
    Csv = "csv", "csv", "text/csv; charset=utf-8";
    /// A workbook.
    Xlsx = "xlsx", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    /// PMTiles 3: vector tiles in one file.
    PmTiles = "pmtiles", "pmtiles", "application/vnd.pmtiles";
}

/// What is wrong with what a file was asked to hold, or with where it is written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It cannot be written: no room, most often.
    #[error("the file cannot be written: {0}")]
    Io(#[from] io::Error),
    /// A format that holds other coordinates than those asked for.
    #[error("{format} holds no {reference} coordinates")]
    Reference {
        /// The format's name.
        format: &'static str,
        /// The coordinate system.
        reference: Reference,
    },
    /// A library refused what it was given.
    #[error("the file cannot be made: {0}")]
    Library(String),
}

impl WriteError {
    /// Of a library: what its output said, where it was that.
    fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(found) = cause {
            if let Some(io) = found.downcast_ref::<io::Error>() {
                return Self::Io(io::Error::new(io.kind(), error.to_string()));
            }
            cause = found.source();
        }
        Self::Library(error.to_string())
    }
}

/// Where a file goes.
pub trait Output: Write + Seek + Send {}

impl<T: Write + Seek + Send> Output for T {}

/// Where something is put for a while.
pub trait Scratch: Read + Write + Seek + Send {}

impl<T: Read + Write + Seek + Send> Scratch for T {}

/// Gives room for what a format cannot write in the order in which it comes.
pub trait Workspace: Send + Sync {
    /// A file of nobody else, gone with its handle.
    ///
    /// # Errors
    /// Where it cannot be made.
    fn scratch(&self) -> io::Result<Box<dyn Scratch>>;

    /// A folder for libraries that make such files themselves; none: theirs.
    fn folder(&self) -> Option<&Path>;
}

/// Writes the features of one layer in one format.
pub trait FeatureWriter: Send {
    /// Takes the picture (JPEG) of a feature that comes after it; formats without pictures have no use for it.
    fn picture(&mut self, _id: i64, _picture: Bytes) {}

    /// Writes a feature, whose geometry is in the coordinates of the file.
    ///
    /// # Errors
    /// The file is of no use.
    fn feature(&mut self, feature: &Feature) -> Result<(), WriteError>;

    /// Writes what comes behind the last feature.
    ///
    /// # Errors
    /// The file is of no use.
    fn finish(self: Box<Self>) -> Result<(), WriteError>;
}

/// Writes features of the ledger's own coordinates in a format and a coordinate system.
pub struct Writer {
    inner: Box<dyn FeatureWriter>,
    projection: Projection,
    /// Where the ledger's columns of the place stand.
    place: Option<ledger::PlaceColumns>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("projection", &self.projection).finish_non_exhaustive()
    }
}

impl Writer {
    /// Begins a file. A GeoPackage is a database, PMTiles are made of tiles: these are refused.
    ///
    /// # Errors
    /// Where the format does not hold the coordinate system; where the output fails.
    pub fn new(
        format: Format,
        outline: &Outline,
        out: Box<dyn Output>,
        workspace: &Arc<dyn Workspace>,
    ) -> Result<Self, WriteError> {
        require_reference(format, outline.reference)?;
        let inner: Box<dyn FeatureWriter> = match format {
            Format::GeoJson => Box::new(geojson::Collection::new(outline, out)?),
            Format::GeoJsonSeq => Box::new(geojson::Sequence::new(outline, out)),
            Format::FlatGeobuf => Box::new(flatgeobuf::FlatGeobuf::new(outline, out, workspace.as_ref())?),
            Format::Shapefile => Box::new(shapefile::Shapefile::new(outline, out, workspace)?),
            Format::Kml => Box::new(kml::plain(outline, out)?),
            Format::Kmz => Box::new(kml::zipped(outline, out)?),
            Format::Csv => Box::new(csv::Csv::new(outline, out)?),
            Format::Xlsx => Box::new(xlsx::Xlsx::new(outline, out, workspace.as_ref())?),
            Format::GeoPackage | Format::PmTiles => {
                return Err(WriteError::Library(format!(
                    "{} is not made of features in a row",
                    format.name()
                )));
            }
        };
        let place = ledger::PlaceColumns::of(outline);
        Ok(Self { inner, projection: Projection::new(outline.reference)?, place })
    }

    /// Takes the picture (JPEG) of a feature that comes after it.
    pub fn picture(&mut self, id: i64, picture: Bytes) {
        self.inner.picture(id, picture);
    }

    /// Writes a feature.
    ///
    /// # Errors
    /// The file is of no use.
    pub fn feature(&mut self, mut feature: Feature) -> Result<(), WriteError> {
        self.projection.place(&mut feature);
        if let Some(place) = &self.place {
            place.fill(&mut feature);
        }
        self.inner.feature(&feature)
    }

    /// Writes what comes behind the last feature.
    ///
    /// # Errors
    /// The file is of no use.
    pub fn finish(self) -> Result<(), WriteError> {
        self.inner.finish()
    }
}

/// Refuses coordinates that a format would give out as others.
///
/// # Errors
/// [`WriteError::Reference`].
pub fn require_reference(format: Format, reference: Reference) -> Result<(), WriteError> {
    let is_held = match format {
        // WGS-84 by their standards, which have no word for anything else.
        Format::Kml | Format::Kmz | Format::GeoJsonSeq | Format::PmTiles => reference == Reference::Wgs84,
        Format::GeoPackage
        | Format::GeoJson
        | Format::FlatGeobuf
        | Format::Shapefile
        | Format::Csv
        | Format::Xlsx => true,
    };
    if is_held { Ok(()) } else { Err(WriteError::Reference { format: format.name(), reference }) }
}

#[cfg(test)]
mod tests;
