//! Files of the map and of the ledger: made once at the state that the ledger is in, kept for a day, given out in parts.
//!
//! A file is one moment of the ledger: its features are read in one transaction, which no writer waits for. One is made at
//! a time for a district. What may be asked for is in `request` and [`filters`], how far a file is in `job`, what is in it in
//! `make`, how formats write in [`crate::exports`]. Start at [`ask`].

mod archive;
mod basis;
pub mod filters;
mod job;
mod kept;
mod ledger;
mod make;
mod pictures;
mod request;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

pub use job::{ExportId, Job, Ready, State};
pub use kept::{Exports, follow};
pub use make::{Made, write_to};
pub use pictures::{PICTURES, PICTURES_BYTES};
pub use request::{Audited, PhotosShown, Request, Subject, usual_headings};

use basis::Basis;

use super::sight::Sight;
use super::{Engine, SyncError};
use crate::domain::District;

/// Files that wait or are being made, of a district.
pub const WAITING: usize = 8;
/// Files that are kept, of a district.
pub const KEPT: usize = 64;
/// Files that are kept, of all districts.
pub const KEPT_IN_ALL: usize = 512;
/// How long a file is kept, milliseconds.
pub const KEPT_MS: i64 = 24 * 3_600_000;

/// Asks for a file: the one that is there of this moment of the ledger, or one that is begun.
///
/// # Errors
/// [`BadParameter`](sync_protocol::codes::Code::BadParameter), [`Forbidden`](sync_protocol::codes::Code::Forbidden);
/// [`TooManyRequests`](sync_protocol::codes::Code::TooManyRequests) where too many wait.
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
            audited: request.audited().kept_as(id),
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

/// Waits until there is a file or none will come, at most so long; none where what is in it was redacted since it was made.
///
/// # Errors
/// The store's.
pub async fn settled(
    engine: &Engine,
    district: &District,
    job: &Arc<Job>,
    patience: Duration,
) -> Result<Option<State>, SyncError> {
    let state = job.settled(patience).await;
    Ok(sound(engine, district, Some(Arc::clone(job))).await?.map(|_| state))
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
