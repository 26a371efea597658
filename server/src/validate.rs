//! Whether an operation may be folded: who signed it, for whom, and whether its device is trusted that far.
//!
//! What its values may be is `sync_protocol::check`. Pure: it is given the device as it stands under the lock.

pub mod entry;

use std::sync::Arc;

use bytes::Bytes;
use sync_protocol::check;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Chain, Identity, OperationId, PersonId, RecordId};
use sync_protocol::kind::{Kind, Signer};
use sync_protocol::operation::{Identified, KindName, Operation, Position, Stamp};

use crate::domain::{Device, DeviceStatus, operation_flags};

/// One operation of a verified bundle, read as far as it can be read.
#[derive(Clone, Debug)]
pub struct ReadOperation {
    /// SHA-256 of its bytes.
    pub identity: Identity,
    /// Its sequence at its device.
    pub sequence: u64,
    /// The chain after it.
    pub chain: Chain,
    /// As it came.
    pub bytes: Bytes,
    /// The operation, or what is wrong with it.
    pub content: Result<Content, Unreadable>,
}

/// What is kept of an operation that could be read: enough to sort it.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its id.
    pub id: OperationId,
    /// The record it is about.
    pub record: RecordId,
    /// Its kind.
    pub kind: KindName,
    /// Its author.
    pub author: PersonId,
    /// When, by its device.
    pub at: Stamp,
    /// Flags that follow from its own values.
    pub flags: i64,
    /// All of it. Nothing where it was folded already: decoded it takes many times the room of its bytes, and they
    /// are seldom needed again.
    pub decoded: Option<Arc<Identified>>,
}

impl Content {
    /// Keeps an operation whole.
    pub fn of(identity: Identity, operation: Operation, default_positions: &[(i64, i64)]) -> Self {
        Self {
            id: operation.id,
            record: operation.record,
            kind: operation.kind.clone(),
            author: operation.author,
            at: operation.at,
            flags: flags(&operation, default_positions),
            decoded: Some(Arc::new(Identified { identity, operation })),
        }
    }
}

/// An operation whose structure or values are not acceptable, whoever signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong.
    pub code: Code,
    /// The value at fault, or nothing.
    pub at: String,
    /// The record it names, where that could be read.
    pub record: Option<RecordId>,
    /// Its author, where that could be read.
    pub author: Option<PersonId>,
}

/// Reads the bytes of one operation: structure, shape, values.
pub fn read(bytes: &[u8]) -> Result<Operation, Unreadable> {
    let operation = Operation::decode(bytes).map_err(|code| Unreadable {
        code,
        at: String::new(),
        record: None,
        author: None,
    })?;
    match check::check(&operation) {
        Ok(()) => Ok(operation),
        Err(fault) => Err(Unreadable {
            code: fault.code,
            at: fault.at,
            record: Some(operation.record),
            author: Some(operation.author),
        }),
    }
}

/// Who signed a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy<'a> {
    /// A device.
    Device(&'a Device),
    /// This server.
    Server,
}

/// Whether an operation is folded or waits in quarantine.
///
/// # Errors
/// The code to quarantine it with.
pub fn admit(
    kind: &KindName,
    author: PersonId,
    sequence: u64,
    is_trusted: Trust,
    signer: SignedBy<'_>,
) -> Result<(), Code> {
    let device = match signer {
        SignedBy::Server => return Ok(()),
        SignedBy::Device(device) => device,
    };
    if let DeviceStatus::Revoked { sequence: last, .. } = device.status
        && (sequence > last || is_trusted == Trust::Untrusted)
    {
        return Err(Code::AfterRevocation);
    }
    if kind.known().is_some_and(|kind: Kind| kind.signer() != Signer::Field) {
        return Err(Code::KindNotForDevices);
    }
    if !device.persons.contains(&author) {
        return Err(Code::AuthorNotBound);
    }
    Ok(())
}

/// Whether a code of quarantine says who was not trusted, not what was wrong: another signer, or a later event, may
/// be trusted with the same bytes.
pub fn is_of_trust(code: &str) -> bool {
    [Code::AfterRevocation, Code::AuthorNotBound, Code::KindNotForDevices]
        .iter()
        .any(|known| known.as_str() == code)
}

/// Whether a run is known to chain up to the last trusted point of a revoked device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is, or the device is not revoked.
    Trusted,
    /// It is on another branch.
    Untrusted,
}

/// A city portal's and a phone's "place unknown": zero, and a fix without any accuracy at whole degrees.
const ORIGIN: (i64, i64) = (0, 0);
/// Above this a fix is poor: 15 m.
const POOR_DM: u64 = 150;
/// Above this a fix is unreliable: 50 m.
const UNRELIABLE_DM: u64 = 500;

/// Flags that follow from an operation's own values.
fn flags(operation: &Operation, default_positions: &[(i64, i64)]) -> i64 {
    let mut flags = 0;
    let mut flag = |code: Code| flags |= operation_flags::bit(code);
    if let Some(position) =
        operation.fields.get("position").and_then(sync_protocol::cbor::Raw::decode::<Position>)
    {
        let at = (position.lat_e7, position.lon_e7);
        if at == ORIGIN || default_positions.contains(&at) {
            flag(Code::FlagDefaultPosition);
        }
        match position.accuracy_dm {
            Some(accuracy) if accuracy > UNRELIABLE_DM => flag(Code::FlagAccuracyUnreliable),
            Some(accuracy) if accuracy > POOR_DM => flag(Code::FlagAccuracyPoor),
            _ => {}
        }
    }
    if operation.kind.known() == Some(Kind::Reported) && operation.photos.is_empty() {
        flag(Code::FlagNoPhoto);
    }
    flags
}
