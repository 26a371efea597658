//! Proposals that two records are one hazard: what the office is shown of them, and what it decides.
//!
//! Accepting *is* the office's `duplicate` on the record that was found later; the earlier one keeps its found-time, and is
//! given the earlier deadline and the worse severity where they are the other's. Undoing takes back, by `retracted`,
//! what accepting wrote, so that both records show what they showed before
//! (docs/decisions/0010-taking-back.md). The rows are derived elsewhere.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Head, Identity, PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use sync_protocol::operation::{KindName, Operation};
use sync_protocol::view::{State, View};
use utoipa::ToSchema;
use uuid::Uuid;

use super::audit::Entry;
use super::listing::hazards::{self, Hazard};
use super::listing::{Page, cursor, read_cursor};
use super::office::Act;
use super::taken_over::taken_over;
use super::{Engine, SyncError, derive};
use crate::domain::District;
use crate::duplicates::Reason;
use crate::store::{OpenProposal, ProposalAt, RecordRow, StoreError, Transaction};

/// A proposal as the office sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Proposed {
    /// The smaller id.
    pub record: String,
    /// The greater id.
    pub other: String,
    /// How probable, up to 1000.
    pub score: i64,
    /// How far they are apart, millimetres.
    pub distance_mm: i64,
    /// Why: each with its figures, `zh` and `en`.
    #[schema(value_type = Vec<Object>)]
    pub reasons: Vec<Value>,
    /// The record that would stay.
    pub stays: String,
    /// Both hazards, as lines of the list.
    pub hazards: Vec<Hazard>,
}

/// What a decision wrote.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Decided {
    /// Identities of operations, in the order they were written.
    pub operations: Vec<String>,
}

