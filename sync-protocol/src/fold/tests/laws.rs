//! The laws that the fold keeps, each on what breaks it first, and severity against all that was ever said.

use super::generate::{Author, Random, Shape, identify, scenario};
use crate::cbor::Raw;
use crate::field::severity_rank;
use crate::fold::{disposition, fold, oracle, overlay};
use crate::ids::{Head, PhotoHash};
use crate::kind::Kind;
use crate::operation::{Identified, Operation, Photo};
use crate::view::{Closure, Disposition, PhotoState, State, View};

/// A record under way: operations in the order they were made.
struct Story {
    author: Author,
    made: Vec<Identified>,
}

impl Story {
    fn new() -> Self {
        let mut story = Self { author: Author::new(0), made: Vec::new() };
        story.add(Kind::Reported, &[], |report| {
            report.with("category", &"corridor").with("severity", &"serious")
        });
        story
    }

    fn add(&mut self, kind: Kind, after: &[Head], with: impl FnOnce(Operation) -> Operation) -> Head {
        let person = u128::try_from(self.made.len()).unwrap();
        let operation = identify(with(self.author.operation(kind, person, after)));
        self.made.push(operation);
        self.made.last().unwrap().head()
    }

    fn plain(&mut self, kind: Kind, after: &[Head]) -> Head {
        self.add(kind, after, |operation| operation)
    }

    fn report(&self) -> Head {
        self.made[0].head()
    }

    fn view(&self) -> View {
        let view = fold(&self.made);
        assert_eq!(view, oracle::fold(&self.made));
        view
    }
}

fn graded(term: &'static str) -> impl FnOnce(Operation) -> Operation {
    move |operation| operation.with("severity", &term)
}

fn photographed(number: u8) -> impl FnOnce(Operation) -> Operation {
    move |mut operation| {
        operation.photos.push(Photo { role: "after".into(), bytes: 1, sha256: PhotoHash([number; 32]) });
        operation
    }
}

#[test]
fn only_a_grading_lowers_a_graded_severity() {
    let mut story = Story::new();
    let critical = story.add(Kind::Graded, &[story.report()], graded("critical"));
    let observed = story.add(Kind::Observed, &[critical], graded("general"));
    assert_eq!(story.view().severity.as_deref(), Some("critical"));
    let by_hand = story.add(Kind::Corrected, &[observed], |o| o.with("graded_severity", &"general"));
    let restored = story
        .add(Kind::Restored, &[by_hand], |o| o.with("field", &"graded_severity").with("value", &"general"));
    assert_eq!(story.view().severity.as_deref(), Some("critical"));
    story.add(Kind::Graded, &[restored], graded("general"));
    assert_eq!(story.view().severity.as_deref(), Some("general"));
}

#[test]
fn a_grading_that_did_not_know_of_a_worse_observation_does_not_lower_it() {
    let mut story = Story::new();
    story.add(Kind::Observed, &[story.report()], graded("critical"));
    story.add(Kind::Graded, &[story.report()], graded("general"));
    assert_eq!(story.view().severity.as_deref(), Some("critical"));
}

#[test]
fn null_never_lowers_a_severity() {
    let mut story = Story::new();
    let null = story.add(Kind::Observed, &[story.report()], |o| o.with("severity", &()));
    let graded_null = story.add(Kind::Graded, &[null], |o| o.with("severity", &()));
    assert_eq!(story.view().severity.as_deref(), Some("serious"));
    assert_eq!(overlay(Some(&story.view()), story.made.last().unwrap()).severity.as_deref(), Some("serious"));
    story.add(Kind::Observed, &[graded_null], graded("of tomorrow"));
    assert_eq!(story.view().severity.as_deref(), Some("of tomorrow"), "an unknown term ranks as critical");
}

