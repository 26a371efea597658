//! Acts of the office and of the server itself: operations signed by the server's key, written like any other.
//!
//! An act is built under the lock, on the heads that the record has then; where it names the heads it was made
//! from, it is refused if they are no longer the record's.

use std::collections::BTreeMap;

use sync_protocol::bundle::{self, Run};
use sync_protocol::cbor::Raw;
use sync_protocol::check;
use sync_protocol::codes::Code;
use sync_protocol::enrolment::Bearer;
use sync_protocol::ids::{BundleHash, Chain, DeviceId, Head, Identity, OperationId, PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::limits;
use sync_protocol::named::Fields;
use sync_protocol::operation::{Operation, Photo, Stamp};
use sync_protocol::view::View;
use uuid::Uuid;

use super::SyncError;
use super::admit;
use super::audit;
use super::batch::Batch;
use super::photos::{self, Uploader};
use super::{commands, redaction, release, trust};
use crate::audit::Actor;
use crate::domain::{Collection, Device, DeviceStatus};
use crate::store::{Counter, PhotoFileRow, StoreError};

/// What the office or the server does.
#[derive(Clone, Debug)]
pub enum Act {
    /// An operation of an office or server kind on a record.
    Operation {
        /// Its kind.
        kind: Kind,
        /// The record.
        record: RecordId,
        /// What it asserts.
        fields: Fields,
        /// Photos it names.
        photos: Vec<Photo>,
        /// The account's person; nil for the server itself.
        author: PersonId,
        /// The heads it was made from; none: whatever is there.
        made_from: Option<Vec<Head>>,
    },
    /// A command on a hazard, judged under the lock.
    Command(Box<commands::Command>),
    /// Lets a quarantined operation take effect.
    Release {
        /// The operation.
        identity: Identity,
        /// The account's person.
        author: PersonId,
    },
    /// Writes off a quarantined operation that will never take effect.
    WriteOff {
        /// The operation.
        identity: Identity,
        /// Why, in words.
        reason: String,
        /// The account's person.
        author: PersonId,
    },
    /// Revokes a device from after a trusted point.
    Revoke {
        /// The device.
        device: DeviceId,
        /// The last trusted sequence and the chain there; none: the last received.
        trusted: Option<(u64, Chain)>,
        /// The account's person; nil for an operator.
        author: PersonId,
    },
    /// Gives a device up for lost.
    Lose {
        /// The device.
        device: DeviceId,
        /// Who does.
        by: Actor,
    },
    /// Writes off what a device in use lacks up to a sequence.
    GiveUp {
        /// The device.
        device: DeviceId,
        /// The sequence.
        through: u64,
        /// Why, in words.
        reason: String,
        /// The account's person; nil for an operator.
        author: PersonId,
    },
    /// Notes that a photo is held whole, and verifies it wherever it is named.
    HoldPhoto {
        /// Its file.
        file: Box<PhotoFileRow>,
        /// Who uploaded it.
        by: Uploader,
    },
    /// Enrols a device, or binds another person to it.
    Enrol {
        /// The device.
        device: DeviceId,
        /// Its public key.
        public_key: Vec<u8>,
        /// App and version.
        client: String,
        /// The device that it replaces.
        continues: Option<DeviceId>,
        /// Persons to bind.
        persons: Vec<Bearer>,
        /// The hash of the code that allowed it; none with a certificate.
        code_hash: Option<[u8; 32]>,
    },
}

/// The author of what the server does of its own accord.
pub const SERVER_AUTHOR: PersonId = PersonId(Uuid::nil());

impl Act {
    /// Whether a person at a desk waits for it. What the server does of its own accord, and for phones, waits with bundles.
    pub(super) fn is_from_a_desk(&self) -> bool {
        match self {
            Self::Operation { author, .. } => *author != SERVER_AUTHOR,
            Self::Command(_)
            | Self::Release { .. }
            | Self::WriteOff { .. }
            | Self::Revoke { .. }
            | Self::Lose { .. }
            | Self::GiveUp { .. } => true,
            Self::HoldPhoto { .. } | Self::Enrol { .. } => false,
        }
    }

    /// The server's note that a device's chain is forked.
    pub fn device_forked(device: DeviceId) -> Self {
        Self::of_device(Kind::DeviceForked, device, Fields::new())
    }

    fn of_device(kind: Kind, device: DeviceId, mut fields: Fields) -> Self {
        fields.insert("device", Raw::of(&device));
        Self::Operation {
            kind,
            record: RecordId(device.0),
            fields,
            photos: Vec::new(),
            author: SERVER_AUTHOR,
            made_from: None,
        }
    }
}

/// What an act came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActOutcome {
    /// The operation that was written, where one was.
    pub operation: Option<Identity>,
    /// Persons bound to the device of an enrolment.
    pub persons: Vec<PersonId>,
    /// What a command came to.
    pub commanded: Option<Box<commands::Commanded>>,
}

