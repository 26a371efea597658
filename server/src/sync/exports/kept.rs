//! The folder of files, and which are in it. It is this server's alone, and empty when it starts: nothing in it cannot be
//! made again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sync_protocol::codes::Code;
use sync_protocol::ids::DistrictId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::request::Parameters;
use super::{ExportId, Job, KEPT, KEPT_IN_ALL, State, WAITING};
use crate::sync::sight::Sight;
use crate::sync::{Engine, SyncError};

/// How often files are looked for that are to go.
const EVERY: Duration = Duration::from_mins(10);
/// Files that are made at a time, of all districts: each holds one of the few connections that read.
const AT_ONCE: usize = 1;

/// The folder, and what is in it.
#[derive(Debug)]
pub struct Exports {
    folder: PathBuf,
    jobs: Mutex<Vec<Arc<Job>>>,
    turns: Mutex<HashMap<DistrictId, Arc<Semaphore>>>,
    at_once: Arc<Semaphore>,
}

/// Allows the making of one file.
#[derive(Debug)]
pub(super) struct Turn {
    _of_district: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Exports {
    /// In a folder that is there.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            jobs: Mutex::default(),
            turns: Mutex::default(),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// A redaction was committed: no file that was made before it stays. What another server redacts is noticed where a file
    /// is given out: see [`super::find`].
    pub(in crate::sync) fn drop_what_is_done(&self) {
        self.with(|jobs| {
            jobs.retain(|job| {
                let is_busy = matches!(job.state(), State::Waiting | State::Making);
                if !is_busy {
                    discard(&job.path);
                }
                is_busy
            });
        });
    }

    /// Throws a file away.
    pub(super) fn drop_file(&self, job: &Arc<Job>) {
        self.with(|jobs| jobs.retain(|known| !Arc::ptr_eq(known, job)));
        discard(&job.path);
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, id: ExportId, begun_ms: i64) -> PathBuf {
        self.folder.join(format!("{id}-{begun_ms}"))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<Arc<Job>>) -> T) -> T {
        change(&mut self.jobs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The file of this name; else one is begun, and the second value says so. One that failed is begun anew.
    pub(super) fn find_or_begin(
        &self,
        id: ExportId,
        now_ms: i64,
        begin: impl FnOnce() -> Job,
    ) -> Result<(Arc<Job>, bool), SyncError> {
        self.sweep(now_ms);
        self.with(|jobs| {
            let is_failed = |job: &Arc<Job>| matches!(job.state(), State::Failed(..));
            if let Some(known) = jobs.iter().find(|job| job.id == id && !is_failed(job)) {
                return Ok((Arc::clone(known), false));
            }
            let job = begin();
            let waits = |other: &&Arc<Job>| {
                other.district == job.district && matches!(other.state(), State::Waiting | State::Making)
            };
            if jobs.iter().filter(waits).count() >= WAITING {
                return Err(SyncError::Refused(Code::TooManyRequests));
            }
            jobs.retain(|other| other.id != id);
            make_room(jobs, job.district);
            let job = Arc::new(job);
            jobs.push(Arc::clone(&job));
            Ok((job, true))
        })
    }

    pub(super) fn get(&self, id: ExportId, now_ms: i64) -> Option<Arc<Job>> {
        self.sweep(now_ms);
        self.with(|jobs| jobs.iter().find(|job| job.id == id).cloned())
    }

    /// Those that whoever sees this may have, the newest first.
    pub(super) fn of(&self, district: DistrictId, sight: &Sight, now_ms: i64) -> Vec<Arc<Job>> {
        self.sweep(now_ms);
        self.with(|jobs| jobs.iter().rev().filter(|job| job.is_for(district, sight)).cloned().collect())
    }

    /// The newest file with these parameters that can be fetched; of a tag, where one is named.
    pub(super) fn newest(&self, parameters: Parameters, tag: Option<&str>, now_ms: i64) -> Option<Arc<Job>> {
        self.sweep(now_ms);
        let is_it = |job: &&Arc<Job>| match job.state() {
            State::Ready(ready) => job.parameters == parameters && tag.is_none_or(|tag| tag == ready.tag),
            State::Waiting | State::Making | State::Failed(..) => false,
        };
        self.with(|jobs| jobs.iter().rev().find(is_it).cloned())
    }

    /// Waits for the turn of a district.
    pub(super) async fn turn(&self, district: DistrictId) -> Result<Turn, SyncError> {
        let of_district = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(district).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        let of_district = of_district.acquire_owned().await.map_err(|_closed| SyncError::Gone)?;
        let of_all = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_closed| SyncError::Gone)?;
        Ok(Turn { _of_district: of_district, _of_all: of_all })
    }

    /// Throws away what is older than a day, while it is not being made.
    pub(super) fn sweep(&self, now_ms: i64) {
        self.with(|jobs| {
            jobs.retain(|job| {
                let is_old = job.until_ms() <= now_ms;
                let is_busy = matches!(job.state(), State::Waiting | State::Making);
                if is_old && !is_busy {
                    discard(&job.path);
                }
                !is_old || is_busy
            });
        });
    }

    /// Empties the folder, before anybody is served: what is in it is of a server that ended.
    pub fn clear(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        entries.filter_map(Result::ok).for_each(|entry| discard(&entry.path()));
    }
}

/// The oldest files of a district that can be fetched give way to its next one; where all districts have too many, those of
/// the one that has most.
fn make_room(jobs: &mut Vec<Arc<Job>>, district: DistrictId) {
    while jobs.iter().filter(|job| job.district == district).count() >= KEPT {
        if !drop_oldest(jobs, district) {
            break;
        }
    }
    while jobs.len() >= KEPT_IN_ALL {
        let mut amounts: HashMap<DistrictId, usize> = HashMap::new();
        for job in jobs.iter().filter(|job| is_done(job)) {
            *amounts.entry(job.district).or_default() += 1;
        }
        let most = amounts.into_iter().max_by_key(|(district, amount)| (*amount, district.0));
        let Some((most, _)) = most else { return };
        if !drop_oldest(jobs, most) {
            return;
        }
    }
}

fn is_done(job: &Arc<Job>) -> bool {
    matches!(job.state(), State::Ready(_) | State::Failed(..))
}

/// False where a district has none that can be fetched.
fn drop_oldest(jobs: &mut Vec<Arc<Job>>, district: DistrictId) -> bool {
    let Some(oldest) = jobs.iter().position(|job| job.district == district && is_done(job)) else {
        return false;
    };
    discard(&jobs.remove(oldest).path);
    true
}

/// Deletes a file; whoever is reading it reads on.
pub(super) fn discard(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(error = %error, "an export could not be deleted: {}: {error}", path.display());
        }
    }
}

