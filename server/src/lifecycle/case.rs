//! What a command is judged against: a hazard's view, and what became of its deadline in the operations behind it.

use std::collections::BTreeSet;

use sync_protocol::cbor::Raw;
use sync_protocol::ids::{Head, PersonId, PhotoHash, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Photo;
use sync_protocol::view::{State, View};
use uuid::Uuid;

use super::past::{Past, moves};
use super::round::Round;
use crate::domain;
use crate::rules::Severity;

/// Two visits of one person are two where so much time lies between them: a night.
const VISITS_APART_MS: i64 = 12 * 3_600_000;

/// The five commitments (五落实): the text and the date of each, and what it is called.
pub const COMMITMENTS: [(&str, &str, &str, &str); 5] = [
    ("responsibility_text", "responsibility_at_ms", "责任", "responsibility"),
    ("measures_text", "measures_at_ms", "措施", "measures"),
    ("funds_text", "funds_at_ms", "资金", "funds"),
    ("time_limit_text", "time_limit_at_ms", "时限", "the time limit"),
    ("contingency_text", "contingency_at_ms", "预案", "the contingency plan"),
];

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

/// Somebody stood there and found nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Who.
    pub person: PersonId,
    /// When at the earliest, as far as the server knows.
    pub at_ms: i64,
    /// What they photographed.
    pub photos: Vec<PhotoHash>,
}

impl Visit {
    /// Whether the two are two visits: of two people, or of one on another day with another photo.
    fn is_other_than(&self, before: &Self) -> bool {
        let is_later = self.at_ms.abs_diff(before.at_ms) >= VISITS_APART_MS.unsigned_abs();
        let shows_more = self.photos.iter().any(|photo| !before.photos.contains(photo));
        self.person != before.person || (is_later && shows_more)
    }
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
    /// Everybody who signed that it is closed.
    pub closers: BTreeSet<PersonId>,
    /// What was signed and shown since it was last found not to be cured.
    pub round: Round,
    /// Each time that it was not found.
    pub visits: Vec<Visit>,
    /// Every photo that it names.
    pub photos: BTreeSet<PhotoHash>,
    /// Operations that others name and that have not come.
    pub missing: Vec<Head>,
    /// An order was given on it.
    pub is_ordered: bool,
    /// Of a major hazard that is rectified, until when it is accepted on site.
    pub acceptance_ms: Option<i64>,
    /// The deadline that people were told.
    pub deadline_ms: Option<i64>,
    /// When they were told it: what was raised before that was known to whoever set it.
    pub told_ms: Option<i64>,
    /// How it was graded then.
    pub told_severity: Option<Severity>,
    /// Since when it is a major hazard.
    pub major_ms: Option<i64>,
    /// The deadline by the rules, as of now; none where it was not asked for.
    pub rule_ms: Option<i64>,
    /// The term of the rules counted from the moment of an order; none where it was not asked for.
    pub fresh_ms: Option<i64>,
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
    /// As what.
    pub graded: Option<Severity>,
}

impl Case {
    /// Where it stands for a command: a hazard that was made safe goes on as it stood before, and one that is to be
    /// rectified though nobody was ordered to is the office's again.
    pub const fn at(&self) -> State {
        match self.state {
            State::MadeSafe => self.stage,
            State::Rectifying if !self.is_ordered && self.graded_ms.is_some() => State::Graded,
            State::Rectifying if !self.is_ordered => State::Reported,
            state => state,
        }
    }

    /// Whether somebody stood there a second time and found nothing either.
    pub fn has_second_visit(&self) -> bool {
        let before = |nth: usize| self.visits.iter().take(nth);
        self.visits.iter().enumerate().any(|(nth, visit)| before(nth).any(|other| visit.is_other_than(other)))
    }

    /// Everybody who stood there and found nothing.
    pub fn visitors(&self) -> BTreeSet<PersonId> {
        self.visits.iter().map(|visit| visit.person).collect()
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
            closers: BTreeSet::new(),
            round: Round::default(),
            visits: Vec::new(),
            photos: BTreeSet::new(),
            missing: Vec::new(),
            is_ordered: false,
            acceptance_ms: None,
            deadline_ms: None,
            told_ms: None,
            told_severity: None,
            major_ms: None,
            rule_ms: None,
            fresh_ms: None,
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
            graded: None,
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
            severity: domain::severity(view).map(Severity::of_term),
            is_major: shown("major").and_then(Raw::as_bool).unwrap_or(false),
            commitments_missing: missing.collect(),
            is_clearance: text("category") == Some("corridor"),
            photos: view.photos.keys().copied().collect(),
            missing: view.missing.clone(),
            review_at_ms: number("review_at_ms"),
            unit: shown("responsible_unit_id")
                .and_then(|value| value.as_byte_string().map(<[u8]>::to_vec))
                .and_then(|bytes| Uuid::from_slice(&bytes).ok()),
            order_number: text("order_number").map(str::to_owned),
            ..Self::in_state(view.state)
        };
        let past: Vec<&Past> = past.iter().filter(|past| !view.withdrawn.contains(&past.head)).collect();
        case.round = Round::of(&past, case.is_clearance);
        case.is_ordered = case.order_number.is_some();
        for past in past {
            if past.fields.get("major").and_then(Raw::as_bool) == Some(true) {
                case.major_ms = case.major_ms.or(Some(past.received_ms));
            }
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
                self.graded = past.text("severity").map(Severity::of_term).or(self.graded);
                if past.number("deadline_ms").is_some() {
                    self.set_deadline(past, past.number("deadline_ms"));
                }
                true
            }
            Kind::Ordered | Kind::Reordered | Kind::DeadlineTightened => {
                self.is_ordered |= past.kind != Kind::DeadlineTightened;
                self.set_deadline(past, past.number("deadline_ms"));
                past.kind != Kind::DeadlineTightened
            }
            // What was asked for is answered, or there is nobody left to whom it matters.
            Kind::Carried | Kind::Disputed => {
                self.asked = None;
                true
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
                self.asked = None;
                self.rectifiers.insert(past.author);
                true
            }
            Kind::Verified => {
                self.reinspectors.insert(past.author);
                true
            }
            Kind::Closed => {
                self.closers.insert(past.author);
                true
            }
            Kind::NotFound => {
                let (person, at_ms, photos) = (past.author, past.not_before_ms, hashes(&past.photos));
                self.visits.push(Visit { person, at_ms, photos });
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
            // An order on paper was issued before it was entered.
            let said_ms = past.number("ordered_at_ms").unwrap_or(past.received_ms);
            self.told_ms = Some(said_ms.min(past.received_ms));
            self.told_severity = self.graded;
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

fn hashes(photos: &[Photo]) -> Vec<PhotoHash> {
    photos.iter().map(|photo| photo.sha256).collect()
}
