//! What an operation says: its kind, author and fields, where a release stands in for a quarantined operation.
//!
//! Everything else in the fold asks here, never the operation itself, so that a release is seen in one place.

use std::borrow::Cow;

use super::redaction;
use crate::cbor::Raw;
use crate::ids::PersonId;
use crate::kind::Kind;
use crate::limits;
use crate::named::{Fields, Name};
use crate::operation::{self, KindName, Operation};

/// The field that a grading's `severity` writes. Nothing else writes it: only a grading lowers a grading.
pub(super) const GRADED_SEVERITY: &str = "graded_severity";
/// The observed severity.
pub(super) const SEVERITY: &str = "severity";
/// The subject of conflicts about the lifecycle. No field has this name.
pub(super) const LIFECYCLE: &str = "lifecycle";

/// What an operation says.
#[derive(Debug)]
pub(super) struct Effective<'a> {
    /// Its kind; none where this version does not know it: the operation is held.
    pub(super) kind: Option<Kind>,
    /// Its author.
    pub(super) author: PersonId,
    /// The office has taken it back: it has no effect.
    pub(super) is_retracted: bool,
    fields: Cow<'a, Fields>,
    operation: &'a Operation,
}

/// What an operation does to one field.
#[derive(Clone, Debug)]
pub(super) struct Write<'a> {
    pub(super) field: Name,
    pub(super) value: &'a Raw,
}

impl<'a> Effective<'a> {
    /// Reads an operation. A release without a kind that could take effect is of unknown kind.
    pub(super) fn of(operation: &'a Operation) -> Self {
        if operation.kind != KindName::Known(Kind::Released) {
            return Self {
                kind: operation.kind.known(),
                author: operation.author,
                is_retracted: false,
                fields: Cow::Borrowed(&operation.fields),
                operation,
            };
        }
        let argument = |name: &str| operation.fields.get(name);
        let kind = argument("effective_kind")
            .and_then(Raw::as_text)
            .and_then(Kind::parse)
            .filter(|kind| *kind != Kind::Released);
        let author = argument("effective_author").and_then(Raw::decode).unwrap_or(operation.author);
        let fields = argument("effective_fields")
            .and_then(|raw| operation::decode_fields(raw.as_bytes()).ok())
            .unwrap_or_default();
        Self { kind, author, is_retracted: false, fields: Cow::Owned(fields), operation }
    }

    /// Blanks a text that it says.
    pub(super) fn blank(&mut self, name: &str) {
        if self.fields.get(name).is_some_and(redaction::is_text) {
            self.fields.to_mut().insert(name, Raw::of(&redaction::BLANK));
        }
    }

    /// The kind as the view names it.
    pub(super) fn kind_name(&self) -> KindName {
        match (self.kind, &self.operation.kind) {
            (Some(kind), _) => KindName::Known(kind),
            (None, name) => name.clone(),
        }
    }

    /// The value of an argument or field.
    pub(super) fn get(&self, name: &str) -> Option<&Raw> {
        self.fields.get(name)
    }

    /// The writes of the operation, each field at most once.
    pub(super) fn writes(&self) -> impl Iterator<Item = Write<'_>> {
        let settled = self.settled();
        let is_graded = self.kind == Some(Kind::Graded);
        let writes_fields = settled.is_none() && !self.is_retracted && self.kind.is_some_and(writes_fields);
        let fields = writes_fields.then_some(&self.fields).into_iter().flat_map(|fields| fields.iter());
        let plain = fields.filter_map(move |(name, value)| match name.as_str() {
            SEVERITY if is_graded => Some(Write { field: GRADED_SEVERITY.into(), value }),
            _ if is_record_field(name) => Some(Write { field: name.clone(), value }),
            _ => None,
        });
        settled.into_iter().filter(|write| is_record_field(&write.field)).chain(plain)
    }

    /// The one write of a `resolved` or `restored`.
    fn settled(&self) -> Option<Write<'_>> {
        if !matches!(self.kind, Some(Kind::Resolved | Kind::Restored)) {
            return None;
        }
        if self.is_retracted {
            return None;
        }
        let value = self.fields.get("value");
        let field = self.fields.get("field").and_then(Raw::as_text);
        // Without both it settles nothing, and its other fields are no writes either.
        Some(Write { field: field.unwrap_or(LIFECYCLE).into(), value: value? })
    }
}

/// A name too long for a field is none: it would be the subject of a conflict.
fn is_record_field(name: &Name) -> bool {
    let is_argument = name.known().is_some_and(|known| known.is_argument);
    !is_argument && name.len() <= limits::NAME_BYTES && !matches!(name.as_str(), GRADED_SEVERITY | LIFECYCLE)
}

/// Whether a kind's fields are writes of the record's fields.
const fn writes_fields(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Commented
            | Kind::Photographed
            | Kind::PatrolTrack
            | Kind::Withdrawn
            // Asking for a later deadline does not move it.
            | Kind::ExtensionAsked
            | Kind::PhotoVerified
            | Kind::Resolved
            | Kind::Restored
            | Kind::Released
            | Kind::Retracted
    )
}

/// Whether the office may take a kind back: its ends, and the values that it chose. What the field saw, what was graded
/// and what was ordered stands until something later answers it.
pub(super) const fn is_retractable(kind: Kind) -> bool {
    matches!(kind, Kind::Void | Kind::Duplicate | Kind::NotOurs | Kind::Resolved | Kind::Restored)
}
