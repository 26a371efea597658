//! What a command is judged against: a hazard's view, and what became of its deadline in the operations behind it.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::cbor::Raw;
use sync_protocol::ids::{Head, PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::view::{State, View};
use uuid::Uuid;

use crate::rules::Severity;

/// The five commitments (五落实): the text and the date of each, and what it is called.
pub const COMMITMENTS: [(&str, &str, &str, &str); 5] = [
    ("responsibility_text", "responsibility_at_ms", "责任", "responsibility"),
    ("measures_text", "measures_at_ms", "措施", "measures"),
    ("funds_text", "funds_at_ms", "资金", "funds"),
    ("time_limit_text", "time_limit_at_ms", "时限", "the time limit"),
    ("contingency_text", "contingency_at_ms", "预案", "the contingency plan"),
];

/// An operation behind a hazard: of a released one, what took effect.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its head.
    pub head: Head,
    /// What happened.
    pub kind: Kind,
    /// Who says so.
    pub author: PersonId,
    /// What it asserts.
    pub fields: BTreeMap<String, Raw>,
    /// Server time of its first receipt.
    pub received_ms: i64,
    /// When it happened at the earliest, as far as the server knows.
    pub not_before_ms: i64,
}

impl Past {
    fn number(&self, name: &str) -> Option<i64> {
        self.fields.get(name)?.as_integer().and_then(|number| i64::try_from(number).ok())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_text()
    }
}

/// How a deadline came to be what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadlineStep {
    /// The kind that says it.
    pub kind: Kind,
    /// The deadline after it; of what was asked for, the one that was wanted.
    pub at_ms: Option<i64>,
    /// Who.
    pub author: PersonId,
    /// When it came to the server.
    pub received_ms: i64,
}

/// An extension that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Until when.
    pub until_ms: Option<i64>,
    /// By whom.
    pub by: PersonId,
}

/// What a command is judged against.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a guard asks for")]
#[derive(Clone, Debug)]
pub struct Case {
    /// The hazard.
    pub record: Option<RecordId>,
    /// Where it stands.
    pub state: State,
    /// The stage of the office's progress below that.
    pub stage: State,
    /// The severity that shows.
    pub severity: Option<Severity>,
    /// A major hazard.
    pub is_major: bool,
    /// A leader has confirmed that it is one.
    pub is_confirmed: bool,
    /// Of the five commitments, the fields that are missing, with what they are called.
    pub commitments_missing: Vec<(&'static str, &'static str, &'static str)>,
    /// A distance shows whether it is cured: it is a corridor hazard.
    pub is_clearance: bool,
    /// Who reported it.
    pub reporter: Option<PersonId>,
    /// Everybody who signed that it was rectified.
    pub rectifiers: BTreeSet<PersonId>,
    /// Everybody who signed that it was verified.
    pub reinspectors: BTreeSet<PersonId>,
    /// Those of them since it was last found not to be cured.
    pub round_rectifiers: BTreeSet<PersonId>,
    /// Who has verified it since then.
    pub round_reinspectors: BTreeSet<PersonId>,
    /// How often it was not found.
    pub visits: usize,
    /// It names a photo of how it looks after.
    pub has_after_photo: bool,
    /// The deadline that people were told.
    pub deadline_ms: Option<i64>,
    /// The deadline by the rules, as of now; none where it was not asked for.
    pub rule_ms: Option<i64>,
    /// Of a major hazard, the latest that its deadline may ever be.
    pub latest_ms: Option<i64>,
    /// The extension that waits.
    pub asked: Option<Asked>,
    /// When it is reviewed, where it is carried forward.
    pub review_at_ms: Option<i64>,
    /// The responsible unit.
    pub unit: Option<Uuid>,
    /// The number of its order.
    pub order_number: Option<String>,
    /// Extensions that were granted.
    pub extensions: u32,
    /// How its deadline came to be.
    pub deadlines: Vec<DeadlineStep>,
    /// When it last moved, server time.
    pub moved_ms: Option<i64>,
    /// When it was found at the earliest.
    pub found_from_ms: Option<i64>,
    /// Since when its severity shows, where the office has graded it.
    pub graded_ms: Option<i64>,
}

impl Case {
    /// Where it stands for a command: a hazard that was made safe goes on as it stood before.
    pub const fn at(&self) -> State {
        match self.state {
            State::MadeSafe => self.stage,
            state => state,
        }
    }

    /// A case of nothing but a state: for tests that walk the table, and as a base for others.
    pub fn in_state(state: State) -> Self {
        Self {
            record: None,
            state,
            stage: State::Reported,
            severity: None,
            is_major: false,
            is_confirmed: false,
            commitments_missing: Vec::new(),
            is_clearance: false,
            reporter: None,
            rectifiers: BTreeSet::new(),
            reinspectors: BTreeSet::new(),
            round_rectifiers: BTreeSet::new(),
            round_reinspectors: BTreeSet::new(),
            visits: 0,
            has_after_photo: false,
            deadline_ms: None,
            rule_ms: None,
            latest_ms: None,
            asked: None,
            review_at_ms: None,
            unit: None,
            order_number: None,
            extensions: 0,
            deadlines: Vec::new(),
            moved_ms: None,
            found_from_ms: None,
            graded_ms: None,
        }
    }

