//! The audit log: who did what, written in the transaction of what it tells, and read again.
//!
//! A district's log is its own; the deployment's tells of accounts, which may be of several districts.
//! What a row says is up to whoever writes it ([`Entry`]); how rows hang together is in [`crate::audit`].

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use sync_protocol::ids::{DistrictId, PersonId};
use sync_protocol::named::{Fields, Name};
use utoipa::ToSchema;

use super::listing::{Page, cursor, read_cursor};
use super::office::{Act, ActOutcome, SERVER_AUTHOR};
use super::{Engine, SyncError};
pub use crate::audit::{Actor, AuditHash, DEPLOYMENT, Entry, Link, Verdict};
use crate::audit::{Row, Verifier};
use crate::domain::{District, DistrictKey};
use crate::store::Transaction;

/// Rows that are verified at a time.
const ROWS: u32 = 1_000;
/// The key of the deployment's own chain.
const OWN_KEY: DistrictKey = DistrictKey(0);

impl Engine {
    /// Writes a row of a district's log. The transaction holds the district's counter row, and commits what the row
    /// tells of together with it.
    ///
    /// # Errors
    /// The store's: then what it tells of must not be committed either.
    pub async fn audit(
        &self,
        transaction: &mut Transaction,
        district: &District,
        entry: Entry,
    ) -> Result<(), SyncError> {
        self.append(transaction, (district.key, district.id), &entry).await
    }

    /// Writes a row of the deployment's log: what belongs to no district, such as a login. It takes that log's head,
    /// so it comes last in a transaction that also takes a district's counter row.
    pub async fn audit_deployment(
        &self,
        transaction: &mut Transaction,
        entry: Entry,
    ) -> Result<(), SyncError> {
        self.append(transaction, (OWN_KEY, DEPLOYMENT), &entry).await
    }

    /// Takes the head of the deployment's log and writes nothing: it costs what a row costs.
    pub(super) async fn touch_deployment_audit(
        &self,
        transaction: &mut Transaction,
    ) -> Result<(), SyncError> {
        transaction.take_audit_head(OWN_KEY).await?;
        Ok(())
    }

    /// Writes a row for something that writes nothing itself: an export.
    pub async fn audit_alone(&self, district: &District, entry: Entry) -> Result<(), SyncError> {
        let mut transaction = self.store.begin().await?;
        transaction.take_counter(district.key, 0).await?;
        self.audit(&mut transaction, district, entry).await?;
        Ok(transaction.commit().await?)
    }

    async fn append(
        &self,
        transaction: &mut Transaction,
        (key, id): (DistrictKey, DistrictId),
        entry: &Entry,
    ) -> Result<(), SyncError> {
        let last = transaction.take_audit_head(key).await?;
        let row = Row::after(last, id, self.clock.now_ms(), entry);
        Ok(transaction.add_audit_row(key, &row).await?)
    }
}

impl Entry {
    /// What somebody did.
    pub fn by(actor: Actor, action: &'static str, object: impl Into<String>, detail: Value) -> Self {
        Self { actor, action: action.into(), object: object.into(), detail }
    }

    /// What a person did; nil: an operator at the server's machine.
    pub fn of(author: PersonId, action: &'static str, object: impl Into<String>, detail: Value) -> Self {
        Self::by(actor(author), action, object, detail)
    }
}

/// The nil author of what is worth a row is an operator at the server's machine: what the server does of its own accord is
/// an operation that says so, and has no row.
fn actor(author: PersonId) -> Actor {
    if author == SERVER_AUTHOR { Actor::Operator } else { Actor::Person(author) }
}

/// The names of what was said, by their letters.
fn named(fields: &Fields) -> Vec<&str> {
    let mut names: Vec<&str> = fields.keys().map(Name::as_str).collect();
    names.sort_unstable();
    names
}