#[test]
fn shown_severity_is_at_least_every_one_that_nothing_later_replaced() {
    for seed in 0..1_500 {
        let shape = Shape { operations: 10, devices: 4, strange: 30, is_wild: seed % 3 == 0, kinds: &[] };
        let set = scenario(seed + 90_000, shape);
        let view = fold(&set);
        let shown = severity_rank(view.severity.as_deref());
        let of = |operation: &Identified, kinds: fn(Kind) -> bool| {
            let kind = operation.operation.kind.known()?;
            let value = operation.operation.fields.get("severity").filter(|value| !value.is_null())?;
            kinds(kind).then_some(severity_rank(Some(value.as_text()?)))
        };
        let says = |kind: Kind| matches!(kind, Kind::Reported | Kind::Observed | Kind::Graded);
        let replaces = |kind: Kind| {
            !matches!(
                kind,
                Kind::Commented | Kind::Photographed | Kind::Withdrawn | Kind::PhotoVerified | Kind::Released
            )
        };
        for operation in &set {
            let Some(rank) = of(operation, says) else { continue };
            // A release or a resolution may have replaced it too.
            let is_settled = |other: &Identified| {
                matches!(other.operation.kind.known(), Some(Kind::Released | Kind::Resolved | Kind::Restored))
            };
            let is_replaced = set.iter().any(|other| {
                (of(other, replaces).is_some() || is_settled(other)) && oracle::sees(&set, other, operation)
            });
            assert!(is_replaced || shown >= rank, "seed {seed}: {:?}", operation.operation);
        }
    }
}

#[test]
fn concurrent_values_are_all_kept_with_the_base_they_replaced() {
    let mut story = Story::new();
    let base = story.add(Kind::Corrected, &[story.report()], |o| o.with("species", &"松"));
    let mine = story.add(Kind::Corrected, &[base], |o| o.with("species", &"杉"));
    let theirs = story.add(Kind::Corrected, &[base], |o| o.with("species", &"柏"));
    let view = story.view();
    let field = view.fields.get("species").unwrap();
    assert_eq!(field.values.len(), 2);
    assert_eq!(field.base, Some(Raw::of(&"松")));
    let shown = view.writer(field.values[0].writer).unwrap();
    assert_eq!(shown.head, mine.min(theirs), "the smaller hash shows");
    assert_eq!(view.conflicts.len(), 1);
    assert_eq!(disposition(&view, mine), Disposition::Conflict);
    assert_eq!(disposition(&view, theirs), Disposition::Conflict);
    assert_eq!(disposition(&view, base), Disposition::Applied);

    let resolved =
        story.add(Kind::Resolved, &[mine, theirs], |o| o.with("field", &"species").with("value", &"柏"));
    let view = story.view();
    assert!(view.conflicts.is_empty());
    assert_eq!(view.shown("species"), Some(&Raw::of(&"柏")));

    let late = story.add(Kind::Corrected, &[base], |o| o.with("species", &"竹"));
    let view = story.view();
    assert_eq!(view.conflicts.len(), 1, "a later value reopens the conflict");
    assert_eq!(disposition(&view, resolved), Disposition::Conflict);

    story.add(Kind::Restored, &[resolved, late], |o| o.with("field", &"species").with("value", &"杉"));
    let view = story.view();
    assert!(view.conflicts.is_empty());
    assert_eq!(view.shown("species"), Some(&Raw::of(&"杉")));
}

#[test]
fn smaller_known_accuracy_shows_and_the_others_are_merged() {
    let mut story = Story::new();
    let position = |accuracy: Option<u64>| crate::operation::Position {
        accuracy_dm: accuracy,
        lat_e7: i64::try_from(accuracy.unwrap_or(1)).unwrap(),
        ..Default::default()
    };
    let report = story.report();
    let heads: Vec<Head> = [Some(90), None, Some(30)]
        .into_iter()
        .map(|accuracy| story.add(Kind::Observed, &[report], |o| o.with("position", &position(accuracy))))
        .collect();
    story.add(Kind::Corrected, &[report], |o| o.with("position", &()));
    let view = story.view();
    assert_eq!(view.shown("position"), Some(&Raw::of(&position(Some(30)))));
    assert_eq!(view.fields.get("position").unwrap().values.len(), 4);
    assert_eq!(disposition(&view, heads[2]), Disposition::Merged);
}

/// A report, its rectification with a photo, its verification.
fn verified() -> (Story, Head) {
    let mut story = Story::new();
    let rectified = story.add(Kind::Rectified, &[story.report()], photographed(1));
    let verified = story.plain(Kind::Verified, &[rectified]);
    (story, verified)
}

