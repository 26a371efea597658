//! The round of a hazard: what was signed and shown since it was last found not to be cured, or taken up again. What came
//! before proves nothing of it. Start at [`Round::of`].

use std::collections::BTreeSet;

use sync_protocol::ids::{PersonId, PhotoHash};
use sync_protocol::kind::Kind;

use super::past::Past;

/// What was signed and shown in a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Who signed that it was rectified.
    pub rectifiers: BTreeSet<PersonId>,
    /// Who signed that it was verified.
    pub reinspectors: BTreeSet<PersonId>,
    /// Photos of how it looks after.
    pub after: BTreeSet<PhotoHash>,
    /// Photos that show nothing of that: they were named before the round, or as something else.
    pub spent: BTreeSet<PhotoHash>,
    /// A verification says what it found: a verdict and, where a distance shows whether it is cured, that; or the reviewer
    /// upheld it with a reason.
    pub has_site_record: bool,
    /// When it was last rectified, server time.
    pub rectified_ms: Option<i64>,
}

impl Round {
    /// The last round of what happened. `is_clearance`: a distance shows whether it is cured.
    pub(super) fn of(past: &[&Past], is_clearance: bool) -> Self {
        // Phones are told before the office, whenever they came: the moment decides, and of one moment the order.
        let at = |nth: usize, past: &Past| (past.received_ms, nth);
        let breaks = past.iter().enumerate().filter(|(_, past)| is_break(past.kind));
        let begins = breaks.map(|(nth, past)| at(nth, past)).max();
        let mut round = Self::default();
        for (nth, past) in past.iter().enumerate() {
            let is_of_it = begins.is_none_or(|begins| at(nth, past) > begins);
            round.take(past, is_of_it, is_clearance);
        }
        round
    }

    fn take(&mut self, past: &Past, is_of_it: bool, is_clearance: bool) {
        for photo in &past.photos {
            let shows = if is_of_it && photo.role == "after" { &mut self.after } else { &mut self.spent };
            shows.insert(photo.sha256);
        }
        match past.kind {
            Kind::Rectified if is_of_it => {
                self.rectifiers.insert(past.author);
                self.rectified_ms = self.rectified_ms.max(Some(past.received_ms));
            }
            Kind::Verified if is_of_it => {
                self.reinspectors.insert(past.author);
                let says = |name: &str| past.fields.get(name).is_some_and(|value| !value.is_null());
                let is_measured = !is_clearance || says("measured_dm");
                self.has_site_record |= (says("verdict") && is_measured) || says("reason");
            }
            _ => {}
        }
    }

    /// Whether a photo shows it after it was rectified.
    pub fn has_after_photo(&self) -> bool {
        self.after.iter().any(|photo| !self.spent.contains(photo))
    }
}

/// What a new round begins with.
const fn is_break(kind: Kind) -> bool {
    matches!(kind, Kind::VerificationFailed | Kind::Reopened)
}
