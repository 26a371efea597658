//! The rules of a district: setting them, what is in force, and the versions before.
//!
//! A text is checked before it is written. Setting it is logged as a `rule_version` operation, so that what a rule did can
//! be told by its version; where none was set, the rules of the program are in force.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::ids::PersonId;
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use utoipa::ToSchema;

use super::audit::Entry;
use super::batch::Batch;
use super::news::News;
use super::office::{self, OwnOperation};
use super::{Engine, SyncError};
use crate::domain::District;
use crate::grid::plan;
use crate::rules::{DEFAULT, Rules};
use crate::store::{ReferenceKind, ReferenceVersion, StoreError};

/// Versions that a history lists.
const HISTORY: u32 = 100;

/// The rules in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct InForce {
    /// Hexadecimal SHA-256 of the text.
    pub version: String,
    /// What the bureau calls them.
    pub title: String,
    /// None were set: these are the program's.
    pub is_default: bool,
    /// When they were set, milliseconds since 1970.
    pub set_ms: Option<i64>,
    /// The text, TOML.
    pub source: String,
    /// Every version that was set, newest first, at most a hundred.
    pub history: Vec<Past>,
}

/// A version that was set.
#[derive(Debug, Serialize, ToSchema)]
pub struct Past {
    /// Hexadecimal SHA-256 of the text.
    pub version: String,
    /// The change by which it came.
    pub change: u64,
    /// When it was set, milliseconds since 1970.
    pub set_ms: i64,
    /// What was noted of it: `title`, and `by`, the person.
    #[schema(value_type = Object)]
    pub note: serde_json::Value,
}

/// What setting came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Set {
    /// The version that is in force now.
    pub version: String,
    /// It is another than before.
    pub changed: bool,
}

impl Engine {
    /// The rules of a district as they are in force. Cheap where they are as when they were last asked for; another
    /// process that sets them is seen.
    ///
    /// # Errors
    /// The store's.
    pub async fn rules(&self, district: &District) -> Result<Arc<Rules>, SyncError> {
        let key = district.key;
        let mut reading = self.store.read().await?;
        let last = reading.reference_version(key, ReferenceKind::Rules).await?;
        let Some((_, version)) = last else {
            return Ok(Arc::new(Rules::standard().clone()));
        };
        if let Some(known) = self.rules.lock().await.get(&key).filter(|known| known.version() == version) {
            return Ok(Arc::clone(known));
        }
        let found = reading.rules_of_version(key, &version).await?;
        drop(reading);
        let (_, source) = found.ok_or(StoreError::Damaged("rules"))?;
        // They were checked when they were set; a later program may know more of what cannot be.
        let parsed = Rules::parse(&source).map_err(|error| {
            tracing::error!(error = %error, "the rules in force cannot be read: {error}");
            StoreError::Damaged("rules")
        })?;
        let rules = Arc::new(parsed);
        self.rules.lock().await.insert(key, Arc::clone(&rules));
        Ok(rules)
    }
}

/// What is in force, with its text and the versions before.
///
/// # Errors
/// The store's.
pub async fn in_force(engine: &Engine, district: &District) -> Result<InForce, SyncError> {
    let mut reading = engine.store.read().await?;
    let versions = reading.reference_versions(district.key, ReferenceKind::Rules, HISTORY).await?;
    let last = reading.rules(district.key).await?;
    drop(reading);
    let history = versions.into_iter().map(|it| Past {
        note: serde_json::from_str(&it.report).unwrap_or_default(),
        version: it.version,
        change: it.change,
        set_ms: it.imported_ms,
    });
    let history: Vec<Past> = history.collect();
    Ok(match last {
        Some((version, source)) => InForce {
            title: history
                .first()
                .and_then(|past| past.note.get("title")?.as_str())
                .unwrap_or_default()
                .to_owned(),
            version: version.version,
            is_default: false,
            set_ms: Some(version.imported_ms),
            source,
            history,
        },
        None => InForce {
            version: Rules::standard().version().to_owned(),
            title: Rules::standard().title.clone(),
            is_default: true,
            set_ms: None,
            source: DEFAULT.to_owned(),
            history,
        },
    })
}

/// Sets the rules. The text that is in force already changes nothing.
///
/// # Errors
/// `bad-parameter` with the key at fault and why; the store's.
pub async fn set(
    engine: &Arc<Engine>,
    district: &District,
    source: &str,
    author: PersonId,
) -> Result<Set, SyncError> {
    let rules = Rules::parse(source)
        .map_err(|error| SyncError::RefusedFor(Code::BadParameter, format!("rules: {error}")))?;
    let key = district.key;
    let now_ms = engine.clock.now_ms();
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(key, 0).await?;
    let before = transaction.reference_version(key, ReferenceKind::Rules).await?;
    let version = rules.version().to_owned();
    let is_in_force = match &before {
        Some((_, before)) => *before == version,
        None => Rules::standard().version() == version,
    };
    if is_in_force {
        return Ok(Set { version, changed: false });
    }
    let record = plan::named_record(district.id, "versions", ReferenceKind::Rules.as_str());
    let fields =
        Fields::from([("version", Raw::of(&version)), ("source", Raw::of(&ReferenceKind::Rules.as_str()))]);
    let draft = OwnOperation { kind: Kind::RuleVersion, record, fields: &fields, photos: &[], author };
    let mut batch = Batch { engine, district, transaction: &mut transaction, now_ms, news: News::default() };
    office::write_own(&mut batch, &draft, None).await?;
    let news = batch.news;
    // They are in force from the change of the operation that says so.
    let row = transaction.records(key, &[record]).await?.remove(&record);
    let change = row.ok_or(StoreError::Damaged("rule version"))?.change;
    let report = json!({ "title": rules.title, "by": author.to_string() }).to_string();
    let noted = ReferenceVersion { change, version: version.clone(), imported_ms: now_ms, report };
    transaction.insert_rules(key, &noted, source).await?;
    let entry = Entry::of(author, "rules.set", version.clone(), json!({ "change": change }));
    engine.audit(&mut transaction, district, entry).await?;
    transaction.commit().await?;
    news.tell(engine);
    Ok(Set { version, changed: true })
}
