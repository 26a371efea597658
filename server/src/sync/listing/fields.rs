//! Every value of a record's fields: which shows, which lost, and why.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use sync_protocol::field::{self, Rule};
use sync_protocol::ids::{Head, PersonId};
use sync_protocol::kind::Kind;
use sync_protocol::named::{Fields, Name};
use sync_protocol::operation::{self, Operation};
use sync_protocol::view::{FieldView, View};
use utoipa::ToSchema;

use super::{By, Names};
use crate::sync::json;

/// A field of a record.
#[derive(Debug, Serialize, ToSchema)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Chinese label; the name, where the catalogue does not know it.
    pub zh: String,
    /// English label.
    pub en: String,
    /// How concurrent values settle: `worse`, `smaller-accuracy`, `agree`.
    pub rule: &'static str,
    /// The shown value.
    pub value: Value,
    /// Its values wait for a named person.
    pub conflict: bool,
    /// The value that all sides of a conflict had seen and replaced.
    pub base: Option<Value>,
    /// Every value ever written: the shown one first, then what lost against it, then what was replaced.
    pub values: Vec<Written>,
}

/// One value that someone wrote.
#[derive(Debug, Serialize, ToSchema)]
pub struct Written {
    /// The value.
    pub value: Value,
    /// Whether it shows.
    pub shows: bool,
    /// Why it shows or does not.
    #[serde(flatten)]
    pub why: Why,
    /// Who wrote it.
    #[serde(flatten)]
    pub by: By,
}

/// Why a value shows or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WrittenWhy)]
pub struct Why {
    /// A stable word.
    pub why: &'static str,
    /// Chinese.
    pub why_zh: &'static str,
    /// English.
    pub why_en: &'static str,
}

const fn why(why: &'static str, why_zh: &'static str, why_en: &'static str) -> Why {
    Why { why, why_zh, why_en }
}

const ONLY: Why = why("only", "唯一的现行值", "nobody wrote another value that still counts");
const AGREED: Why = why("agreed", "与他人一致", "another author wrote the same");
const WORSE: Why = why("worse", "取较重等级", "the worse severity shows");
const LESS_BAD: Why = why("less-bad", "他人同时填写了更重的等级", "a concurrent severity is worse");
const ACCURATE: Why =
    why("smaller-accuracy", "取精度较高的位置", "the position with the smaller known accuracy shows");
const LESS_ACCURATE: Why =
    why("larger-accuracy", "他人同时填写的位置精度更高", "a concurrent position is more accurate");
const CONFLICT_SHOWN: Why =
    why("conflict-shown", "冲突待裁定，暂显示此值", "in conflict; shown until a named person decides");
const CONFLICT: Why = why("conflict", "冲突待裁定", "in conflict; waits for a named person");
const REPLACED: Why =
    why("replaced", "已被知悉此值的后续记录替换", "a later operation knew of it and replaced it");

/// A field that an operation writes, as the fold takes it: releases and decisions say another's field.
pub fn writes(operation: &Operation) -> Fields {
    let text = |name: &str| operation.fields.get(name).and_then(|value| value.as_text().map(str::to_owned));
    match operation.kind.known() {
        Some(Kind::Resolved | Kind::Restored) => {
            let pair = text("field").zip(operation.fields.get("value").cloned());
            pair.into_iter().collect()
        }
        Some(Kind::Released) => {
            let kind = text("effective_kind").as_deref().and_then(Kind::parse);
            let fields = operation.fields.get("effective_fields");
            let fields =
                fields.and_then(|raw| operation::decode_fields(raw.as_bytes()).ok()).unwrap_or_default();
            kind.map_or_else(Fields::new, |kind| said(kind, fields))
        }
        Some(kind) => said(kind, operation.fields.clone()),
        None => Fields::new(),
    }
}

