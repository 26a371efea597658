//! The rows of a plan: values, no SQL. `reconcile` makes them, [`super::ledger`] writes them.

use bytes::Bytes;
use sync_protocol::ids::{
    BundleHash, Chain, DeviceId, Head, Identity, OperationId, PersonId, PhotoHash, RecordId,
};

use uuid::Uuid;

use crate::domain::Collection;

/// A row of `operations`.
#[derive(Clone, Debug)]
pub struct OperationRow {
    /// The record.
    pub record: RecordId,
    /// SHA-256 of `bytes`.
    pub identity: Identity,
    /// Its own id.
    pub operation: OperationId,
    /// The device that signed it.
    pub device: DeviceId,
    /// Its sequence there.
    pub sequence: u64,
    /// The number of its disposition.
    pub disposition: i64,
    /// Bits of [`crate::domain::operation_flags`].
    pub flags: i64,
    /// Server time of first receipt.
    pub received_ms: i64,
    /// As its author encoded it.
    pub bytes: Bytes,
}

/// A row of `records`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRow {
    /// The record.
    pub record: RecordId,
    /// The number of its collection.
    pub collection: i64,
    /// Its change number.
    pub change: u64,
    /// The number of its class.
    pub class: i64,
    /// The number of its state.
    pub state: i64,
    /// Bits of [`crate::domain::record_flags`].
    pub flags: i64,
    /// 编号 without district and year; 0 for what is no hazard.
    pub number: u64,
    /// Server time of its first operation.
    pub received_ms: i64,
    /// Morton key of its shown position.
    pub place: Option<i64>,
    /// The change from which on it is there.
    pub place_since: u64,
    /// The unit that is shown to answer for it.
    pub unit: Option<Uuid>,
    /// The encoded view.
    pub view: Bytes,
}

impl RecordRow {
    /// Whether no operation of the record is in the folded set.
    pub const fn is_gone(&self) -> bool {
        self.collection == Collection::Gone.number()
    }
}

/// A changed disposition of an operation that was stored before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DispositionUpdate {
    /// The record.
    pub record: RecordId,
    /// The head of the operation's identity.
    pub head: Head,
    /// The number of its disposition.
    pub disposition: i64,
}

/// A row of `runs`.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// SHA-256 of the bundle.
    pub bundle: BundleHash,
    /// The device that signed it.
    pub device: DeviceId,
    /// First sequence.
    pub first: u64,
    /// Last sequence.
    pub last: u64,
    /// The chain before.
    pub previous: Chain,
    /// The chain after.
    pub chain: Chain,
    /// Identities of its operations, one after the other; of a copy, none.
    pub members: Vec<u8>,
    /// Another run of the same operations, signed by the same device, is known.
    pub is_copy: bool,
    /// Protected header and signature.
    pub proof: Vec<u8>,
    /// Who carried it; none for a file and for the server's own.
    pub presenter: Option<DeviceId>,
    /// Server time of receipt.
    pub received_ms: i64,
    /// The encoded receipt.
    pub receipt: Vec<u8>,
}

/// A row of `quarantine`.
#[derive(Clone, Debug)]
pub struct QuarantineRow {
    /// SHA-256 of `bytes`.
    pub identity: Identity,
    /// The device that signed it.
    pub device: DeviceId,
    /// Its sequence there.
    pub sequence: u64,
    /// The record it names, where it could be read.
    pub record: Option<RecordId>,
    /// Its author, where it could be read.
    pub author: Option<PersonId>,
    /// Why.
    pub code: &'static str,
    /// The value at fault.
    pub at: String,
    /// Server time of receipt.
    pub received_ms: i64,
    /// As it came.
    pub bytes: Bytes,
}

/// A row of `refused`.
#[derive(Clone, Debug)]
pub struct RefusedRow {
    /// SHA-256 of what was refused.
    pub bundle: BundleHash,
    /// Why.
    pub code: &'static str,
    /// Who carried it.
    pub presenter: Option<DeviceId>,
    /// Server time of receipt.
    pub received_ms: i64,
    /// As it came, cut to a bound.
    pub bytes: Vec<u8>,
}

/// A row of `places`: where a record was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceRow {
    /// The record.
    pub record: RecordId,
    /// The change that moved it away.
    pub until_change: u64,
    /// The change from which on it was there.
    pub since_change: u64,
    /// The Morton key; none while its place was not known.
    pub place: Option<i64>,
}

/// An open conflict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConflictRow {
    /// The record.
    pub record: RecordId,
    /// A field or `lifecycle`.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// A photo that an operation named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhotoRow {
    /// SHA-256 of the file.
    pub sha256: PhotoHash,
    /// The record.
    pub record: RecordId,
    /// The device whose operation named it first.
    pub device: DeviceId,
    /// Verified or written off.
    pub is_settled: bool,
    /// When it was named first.
    pub named_ms: i64,
}