/// A page of the open proposals: of the worst hazards first, and of these the likeliest.
///
/// # Errors
/// The cursor's, the store's.
pub async fn page(
    engine: &Arc<Engine>,
    district: &District,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Proposed>, SyncError> {
    let after = match from {
        Some(text) => {
            let (class, score, record, other): (i64, i64, Uuid, Uuid) = read_cursor(text)?;
            ProposalAt { class, score, record: RecordId(record), other: RecordId(other) }
        }
        None => ProposalAt::START,
    };
    engine.follow_until_current(district).await?;
    let mut reading = engine.store.read().await?;
    let open = reading.open_proposals(district.key, after, limit + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let ids: Vec<RecordId> = open.iter().flat_map(|it| [it.row.record, it.row.other]).collect();
    let records = reading.records(district.key, &ids).await?;
    drop(reading);
    let last = open.get(wanted.saturating_sub(1)).filter(|_| open.len() > wanted);
    let next = last.map(|it| cursor(&(it.class, it.row.score, it.row.record.0, it.row.other.0)));
    let mut rows = Vec::with_capacity(open.len().min(wanted));
    for it in open.iter().take(wanted) {
        rows.push(proposed(it, &records, district)?);
    }
    Ok(Page { rows, next })
}

fn proposed(
    open: &OpenProposal,
    records: &std::collections::HashMap<RecordId, RecordRow>,
    district: &District,
) -> Result<Proposed, SyncError> {
    let damaged = StoreError::Damaged("proposal");
    let row = &open.row;
    let pair = records.get(&row.record).zip(records.get(&row.other));
    let (one, two) = pair.ok_or(damaged)?;
    let (one, two) = (Side::of(one)?, Side::of(two)?);
    let reasons: Vec<Reason> =
        serde_json::from_str(&row.reasons).map_err(|_source| StoreError::Damaged("reasons"))?;
    let said = |reason: &Reason| {
        let mut said = serde_json::to_value(reason).unwrap_or_default();
        if let Some(said) = said.as_object_mut() {
            said.insert("zh".to_owned(), reason.zh().into());
            said.insert("en".to_owned(), reason.en().into());
        }
        said
    };
    Ok(Proposed {
        record: row.record.to_string(),
        other: row.other.to_string(),
        score: row.score,
        distance_mm: row.distance_mm,
        reasons: reasons.iter().map(said).collect(),
        stays: if one.comes_before(&two) { row.record } else { row.other }.to_string(),
        hazards: vec![
            hazards::of_row(&one.row, &one.view, district),
            hazards::of_row(&two.row, &two.view, district),
        ],
    })
}

/// One of the two records.
struct Side {
    row: RecordRow,
    view: View,
}

impl Side {
    fn of(row: &RecordRow) -> Result<Self, SyncError> {
        let view = View::decode(&row.view).ok_or(StoreError::Damaged("view"))?;
        Ok(Self { row: row.clone(), view })
    }

    /// When it was found, as far as that is believed.
    fn found_ms(&self) -> i64 {
        derive::found_ms(&self.view, self.row.received_ms)
    }

    fn comes_before(&self, other: &Self) -> bool {
        (self.found_ms(), self.row.record) < (other.found_ms(), other.row.record)
    }

    fn has_ended(&self) -> bool {
        matches!(self.view.state, State::Closed | State::Void | State::Duplicate | State::NotOurs)
    }
}

/// The pair as it is stored: the smaller id first.
fn ordered(one: RecordId, two: RecordId) -> (RecordId, RecordId) {
    (one.min(two), one.max(two))
}

async fn sides(
    transaction: &mut Transaction,
    district: &District,
    (one, two): (RecordId, RecordId),
) -> Result<(Side, Side), SyncError> {
    let records = transaction.records(district.key, &[one, two]).await?;
    let side = |record: RecordId| {
        let row = records.get(&record).filter(|row| !row.is_gone());
        Side::of(row.ok_or(SyncError::Refused(Code::NotFound))?)
    };
    Ok((side(one)?, side(two)?))
}

/// Accepts a proposal: the record that was found later is a duplicate of the earlier one.
///
/// # Errors
/// [`Code::NotFound`] where there is no such proposal; [`Code::ConflictClosed`] where it was dismissed, a record has ended,
/// or somebody was faster.
pub async fn accept(
    engine: &Arc<Engine>,
    district: &District,
    pair: (RecordId, RecordId),
    reason: Option<&str>,
    author: PersonId,
) -> Result<Decided, SyncError> {
    let pair = ordered(pair.0, pair.1);
    engine.follow_until_current(district).await?;
    let mut reading = engine.store.read().await?;
    let found = reading.proposal(district.key, pair).await?;
    let (_, is_dismissed) = found.ok_or(SyncError::Refused(Code::NotFound))?;
    let (one, two) = sides(&mut reading, district, pair).await?;
    drop(reading);
    if is_dismissed || one.has_ended() || two.has_ended() {
        return Err(SyncError::Refused(Code::ConflictClosed));
    }
    let (stays, goes) = if one.comes_before(&two) { (one, two) } else { (two, one) };
    let mut writing = Writing { engine, district, author, decided: Vec::new() };
    // What keeps people safe is written first: where the rest fails, it has done no harm.
    let mut heads = stays.view.heads.clone();
    for fields in taken_over((&stays.row, &stays.view), (&goes.row, &goes.view)) {
        let written = writing.write(Kind::Resolved, stays.row.record, fields, Some(heads)).await?;
        heads = written.map(|identity| vec![identity.head()]).unwrap_or_default();
    }
    let mut fields = Fields::from([("duplicate_of", Raw::of(&stays.row.record))]);
    fields.extend(reason.map(|reason| ("reason", Raw::of(&reason))));
    writing.write(Kind::Duplicate, goes.row.record, fields, Some(goes.view.heads)).await?;
    Ok(Decided { operations: writing.decided })
}

/// Dismisses a proposal: the two are different hazards.
///
/// # Errors
/// [`Code::NotFound`], [`Code::ConflictClosed`] where it was dismissed already.
pub async fn dismiss(
    engine: &Arc<Engine>,
    district: &District,
    pair: (RecordId, RecordId),
    reason: &str,
    author: PersonId,
) -> Result<(), SyncError> {
    let pair = ordered(pair.0, pair.1);
    let now_ms = engine.clock.now_ms();
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    if transaction.proposal(district.key, pair).await?.is_none() {
        return Err(SyncError::Refused(Code::NotFound));
    }
    if !transaction.dismiss_proposal(district.key, pair, author, now_ms, reason).await? {
        return Err(SyncError::Refused(Code::ConflictClosed));
    }
    note(engine, &mut transaction, district, (author, "proposal.dismiss"), pair).await?;
    transaction.commit().await?;
    Ok(())
}

/// Notes a decision about a pair that is no operation.
async fn note(
    engine: &Engine,
    transaction: &mut Transaction,
    district: &District,
    (author, action): (PersonId, &'static str),
    pair: (RecordId, RecordId),
) -> Result<(), SyncError> {
    let object = format!("{}/{}", pair.0, pair.1);
    let entry = Entry::of(author, action, object, serde_json::json!({}));
    engine.audit(transaction, district, entry).await
}

/// Undoes what was decided of two records: a dismissal is forgotten, what accepting wrote is taken back.
///
/// # Errors
/// [`Code::NotFound`] where there are no such records, [`Code::ConflictClosed`] where nothing was decided.
pub async fn undo(
    engine: &Arc<Engine>,
    district: &District,
    pair: (RecordId, RecordId),
    author: PersonId,
) -> Result<Decided, SyncError> {
    let pair = ordered(pair.0, pair.1);
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    sides(&mut transaction, district, pair).await?;
    let was_dismissed = transaction.clear_dismissal(district.key, pair).await?;
    let mut standing = Vec::new();
    for (record, other) in [pair, (pair.1, pair.0)] {
        let operations = transaction.ledger_operations(district.key, record).await?;
        let decoded = operations
            .iter()
            .filter_map(|stored| Some((stored.identity, Operation::decode(&stored.bytes).ok()?)));
        let found = decisions(&decoded.collect::<Vec<_>>(), other);
        standing.extend(found.into_iter().map(|identity| (record, identity)));
    }
    if was_dismissed {
        note(engine, &mut transaction, district, (author, "proposal.undo"), pair).await?;
    }
    transaction.commit().await?;
    if standing.is_empty() && !was_dismissed {
        return Err(SyncError::Refused(Code::ConflictClosed));
    }
    let mut writing = Writing { engine, district, author, decided: Vec::new() };
    for (record, decision) in standing {
        let fields = Fields::from([("operation", Raw::of(&decision))]);
        writing.write(Kind::Retracted, record, fields, None).await?;
    }
    Ok(Decided { operations: writing.decided })
}

/// The decisions of the office that make a record a duplicate of another, or let it take over what was the other's, and
/// that were not taken back.
fn decisions(operations: &[(Identity, Operation)], other: RecordId) -> Vec<Identity> {
    let is = |operation: &Operation, kind: Kind| operation.kind == KindName::Known(kind);
    let retractions = operations.iter().filter(|(_, operation)| is(operation, Kind::Retracted));
    let taken_back: Vec<Identity> =
        retractions.filter_map(|(_, operation)| operation.fields.get("operation")?.decode()).collect();
    let decided = operations.iter().filter(|(_, operation)| {
        (is(operation, Kind::Duplicate) || is(operation, Kind::Resolved))
            && operation.fields.get("duplicate_of").and_then(Raw::decode) == Some(other)
    });
    decided.map(|(identity, _)| *identity).filter(|identity| !taken_back.contains(identity)).collect()
}

/// Operations of one decision.
struct Writing<'e> {
    engine: &'e Arc<Engine>,
    district: &'e District,
    author: PersonId,
    decided: Vec<String>,
}

impl Writing<'_> {
    async fn write(
        &mut self,
        kind: Kind,
        record: RecordId,
        fields: Fields,
        made_from: Option<Vec<Head>>,
    ) -> Result<Option<Identity>, SyncError> {
        let (photos, author) = (Vec::new(), self.author);
        let act = Act::Operation { kind, record, fields, photos, author, made_from };
        let written = self.engine.act(self.district, act).await?.operation;
        self.decided.extend(written.map(|identity| identity.to_string()));
        Ok(written)
    }
}
