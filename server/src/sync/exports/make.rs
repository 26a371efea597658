//! Making a file: one transaction that reads page by page, one writer beside it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use sync_protocol::codes::Code;
use tokio::sync::{mpsc, watch};

use super::basis::Basis;
use super::kept::discard;
use super::pictures::Pictures;
use super::{Job, PhotosShown, Ready, Request, State, Subject, archive, ledger, redactions};
use crate::domain::District;
use crate::exports::about::About;
use crate::exports::{self, Format, Outline, Scratch, Workspace, WriteError, Writer};
use crate::layers::{Feature, Layer};
use crate::store::geopackage_out::{GeoPackageError, GeoPackageOut};
use crate::store::{StoreError, Transaction};
use crate::sync::layers;
use crate::sync::{Engine, SyncError};

/// Features read at a time.
const PAGE: u32 = 2_000;
/// Pages that wait for a slow writer.
const PAGES_WAITING: usize = 2;
/// How often a file is begun anew because of redactions.
const ATTEMPTS: u32 = 3;

impl From<WriteError> for SyncError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Io(error) => Self::Store(error.into()),
            WriteError::Reference { .. } => Self::RefusedFor(Code::BadParameter, format!("datum: {error}")),
            WriteError::Library(_) => {
                tracing::error!(error = %error, "an export failed: {error}");
                Self::Refused(Code::Internal)
            }
        }
    }
}

impl From<GeoPackageError> for SyncError {
    fn from(error: GeoPackageError) -> Self {
        match error {
            GeoPackageError::Store(error) => Self::Store(error),
            GeoPackageError::Write(error) => error.into(),
        }
    }
}

fn of_io(error: std::io::Error) -> SyncError {
    SyncError::from(WriteError::Io(error))
}

/// What a file was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The last change of the ledger that is in it.
    pub change: u64,
    /// Features in it.
    pub features: u64,
    /// Names its bytes.
    pub tag: String,
}

/// Makes the file of a job when it is its turn.
pub(super) async fn make(engine: &Arc<Engine>, district: &District, job: &Arc<Job>, request: &Request) {
    for _ in 0..ATTEMPTS {
        match making(engine, district, job, request).await {
            Ok(Some(ready)) => {
                job.state.send_replace(State::Ready(ready));
                return;
            }
            // What it holds was redacted since.
            Ok(None) => discard(&job.path),
            Err(error) => {
                discard(&job.path);
                tracing::warn!(export = %job.id, error = %error, "export {} failed: {error}", job.id);
                job.state.send_replace(failed(error));
                return;
            }
        }
    }
    job.state.send_replace(State::Failed(Code::TooManyRequests, None));
}

fn failed(error: SyncError) -> State {
    match error {
        SyncError::Refused(code) | SyncError::Wait(code, _) => State::Failed(code, None),
        SyncError::RefusedFor(code, detail) => State::Failed(code, Some(detail)),
        SyncError::Store(StoreError::Full(_)) => State::Failed(Code::StorageFull, None),
        SyncError::Store(StoreError::Unavailable(_)) => State::Failed(Code::StorageUnavailable, None),
        SyncError::Store(StoreError::Statement(_) | StoreError::Damaged(_) | StoreError::Unfit(_))
        | SyncError::Command(_)
        | SyncError::Keys(_)
        | SyncError::Gone => State::Failed(Code::Internal, None),
    }
}

/// Makes it; none where something was redacted meanwhile.
async fn making(
    engine: &Arc<Engine>,
    district: &District,
    job: &Arc<Job>,
    request: &Request,
) -> Result<Option<Ready>, SyncError> {
    let _turn = engine.exports.turn(district.id).await?;
    let before = redactions(engine, district).await?;
    job.state.send_replace(State::Making);
    job.written.store(0, Ordering::Relaxed);
    let total = count(engine, district, request).await?;
    if let Ok(mut known) = job.total.lock() {
        *known = total;
    }
    // A task of its own: a writer that panics fails the file, not whoever waits for it.
    let (of, district_of) = (Arc::clone(engine), district.clone());
    let (path, written, request) = (job.path.clone(), Arc::clone(&job.written), request.clone());
    let writing = tokio::spawn(async move { write(&of, &district_of, &request, &path, &written).await });
    let made = writing.await.unwrap_or(Err(SyncError::Gone))?;
    let bytes = tokio::fs::metadata(&job.path).await.map_err(of_io)?.len();
    let is_sound = redactions(engine, district).await? == before;
    Ok(is_sound.then_some(Ready { bytes, change: made.change, tag: made.tag, redactions: before }))
}

