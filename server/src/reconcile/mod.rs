//! What a group of bundles does to the ledger: every branch of reconciling, pure.
//!
//! The shell reads what [`Situation`] wants, [`sort`] decides of each operation whether it is new and may be
//! folded, [`Draft::of`] folds what it can and says which records need their whole set, and [`Draft::finish`]
//! gives the [`Plan`]. Applying a plan leaves nothing to decide. No SQL, clock or signature here.

mod chain;
mod losses;
mod opening;
mod receipts;
mod records;
mod row;
mod sorting;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

pub use chain::{chains_at, trusted};
pub use losses::unbound_notice;
pub use opening::Opening;
pub use records::Draft;
pub use row::{derived, tallies};
pub use sorting::{Fresh, Sorted, needs_spans, sort};
use sync_protocol::ids::{BundleHash, Chain, DeviceId, Identity, NoticeId, PersonId, PhotoHash, RecordId};
use uuid::Uuid;

use crate::domain::Device;
use crate::store::{
    ConflictRow, Counter, DispositionUpdate, OperationRow, PhotoRow, PlaceRow, QuarantineRow, Quarantined,
    RecordRow, RunRow, RunSpan,
};
use crate::validate::ReadOperation;

/// A verified bundle.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// SHA-256 of the bundle.
    pub bundle: BundleHash,
    /// The device that signed it.
    pub device: DeviceId,
    /// This server signed it.
    pub is_own: bool,
    /// First sequence.
    pub first: u64,
    /// Last sequence.
    pub last: u64,
    /// The chain before.
    pub previous: Chain,
    /// The chain after.
    pub chain: Chain,
    /// Its operations, as far as they can be read.
    pub operations: Vec<ReadOperation>,
    /// The records that its operations open.
    pub openings: HashMap<Identity, Arc<Opening>>,
    /// Protected header and signature.
    pub proof: Vec<u8>,
    /// Who carried it.
    pub presenter: Option<DeviceId>,
}

/// What the ledger holds, as far as a group of bundles touches it.
#[derive(Debug, Default)]
pub struct Situation {
    /// Server time.
    pub now_ms: i64,
    /// Devices that signed.
    pub devices: BTreeMap<DeviceId, Device>,
    /// Runs of the devices for which [`needs_spans`] asked.
    pub spans: BTreeMap<DeviceId, Vec<RunSpan>>,
    /// Operations that are folded already.
    pub known: HashSet<Identity>,
    /// Operations that are in quarantine already, with their codes.
    pub quarantined: HashMap<Identity, Quarantined>,
    /// Ids of known operations that open no record.
    pub used_ids: HashSet<Uuid>,
    /// Rows of the records that the bundles name.
    pub records: HashMap<RecordId, RecordRow>,
}

impl Situation {
    /// The code that an operation was put into quarantine with, where it was.
    fn waiting_code(&self, identity: &Identity) -> Option<&str> {
        self.quarantined.get(identity).map(|row| row.code.as_str())
    }
}

/// A notice to write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoticeDraft {
    /// For whom.
    pub person: PersonId,
    /// Its id.
    pub id: NoticeId,
    /// Its encoded body.
    pub body: Vec<u8>,
}

/// Everything that one group writes.
#[derive(Debug, Default)]
pub struct Plan {
    /// New operations.
    pub operations: Vec<OperationRow>,
    /// Records that are not there yet, each opened by the one operation that it has.
    pub new_records: Vec<RecordRow>,
    /// Records, new or changed.
    pub records: Vec<RecordRow>,
    /// Dispositions of earlier operations that changed.
    pub dispositions: Vec<DispositionUpdate>,
    /// New quarantined operations.
    pub quarantine: Vec<QuarantineRow>,
    /// Operations that leave quarantine, since a signer is trusted with them now.
    pub let_out: Vec<Identity>,
    /// New runs, receipts included.
    pub runs: Vec<RunRow>,
    /// Bundles of runs that are known already: the same operations, signed again.
    pub copies: HashSet<BundleHash>,
    /// Devices whose chain moved.
    pub devices: Vec<Device>,
    /// Devices whose chain is seen to fork for the first time.
    pub forked: BTreeSet<DeviceId>,
    /// Conflicts that open, each with its record's change number.
    pub opened: Vec<(ConflictRow, u64)>,
    /// Conflicts that close.
    pub closed: Vec<ConflictRow>,
    /// Notices.
    pub notices: BTreeSet<NoticeDraft>,
    /// Photos of the new records.
    pub new_photos: Vec<PhotoRow>,
    /// Photos named or settled.
    pub photos: Vec<PhotoRow>,
    /// Photos that nothing in the folded set names any more.
    pub dropped_photos: Vec<(RecordId, PhotoHash)>,
    /// Where records were before they moved.
    pub places: Vec<PlaceRow>,
    /// The last 编号, where any was given.
    pub number: Option<u64>,
    /// Changes of the tallies.
    pub tallies: BTreeMap<String, i64>,
    /// Receipts by bundle.
    pub receipts: HashMap<BundleHash, Vec<u8>>,
}

impl Plan {
    fn tally(&mut self, name: &str, amount: i64) {
        match self.tallies.get_mut(name) {
            Some(known) => *known += amount,
            None => drop(self.tallies.insert(name.to_owned(), amount)),
        }
    }
}

/// The numbers that a group may use.
#[derive(Clone, Debug)]
pub struct Numbers {
    change: u64,
    number: u64,
}

impl Numbers {
    /// Those that the counter row gave.
    pub const fn from(counter: &Counter) -> Self {
        Self { change: counter.before, number: counter.number }
    }

    const fn next_change(&mut self) -> u64 {
        self.change += 1;
        self.change
    }

    const fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}
