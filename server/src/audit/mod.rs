//! The audit log as a hash chain: how a row follows from the one before, and what a broken chain shows. Pure.
//!
//! Each row's hash covers all of it, the hash of the row before and the district. So an edited, deleted or reordered
//! row breaks the chain. Who can write the whole database can make the whole chain anew: that shows by a head that was
//! kept elsewhere ([`Verifier::new`] takes it). Not here: where rows lie, who reads them, what is worth a row.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use sync_protocol::ids::{DeviceId, DistrictId, PersonId, sha256};
use uuid::Uuid;

/// Characters of an object's name.
pub const OBJECT_CHARACTERS: usize = 200;
/// Bytes of a detail. A longer one is left out, and its SHA-256 stands for it.
pub const DETAIL_BYTES: usize = 4 << 10;
/// Faults that a verdict names; all are counted.
pub const FAULTS: usize = 100;
/// The chain that belongs to no district: logins, deployment-wide accounts.
pub const DEPLOYMENT: DistrictId = DistrictId(Uuid::nil());

/// What the hashes of this encoding begin with.
const DOMAIN: &[u8] = b"firebreak audit 1";

/// The hash of a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditHash(pub [u8; 32]);

impl AuditHash {
    /// What the first row follows.
    pub const START: Self = Self([0; 32]);
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no hash.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the 64 hexadecimal digits of an audit head")]
pub struct NoHash(String);

impl FromStr for AuditHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let bytes = hex::decode(text.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(Self).ok_or_else(|| NoHash(text.to_owned()))
    }
}

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person, by an account or token of theirs.
    Person(PersonId),
    /// The owner of an account, who may be a person of several districts.
    Account(Uuid),
    /// A phone.
    Device(DeviceId),
    /// Whoever runs commands on the server's machine.
    Operator,
    /// The server of its own accord.
    Server,
    /// Nobody known: a login that failed.
    Nobody,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => write!(f, "person:{id}"),
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Device(id) => write!(f, "device:{id}"),
            Self::Operator => f.write_str("operator"),
            Self::Server => f.write_str("server"),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}

/// What is worth a row: one thing that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Who did it.
    pub actor: Actor,
    /// What: `noun.verb`, lower case. The list is in `docs/api.md`.
    pub action: Cow<'static, str>,
    /// On what: an id, a number, a name; empty where the action says it all. At most [`OBJECT_CHARACTERS`].
    pub object: String,
    /// More, as a JSON object: no secrets, no values of fields, no positions. At most [`DETAIL_BYTES`].
    pub detail: Value,
}

/// Where a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The sequence of the last row; 0 where there is none.
    pub sequence: u64,
    /// Its hash.
    pub hash: AuditHash,
}

impl Link {
    /// Of an empty chain.
    pub const START: Self = Self { sequence: 0, hash: AuditHash::START };
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// From 1, without gaps.
    pub sequence: u64,
    /// Server time, milliseconds since 1970.
    pub at_ms: i64,
    /// An [`Actor`] as text.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// On what.
    pub object: String,
    /// JSON, as it was hashed.
    pub detail: String,
    /// The hash of the row before.
    pub previous: AuditHash,
    /// The hash of this row.
    pub hash: AuditHash,
}

impl Row {
    /// The row that an entry makes at the end of a district's chain.
    pub fn after(last: Link, district: DistrictId, at_ms: i64, entry: &Entry) -> Self {
        let mut row = Self {
            sequence: last.sequence.saturating_add(1),
            at_ms,
            actor: entry.actor.to_string(),
            action: plain(&entry.action),
            object: plain(&entry.object),
            detail: detail(&entry.detail),
            previous: last.hash,
            hash: AuditHash::START,
        };
        row.hash = row.hash_in(district);
        row
    }

    /// Where the chain stands with this row.
    pub const fn link(&self) -> Link {
        Link { sequence: self.sequence, hash: self.hash }
    }