fn said(kind: Kind, fields: Fields) -> Fields {
    if matches!(
        kind,
        Kind::Commented | Kind::Photographed | Kind::PatrolTrack | Kind::Withdrawn | Kind::Retracted
    ) {
        return Fields::new();
    }
    let graded = |name: Name| match (kind, name.as_str()) {
        (Kind::Graded, "severity") => "graded_severity".into(),
        _ => name,
    };
    // Only a grading's severity is a graded one, and no field is called after the lifecycle: the fold takes neither.
    let is_field =
        |name: &Name| !field::is_argument(name) && !matches!(name.as_str(), "graded_severity" | "lifecycle");
    let fields = fields.into_iter().filter(|(name, _)| is_field(name));
    fields.map(|(name, value)| (graded(name), value)).collect()
}

/// A write by an operation of the ledger.
#[derive(Debug)]
pub(super) struct PastWrite {
    pub(super) head: Head,
    pub(super) kind: String,
    pub(super) author: PersonId,
    pub(super) writes: Fields,
}

/// Every field of a view by its letters, with the values that the ledger's operations wrote.
pub(super) fn fields(view: &View, past: &[PastWrite], names: &Names) -> Vec<Field> {
    let mut fields: Vec<(&str, &FieldView)> =
        view.fields.iter().map(|(name, field)| (name.as_str(), field)).collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    fields.into_iter().map(|(name, field)| one(view, name, field, past, names)).collect()
}

fn one(view: &View, name: &str, field: &FieldView, past: &[PastWrite], names: &Names) -> Field {
    let is_conflict = view.conflicts.iter().any(|conflict| conflict.subject == name);
    let rule = field::rule(name);
    let shown = field.values.first().map(|value| &value.value);
    let are_equal = field.values.iter().all(|value| Some(&value.value) == shown);
    let mut current: BTreeSet<Head> = BTreeSet::new();
    let mut written = Vec::new();
    for value in &field.values {
        let Some(by) = By::writer(view, value.writer, names) else { continue };
        current.extend(view.writer(value.writer).map(|writer| writer.head));
        let is_shown = Some(&value.value) == shown;
        let why = match (field.values.len(), is_conflict, rule) {
            (1, _, _) => ONLY,
            _ if are_equal => AGREED,
            (_, true, _) | (_, _, Rule::Agree) => {
                if is_shown {
                    CONFLICT_SHOWN
                } else {
                    CONFLICT
                }
            }
            (_, _, Rule::Worse) => {
                if is_shown {
                    WORSE
                } else {
                    LESS_BAD
                }
            }
            (_, _, Rule::SmallerAccuracy) => {
                if is_shown {
                    ACCURATE
                } else {
                    LESS_ACCURATE
                }
            }
        };
        written.push(Written { value: json::from_raw(&value.value), shows: is_shown, why, by });
    }
    for write in past.iter().filter(|write| !current.contains(&write.head)) {
        let Some(value) = write.writes.get(name) else { continue };
        let by = By::of(write.head, &write.kind, write.author, names);
        written.push(Written { value: json::from_raw(value), shows: false, why: REPLACED, by });
    }
    let known = field::find(name);
    Field {
        name: name.to_owned(),
        zh: known.map_or(name, |known| known.zh).to_owned(),
        en: known.map_or(name, |known| known.en).to_owned(),
        rule: match rule {
            Rule::Worse => "worse",
            Rule::SmallerAccuracy => "smaller-accuracy",
            Rule::Agree => "agree",
        },
        value: shown.map_or(Value::Null, json::from_raw),
        conflict: is_conflict,
        base: field.base.as_ref().map(json::from_raw),
        values: written,
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::cbor::Raw;
    use sync_protocol::ids::{OperationId, RecordId};
    use sync_protocol::operation::Stamp;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_grading_writes_its_severity_as_graded_and_no_name_of_our_own() {
        let id = Uuid::from_u128(7);
        let said = |kind| {
            let mut said =
                Operation::new(OperationId(id), RecordId(id), kind, PersonId(id), Stamp::default());
            for (name, value) in [
                ("severity", "critical"),
                ("graded_severity", "general"),
                ("lifecycle", "closed"),
                ("reason", "复查"),
            ] {
                said = said.with(name, &value);
            }
            writes(&said)
        };
        assert_eq!(said(Kind::Graded), Fields::from([("graded_severity", Raw::of(&"critical"))]));
        assert_eq!(said(Kind::Observed), Fields::from([("severity", Raw::of(&"critical"))]));
    }
}
