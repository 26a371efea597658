//! Decisions about the quarantine: letting an operation take effect as far as it may, or writing it off.
//!
//! What may take effect is decided by the same limits as of any operation; who may decide is `http`'s to say.

use sync_protocol::cbor::Raw;
use sync_protocol::check;
use sync_protocol::codes::Code;
use sync_protocol::field;
use sync_protocol::ids::{Identity, PersonId, RecordId};
use sync_protocol::kind::{Kind, Signer};
use sync_protocol::limits;
use sync_protocol::named::Fields;
use sync_protocol::operation::{Operation, Photo, encode_fields};

use super::SyncError;
use super::batch::Batch;
use super::office::{ActOutcome, OwnOperation, write_own};
use crate::store::QuarantineListed;

/// A release embeds what the quarantined operation may still say, and stands where it is made.
pub(super) async fn release(
    batch: &mut Batch<'_>,
    identity: Identity,
    author: PersonId,
) -> Result<ActOutcome, SyncError> {
    let key = batch.district.key;
    let row = undecided(batch, identity).await?;
    let operation = Operation::decode(&row.bytes)
        .map_err(|code| SyncError::RefusedFor(Code::NotReleasable, code.to_string()))?;
    // What only the office or the server may say is commanded, with its guards, and never taken from a phone.
    if operation.kind.known().is_some_and(|kind| kind.signer() != Signer::Field) {
        return Err(SyncError::RefusedFor(Code::NotReleasable, operation.kind.as_str().to_owned()));
    }
    let fields: Fields = operation
        .fields
        .iter()
        .filter(|(name, value)| is_sayable(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut says = Fields::new();
    says.insert("operation", Raw::of(&identity));
    says.insert("effective_kind", Raw::of(&operation.kind.as_str()));
    says.insert("effective_author", Raw::of(&operation.author));
    if !fields.is_empty() {
        says.insert("effective_fields", Raw::from_checked(&encode_fields(&fields)));
    }
    let photos: Vec<Photo> = operation
        .photos
        .iter()
        .filter(|photo| photo.bytes <= limits::PHOTO_BYTES && is_name(&photo.role))
        .cloned()
        .collect();
    let draft = OwnOperation {
        kind: Kind::Released,
        record: operation.record,
        fields: &says,
        photos: &photos,
        author,
    };
    let release = write_own(batch, &draft, None).await?;
    batch.transaction.mark_released(key, identity, release, operation.record).await?;
    // What it becomes from now on is what the release becomes: that is read where totals are.
    batch.transaction.add_tallies(key, &[("disposition:quarantined", -1)]).await?;
    Ok(ActOutcome { operation: Some(release), persons: Vec::new(), commanded: None })
}

/// Writes off a quarantined operation: it never takes effect, is kept, and waits no longer.
///
/// The decision stands in the log of the device that signed it, since what cannot be read names no record.
pub(super) async fn write_off(
    batch: &mut Batch<'_>,
    identity: Identity,
    reason: &str,
    author: PersonId,
) -> Result<ActOutcome, SyncError> {
    let row = undecided(batch, identity).await?;
    let fields = Fields::from([("operation", Raw::of(&identity)), ("reason", Raw::of(&reason))]);
    let draft = OwnOperation {
        kind: Kind::WrittenOff,
        record: RecordId(row.device.0),
        fields: &fields,
        photos: &[],
        author,
    };
    let decision = write_own(batch, &draft, None).await?;
    batch.transaction.mark_written_off(batch.district.key, identity, decision).await?;
    Ok(ActOutcome { operation: Some(decision), persons: Vec::new(), commanded: None })
}

/// A quarantined operation that nobody has decided about.
async fn undecided(batch: &mut Batch<'_>, identity: Identity) -> Result<QuarantineListed, SyncError> {
    let row = batch.transaction.quarantined_whole(batch.district.key, identity).await?;
    let row = row.ok_or(SyncError::Refused(Code::NotFound))?;
    if row.released_by.is_some() {
        return Err(SyncError::RefusedFor(Code::NotReleasable, "it is decided already".to_owned()));
    }
    Ok(row)
}

/// Whether a text may be a name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= limits::NAME_BYTES && !name.contains('\0')
}

/// Whether a field of a quarantined operation may take effect: its name, texts, type and range are right.
fn is_sayable(name: &str, value: &Raw) -> bool {
    // What a settling names is a name too: with another it settles nothing.
    let is_short = is_name(name) && (name != "field" || value.as_text().is_none_or(is_name));
    let has_clean_texts = sync_protocol::prepass::visit_texts(value.as_bytes(), &mut |text| {
        if text.contains(&0) || text.len() > limits::TEXT_BYTES { Err(Code::TextNul) } else { Ok(()) }
    })
    .is_ok();
    let fits = field::find(name).is_none_or(|field| check::check_value(value, field.value).is_ok());
    is_short && has_clean_texts && fits
}
