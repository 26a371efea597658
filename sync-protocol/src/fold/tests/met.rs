//! What a run of made-up records met. A property that never met a situation says nothing about it, so every run counts.
//!
//! Not among the situations: a forked chain, a relayed bundle, a bundle cut anew. An operation names neither its device's
//! chain nor the bundle that brought it, so they do not exist for the fold; the end-to-end tests meet them over HTTP
//! (`laws/order`).

use std::collections::BTreeMap;

use crate::cbor::Raw;
use crate::fold::oracle;
use crate::ids::Head;
use crate::kind::Kind;
use crate::named::Fields;
use crate::operation::{Identified, decode_fields};
use crate::view::{Closure, Disposition, State, View};

/// Every situation that a set of operations can hold and each run must meet.
const SITUATIONS: &[&str] = &[
    "concurrent cures",
    "danger beside cure",
    "void beside verify",
    "lacking ancestor",
    "ancestor that came later",
    "release",
    "same id with other bytes",
    "late duplicate close",
];

const DANGERS: &[Kind] = &[Kind::Observed, Kind::VerificationFailed, Kind::Returned, Kind::Reopened];
const CURES: &[Kind] = &[Kind::Rectified, Kind::MadeSafe, Kind::NotFound, Kind::Verified, Kind::Closed];

/// How often each thing was met.
#[derive(Default)]
pub(super) struct Met(BTreeMap<&'static str, u64>);

impl Met {
    pub(super) fn count(&mut self, name: &'static str, is_met: bool) {
        *self.0.entry(name).or_default() += u64::from(is_met);
    }

    /// Looks at a set and what the fold made of it.
    pub(super) fn look(&mut self, set: &[Identified], view: &View) {
        self.look_at_set(set);
        for reason in ["disputed", "ends-differ", "office-act-waits", "closure-unfounded", "values"] {
            self.count(reason, view.conflicts.iter().any(|conflict| conflict.reason == reason));
        }
        self.count("conflict with base", view.fields.values().any(|field| field.base.is_some()));
        let has = |disposition| view.dispositions.values().any(|other| *other == disposition);
        self.count("joined", has(Disposition::Joined));
        self.count("merged", has(Disposition::Merged));
        self.count("held operation", has(Disposition::Held));
        self.count("held record", view.state == State::Held);
        self.count("pending closure", view.closure == Some(Closure::Pending));
        self.count("final closure", view.closure == Some(Closure::Final));
        self.count("provisional", view.is_provisional);
        self.count("not a hazard", view.state == State::Recorded);
        self.count("withdrawn", !view.withdrawn.is_empty());
    }

    /// Looks at a set alone.
    pub(super) fn look_at_set(&mut self, set: &[Identified]) {
        let kind = |operation: &Identified| operation.operation.kind.known();
        let holds = |head: Head| set.iter().any(|operation| operation.head() == head);
        let is = |operation: &Identified, kinds: &[Kind]| kind(operation).is_some_and(|k| kinds.contains(&k));
        // Named by somebody who had it, and not in the set.
        let names_none = |operation: &Identified| operation.operation.heads.iter().any(|head| !holds(*head));
        self.count("lacking ancestor", set.iter().any(names_none));
        // In the set, reached over heads, and not seen, since its author's copy did not have it yet.
        let came_later = |operation: &Identified| {
            let reached = reached(set, operation);
            operation.operation.lacking.iter().any(|head| reached.contains(head))
        };
        self.count("ancestor that came later", set.iter().any(came_later));
        let is_release =
            |operation: &Identified| is(operation, &[Kind::Released]) && effect(operation).0.is_some();
        self.count("release", set.iter().any(is_release));
        let any_two = |fits: &dyn Fn(&Identified, &Identified) -> bool| {
            let others = |at: usize| set.iter().enumerate().filter(move |(other, _)| *other != at);
            set.iter().enumerate().any(|(at, one)| others(at).any(|(_, other)| fits(one, other)))
        };
        self.count(
            "same id with other bytes",
            any_two(&|one, other| one.operation.id == other.operation.id && one.identity != other.identity),
        );
        let beside = |one: &[Kind], two: &[Kind]| {
            any_two(&|a, b| is(a, one) && is(b, two) && are_concurrent(set, a, b))
        };
        self.count("concurrent cures", beside(CURES, CURES));
        self.count("danger beside cure", beside(DANGERS, CURES));
        self.count("void beside verify", beside(&[Kind::Void], &[Kind::Verified]));
        // Whichever of them comes last knew of no other closing.
        self.count("late duplicate close", beside(&[Kind::Closed], &[Kind::Closed]));
    }

    /// Checks that every situation was met, and each of these.
    pub(super) fn assert_situations_and(&self, others: &[&str]) {
        println!("{:?}", self.0);
        let is_unmet = |name: &&str| self.0.get(*name).is_none_or(|count| *count == 0);
        let unmet: Vec<&str> = SITUATIONS.iter().chain(others).copied().filter(is_unmet).collect();
        assert!(unmet.is_empty(), "never met: {unmet:?} of {:?}", self.0);
    }

    /// Checks that every situation was met, and everything else that was counted.
    pub(super) fn assert_all(&self) {
        self.assert_situations_and(&self.0.keys().copied().collect::<Vec<_>>());
    }
}

/// Whether neither of two operations sees the other.
pub(super) fn are_concurrent(set: &[Identified], one: &Identified, other: &Identified) -> bool {
    !oracle::sees(set, one, other) && !oracle::sees(set, other, one)
}

/// What an operation says: its kind and fields, of a release those that it gives effect to.
pub(super) fn effect(operation: &Identified) -> (Option<Kind>, Fields) {
    let (said, fields) = (operation.operation.kind.known(), &operation.operation.fields);
    if said != Some(Kind::Released) {
        return (said, fields.clone());
    }
    let kind = fields.get("effective_kind").and_then(Raw::as_text).and_then(Kind::parse);
    let given = fields.get("effective_fields").and_then(|raw| decode_fields(raw.as_bytes()).ok());
    (kind.filter(|kind| *kind != Kind::Released), given.unwrap_or_default())
}

/// Everything of the set that an operation reaches over heads, whatever anybody lacked.
fn reached(set: &[Identified], operation: &Identified) -> Vec<Head> {
    let mut found: Vec<Head> = Vec::new();
    let mut open: Vec<Head> = operation.operation.heads.clone();
    while let Some(head) = open.pop() {
        let Some(ancestor) = set.iter().find(|other| other.head() == head) else { continue };
        if !found.contains(&head) {
            found.push(head);
            open.extend(&ancestor.operation.heads);
        }
    }
    found
}
