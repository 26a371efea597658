//! The lifecycle's rules as values: roles, standings, rungs, stages, and what a frontier of acts comes to.
//!
//! Nothing here walks the graph; both the whole fold and the incremental step decide by these functions.

use std::collections::BTreeSet;

use super::effective::LIFECYCLE;
use crate::kind::Kind;
use crate::view::{Act, Closure, Conflict, Standing, State, View, WriterIndex};

/// What a kind does to the lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The hazard is there.
    Danger,
    /// The hazard is there, and whatever said otherwise before is answered.
    AuthoritativeDanger,
    /// The hazard is gone, or less.
    Cure,
    /// The office says that it is no hazard of theirs.
    End(Standing),
}

/// The role of a kind.
pub(super) const fn role(kind: Kind) -> Option<Role> {
    match kind {
        Kind::Reported | Kind::Observed => Some(Role::Danger),
        Kind::VerificationFailed | Kind::Returned | Kind::Reopened => Some(Role::AuthoritativeDanger),
        Kind::Rectified | Kind::MadeSafe | Kind::NotFound | Kind::Verified | Kind::Closed => Some(Role::Cure),
        Kind::Void => Some(Role::End(Standing::Void)),
        Kind::Duplicate => Some(Role::End(Standing::Duplicate)),
        Kind::NotOurs => Some(Role::End(Standing::NotOurs)),
        _ => None,
    }
}

/// Which standings the live cures have that an operation sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence(u8);

/// The standings that are evidence for another.
pub(super) const EVIDENCE: [Standing; 6] = [
    Standing::MadeSafe,
    Standing::NotFound,
    Standing::Rectified,
    Standing::Verified,
    Standing::Closed,
    Standing::ClosedNotFound,
];

impl Evidence {
    const fn bit(standing: Standing) -> u8 {
        match standing {
            Standing::MadeSafe => 1,
            Standing::NotFound => 2,
            Standing::Rectified => 4,
            Standing::Verified => 8,
            Standing::Closed => 16,
            Standing::ClosedNotFound => 32,
            Standing::Unfounded | Standing::Void | Standing::Duplicate | Standing::NotOurs => 0,
        }
    }

    /// With one more standing.
    pub(super) const fn with(self, standing: Standing) -> Self {
        Self(self.0 | Self::bit(standing))
    }

    /// Everything in either.
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of these is there.
    pub(super) fn has(self, any: &[Standing]) -> bool {
        any.iter().any(|standing| self.0 & Self::bit(*standing) != 0)
    }

    /// What is left of it after an operation that sees all of it.
    pub(super) fn after(self, kind: Option<Kind>, standing: Option<Standing>) -> Self {
        match kind.and_then(role) {
            Some(Role::AuthoritativeDanger) => Self(0),
            Some(Role::Danger) => Self(self.0 & !Self::bit(Standing::MadeSafe)),
            Some(Role::Cure) => standing.map_or(self, |standing| self.with(standing)),
            Some(Role::End(_)) | None => self,
        }
    }

    /// As the view holds it.
    pub(super) fn standings(self) -> BTreeSet<Standing> {
        EVIDENCE.into_iter().filter(|standing| self.has(&[*standing])).collect()
    }

    /// From what the view holds.
    pub(super) fn of(standings: &BTreeSet<Standing>) -> Self {
        standings.iter().fold(Self(0), |evidence, standing| evidence.with(*standing))
    }
}

/// What a cure amounts to by the evidence that it sees; none for other kinds.
pub(super) fn standing(kind: Kind, sees: Evidence) -> Option<Standing> {
    use Standing::{Closed, MadeSafe, NotFound, Rectified, Verified};
    match kind {
        Kind::MadeSafe => Some(MadeSafe),
        Kind::NotFound => Some(NotFound),
        Kind::Verified if sees.has(&[Rectified, Verified, Closed]) => Some(Verified),
        Kind::Rectified | Kind::Verified => Some(Rectified),
        Kind::Closed => Some(closing(sees)),
        _ => None,
    }
}