    /// The case of a hazard. `past` is in the order in which it is told: what the server signed in its own.
    pub fn of(record: RecordId, view: &View, past: &[Past]) -> Self {
        let shown = |name: &str| view.shown(name).filter(|value| !value.is_null());
        let number = |name: &str| shown(name)?.as_integer().and_then(|number| i64::try_from(number).ok());
        let text = |name: &str| shown(name)?.as_text();
        let is_there = |name: &str| {
            shown(name).is_some_and(|value| value.as_text().is_none_or(|text| !text.trim().is_empty()))
        };
        let missing = COMMITMENTS.iter().flat_map(|(text, date, zh, en)| {
            [text, date].into_iter().filter(|name| !is_there(name)).map(|name| (*name, *zh, *en))
        });
        let stage = view.stage.iter().map(|stage| stage.state).max_by_key(|state| state.progress());
        let mut case = Self {
            record: Some(record),
            stage: stage.unwrap_or(State::Reported),
            severity: view.severity.as_deref().map(Severity::of_term),
            is_major: shown("major").and_then(Raw::as_bool).unwrap_or(false),
            commitments_missing: missing.collect(),
            is_clearance: text("category") == Some("corridor"),
            has_after_photo: view
                .photos
                .values()
                .any(|photo| photo.named.as_ref().is_some_and(|(role, _)| role == "after")),
            review_at_ms: number("review_at_ms"),
            unit: shown("responsible_unit_id")
                .and_then(|value| value.as_byte_string().map(<[u8]>::to_vec))
                .and_then(|bytes| Uuid::from_slice(&bytes).ok()),
            order_number: text("order_number").map(str::to_owned),
            ..Self::in_state(view.state)
        };
        for past in past.iter().filter(|past| !view.withdrawn.contains(&past.head)) {
            case.take(past);
        }
        case
    }

    fn take(&mut self, past: &Past) {
        let is_move = match past.kind {
            Kind::Reported => {
                self.reporter = Some(past.author);
                self.found_from_ms = self.found_from_ms.into_iter().chain([past.not_before_ms]).min();
                true
            }
            Kind::Graded => {
                self.graded_ms = Some(past.received_ms);
                if past.number("deadline_ms").is_some() {
                    self.set_deadline(past, past.number("deadline_ms"));
                }
                true
            }
            Kind::Ordered | Kind::DeadlineTightened => {
                self.set_deadline(past, past.number("deadline_ms"));
                past.kind == Kind::Ordered
            }
            Kind::ExtensionGranted => {
                self.extensions += 1;
                self.set_deadline(past, past.number("deadline_ms"));
                true
            }
            Kind::CarriedReviewed => {
                if past.number("deadline_ms").is_some() {
                    self.extensions += 1;
                    self.set_deadline(past, past.number("deadline_ms"));
                }
                true
            }
            Kind::ExtensionAsked => {
                self.asked = Some(Asked { until_ms: past.number("deadline_ms"), by: past.author });
                self.note(past, past.number("deadline_ms"));
                true
            }
            Kind::ExtensionRefused => {
                self.asked = None;
                self.note(past, self.deadline_ms);
                true
            }
            Kind::Resolved if past.text("field") == Some("deadline_ms") => {
                self.set_deadline(past, past.number("value"));
                true
            }
            Kind::Rectified => {
                self.rectifiers.insert(past.author);
                self.round_rectifiers.insert(past.author);
                true
            }
            Kind::Verified => {
                self.reinspectors.insert(past.author);
                self.round_reinspectors.insert(past.author);
                true
            }
            Kind::VerificationFailed | Kind::Reopened => {
                self.round_rectifiers.clear();
                self.round_reinspectors.clear();
                true
            }
            Kind::NotFound => {
                self.visits += 1;
                true
            }
            Kind::MajorConfirmed => {
                self.is_confirmed = true;
                true
            }
            kind => moves(kind),
        };
        if is_move {
            self.moved_ms = self.moved_ms.max(Some(past.received_ms));
        }
    }

    fn set_deadline(&mut self, past: &Past, at_ms: Option<i64>) {
        if at_ms.is_some() {
            self.deadline_ms = at_ms;
        }
        if past.kind != Kind::DeadlineTightened {
            self.asked = None;
        }
        self.note(past, at_ms);
    }

    fn note(&mut self, past: &Past, at_ms: Option<i64>) {
        let (kind, author, received_ms) = (past.kind, past.author, past.received_ms);
        self.deadlines.push(DeadlineStep { kind, at_ms, author, received_ms });
    }
}

/// Whether a kind is an act on a hazard by somebody whose turn it was.
const fn moves(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Observed
            | Kind::Corrected
            | Kind::Returned
            | Kind::Receipted
            | Kind::Disputed
            | Kind::Carried
            | Kind::MajorPlanned
            | Kind::MadeSafe
            | Kind::VerificationFailed
            | Kind::Closed
            | Kind::Reopened
            | Kind::Void
            | Kind::Duplicate
            | Kind::NotOurs
    )
}