#[test]
fn a_closure_is_final_once_every_photo_it_had_seen_is_verified_or_written_off() {
    for settles in [Kind::PhotoVerified, Kind::WrittenOff] {
        let (mut story, verified) = verified();
        let closed = story.plain(Kind::Closed, &[verified]);
        let view = story.view();
        assert_eq!((view.state, view.closure), (State::Closed, Some(Closure::Pending)));
        assert!(!view.state.is_open());
        // It matters nowhere else: its author may have known nothing of the closure.
        story.add(settles, &[], |o| o.with("photo", &PhotoHash([1; 32])));
        assert_eq!(story.view().closure, Some(Closure::Final));
        story.add(Kind::Photographed, &[closed], photographed(2));
        story.add(Kind::Photographed, &[verified], photographed(3));
        let view = story.view();
        assert_eq!(view.closure, Some(Closure::Final), "a photo named later never un-finals it");
        assert_eq!(view.photos[&PhotoHash([2; 32])].state, PhotoState::Named);
    }
}

#[test]
fn several_closings_are_one_and_final_by_any_whose_evidence_is_complete() {
    let (mut story, verified) = verified();
    let photo = story.add(Kind::Photographed, &[verified], photographed(2));
    let first = story.plain(Kind::Closed, &[verified]);
    let second = story.plain(Kind::Closed, &[photo]);
    story.add(Kind::PhotoVerified, &[], |o| o.with("photo", &PhotoHash([1; 32])));
    let view = story.view();
    assert_eq!((view.state, view.closure), (State::Closed, Some(Closure::Final)));
    assert!(view.conflicts.is_empty());
    assert_eq!(disposition(&view, first), Disposition::Joined);
    assert_eq!(disposition(&view, second), Disposition::Joined);
}

#[test]
fn a_danger_that_did_not_know_of_the_closure_makes_it_disputed_and_open() {
    let (mut story, verified) = verified();
    let closed = story.plain(Kind::Closed, &[verified]);
    let observed = story.plain(Kind::Observed, &[story.report()]);
    let view = story.view();
    assert_eq!(view.state, State::Disputed);
    assert!(view.state.is_open());
    assert_eq!(disposition(&view, closed), Disposition::Conflict);
    let again = story.plain(Kind::Verified, &[closed, observed]);
    assert_eq!(story.view().state, State::Verified, "a verification that knew of both settles it");
    story.plain(Kind::Reopened, &[again]);
    assert_eq!(story.view().state, State::Rectifying);
}

#[test]
fn a_void_beside_a_cure_waits_and_a_closure_that_knew_of_both_settles_it() {
    let (mut story, verified) = verified();
    let void = story.plain(Kind::Void, &[story.report()]);
    let view = story.view();
    assert_eq!(view.state, State::Verified);
    assert_eq!(view.conflicts[0].reason, "office-act-waits");
    assert_eq!(disposition(&view, void), Disposition::Conflict);
    story.plain(Kind::Closed, &[verified, void]);
    let view = story.view();
    assert_eq!(view.state, State::Closed);
    assert!(view.conflicts.is_empty());
}

#[test]
fn operations_without_their_report_make_a_provisional_open_record() {
    let mut author = Author::new(0);
    let report = identify(author.operation(Kind::Reported, 1, &[]));
    let graded = identify(author.operation(Kind::Graded, 2, &[report.head()]));
    let view = fold(std::slice::from_ref(&graded));
    assert!(view.is_provisional && view.state.is_open());
    assert_eq!(view.missing, [report.head()]);
    let bare = fold(std::slice::from_ref(&report));
    assert_eq!(bare.state, State::Held, "neither position nor kind is known");
    assert_eq!(disposition(&bare, report.head()), Disposition::Held);
    assert!(!fold(&[graded, report]).is_provisional);
}

#[test]
fn overlay_never_declines_and_shows_the_operation() {
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let shape = Shape { operations: 9, devices: 3, strange: 9, is_wild: random.one_in(2), kinds: &[] };
        let set = scenario(seed, shape);
        let (known, unsent) = set.split_at(random.below(set.len()));
        let mut view = (!known.is_empty()).then(|| fold(known));
        for operation in unsent {
            let next = overlay(view.as_ref(), operation);
            assert_eq!(next.heads, [operation.head()], "seed {seed}");
            assert_eq!(View::decode(&next.encode()).as_ref(), Some(&next), "seed {seed}");
            view = Some(next);
        }
    }
}