async fn count(
    engine: &Arc<Engine>,
    district: &District,
    request: &Request,
) -> Result<Option<u64>, SyncError> {
    let mut total = Some(0);
    for layer in request.layers() {
        let of_layer = layers::count(engine, district, layer, &request.selection).await?;
        total = total.zip(of_layer).map(|(total, more)| total + more);
    }
    Ok(total)
}

/// Makes a file somewhere else: for the command line.
///
/// # Errors
/// What the request, the store or the disk says.
pub async fn write_to(
    engine: &Arc<Engine>,
    district: &District,
    request: &Request,
    path: &Path,
) -> Result<Made, SyncError> {
    request.require_possible()?;
    if request.format == Format::GeoPackage && path.exists() {
        // A database is begun where none is.
        std::fs::remove_file(path).map_err(of_io)?;
    }
    write(engine, district, request, path, &AtomicU64::new(0)).await
}

async fn write(
    engine: &Arc<Engine>,
    district: &District,
    request: &Request,
    path: &Path,
    written: &AtomicU64,
) -> Result<Made, SyncError> {
    let Basis { reading, moment, text, about } = Basis::read(engine, district, request).await?;
    let parameters = request.parameters(district.id);
    let tag = Sha256::new().chain_update(parameters.0).chain_update(text).finalize();
    let mut pages = Pages { engine, district, request, reading, moment, written };
    match request.format {
        Format::GeoPackage => geopackage(&mut pages, &about, path).await?,
        Format::PmTiles => tiles(&mut pages, &about, path).await?,
        Format::GeoJson
        | Format::GeoJsonSeq
        | Format::FlatGeobuf
        | Format::Shapefile
        | Format::Kml
        | Format::Kmz
        | Format::Csv
        | Format::Xlsx => stream(&mut pages, &about, path).await?,
    }
    let tag = hex::encode(tag.get(..16).unwrap_or_default());
    Ok(Made { change: about.change, features: written.load(Ordering::Relaxed), tag })
}

fn outline(request: &Request, about: &About, layer: Layer) -> Outline {
    let schema = match request.subject {
        Subject::Ledger => exports::ledger::SCHEMA,
        Subject::Layer(_) | Subject::All => layer.into(),
    };
    Outline {
        schema,
        headings: request.headings,
        reference: request.reference,
        encoding: request.encoding,
        about: about.clone(),
    }
}

/// The features of a file, of one moment.
pub(super) struct Pages<'p> {
    engine: &'p Arc<Engine>,
    pub(super) district: &'p District,
    pub(super) request: &'p Request,
    pub(super) reading: Transaction,
    pub(super) moment: layers::Moment,
    written: &'p AtomicU64,
}

impl Pages<'_> {
    /// The features after an id; none: there are no more.
    pub(super) async fn next(
        &mut self,
        layer: Layer,
        after: &mut Option<i64>,
    ) -> Result<Option<Vec<Feature>>, SyncError> {
        let selection = &self.request.selection;
        let (moment, district) = (&self.moment, self.district);
        let page =
            layers::page_in(&mut self.reading, moment, district, layer, selection, *after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        *after = Some(last.id);
        match self.request.subject {
            Subject::Ledger => ledger::rows(&mut self.reading, district, page).await.map(Some),
            Subject::Layer(_) | Subject::All => Ok(Some(page)),
        }
    }

    pub(super) fn count(&self, features: usize) {
        self.written.fetch_add(u64::try_from(features).unwrap_or(0), Ordering::Relaxed);
    }
}

