//! What a file is asked to be of, what of that can be, and what the audit log tells of it. Pure.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sync_protocol::codes::Code;
use sync_protocol::ids::DistrictId;

use super::ExportId;
use crate::exports::{Encoding, Format, Headings, Reference, require_reference};
use crate::layers::Layer;
use crate::sync::SyncError;
use crate::sync::layers::{self, Selection};
use crate::sync::sight::Sight;

/// What a file is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One layer of the map.
    Layer(Layer),
    /// The ledger (台账): hazards with every column that offices keep.
    Ledger,
    /// Every layer that is seen.
    All,
}

impl Subject {
    /// The subject of a name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "ledger" => Some(Self::Ledger),
            "all" => Some(Self::All),
            name => Layer::parse(name).map(Self::Layer),
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Layer(layer) => layer.name(),
            Self::Ledger => "ledger",
            Self::All => "all",
        }
    }
}

/// A file that is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it is of.
    pub subject: Subject,
    /// Its format.
    pub format: Format,
    /// The language of its headings.
    pub headings: Headings,
    /// Its coordinates.
    pub reference: Reference,
    /// The bytes of a shapefile's texts.
    pub encoding: Encoding,
    /// Which features.
    pub selection: Selection,
    /// What whoever asks sees: more than the selection has, where that is of one unit.
    pub sight: Sight,
    /// The same in words: a query string.
    pub filters: String,
    /// The moment that they depend on besides the ledger, milliseconds since 1970.
    pub as_of_ms: Option<i64>,
    /// Whether it has pictures.
    pub photos: PhotosShown,
}

/// Which photos stand in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PhotosShown {
    /// None.
    #[default]
    None,
    /// A thumbnail of one photo of each hazard, as many as [`PICTURES`](super::PICTURES) and [`PICTURES_BYTES`](super::PICTURES_BYTES) allow: in a KMZ alone.
    Thumbnails,
}

/// Headings where none are asked for: Chinese in what people read, the names of columns in what programs read.
pub const fn usual_headings(format: Format) -> Headings {
    match format {
        Format::Csv | Format::Xlsx | Format::Kml | Format::Kmz => Headings::Zh,
        Format::GeoPackage
        | Format::GeoJson
        | Format::GeoJsonSeq
        | Format::FlatGeobuf
        | Format::Shapefile
        | Format::PmTiles => Headings::En,
    }
}

impl Request {
    /// Refuses what no file can be.
    ///
    /// # Errors
    /// [`Code::BadParameter`]; [`Code::Forbidden`] where the layer is not seen.
    pub fn require_possible(&self) -> Result<(), SyncError> {
        let bad = |detail: &str| SyncError::RefusedFor(Code::BadParameter, detail.to_owned());
        if self.subject == Subject::All && self.format != Format::GeoPackage {
            return Err(bad("layer: all layers fit in a gpkg alone"));
        }
        if self.format == Format::PmTiles && !matches!(self.subject, Subject::Layer(_)) {
            return Err(bad("format: pmtiles holds one layer"));
        }
        let has_hazards = self.subject == Subject::Layer(Layer::Hazards);
        if self.photos == PhotosShown::Thumbnails && !(self.format == Format::Kmz && has_hazards) {
            return Err(bad("thumbnails: they belong to hazards.kmz"));
        }
        if let Err(error) = require_reference(self.format, self.reference) {
            return Err(bad(&format!("datum: {error}")));
        }
        if self.layers().is_empty() {
            return Err(SyncError::Refused(Code::Forbidden));
        }
        Ok(())
    }

    /// The layers that are read for it, as far as they are seen.
    pub(super) fn layers(&self) -> Vec<Layer> {
        let all: &[Layer] = match &self.subject {
            Subject::Layer(layer) => std::slice::from_ref(layer),
            Subject::Ledger => &[Layer::Hazards],
            Subject::All => Layer::ALL,
        };
        all.iter().copied().filter(|layer| layers::is_seen(*layer, &self.sight)).collect()
    }

    /// What makes it another file than others of the same moment.
    pub(super) fn parameters(&self, district: DistrictId) -> Parameters {
        let text = format!(
            "{district};{};{};{};{};{};{:?};{:?};{:?};{:?};{}",
            self.subject.name(),
            self.format.name(),
            self.headings,
            self.reference,
            self.encoding.name(),
            self.photos,
            self.sight,
            self.selection.sight,
            self.selection.since,
            self.filters,
        );
        Parameters(Sha256::digest(text).into())
    }

    /// What the audit log tells of it beside its name: which features, and how they are written.
    pub fn audited(&self) -> Audited {
        Audited {
            filters: self.filters.clone(),
            datum: self.reference.to_string(),
            headings: self.headings.to_string(),
            encoding: (self.format == Format::Shapefile).then_some(self.encoding.name()),
            thumbnails: self.photos == PhotosShown::Thumbnails,
            export: None,
        }
    }

    /// What the file is called.
    pub fn file_name(&self) -> String {
        let suffix = self.reference.suffix().map(|suffix| format!("_{suffix}")).unwrap_or_default();
        format!("{}{suffix}.{}", self.subject.name(), self.format.extension())
    }
}

/// What the audit log tells of a file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Audited {
    /// Its filters, as in a query string.
    pub filters: String,
    datum: String,
    headings: String,
    /// Of a shapefile: the bytes of its texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    thumbnails: bool,
    /// The file, where it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<String>,
}

impl Audited {
    /// The same of a file that is kept.
    pub(super) fn kept_as(self, id: ExportId) -> Self {
        Self { export: Some(id.to_string()), ..self }
    }
}

/// A hash of everything that was asked for but the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameters(pub(super) [u8; 32]);