/// Keeps the folder: throws away what is old.
pub async fn follow(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(EVERY).await;
        engine.exports.sweep(engine.clock.now_ms());
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::ids::DistrictId;
    use tokio::sync::watch;
    use uuid::Uuid;

    use super::super::{Audited, KEPT_MS, Ready};
    use super::*;

    fn job(exports: &Exports, number: u8, begun_ms: i64) -> Job {
        job_of(exports, 0, number, begun_ms)
    }

    fn job_of(exports: &Exports, district: u8, number: u8, begun_ms: i64) -> Job {
        let mut id = [number; 16];
        id[0] = district;
        let id = ExportId(id);
        Job {
            id,
            file_name: "hazards.geojson".to_owned(),
            media_type: "application/geo+json",
            audited: Audited::default(),
            written: Arc::default(),
            total: Mutex::default(),
            begun_ms,
            district: DistrictId(Uuid::from_bytes([district; 16])),
            sight: Sight::District,
            parameters: Parameters([number; 32]),
            path: exports.path(id, begun_ms),
            state: watch::Sender::new(State::Waiting),
            noted: Mutex::default(),
        }
    }

    fn ready(job: &Job, tag: &str) {
        std::fs::write(&job.path, b"x").unwrap();
        let ready = Ready { bytes: 1, change: 7, tag: tag.to_owned(), redactions: 0 };
        job.state.send_replace(State::Ready(ready));
    }

    fn begin(exports: &Exports, number: u8, now_ms: i64) -> Result<(Arc<Job>, bool), SyncError> {
        let job = job(exports, number, now_ms);
        exports.find_or_begin(job.id, now_ms, || job)
    }

    fn is_there(exports: &Exports, district: u8, number: u8) -> bool {
        exports.get(job_of(exports, district, number, 0).id, 0).is_some()
    }

    fn fill(exports: &Exports, district: u8, amount: usize) {
        for number in 0..amount {
            let job = job_of(exports, district, u8::try_from(number).unwrap(), 0);
            let (job, _) = exports.find_or_begin(job.id, 0, || job).unwrap();
            ready(&job, "a");
        }
    }

    #[test]
    fn files_of_one_district_never_make_those_of_another_give_way() {
        let folder = tempfile::tempdir().unwrap();
        let exports = Exports::new(folder.path());
        fill(&exports, 1, 1);
        fill(&exports, 2, KEPT + 2);
        assert!(is_there(&exports, 1, 0), "the other district has its own room");
        assert!(!is_there(&exports, 2, 1) && is_there(&exports, 2, 2));
    }

    #[test]
    fn of_too_many_files_those_of_the_district_that_has_most_give_way() {
        let folder = tempfile::tempdir().unwrap();
        let exports = Exports::new(folder.path());
        fill(&exports, 1, 1);
        let districts = u8::try_from((KEPT_IN_ALL - 1).div_ceil(KEPT)).unwrap();
        for district in 2..2 + districts {
            fill(&exports, district, KEPT);
        }
        assert!(is_there(&exports, 1, 0));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), KEPT_IN_ALL);
    }

    #[test]
    fn a_file_is_made_once_and_gone_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let exports = Exports::new(folder.path());
        let (made, is_new) = begin(&exports, 1, 1_000).unwrap();
        assert!(is_new && !begin(&exports, 1, 2_000).unwrap().1);
        ready(&made, "a");
        let (again, is_new) = begin(&exports, 1, 1_000 + KEPT_MS - 1).unwrap();
        assert!(!is_new && Arc::ptr_eq(&made, &again) && made.path.exists());
        assert!(exports.newest(Parameters([1; 32]), Some("a"), 2_000).is_some());
        assert!(exports.newest(Parameters([1; 32]), Some("b"), 2_000).is_none());
        exports.sweep(1_000 + KEPT_MS);
        assert!(exports.get(made.id, 1_000 + KEPT_MS).is_none() && !made.path.exists());
    }

    #[test]
    fn so_many_wait_and_no_more_and_what_is_being_made_is_never_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let exports = Exports::new(folder.path());
        let waiting: Vec<_> =
            (0..WAITING).map(|number| begin(&exports, u8::try_from(number).unwrap(), 0)).collect();
        assert!(waiting.iter().all(Result::is_ok));
        assert!(matches!(begin(&exports, 99, 0), Err(SyncError::Refused(Code::TooManyRequests))));
        exports.sweep(KEPT_MS * 2);
        assert!(exports.get(job(&exports, 0, 0).id, KEPT_MS * 2).is_some());
    }

    #[test]
    fn what_was_read_before_a_redaction_is_given_out_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let exports = Exports::new(folder.path());
        let (given, _) = begin(&exports, 1, 0).unwrap();
        ready(&given, "a");
        let (busy, _) = begin(&exports, 2, 0).unwrap();
        exports.drop_what_is_done();
        assert!(exports.get(given.id, 0).is_none() && !given.path.exists());
        assert!(exports.get(busy.id, 0).is_some(), "whoever makes it looks itself");
    }

    #[test]
    fn the_oldest_gives_way_to_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let exports = Exports::new(folder.path());
        for number in 0..=KEPT {
            let (job, _) = begin(&exports, u8::try_from(number).unwrap(), 0).unwrap();
            ready(&job, "a");
        }
        assert!(!is_there(&exports, 0, 0));
        assert!(is_there(&exports, 0, 1));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), KEPT);
    }

    #[test]
    fn the_folder_is_empty_when_a_server_starts() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("left"), b"x").unwrap();
        Exports::new(folder.path()).clear();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