async fn geopackage(pages: &mut Pages<'_>, about: &About, path: &Path) -> Result<(), SyncError> {
    let mut file = GeoPackageOut::create(path).await?;
    for layer in pages.request.layers() {
        let mut out = file.layer(&outline(pages.request, about, layer)).await?;
        let mut after = None;
        let mut page = pages.next(layer, &mut after).await?;
        while let Some(features) = page {
            let count = features.len();
            // The next page is read while this one is written.
            let (written, next) = tokio::join!(out.features(features), pages.next(layer, &mut after));
            written?;
            pages.count(count);
            page = next?;
        }
        out.finish().await?;
    }
    Ok(file.finish(about.change_ms).await?)
}

async fn tiles(pages: &mut Pages<'_>, about: &About, path: &Path) -> Result<(), SyncError> {
    let Some(layer) = pages.request.layers().first().copied() else { return Err(Code::Forbidden.into()) };
    let outline = outline(pages.request, about, layer);
    archive::write(pages, (layer, outline), path).await
}

/// Features on their way to a writer, and the pictures of some of them by their ids.
type Read = (Vec<Feature>, Vec<(i64, Bytes)>);

/// Reads here, writes on a thread that may block.
async fn stream(pages: &mut Pages<'_>, about: &About, path: &Path) -> Result<(), SyncError> {
    let request = pages.request;
    let Some(layer) = request.layers().first().copied() else { return Err(Code::Forbidden.into()) };
    let outline = outline(request, about, layer);
    let (format, path) = (request.format, path.to_owned());
    let workspace: Arc<dyn Workspace> = Arc::new(Beside(pages.engine.exports.folder().to_owned()));
    let (give, take) = mpsc::channel::<Read>(PAGES_WAITING);
    let mut pictures = match request.photos {
        PhotosShown::None => None,
        PhotosShown::Thumbnails => Some(Pictures::new(pages.engine, pages.district, &request.sight)),
    };
    let (whole, is_whole) = watch::channel(false);
    let writing =
        tokio::task::spawn_blocking(move || write_file(format, &outline, &path, &workspace, take, &is_whole));
    let mut after = None;
    let read = loop {
        match pages.next(layer, &mut after).await {
            Ok(None) => {
                whole.send_replace(true);
                break Ok(());
            }
            Ok(Some(features)) => {
                let count = features.len();
                let of_page = match &mut pictures {
                    Some(pictures) => match pictures.of(&mut pages.reading, &features).await {
                        Ok(of_page) => of_page,
                        Err(error) => break Err(error),
                    },
                    None => Vec::new(),
                };
                // Where the writer is gone, what it says comes below.
                if give.send((features, of_page)).await.is_err() {
                    break Ok(());
                }
                pages.count(count);
            }
            Err(error) => break Err(error),
        }
    };
    drop(give);
    let written = writing.await.map_err(stopped)?;
    read?;
    Ok(written?)
}

/// Why a writer stopped in the middle. The library of workbooks panics where the disk is full; its words say so.
fn stopped(error: tokio::task::JoinError) -> SyncError {
    let Ok(said) = error.try_into_panic() else { return SyncError::Gone };
    let said = said.downcast_ref::<String>().map(String::as_str).unwrap_or_default();
    if said.contains("StorageFull") || said.contains("QuotaExceeded") {
        return of_io(std::io::ErrorKind::StorageFull.into());
    }
    SyncError::Gone
}

fn write_file(
    format: Format,
    outline: &Outline,
    path: &Path,
    workspace: &Arc<dyn Workspace>,
    mut pages: mpsc::Receiver<Read>,
    is_whole: &watch::Receiver<bool>,
) -> Result<(), WriteError> {
    let mut writer = Writer::new(format, outline, Box::new(File::create(path)?), workspace)?;
    while let Some((page, pictures)) = pages.blocking_recv() {
        for (id, picture) in pictures {
            writer.picture(id, picture);
        }
        page.into_iter().try_for_each(|feature| writer.feature(feature))?;
    }
    if *is_whole.borrow() { writer.finish() } else { Ok(()) }
}

/// Scratch files stand in the folder of exports, without a name.
struct Beside(PathBuf);

impl Workspace for Beside {
    fn scratch(&self) -> std::io::Result<Box<dyn Scratch>> {
        Ok(Box::new(tempfile::tempfile_in(&self.0)?))
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.0)
    }
}