/// What a closure amounts to: it closes what was verified or not found, else it says no more than that was.
fn closing(sees: Evidence) -> Standing {
    use Standing::{Closed, ClosedNotFound, MadeSafe, NotFound, Rectified, Unfounded, Verified};
    if sees.has(&[Verified, Closed]) {
        Closed
    } else if sees.has(&[NotFound, ClosedNotFound]) {
        ClosedNotFound
    } else if sees.has(&[Rectified]) {
        Rectified
    } else if sees.has(&[MadeSafe]) {
        MadeSafe
    } else {
        Unfounded
    }
}

/// How far a standing is on its path.
pub(super) const fn rung(standing: Standing) -> u8 {
    match standing {
        Standing::Unfounded | Standing::Void | Standing::Duplicate | Standing::NotOurs => 0,
        Standing::MadeSafe => 1,
        Standing::Rectified | Standing::NotFound => 2,
        Standing::Verified => 3,
        Standing::Closed | Standing::ClosedNotFound => 4,
    }
}

/// The two ways a hazard ends in the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Path {
    Work,
    NotFound,
}

/// The path of a founded cure; none for an unfounded closure and for the office's ends.
pub(super) const fn path(standing: Standing) -> Option<Path> {
    match standing {
        Standing::MadeSafe | Standing::Rectified | Standing::Verified | Standing::Closed => Some(Path::Work),
        Standing::NotFound | Standing::ClosedNotFound => Some(Path::NotFound),
        Standing::Unfounded | Standing::Void | Standing::Duplicate | Standing::NotOurs => None,
    }
}

/// Whether a standing is one of the office's ends.
pub(super) const fn is_end(standing: Standing) -> bool {
    matches!(standing, Standing::Void | Standing::Duplicate | Standing::NotOurs)
}

/// Whether a standing closes the hazard.
pub(super) const fn is_closing(standing: Standing) -> bool {
    matches!(standing, Standing::Closed | Standing::ClosedNotFound)
}

const fn state_of(standing: Standing) -> State {
    match standing {
        Standing::MadeSafe => State::MadeSafe,
        Standing::NotFound => State::NotFound,
        Standing::Rectified => State::Rectified,
        Standing::Verified => State::Verified,
        Standing::Closed | Standing::ClosedNotFound => State::Closed,
        Standing::Void => State::Void,
        Standing::Duplicate => State::Duplicate,
        Standing::NotOurs => State::NotOurs,
        Standing::Unfounded => State::Disputed,
    }
}

/// The stage a kind leads to, and whether it takes the place of a higher one that it sees.
pub(super) const fn stage(kind: Kind) -> Option<(State, bool)> {
    match kind {
        Kind::Reported | Kind::Observed | Kind::Corrected => Some((State::Reported, false)),
        Kind::Graded => Some((State::Graded, false)),
        Kind::Ordered => Some((State::Ordered, false)),
        Kind::Returned => Some((State::Returned, true)),
        Kind::Disputed => Some((State::Graded, true)),
        Kind::Reordered => Some((State::Ordered, true)),
        Kind::Receipted | Kind::CarriedReviewed | Kind::VerificationFailed | Kind::Reopened => {
            Some((State::Rectifying, true))
        }
        Kind::Carried => Some((State::Carried, true)),
        _ => None,
    }
}

/// What acts of the frontier had not seen.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    /// Dangers that count and that some founded act has not seen.
    pub(super) dangers: BTreeSet<WriterIndex>,
    /// Founded cures of the frontier that some end of the frontier has not seen.
    pub(super) cures: BTreeSet<WriterIndex>,
}