/// What an act of the office is told as; none where it is the server's own note, which is an operation and no command.
pub(super) fn of_act(act: &Act, outcome: &ActOutcome) -> Option<Entry> {
    let operation = outcome.operation.map(|identity| identity.to_string());
    Some(match act {
        // An upload by the office is told where it is written.
        Act::HoldPhoto { .. } => return None,
        Act::Operation { author, .. } if *author == SERVER_AUTHOR => return None,
        // The values are in the operation, which may be redacted; a row of the log never changes.
        Act::Operation { kind, record, fields, author, .. } => Entry {
            actor: actor(*author),
            action: format!("act.{kind}").into(),
            object: record.to_string(),
            detail: json!({ "operation": operation, "fields": named(fields) }),
        },
        Act::Command(command) => Entry {
            actor: actor(command.person),
            action: format!("command.{}", command.command.as_str()).into(),
            object: command.record.to_string(),
            detail: json!({ "operation": operation, "fields": named(&command.fields) }),
        },
        Act::Release { identity, author } => {
            Entry::of(*author, "quarantine.release", identity.to_string(), json!({ "operation": operation }))
        }
        Act::WriteOff { identity, author, .. } => {
            let detail = json!({ "operation": operation });
            Entry::of(*author, "quarantine.write_off", identity.to_string(), detail)
        }
        Act::Revoke { device, trusted, author } => {
            let detail = json!({ "through": trusted.map(|(sequence, _)| sequence) });
            Entry::of(*author, "device.revoke", device.to_string(), detail)
        }
        Act::GiveUp { device, through, author, .. } => {
            let detail = json!({ "through": through, "operation": operation });
            Entry::of(*author, "device.give-up", device.to_string(), detail)
        }
        Act::Lose { device, by } => Entry::by(*by, "device.lose", device.to_string(), json!({})),
        Act::Enrol { device, client, continues, persons, code_hash, .. } => Entry {
            actor: Actor::Device(*device),
            action: "device.enrol".into(),
            object: device.to_string(),
            detail: json!({
                "client": client, "continues": continues.map(|device| device.to_string()),
                "persons": persons.iter().map(|person| person.id.to_string()).collect::<Vec<_>>(),
                "by_code": code_hash.is_some(),
            }),
        },
    })
}

/// A row of the log as it is read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRow)]
pub struct Listed {
    /// From 1, without gaps.
    pub sequence: u64,
    /// Server time.
    pub at_ms: i64,
    /// Who: `person:…`, `account:…`, `device:…`, `operator`, `server`, `nobody`.
    pub actor: String,
    /// Their name, of a person of the district, or of an account that is let into it.
    pub actor_name: Option<String>,
    /// What.
    pub action: String,
    /// On what.
    pub object: String,
    /// More.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// The hash of the row before.
    pub previous: String,
    /// The hash of this row.
    pub hash: String,
}

/// Which rows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Who, as the log has it; empty: whoever.
    pub actor: String,
    /// What it begins with: `command.grade`, or `command.` for all of them; empty: whatever.
    pub action: String,
}

impl Filter {
    /// Whether a row is one of those.
    fn takes(&self, row: &Row) -> bool {
        (self.actor.is_empty() || row.actor == self.actor) && row.action.starts_with(&self.action)
    }
}

/// Rows of a district's log that one page looks at, at most: a rare action in a long log is found page by page.
const WINDOW: u64 = 100_000;