/// The server's own device; it is added on first use.
pub(super) async fn own_device(batch: &mut Batch<'_>) -> Result<Device, SyncError> {
    let id = batch.engine.own_device(batch.district);
    let key = batch.district.key;
    if let Some(row) = batch.transaction.device(key, id).await? {
        return Ok(row.device);
    }
    let public_key = batch.engine.keys.public_key();
    batch.transaction.add_device(key, id, public_key, "firebreak server", None, batch.now_ms).await?;
    let row = batch.transaction.device(key, id).await?;
    row.map(|row| row.device).ok_or(SyncError::Store(StoreError::Damaged("own device")))
}

/// Performs an act within a group, and notes in the audit log who did it.
pub(super) async fn perform(batch: &mut Batch<'_>, act: &Act) -> Result<ActOutcome, SyncError> {
    let outcome = carry_out(batch, act).await?;
    if let Some(entry) = audit::of_act(act, &outcome) {
        batch.engine.audit(batch.transaction, batch.district, entry).await?;
    }
    Ok(outcome)
}

async fn carry_out(batch: &mut Batch<'_>, act: &Act) -> Result<ActOutcome, SyncError> {
    match act {
        Act::Operation { kind, record, fields, photos, author, made_from } => {
            let draft = OwnOperation { kind: *kind, record: *record, fields, photos, author: *author };
            let identity = write_own(batch, &draft, made_from.as_deref()).await?;
            Ok(ActOutcome { operation: Some(identity), persons: Vec::new(), commanded: None })
        }
        Act::Command(command) => commands::perform(batch, command).await,
        Act::Release { identity, author } => release::release(batch, *identity, *author).await,
        Act::WriteOff { identity, reason, author } => {
            release::write_off(batch, *identity, reason, *author).await
        }
        Act::Revoke { device, trusted, author } => trust::revoke(batch, *device, *trusted, *author).await,
        Act::HoldPhoto { file, by } => photos::hold(batch, file, *by).await,
        Act::GiveUp { device, through, reason, author } => {
            trust::give_up(batch, (*device, *through), reason, *author).await
        }
        Act::Lose { device, .. } => {
            // What was revoked stays so: a lost phone is trusted with what it sent.
            let known = known_device(batch, *device).await?;
            if !matches!(known.status, DeviceStatus::Revoked { .. }) {
                let key = batch.district.key;
                batch.transaction.set_device_status(key, *device, DeviceStatus::Lost).await?;
                batch.news.lost(*device);
            }
            Ok(ActOutcome { operation: None, persons: Vec::new(), commanded: None })
        }
        Act::Enrol { device, public_key, client, continues, persons, code_hash } => {
            let key = batch.district.key;
            let known = batch.transaction.device(key, *device).await?;
            if known.as_ref().is_some_and(|row| matches!(row.device.status, DeviceStatus::Revoked { .. })) {
                return Err(SyncError::Refused(Code::DeviceRevoked));
            }
            let is_new = known.is_none();
            batch.transaction.add_device(key, *device, public_key, client, *continues, batch.now_ms).await?;
            for person in persons {
                batch.transaction.bind_person(key, *device, person.id).await?;
            }
            if let Some(hash) = code_hash
                && !batch.transaction.use_enrol_code(key, hash, *device).await?
            {
                return Err(SyncError::Refused(Code::EnrolCodeUsed));
            }
            if is_new {
                let Act::Operation { record, fields, .. } =
                    Act::of_device(Kind::DeviceEnrolled, *device, Fields::new())
                else {
                    return Err(SyncError::Gone);
                };
                let draft = OwnOperation {
                    kind: Kind::DeviceEnrolled,
                    record,
                    fields: &fields,
                    photos: &[],
                    author: SERVER_AUTHOR,
                };
                write_own(batch, &draft, None).await?;
            }
            trust::requalify(batch, *device).await?;
            let row = known_device(batch, *device).await?;
            Ok(ActOutcome { operation: None, persons: row.persons, commanded: None })
        }
    }
}

pub(super) async fn known_device(batch: &mut Batch<'_>, device: DeviceId) -> Result<Device, SyncError> {
    let row = batch.transaction.device(batch.district.key, device).await?;
    row.map(|row| row.device).ok_or_else(|| SyncError::RefusedFor(Code::NotFound, format!("device {device}")))
}

