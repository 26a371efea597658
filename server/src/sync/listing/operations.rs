//! The operations behind a record, each as it came.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::Value;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::fold;
use sync_protocol::ids::{DeviceId, Identity, PersonId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Identified, Operation, Stamp};
use utoipa::ToSchema;

use super::Names;
use super::fields::{PastWrite, writes};
use crate::domain::{DistrictKey, disposition_of, operation_flags};
use crate::store::{LedgerOperation, StoreError, Transaction};
use crate::sync::json;
use crate::time;

/// One operation.
#[derive(Debug, Serialize, ToSchema)]
pub struct Told {
    /// SHA-256 of its bytes.
    pub identity: String,
    /// The first half of it: how others name it.
    pub head: String,
    /// Its own id.
    pub id: String,
    /// What happened.
    pub kind: String,
    /// The same in Chinese.
    pub kind_zh: String,
    /// Who says so.
    pub author: String,
    /// Their name.
    pub author_name: Option<String>,
    /// The device that signed it.
    pub device: String,
    /// Its sequence there.
    pub sequence: u64,
    /// What became of it.
    pub disposition: &'static str,
    /// The same in Chinese.
    pub disposition_zh: &'static str,
    /// What is odd about it.
    pub flags: Vec<Flag>,
    /// Server time of first receipt.
    pub received_ms: i64,
    /// When, by the device.
    pub at: StampTold,
    /// When, as far as the server knows.
    pub interval: Interval,
    /// Heads it was made from.
    pub heads: Vec<String>,
    /// Ancestors that its author's copy did not have.
    pub lacking: Vec<String>,
    /// What it asserts.
    pub fields: BTreeMap<String, Value>,
    /// Photos it names.
    #[schema(value_type = Vec<Object>)]
    pub photos: Vec<Value>,
    /// The quarantined operation that it releases.
    pub releases: Option<String>,
}

/// A flag in words.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Flag {
    /// A stable code.
    pub code: &'static str,
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

impl From<Code> for Flag {
    fn from(code: Code) -> Self {
        Self { code: code.as_str(), zh: code.zh(), en: code.en() }
    }
}

/// When something happened, by its device's own clocks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StampTold {
    /// The boot that the uptimes count from, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Satellite time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gps_ms: Option<i64>,
    /// Wall clock; it may be wrong.
    pub wall_ms: i64,
    /// Server time in the last reply that the device held: a lower bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<i64>,
    /// Since the boot, sleep included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_ms: Option<u64>,
    /// The uptime at which that last reply came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_uptime_ms: Option<u64>,
}

impl From<Stamp> for StampTold {
    fn from(stamp: Stamp) -> Self {
        let Stamp { boot, gps_ms, wall_ms, after_ms, uptime_ms, after_uptime_ms } = stamp;
        Self { boot: boot.map(hex::encode), gps_ms, wall_ms, after_ms, uptime_ms, after_uptime_ms }
    }
}

/// When something happened, in server time.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Interval {
    /// Not before this.
    pub not_before_ms: i64,
    /// Not after this.
    pub not_after_ms: i64,
    /// The device's wall clock lies outside.
    pub clock_suspect: bool,
}

/// A stored operation, decoded.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) row: LedgerOperation,
    pub(super) operation: Operation,
}

impl Known {
    pub(super) fn of(row: LedgerOperation) -> Option<Self> {
        let operation = Operation::decode(&row.bytes).ok()?;
        Some(Self { row, operation })
    }

    /// Who says it: of a release, the author of what it releases.
    pub(super) fn author(&self) -> PersonId {
        let effective = self.operation.fields.get("effective_author").and_then(Raw::decode);
        match self.operation.kind.known() {
            Some(Kind::Released) => effective.unwrap_or(self.operation.author),
            _ => self.operation.author,
        }
    }

    pub(super) fn past_write(&self) -> PastWrite {
        PastWrite {
            head: self.row.identity.head(),
            kind: self.operation.kind.as_str().to_owned(),
            author: self.author(),
            writes: writes(&self.operation),
        }
    }
}

/// Blanks what redactions among the operations of a record name: no history shows it.
pub(in crate::sync) fn blank_redacted(operations: &mut [(Identity, &mut Operation)]) {
    let is_redaction = |operation: &Operation| operation.kind.known() == Some(Kind::Redacted);
    if !operations.iter().any(|(_, operation)| is_redaction(operation)) {
        return;
    }
    let set = operations
        .iter()
        .map(|(identity, operation)| Identified { identity: *identity, operation: (**operation).clone() });
    let redacted = fold::redacted(&set.collect::<Vec<_>>());
    for (identity, operation) in operations {
        let head = identity.head();
        for (_, field) in redacted.iter().filter(|(redacted, _)| *redacted == head) {
            fold::blank(operation, field);
        }
    }
}

/// Tells of operations in the order given.
pub(super) async fn tell(
    transaction: &mut Transaction,
    district: DistrictKey,
    operations: &[Known],
    names: &Names,
) -> Result<Vec<Told>, StoreError> {
    let mut boots: HashMap<(DeviceId, [u8; 16]), Option<i64>> = HashMap::new();
    let mut told = Vec::with_capacity(operations.len());
    for known in operations {
        let offset = match known.operation.at.boot {
            None => None,
            Some(boot) => {
                let key = (known.row.device, boot);
                if let Some(offset) = boots.get(&key) {
                    *offset
                } else {
                    let offset = transaction.boot_offset(district, known.row.device, boot).await?;
                    boots.insert(key, offset);
                    offset
                }
            }
        };
        told.push(one(known, offset, names));
    }
    Ok(told)
}

fn one(known: &Known, boot_offset_ms: Option<i64>, names: &Names) -> Told {
    let Known { row, operation } = known;
    let kind = operation.kind.as_str();
    let disposition = disposition_of(row.disposition);
    let interval = time::interval(&operation.at, row.received_ms, boot_offset_ms);
    Told {
        identity: row.identity.to_string(),
        head: row.identity.head().to_string(),
        id: operation.id.to_string(),
        kind: kind.to_owned(),
        kind_zh: operation.kind.known().map_or(kind, |known| known.zh()).to_owned(),
        author: operation.author.to_string(),
        author_name: names.get(operation.author),
        device: row.device.to_string(),
        sequence: row.sequence,
        disposition: disposition.map_or("", |disposition| disposition.as_str()),
        disposition_zh: disposition.map_or("", |disposition| disposition.zh()),
        flags: operation_flags::codes(row.flags).map(Flag::from).collect(),
        received_ms: row.received_ms,
        at: operation.at.into(),
        interval: Interval {
            not_before_ms: interval.not_before_ms,
            not_after_ms: interval.not_after_ms,
            clock_suspect: interval.is_clock_suspect,
        },
        heads: operation.heads.iter().map(ToString::to_string).collect(),
        lacking: operation.lacking.iter().map(ToString::to_string).collect(),
        fields: operation.fields.iter().map(|(name, value)| (name.to_string(), json::from_raw(value))).collect(),
        photos: operation
            .photos
            .iter()
            .map(|photo| {
                serde_json::json!({"role": photo.role, "bytes": photo.bytes, "sha256": photo.sha256.to_string()})
            })
            .collect(),
        releases: match operation.kind.known() {
            Some(Kind::Released) => {
                operation.fields.get("operation").and_then(|value| value.as_byte_string()).map(hex::encode)
            }
            _ => None,
        },
    }
}
