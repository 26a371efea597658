//! A file that was asked for: its name, how far it is, who was told of it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sync_protocol::codes::Code;
use sync_protocol::ids::{DistrictId, PersonId};
use tokio::sync::watch;

use super::KEPT_MS;
use super::request::{Audited, Parameters};
use crate::sync::sight::Sight;

/// Names a file that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExportId(pub(super) [u8; 16]);

impl ExportId {
    pub(super) fn of(parameters: Parameters, moment: &str) -> Self {
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
    pub(super) written: Arc<AtomicU64>,
    /// Of how many; none: not counted.
    pub(super) total: Mutex<Option<u64>>,
    /// When it was asked for.
    pub(super) begun_ms: i64,
    pub(super) district: DistrictId,
    pub(super) sight: Sight,
    pub(super) parameters: Parameters,
    pub(super) path: PathBuf,
    pub(super) state: watch::Sender<State>,
    /// Who was told of in the audit log.
    pub(super) noted: Mutex<Vec<PersonId>>,
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
    pub(super) async fn settled(&self, patience: Duration) -> State {
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
    pub(super) fn is_for(&self, district: DistrictId, sight: &Sight) -> bool {
        self.district == district && &self.sight == sight
    }
}
