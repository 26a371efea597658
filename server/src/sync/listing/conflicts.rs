//! Open conflicts, oldest first: what disagrees, since when, and who wrote what.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use sync_protocol::codes::Code;
use sync_protocol::field;
use sync_protocol::ids::{PersonId, RecordId};
use sync_protocol::view::View;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{By, Calendar, Names, Page, cursor, read_cursor};
use crate::domain::District;
use crate::store::{ConflictAt, ConflictListed};
use crate::sync::{Engine, SyncError, json};

/// The subject of a conflict of the lifecycle.
pub const LIFECYCLE: &str = "lifecycle";

/// Names a conflict: `<record>.<subject>.<reason>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictId {
    /// The record.
    pub record: RecordId,
    /// A field or `lifecycle`.
    pub subject: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for ConflictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.record, self.subject, self.reason)
    }
}

impl FromStr for ConflictId {
    type Err = Code;

    /// A subject may hold any character: the record ends at the first dot, the reason begins after the last.
    fn from_str(text: &str) -> Result<Self, Code> {
        let (record, rest) = text.split_once('.').ok_or(Code::BadParameter)?;
        let (subject, reason) = rest.rsplit_once('.').ok_or(Code::BadParameter)?;
        let record = record.parse().map_err(|_source| Code::BadParameter)?;
        Ok(Self { record, subject: subject.to_owned(), reason: reason.to_owned() })
    }
}

/// An open conflict.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenConflict {
    /// Its name.
    pub id: String,
    /// The record.
    pub record: String,
    /// The record's 编号.
    pub number: Option<String>,
    /// A field or `lifecycle`.
    pub subject: String,
    /// Chinese label of the subject.
    pub subject_zh: String,
    /// English label of the subject.
    pub subject_en: String,
    /// Why.
    pub reason: String,
    /// The same in Chinese.
    pub reason_zh: String,
    /// The same in English.
    pub reason_en: String,
    /// The change that opened it.
    pub opened_change: u64,
    /// Server time at which it opened.
    pub opened_ms: i64,
    /// Where the record stands.
    pub state: Option<&'static str>,
    /// Heads of the record: a decision made from them is refused once they have changed.
    pub heads: Vec<String>,
    /// The value that all sides had seen and replaced.
    pub base: Option<Value>,
    /// The sides.
    #[serde(rename = "values")]
    pub sides: Vec<Side>,
}

/// One side of a conflict.
#[derive(Debug, Serialize, ToSchema)]
pub struct Side {
    /// Who did what.
    #[serde(flatten)]
    pub by: By,
    /// The value, of a field.
    pub value: Option<Value>,
    /// Whether it shows meanwhile.
    pub shows: bool,
}

/// Reasons in words.
const REASONS: &[(&str, &str, &str)] = &[
    ("values", "多人同时填写了不同的值", "different values were written concurrently"),
    (
        "disputed",
        "有人在不知情时再次发现隐患，销号存疑",
        "the danger was seen by someone unaware of the cure",
    ),
    ("ends-differ", "处理结果互相矛盾", "the hazard was ended in different ways"),
    ("office-act-waits", "办公室决定未考虑现场处置结果", "an act of the office had not seen the cure"),
    ("closure-unfounded", "销号缺少整改或复查依据", "a closure with nothing to close"),
];

/// A page of open conflicts.
///
/// # Errors
/// The cursor's, the store's.
pub async fn page(
    engine: &Engine,
    district: &District,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<OpenConflict>, SyncError> {
    let after = match from {
        None => ConflictAt {
            opened_change: 0,
            record: RecordId(Uuid::nil()),
            subject: String::new(),
            reason: String::new(),
        },
        Some(text) => {
            let (opened_change, record, subject, reason) = read_cursor(text)?;
            ConflictAt { opened_change, record, subject, reason }
        }
    };
    let mut transaction = engine.store.read().await?;
    let mut listed = transaction.list_conflicts(district.key, &after, limit + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = listed.len() > wanted;
    listed.truncate(wanted);
    let next = listed.last().filter(|_| has_more).map(|last| {
        let at = &last.at;
        cursor(&(at.opened_change, at.record, &at.subject, &at.reason))
    });
    let records: Vec<RecordId> = listed.iter().map(|listed| listed.at.record).collect();
    let records = transaction.records(district.key, &records).await?;
    let calendar = Calendar::of(district);
    let mut rows = Vec::with_capacity(listed.len());
    for listed in &listed {
        let row = records.get(&listed.at.record);
        let view = row.and_then(|row| View::decode(&row.view));
        let persons: Vec<PersonId> =
            view.iter().flat_map(|view| view.writers.iter()).map(|writer| writer.author).collect();
        let names = Names::of(&mut transaction, district.key, persons).await?;
        let number = row.and_then(|row| calendar.number(row.number, row.received_ms));
        rows.push(told(listed, view.as_ref(), number, &names));
    }
    Ok(Page { rows, next })
}

/// Tells of a conflict.
pub(super) fn told(
    listed: &ConflictListed,
    view: Option<&View>,
    number: Option<String>,
    names: &Names,
) -> OpenConflict {
    let ConflictAt { opened_change, record, subject, reason } = listed.at.clone();
    let known = field::find(&subject);
    let (subject_zh, subject_en) = match known {
        Some(field) => (field.zh, field.en),
        None if subject == LIFECYCLE => ("处理状态", "lifecycle"),
        None => (subject.as_str(), subject.as_str()),
    };
    let words = REASONS.iter().find(|(name, _, _)| *name == reason);
    let id = ConflictId { record, subject: subject.clone(), reason: reason.clone() }.to_string();
    OpenConflict {
        id,
        record: record.to_string(),
        number,
        subject_zh: subject_zh.to_owned(),
        subject_en: subject_en.to_owned(),
        reason_zh: words.map_or(reason.as_str(), |(_, zh, _)| zh).to_owned(),
        reason_en: words.map_or(reason.as_str(), |(_, _, en)| en).to_owned(),
        opened_change,
        opened_ms: listed.opened_ms,
        state: view.map(|view| view.state.as_str()),
        heads: view.iter().flat_map(|view| view.heads.iter().map(ToString::to_string)).collect(),
        base: view.and_then(|view| view.fields.get(&subject)?.base.as_ref()).map(json::from_raw),
        sides: view.map(|view| sides(view, &subject, &reason, names)).unwrap_or_default(),
        subject,
        reason,
    }
}

fn sides(view: &View, subject: &str, reason: &str, names: &Names) -> Vec<Side> {
    let conflict = view.conflicts.iter().find(|found| found.subject == subject && found.reason == reason);
    let Some(conflict) = conflict else { return Vec::new() };
    let values = view.fields.get(subject).map_or(&[][..], |field| field.values.as_slice());
    let shown = values.first().map(|value| &value.value);
    conflict
        .writers
        .iter()
        .filter_map(|index| {
            let by = By::writer(view, *index, names)?;
            let value = values.iter().find(|value| value.writer == *index).map(|value| &value.value);
            Some(Side { by, value: value.map(json::from_raw), shows: value.is_some() && value == shown })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_named_whatever_its_field_is_called() {
        for subject in ["township", "a.b", "", "部门.一"] {
            let id = ConflictId {
                record: RecordId(Uuid::from_u128(7)),
                subject: subject.to_owned(),
                reason: "values".to_owned(),
            };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!("x.y.z".parse::<ConflictId>(), Err(Code::BadParameter));
    }
}