/// A page of a district's log, the newest first. It may be shorter than `limit` and not be the last.
///
/// # Errors
/// The cursor's, the store's.
pub async fn page(
    engine: &Engine,
    district: &District,
    filter: &Filter,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Listed>, SyncError> {
    let mut transaction = engine.store.read().await?;
    let end = transaction.audit_head(district.key).await?.sequence.saturating_add(1);
    let before: u64 = from.map_or(Ok(end), read_cursor)?;
    let down_to = before.saturating_sub(WINDOW);
    let within = (down_to, before);
    let wanted_rows = (filter.actor.as_str(), filter.action.as_str());
    let mut rows =
        transaction.audit_rows_before(district.key, within, wanted_rows, limit.saturating_add(1)).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > wanted;
    rows.truncate(wanted);
    let next = match rows.last().filter(|_| has_more) {
        Some(last) => Some(last.sequence),
        // The first row has the sequence 1.
        None => (down_to > 1).then_some(down_to),
    };
    let next = next.map(|sequence| cursor(&sequence));
    let persons = transaction.persons(district.key).await?;
    let name = |actor: &str| {
        let id = actor.strip_prefix("person:")?;
        persons.iter().find(|(person, _)| person.id.to_string() == id).map(|(person, _)| person.name.clone())
    };
    let rows = rows.into_iter().map(|row| {
        let actor_name = name(&row.actor);
        Listed::of(row, actor_name)
    });
    Ok(Page { rows: rows.collect(), next })
}

impl Listed {
    fn of(row: Row, actor_name: Option<String>) -> Self {
        Self {
            sequence: row.sequence,
            at_ms: row.at_ms,
            actor_name,
            actor: row.actor,
            action: row.action,
            object: row.object,
            detail: serde_json::from_str(&row.detail).unwrap_or(Value::String(row.detail)),
            previous: row.previous.to_string(),
            hash: row.hash.to_string(),
        }
    }
}

/// Rows of the deployment's log that one page looks at, at most: few of them may be of one district.
const LOOKED_AT: usize = 5_000;

/// A page of the deployment's log, the newest first: all of it, or what is told of accounts that are let into a district,
/// as far as `LOOKED_AT` rows go: a page may be short, or empty, and not be the last.
///
/// # Errors
/// The cursor's, the store's.
pub async fn deployment_page(
    engine: &Engine,
    district: Option<&District>,
    filter: &Filter,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Listed>, SyncError> {
    let mut before: u64 = from.map_or(Ok(u64::MAX), read_cursor)?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut transaction = engine.store.read().await?;
    let accounts = match district {
        Some(district) => transaction.accounts_let_into(district.key).await?,
        None => transaction.accounts().await?,
    };
    let names: BTreeMap<String, String> =
        accounts.into_iter().map(|account| (account.id.to_string(), account.name)).collect();
    let is_told = |row: &Row| (district.is_none() || names.contains_key(&row.object)) && filter.takes(row);
    let name = |actor: &str| names.get(actor.split_once(':')?.1).cloned();
    let (mut told, mut looked) = (Vec::new(), 0);
    while looked < LOOKED_AT {
        let rows = transaction.audit_rows_before(OWN_KEY, (0, before), ("", ""), ROWS).await?;
        if rows.is_empty() {
            return Ok(Page { rows: told, next: None });
        }
        for row in rows {
            if told.len() == wanted {
                return Ok(Page { rows: told, next: Some(cursor(&before)) });
            }
            looked += 1;
            before = row.sequence;
            if is_told(&row) {
                let actor_name = name(&row.actor);
                told.push(Listed::of(row, actor_name));
            }
        }
    }
    Ok(Page { rows: told, next: Some(cursor(&before)) })
}

/// Which chain.
#[derive(Clone, Copy, Debug)]
pub enum Chain<'a> {
    /// A district's.
    District(&'a District),
    /// The deployment's own.
    Deployment,
}

impl Chain<'_> {
    const fn key(self) -> (DistrictKey, DistrictId) {
        match self {
            Self::District(district) => (district.key, district.id),
            Self::Deployment => (OWN_KEY, DEPLOYMENT),
        }
    }
}

/// Where a chain stands: to be kept elsewhere, on paper best.
///
/// # Errors
/// The store's.
pub async fn head(engine: &Engine, chain: Chain<'_>) -> Result<Link, SyncError> {
    Ok(engine.store.read().await?.audit_head(chain.key().0).await?)
}

/// Reads a whole chain and says what is wrong with it. It must hold `kept` where that is given.
///
/// # Errors
/// The store's.
pub async fn verify(
    engine: &Engine,
    chain: Chain<'_>,
    kept: Option<AuditHash>,
) -> Result<Verdict, SyncError> {
    let (key, id) = chain.key();
    let mut verifier = Verifier::new(id, kept);
    // One snapshot: rows are added meanwhile.
    let mut transaction = engine.store.read().await?;
    let mut after = None;
    loop {
        let rows = transaction.audit_rows_after(key, after, ROWS).await?;
        for row in &rows {
            verifier.take(row);
        }
        let last = rows.last().map(|row| row.sequence);
        if last.is_none() || last == after {
            break;
        }
        after = last;
    }
    let head = transaction.audit_head(key).await?;
    Ok(verifier.finish(head))
}
