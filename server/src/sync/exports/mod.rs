//! Files of the map and of the ledger: made once at the state that the ledger is in, kept for a day, given out in parts.
//!
//! A file is one moment of the ledger: its features are read in one transaction, which no writer waits for. One is made at
//! a time for a district. What is in a file is in `make`, what may be asked for in [`filters`], how formats write in
//! [`crate::exports`]. Start at [`ask`].

mod archive;
mod basis;
pub mod filters;
mod kept;
mod ledger;
mod make;
mod pictures;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sync_protocol::codes::Code;
use sync_protocol::ids::{DistrictId, PersonId};
use tokio::sync::watch;

pub use kept::{Exports, follow};
pub use make::{Made, write_to};
pub use pictures::{PICTURES, PICTURES_BYTES};

use basis::Basis;

use super::layers::{self, Selection};
use super::sight::Sight;
use super::{Engine, SyncError};
use crate::domain::District;
use crate::exports::{Encoding, Format, Headings, Reference, require_reference};
use crate::layers::Layer;

/// Files that wait or are being made, of a district.
pub const WAITING: usize = 8;
/// Files that are kept, of a district.
pub const KEPT: usize = 64;
/// Files that are kept, of all districts.
pub const KEPT_IN_ALL: usize = 512;
/// How long a file is kept, milliseconds.
pub const KEPT_MS: i64 = 24 * 3_600_000;

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
    /// A thumbnail of one photo of each hazard, as many as [`PICTURES`] and [`PICTURES_BYTES`] allow: in a KMZ alone.
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
    fn layers(&self) -> Vec<Layer> {
        let all: &[Layer] = match &self.subject {
            Subject::Layer(layer) => std::slice::from_ref(layer),
            Subject::Ledger => &[Layer::Hazards],
            Subject::All => Layer::ALL,
        };
        all.iter().copied().filter(|layer| layers::is_seen(*layer, &self.sight)).collect()
    }

    /// What makes it another file than others of the same moment.
    fn parameters(&self, district: DistrictId) -> Parameters {
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

/// A hash of everything that was asked for but the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parameters([u8; 32]);

/// Names a file that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExportId([u8; 16]);

impl ExportId {
    fn of(parameters: Parameters, moment: &str) -> Self {
        let hash: [u8; 32] = Sha256::new().chain_update(parameters.0).chain_update(moment).finalize().into();
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl fmt::Display for ExportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for ExportId {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, hex::FromHexError> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id)?;
        Ok(Self(id))
    }
}

/// How far a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Others of the district come first.
    Waiting,
    /// It is being written.
    Making,
    /// It can be fetched.
    Ready(Ready),
    /// Nothing came of it.
    Failed(Code, Option<String>),
}

/// A file that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// How long it is.
    pub bytes: u64,
    /// The last change of the ledger that is in it.
    pub change: u64,
    /// Names its bytes: the same moment, parameters, rules and grid have the same.
    pub tag: String,
    /// Redactions of the district when it was read.
    pub redactions: i64,
}

/// A file that was asked for.
#[derive(Debug)]
pub struct Job {
    /// Its name.
    pub id: ExportId,
    /// What it is called where it is saved.
    pub file_name: String,
    /// What it is.
    pub media_type: &'static str,
    /// What the audit log tells of it.
    pub audited: Audited,
    /// Features written so far.
    written: Arc<AtomicU64>,
    /// Of how many; none: not counted.
    total: Mutex<Option<u64>>,
    /// When it was asked for.
    begun_ms: i64,
    district: DistrictId,
    sight: Sight,
    parameters: Parameters,
    path: PathBuf,
    state: watch::Sender<State>,
    /// Who was told of in the audit log.
    noted: Mutex<Vec<PersonId>>,
}

