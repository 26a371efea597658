//! The one table of commands: from which states, by whom, and what each needs.
//!
//! The states are those of docs/decisions/0012. A hazard that was made safe goes on as it stood before: it is judged by
//! the stage below ([`super::Case::at`]), so `MadeSafe` stands in no row.

use sync_protocol::view::State;

use super::{Case, Command, Giving};
use crate::domain::Role;

use Role::{Admin, Clerk, Inspector, Leader, Reinspector, Reviewer, Unit};
use State::{
    Carried, Closed, Disputed, Duplicate, Graded, Held, MadeSafe, NotFound, NotOurs, Ordered, Rectified,
    Rectifying, Reported, Returned, Verified, Void,
};

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// States that it may be given in.
    pub from: &'static [State],
    /// Roles that may give it.
    pub who: &'static [Role],
}

/// What a command must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A field with a value.
    Field(&'static str),
    /// At least one photo of this role.
    Photo(&'static str),
    /// At least one field, whichever.
    Anything,
}

impl Need {
    /// Whether a command says it.
    pub fn is_met(self, giving: &Giving<'_>) -> bool {
        match self {
            Self::Field(name) => giving.value(name).is_some(),
            Self::Photo(role) => giving.photos.iter().any(|photo| photo.role == role),
            Self::Anything => giving.fields.keys().any(|name| giving.value(name).is_some()),
        }
    }
}

/// The reviewer decides; the leader and the administrator stand in.
const REVIEW: &[Role] = &[Reviewer, Leader, Admin];
/// The clerk issues; the leader and the administrator stand in.
const ISSUE: &[Role] = &[Clerk, Leader, Admin];
/// The responsible unit answers, or the clerk enters its answer.
const ANSWER: &[Role] = &[Unit, Clerk, Leader, Admin];
/// A leader, by name: nobody stands in.
const LEAD: &[Role] = &[Leader];
/// Whoever saw it, or who enters it for them.
const FIELD: &[Role] = &[Inspector, Unit, Reinspector, Reviewer, Clerk, Leader, Admin];
/// Before anything was ordered.
const EARLY: &[State] = &[Held, Reported, Returned, Graded, NotFound, Disputed];
/// Open, and nobody says that it is cured.
const UNCURED: &[State] =
    &[Held, Reported, Returned, Graded, Ordered, Rectifying, Carried, NotFound, Disputed];
/// Open.
const OPEN: &[State] = &[
    Held, Reported, Returned, Graded, Ordered, Rectifying, Carried, NotFound, Rectified, Verified, Disputed,
];
/// Every state of a hazard.
const ANY: &[State] = &[
    Held, Reported, Returned, Graded, Ordered, Rectifying, Carried, MadeSafe, NotFound, Rectified, Verified,
    Closed, Void, Duplicate, NotOurs, Disputed,
];

const fn row(from: &'static [State], who: &'static [Role]) -> Rule {
    Rule { from, who }
}

/// The row of a command.
pub const fn rule(command: Command) -> Rule {
    match command {
        Command::Grade => row(&[Reported, Graded, Ordered, Rectifying, Carried], REVIEW),
        Command::Return => row(&[Reported], REVIEW),
        Command::Resubmit => row(&[Returned], &[Inspector, Reviewer, Clerk, Leader, Admin]),
        // A mistake that is seen after the order must have a way out.
        Command::Void | Command::Duplicate => row(UNCURED, REVIEW),
        // Ordered, the unit disputes it.
        Command::NotOurs => row(EARLY, REVIEW),
        Command::ConfirmMajor => row(&[Reported, Graded, Ordered, Rectifying], LEAD),
        Command::PlanMajor => row(&[Graded, Ordered, Rectifying, Carried], ANSWER),
        Command::Order => row(&[Graded], ISSUE),
        // What was ordered amiss: the unit that it goes to now receipts it anew.
        Command::Reorder => row(&[Ordered, Rectifying], ISSUE),
        Command::Receipt | Command::Dispute => row(&[Ordered], ANSWER),
        Command::AskExtension => row(&[Rectifying], ANSWER),
        Command::GrantExtension | Command::RefuseExtension => row(&[Rectifying], REVIEW),
        Command::Carry => row(&[Rectifying, Carried], LEAD),
        Command::ReviewCarried => row(&[Carried], LEAD),
        Command::MakeSafe => row(OPEN, FIELD),
        Command::NotFound => row(OPEN, &[Inspector, Reinspector, Reviewer, Clerk, Leader, Admin]),
        Command::Rectify => {
            row(&[Reported, Graded, Ordered, Rectifying, Carried], &[Unit, Inspector, Clerk, Leader, Admin])
        }
        Command::Uphold => row(&[Disputed], REVIEW),
        // What a phone left out of the record of a verification is added by another.
        Command::Verify | Command::FailVerification => {
            row(&[Rectified, Verified, Disputed], &[Reinspector, Admin])
        }
        // Closing what is closed adds a signature.
        Command::Close => row(&[Verified, NotFound, Closed], REVIEW),
        Command::Reopen => row(&[Disputed, NotFound, Void, Duplicate, NotOurs], REVIEW),
        Command::WriteOff => row(ANY, LEAD),
        Command::Redact => row(ANY, &[Leader, Admin]),
    }
}

/// What a command needs on a case.
pub fn needs(command: Command, case: &Case) -> Vec<Need> {
    use Need::{Anything, Field, Photo};
    let mut needs = match command {
        Command::Grade => vec![Field("severity")],
        Command::Return
        | Command::Void
        | Command::NotOurs
        | Command::Dispute
        | Command::RefuseExtension
        | Command::ReviewCarried
        | Command::Uphold
        | Command::Reopen
        | Command::WriteOff
        | Command::Redact => vec![Field("reason")],
        Command::Resubmit | Command::PlanMajor => vec![Anything],
        Command::Duplicate => vec![Field("duplicate_of"), Field("reason")],
        Command::ConfirmMajor => vec![Field("supervision_level")],
        Command::Order => vec![Field("responsible_unit"), Field("measures"), Field("deadline_ms")],
        Command::Reorder => {
            vec![Field("reason"), Field("responsible_unit"), Field("measures"), Field("deadline_ms")]
        }
        Command::Receipt | Command::Close => Vec::new(),
        Command::AskExtension => vec![Field("deadline_ms"), Field("reason")],
        Command::GrantExtension => vec![Field("deadline_ms")],
        Command::Carry => vec![Field("plan"), Field("review_at_ms")],
        Command::MakeSafe => vec![Field("measures"), Photo("site")],
        Command::NotFound => vec![Field("position"), Photo("site")],
        Command::Rectify => vec![Field("completed_at_ms"), Field("quantity"), Photo("after")],
        Command::Verify | Command::FailVerification => vec![Field("verified_at_ms"), Field("verdict")],
    };
    if matches!(command, Command::Verify | Command::FailVerification) && case.is_clearance {
        needs.push(Field("measured_dm"));
    }
    // What was not found is closed after a second visit, or with a reason.
    if command == Command::Close && case.state == NotFound && !case.has_second_visit() {
        needs.push(Field("reason"));
    }
    needs
}

/// Fields of the record that a correction does not write: they are the office's, and each has its own command.
const DECIDED: &[&str] = &[
    "major", "severity", "graded_severity", "deadline_ms", "responsible_unit", "responsible_unit_id",
    "order_number", "ordered_at_ms", "review_at_ms", "rule_version", "supervision_level", "completed_at_ms",
    "verified_at_ms", "closed_at_ms",
];

/// Whether a command may say a field: what it needs, what belongs to it, and remarks.
pub fn may_say(command: Command, name: &str) -> bool {
    let own: &[&str] = match command {
        Command::Resubmit => return !DECIDED.contains(&name),
        Command::Grade => &["severity", "major", "reason", "rule_version"],
        Command::Return
        | Command::Void
        | Command::NotOurs
        | Command::Dispute
        | Command::RefuseExtension
        | Command::Uphold
        | Command::Reopen => &["reason"],
        Command::Duplicate => &["duplicate_of", "reason"],
        Command::ConfirmMajor => &["supervision_level", "major", "reason"],
        Command::PlanMajor => {
            return name == "remarks"
                || super::case::COMMITMENTS.iter().any(|(text, at, _, _)| name == *text || name == *at);
        }
        Command::Order => &[
            "responsible_unit", "responsible_unit_id", "responsible_person", "phone", "measures", "remedy",
            "funds_fen", "felling_permit", "deadline_ms", "order_number", "ordered_at_ms", "reason",
        ],
        Command::Reorder => &[
            "responsible_unit", "responsible_unit_id", "responsible_person", "phone", "measures", "remedy",
            "funds_fen", "felling_permit", "deadline_ms", "reason",
        ],
        Command::Receipt => &["responsible_person", "phone"],
        Command::AskExtension | Command::GrantExtension => &["deadline_ms", "reason"],
        Command::Carry => &["plan", "review_at_ms", "reason"],
        Command::ReviewCarried => &["reason", "deadline_ms", "review_at_ms", "plan"],
        Command::MakeSafe => &["measures", "position"],
        Command::NotFound => &["position", "reason"],
        Command::Rectify => &[
            "completed_at_ms", "quantity", "measures", "funds_fen", "responsible_person", "phone",
            "position", "felling_permit", "species", "count",
        ],
        Command::Verify | Command::FailVerification => &[
            "verified_at_ms", "verdict", "measured_dm", "vertical_dm", "horizontal_dm", "position", "reason",
        ],
        Command::Close => &["closed_at_ms", "reason"],
        Command::WriteOff => &["reason", "photo", "predecessor"],
        Command::Redact => &["reason", "photo", "operation", "field"],
    };
    name == "remarks" || own.contains(&name)
}
