//! Redacting: what is checked of it, and what follows beside the fold, which blanks texts and marks photos.
//!
//! The operation's bytes stay sealed in the ledger, for proof alone. What else shows of them is put out here: a photo's
//! file goes, a quarantined operation's bytes are shown no more, and orders, issued reports and the map, which repeat a text,
//! are blanked.

use std::collections::BTreeSet;

use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::exchange::Notice;
use sync_protocol::fold;
use sync_protocol::ids::{Identity, PersonId, PhotoHash, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

use super::batch::Batch;
use super::office::OwnOperation;
use super::{SyncError, reports};
use crate::orders::Shown;

/// What a redaction names.
enum Named {
    Photo(PhotoHash),
    Text { operation: Identity, released: Option<Identity>, said: Option<String> },
}

fn refused(what: &str) -> SyncError {
    SyncError::RefusedFor(Code::BadParameter, what.to_owned())
}

/// What a redaction names, where it would blank something.
async fn named(batch: &mut Batch<'_>, draft: &OwnOperation<'_>) -> Result<Named, SyncError> {
    let key = batch.district.key;
    if let Some(photo) = draft.fields.get("photo").and_then(Raw::decode::<PhotoHash>) {
        let records = batch.transaction.records_of_photo(key, photo).await?;
        return if records.contains(&draft.record) { Ok(Named::Photo(photo)) } else { Err(refused("photo")) };
    }
    let field = draft.fields.get("field").and_then(Raw::as_text).unwrap_or_default();
    if !fold::is_redactable(field) || field.is_empty() {
        return Err(refused("field: the name of a text"));
    }
    let operation = draft.fields.get("operation").and_then(Raw::decode::<Identity>);
    let operation = operation.ok_or_else(|| refused("operation: the identity of one, or photo"))?;
    let stored = batch.transaction.ledger_operations(key, draft.record).await?;
    if let Some(stored) = stored.iter().find(|stored| stored.identity == operation) {
        let said = Operation::decode(&stored.bytes).ok();
        let Some(text) = said.as_ref().and_then(|said| fold::said_text(said, field)) else {
            return Err(refused("field: that operation says no such text"));
        };
        let text = text.as_text().map(str::to_owned);
        let release = said.filter(|said| said.kind.known() == Some(Kind::Released));
        let from_quarantine = release.and_then(|said| said.fields.get("operation")?.decode::<Identity>());
        return Ok(Named::Text { operation, released: from_quarantine, said: text });
    }
    let waiting = batch.transaction.quarantined_whole(key, operation).await?;
    if waiting.is_some_and(|waiting| waiting.record == Some(draft.record)) {
        return Ok(Named::Text { operation, released: None, said: None });
    }
    Err(refused("operation"))
}

/// Puts out what shows of it beside the fold; before the redaction itself is written.
///
/// # Errors
/// [`Code::BadParameter`] where it would blank nothing: nobody is to believe that something is hidden which is not.
pub(super) async fn put_out(batch: &mut Batch<'_>, draft: &OwnOperation<'_>) -> Result<(), SyncError> {
    let key = batch.district.key;
    match named(batch, draft).await? {
        Named::Photo(photo) => {
            batch.transaction.erase_photo_file(key, photo, draft.author.0, batch.now_ms).await?;
            batch.news.photo_redacted();
        }
        Named::Text { operation, released, said } => {
            for identity in [Some(operation), released].into_iter().flatten() {
                batch.transaction.mark_quarantine_redacted(key, identity).await?;
            }
            if let Some(field) = draft.fields.get("field").and_then(Raw::as_text) {
                batch.transaction.blank_order(key, operation, field, fold::BLANK).await?;
                if let Some(text) = said.as_deref() {
                    reports::blank(batch, (draft.record, field, text), draft.author).await?;
                }
            }
            if let Some(secret) = said.as_deref() {
                blank_orders(batch, draft.record, secret).await?;
                batch.transaction.blank_on_map(key, draft.record, secret).await?;
            }
            batch.transaction.count_redaction(key).await?;
            batch.news.text_redacted();
        }
    }
    Ok(())
}

/// Blanks the text where orders of the hazard show it as it was when they were issued.
async fn blank_orders(batch: &mut Batch<'_>, record: RecordId, secret: &str) -> Result<(), SyncError> {
    let key = batch.district.key;
    for mut order in batch.transaction.orders_of(key, record).await? {
        let mut shown = Shown::decode(&order.shown);
        if shown.blank(secret, fold::BLANK) {
            order.shown = shown.encode();
            batch.transaction.rewrite_shown(key, &order).await?;
        }
    }
    Ok(())
}

/// Blanks the text in notices that wait, those that the redaction itself gave rise to included.
pub(super) async fn blank_notices(batch: &mut Batch<'_>, draft: &OwnOperation<'_>) -> Result<(), SyncError> {
    let key = batch.district.key;
    let field = draft.fields.get("field").and_then(Raw::as_text);
    let named = draft.fields.get("operation").and_then(Raw::decode::<Identity>);
    let (Some(field), Some(named)) = (field, named) else { return Ok(()) };
    let stored = batch.transaction.ledger_operations(key, draft.record).await?;
    let said: Vec<(Identity, Operation)> = stored
        .iter()
        .filter_map(|stored| Some((stored.identity, Operation::decode(&stored.bytes).ok()?)))
        .collect();
    let target = said.iter().find(|(identity, _)| *identity == named);
    let Some(secret) = target.and_then(|(_, operation)| fold::said_text(operation, field)) else {
        return Ok(());
    };
    // Notices go to authors of the record.
    let released =
        said.iter().filter_map(|(_, operation)| operation.fields.get("effective_author")?.decode());
    let authors: BTreeSet<PersonId> =
        said.iter().map(|(_, operation)| operation.author).chain(released).collect();
    let authors: Vec<PersonId> = authors.into_iter().collect();
    for (person, id, body) in batch.transaction.open_notices(key, &authors).await? {
        let notice = Notice::decode(&Raw::from_checked(&body));
        let Some(mut notice) = notice.filter(|notice| notice.record == Some(draft.record)) else { continue };
        let mut is_blanked = false;
        for value in [&mut notice.yours, &mut notice.shown] {
            if value.as_ref() == Some(&secret) {
                *value = Some(Raw::of(&fold::BLANK));
                is_blanked = true;
            }
        }
        if is_blanked {
            batch.transaction.rewrite_notice(key, &(person, id, notice.encode())).await?;
        }
    }
    Ok(())
}