impl Job {
    /// How far it is.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Features written so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Features in all; none where that is not known.
    pub fn total(&self) -> Option<u64> {
        *self.total.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it is thrown away, milliseconds since 1970.
    pub const fn until_ms(&self) -> i64 {
        self.begun_ms.saturating_add(KEPT_MS)
    }

    /// The file of one that is ready.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Waits until there is a file or none will come, at most so long.
    pub async fn settled(&self, patience: Duration) -> State {
        let mut state = self.state.subscribe();
        let is_settled = |state: &State| matches!(state, State::Ready(_) | State::Failed(..));
        let waited = tokio::time::timeout(patience, state.wait_for(is_settled)).await;
        match waited {
            Ok(Ok(settled)) => settled.clone(),
            Ok(Err(_)) | Err(_) => self.state(),
        }
    }

    /// Whether the log has yet to tell that this person takes the file.
    pub fn is_new_to(&self, person: PersonId) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !noted.contains(&person);
        if is_new {
            noted.push(person);
        }
        is_new
    }

    /// Whether whoever asks now may have what was made for whoever asked then.
    fn is_for(&self, district: DistrictId, sight: &Sight) -> bool {
        self.district == district && &self.sight == sight
    }
}

/// Asks for a file: the one that is there of this moment of the ledger, or one that is begun.
///
/// # Errors
/// [`Code::BadParameter`], [`Code::Forbidden`]; [`Code::TooManyRequests`] where too many wait.
pub async fn ask(engine: &Arc<Engine>, district: &District, request: Request) -> Result<Arc<Job>, SyncError> {
    request.require_possible()?;
    let moment = Basis::read(engine, district, &request).await?.text;
    let parameters = request.parameters(district.id);
    let id = ExportId::of(parameters, &moment);
    let begun_ms = engine.clock.now_ms();
    let (job, is_new) = engine.exports.find_or_begin(id, begun_ms, || {
        let path = engine.exports.path(id, begun_ms);
        Job {
            id,
            file_name: request.file_name(),
            media_type: request.format.media_type(),
            audited: Audited { export: Some(id.to_string()), ..request.audited() },
            written: Arc::default(),
            total: Mutex::default(),
            begun_ms,
            district: district.id,
            sight: request.sight.clone(),
            parameters,
            path,
            state: watch::Sender::new(State::Waiting),
            noted: Mutex::default(),
        }
    })?;
    if is_new {
        let (engine, district, making) = (Arc::clone(engine), district.clone(), Arc::clone(&job));
        tokio::spawn(async move { make::make(&engine, &district, &making, &request).await });
    }
    Ok(job)
}

/// Files that were asked for and that whoever sees this may have, the newest first.
pub fn listed(engine: &Engine, district: &District, sight: &Sight) -> Vec<Arc<Job>> {
    engine.exports.of(district.id, sight, engine.clock.now_ms())
}

/// A file that was asked for; none where there is none that this account may have.
///
/// # Errors
/// The store's.
pub async fn find(
    engine: &Engine,
    district: &District,
    sight: &Sight,
    id: ExportId,
) -> Result<Option<Arc<Job>>, SyncError> {
    let job = engine.exports.get(id, engine.clock.now_ms()).filter(|job| job.is_for(district.id, sight));
    sound(engine, district, job).await
}

/// The file whose bytes somebody already has a part of: that of a tag, else the newest with these parameters.
///
/// # Errors
/// The store's.
pub async fn resumed(
    engine: &Engine,
    district: &District,
    request: &Request,
    tag: Option<&str>,
) -> Result<Option<Arc<Job>>, SyncError> {
    let job = engine.exports.newest(request.parameters(district.id), tag, engine.clock.now_ms());
    sound(engine, district, job).await
}

/// A file that was read before the last redaction, whichever server made that, is there no more.
async fn sound(
    engine: &Engine,
    district: &District,
    job: Option<Arc<Job>>,
) -> Result<Option<Arc<Job>>, SyncError> {
    let Some(job) = job else { return Ok(None) };
    let State::Ready(ready) = job.state() else { return Ok(Some(job)) };
    if ready.redactions == redactions(engine, district).await? {
        return Ok(Some(job));
    }
    engine.exports.drop_file(&job);
    Ok(None)
}

/// Redactions of a district so far, by any server.
async fn redactions(engine: &Engine, district: &District) -> Result<i64, SyncError> {
    Ok(engine.store.glance().await?.redactions(district.key).await?)
}