pub(super) struct OwnOperation<'a> {
    pub(super) kind: Kind,
    pub(super) record: RecordId,
    pub(super) fields: &'a Fields,
    pub(super) photos: &'a [Photo],
    pub(super) author: PersonId,
}

impl OwnOperation<'_> {
    /// What its sender is told where it is too large or too deep to be one.
    fn refusal(&self) -> Code {
        if self.kind == Kind::Released { Code::NotReleasable } else { Code::BadParameter }
    }
}

/// Builds, signs and writes one operation of the server.
pub(super) async fn write_own(
    batch: &mut Batch<'_>,
    draft: &OwnOperation<'_>,
    made_from: Option<&[Head]>,
) -> Result<Identity, SyncError> {
    let key = batch.district.key;
    let counter = batch.transaction.take_counter(key, 1).await?;
    let row = batch.transaction.records(key, &[draft.record]).await?.remove(&draft.record);
    // No operation makes these: they are written whole.
    let written_whole = [Collection::People, Collection::Areas, Collection::Grid].map(Collection::number);
    if row.as_ref().is_some_and(|row| written_whole.contains(&row.collection)) {
        return Err(SyncError::Refused(Code::NotFound));
    }
    let view = row.and_then(|row| View::decode(&row.view));
    let heads = view.as_ref().map_or(&[][..], |view| view.heads.as_slice());
    if made_from.is_some_and(|made_from| made_from != heads) {
        return Err(SyncError::Refused(Code::ConflictClosed));
    }
    let lacking = match &view {
        // What cannot be named as lacking would count as seen: then nothing counts as seen.
        Some(view) if view.missing.len() > limits::LACKING => {
            return sign(batch, draft, &counter, &[], &[]).await;
        }
        Some(view) => view.missing.clone(),
        None => Vec::new(),
    };
    let heads = heads.to_vec();
    sign(batch, draft, &counter, &heads, &lacking).await
}

/// Writes an operation of the server beside what came since: made from heads that are not the record's any more.
pub(super) async fn write_beside(
    batch: &mut Batch<'_>,
    draft: &OwnOperation<'_>,
    heads: &[Head],
    lacking: &[Head],
) -> Result<Identity, SyncError> {
    let counter = batch.transaction.take_counter(batch.district.key, 1).await?;
    sign(batch, draft, &counter, heads, lacking).await
}

/// Builds one operation of the server on these heads, signs and writes it.
async fn sign(
    batch: &mut Batch<'_>,
    draft: &OwnOperation<'_>,
    counter: &Counter,
    heads: &[Head],
    lacking: &[Head],
) -> Result<Identity, SyncError> {
    if draft.kind == Kind::Redacted {
        redaction::put_out(batch, draft).await?;
    }
    let id = if draft.kind.opens() { OperationId(draft.record.0) } else { OperationId(new_id(batch.now_ms)) };
    let stamp = Stamp { wall_ms: batch.now_ms, after_ms: Some(batch.now_ms), ..Stamp::default() };
    let mut operation = Operation::new(id, draft.record, draft.kind, draft.author, stamp)
        .after(heads.iter().copied().take(limits::HEADS));
    operation.lacking = lacking.to_vec();
    operation.fields.clone_from(draft.fields);
    operation.photos = draft.photos.to_vec();
    check::check(&operation).map_err(|fault| SyncError::RefusedFor(draft.refusal(), fault.to_string()))?;
    let own = own_device(batch).await?;
    let bytes = operation.encode();
    Operation::decode(&bytes).map_err(|code| SyncError::RefusedFor(draft.refusal(), code.to_string()))?;
    let identity = Identity::of(&bytes);
    let run = Run {
        device: own.id,
        first: own.head_sequence + 1,
        previous: own.head_chain,
        operations: vec![bytes],
    };
    let binding = batch.engine.binding(batch.district);
    let sealed = bundle::seal(&run, &binding, |message| batch.engine.keys.sign(message));
    let public_keys = BTreeMap::from([(own.id, own.public_key.clone())]);
    let arrival = admit::open_one(
        BundleHash::of(&sealed),
        &sealed,
        &binding,
        &public_keys,
        own.id,
        None,
        &batch.engine.default_positions,
    )?;
    Box::pin(batch.write_together(&[arrival], counter)).await?;
    if draft.kind == Kind::Redacted {
        redaction::blank_notices(batch, draft).await?;
    }
    Ok(identity)
}

/// A UUIDv7 of this moment.
pub fn new_id(now_ms: i64) -> Uuid {
    let now_ms = u64::try_from(now_ms).unwrap_or(0);
    let subsecond = u32::try_from(now_ms % 1_000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, now_ms / 1_000, subsecond))
}