/// Decides the state of a hazard, its closure and its lifecycle conflicts from the acts, dangers and stages.
pub(super) fn decide(view: &mut View, unseen: &Unseen) {
    let (state, mut conflicts) = settle(&view.acts, unseen);
    let unfounded = writers(view.acts.iter().filter(|act| act.standing == Standing::Unfounded));
    if !unfounded.is_empty() {
        conflicts.push(conflict("closure-unfounded", unfounded));
    }
    view.conflicts.extend(conflicts);
    view.state = state.unwrap_or_else(|| {
        let highest = view.stage.iter().map(|stage| stage.state).max_by_key(|state| state.progress());
        highest.unwrap_or(State::Reported)
    });
    view.closure = closure(view);
}

/// Whether the closure is final, where the state is closed.
pub(super) fn closure(view: &View) -> Option<Closure> {
    (view.state == State::Closed).then(|| {
        let closings = view.acts.iter().filter(|act| act.is_sound && is_closing(act.standing));
        if closings.into_iter().any(|act| act.pending.is_empty()) { Closure::Final } else { Closure::Pending }
    })
}

fn conflict(reason: &str, writers: BTreeSet<WriterIndex>) -> Conflict {
    Conflict {
        subject: LIFECYCLE.to_owned(),
        reason: reason.to_owned(),
        writers: writers.into_iter().collect(),
    }
}

fn writers<'a>(acts: impl Iterator<Item = &'a Act>) -> BTreeSet<WriterIndex> {
    acts.map(|act| act.writer).collect()
}

/// The state that the acts make, none where there is none of effect, and what they leave to a person.
fn settle(acts: &[Act], unseen: &Unseen) -> (Option<State>, Vec<Conflict>) {
    let cures = || acts.iter().filter(|act| path(act.standing).is_some());
    let ends = || acts.iter().filter(|act| is_end(act.standing));
    let sound_cures = || cures().filter(|act| act.is_sound);
    let sound_ends = || ends().filter(|act| act.is_sound);
    let mut conflicts = Vec::new();
    if sound_cures().next().is_some() {
        let waiting = writers(ends().filter(|act| act.has_unseen));
        if !waiting.is_empty() {
            conflicts.push(conflict("office-act-waits", &waiting | &unseen.cures));
        }
        let knowing = || sound_ends().filter(|act| !act.has_unseen);
        let state = if knowing().next().is_some() {
            one_kind(knowing(), &mut conflicts)
        } else {
            join(sound_cures(), &mut conflicts)
        };
        (Some(state), conflicts)
    } else if sound_ends().next().is_some() {
        let unaware = writers(sound_ends().filter(|act| act.has_unseen));
        let state = one_kind(sound_ends(), &mut conflicts);
        if unaware.is_empty() {
            return (Some(state), conflicts);
        }
        conflicts.push(conflict("disputed", &unaware | &unseen.cures));
        (Some(State::Disputed), conflicts)
    } else if cures().chain(ends()).next().is_some() {
        conflicts.push(conflict("disputed", &writers(cures().chain(ends())) | &unseen.dangers));
        (Some(State::Disputed), conflicts)
    } else {
        (None, conflicts)
    }
}

/// The end that all of these say, or a conflict of them.
fn one_kind<'a>(ends: impl Iterator<Item = &'a Act>, conflicts: &mut Vec<Conflict>) -> State {
    let ends: Vec<&Act> = ends.collect();
    match ends.split_first() {
        Some((first, rest)) if rest.iter().all(|end| end.standing == first.standing) => {
            state_of(first.standing)
        }
        _ => {
            conflicts.push(conflict("ends-differ", writers(ends.into_iter())));
            State::Disputed
        }
    }
}

/// The furthest of cures on one path; cures on both are a conflict.
fn join<'a>(cures: impl Iterator<Item = &'a Act>, conflicts: &mut Vec<Conflict>) -> State {
    let cures: Vec<&Act> = cures.collect();
    let furthest = cures.iter().max_by_key(|act| rung(act.standing));
    match furthest {
        Some(furthest) if cures.iter().all(|act| path(act.standing) == path(furthest.standing)) => {
            state_of(furthest.standing)
        }
        _ => {
            conflicts.push(conflict("ends-differ", writers(cures.into_iter())));
            State::Disputed
        }
    }
}