    /// SHA-256 over every part, each with its length before it, so that no two rows have one encoding.
    fn hash_in(&self, district: DistrictId) -> AuditHash {
        let (sequence, at_ms) = (self.sequence.to_be_bytes(), self.at_ms.to_be_bytes());
        let parts: [&[u8]; 9] = [
            DOMAIN,
            district.0.as_bytes(),
            &sequence,
            &at_ms,
            self.actor.as_bytes(),
            self.action.as_bytes(),
            self.object.as_bytes(),
            self.detail.as_bytes(),
            &self.previous.0,
        ];
        let mut bytes = Vec::with_capacity(256);
        for part in parts {
            bytes.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend(part);
        }
        AuditHash(sha256(&bytes))
    }
}

/// One line, so long at most.
fn plain(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    text.chars().take(OBJECT_CHARACTERS).map(shown).collect()
}

/// Keys ascend, whatever order maps keep.
fn detail(detail: &Value) -> String {
    let mut detail = detail.clone();
    detail.sort_all_objects();
    let text = detail.to_string();
    if text.len() <= DETAIL_BYTES {
        return text;
    }
    serde_json::json!({ "left_out_bytes": text.len(), "sha256": hex::encode(sha256(text.as_bytes())) })
        .to_string()
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// A row is not what was hashed: a part of it, its place or its district was changed.
    Edited {
        /// Its sequence.
        sequence: u64,
    },
    /// Rows are not there.
    Missing {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A row does not follow the one before it: one of the two was replaced.
    Unlinked {
        /// The later one's sequence.
        sequence: u64,
    },
    /// The chain does not end where it was last written: rows were cut off or put on behind the log's back.
    HeadDiffers {
        /// Where it was last written.
        head: u64,
        /// Where it ends.
        last: u64,
    },
    /// The head that was kept elsewhere is not in the chain: it was cut off before it, or made anew.
    HeadUnknown {
        /// That head.
        head: String,
    },
}

/// What a chain amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Rows read.
    pub rows: u64,
    /// The sequence of the last row.
    pub sequence: u64,
    /// Its hash.
    pub head: String,
    /// How many faults there are.
    pub fault_count: u64,
    /// The first [`FAULTS`] of them.
    pub faults: Vec<Fault>,
}

/// Takes a chain's rows in order and says what is wrong.
#[derive(Debug)]
pub struct Verifier {
    district: DistrictId,
    last: Link,
    wanted: Option<AuditHash>,
    is_seen: bool,
    rows: u64,
    fault_count: u64,
    faults: Vec<Fault>,
}

impl Verifier {
    /// Of a district's chain, which must hold this head where one was kept.
    pub fn new(district: DistrictId, kept: Option<AuditHash>) -> Self {
        Self {
            district,
            last: Link::START,
            wanted: kept,
            is_seen: kept.is_none_or(|head| head == AuditHash::START),
            rows: 0,
            fault_count: 0,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS {
            self.faults.push(fault);
        }
    }

    /// Takes the next row, by ascending sequence.
    pub fn take(&mut self, row: &Row) {
        let next = self.last.sequence.saturating_add(1);
        if row.sequence > next {
            self.fault(Fault::Missing { first: next, last: row.sequence.saturating_sub(1) });
        } else if row.sequence < next || row.previous != self.last.hash {
            self.fault(Fault::Unlinked { sequence: row.sequence });
        }
        if row.hash_in(self.district) != row.hash {
            self.fault(Fault::Edited { sequence: row.sequence });
        }
        self.is_seen |= self.wanted == Some(row.hash);
        self.last = row.link();
        self.rows += 1;
    }

    /// The verdict, given where the log says that the chain stands.
    pub fn finish(mut self, head: Link) -> Verdict {
        if head != self.last {
            self.fault(Fault::HeadDiffers { head: head.sequence, last: self.last.sequence });
        }
        if let Some(wanted) = self.wanted.filter(|_| !self.is_seen) {
            self.fault(Fault::HeadUnknown { head: wanted.to_string() });
        }
        Verdict {
            ok: self.fault_count == 0,
            rows: self.rows,
            sequence: self.last.sequence,
            head: self.last.hash.to_string(),
            fault_count: self.fault_count,
            faults: self.faults,
        }
    }
}

#[cfg(test)]
mod tests;
