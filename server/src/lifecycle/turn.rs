//! Whose turn it is: the role, and where it is known the unit or the person, that must act next on a hazard.

use sync_protocol::view::State;

use super::Case;
use crate::domain::Role;

/// The role whose turn it is; none where nobody must act.
pub fn turn(case: &Case) -> Option<Role> {
    match case.at() {
        State::Verified if case.is_major => Some(Role::Leader),
        State::Held | State::Reported | State::NotFound | State::Disputed | State::Verified => {
            Some(Role::Reviewer)
        }
        State::Returned => Some(Role::Inspector),
        State::Graded if case.is_major && !case.is_confirmed => Some(Role::Leader),
        State::Graded => Some(Role::Clerk),
        State::Ordered | State::Rectifying if case.asked.is_some() => Some(Role::Reviewer),
        State::Ordered | State::Rectifying => Some(Role::Unit),
        State::Carried => Some(Role::Leader),
        State::Rectified => Some(Role::Reinspector),
        State::MadeSafe
        | State::Closed
        | State::Void
        | State::Duplicate
        | State::NotOurs
        | State::Recorded => None,
    }
}

/// The moment by which it must be acted on: when a carried hazard is reviewed, when a major one that is rectified is
/// accepted on site, else the deadline.
pub const fn due_ms(case: &Case) -> Option<i64> {
    match case.at() {
        State::Carried => case.review_at_ms,
        State::Rectified if case.acceptance_ms.is_some() => case.acceptance_ms,
        State::Closed | State::Void | State::Duplicate | State::NotOurs | State::Recorded => None,
        State::Held
        | State::Reported
        | State::Returned
        | State::Graded
        | State::Ordered
        | State::Rectifying
        | State::MadeSafe
        | State::NotFound
        | State::Rectified
        | State::Verified
        | State::Disputed => match case.deadline_ms {
            Some(at_ms) => Some(at_ms),
            None => case.rule_ms,
        },
    }
}
