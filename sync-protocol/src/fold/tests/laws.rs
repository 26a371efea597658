//! The laws that the fold keeps, each on what breaks it first, and severity against all that was ever said.

use super::generate::{Author, Random, Shape, identify, scenario};
use super::met::{Met, are_concurrent, effect};
use crate::cbor::Raw;
use crate::field::{Rule, rule, severity_rank};
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

/// What an operation says of severity, by rank. Observed and graded severity are separate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Observed(u8),
    Graded(u8),
}

impl Said {
    fn rank(self) -> u8 {
        match self {
            Self::Observed(rank) | Self::Graded(rank) => rank,
        }
    }

    /// An observation gives way to whatever says a severity, a grading to a grading alone.
    fn gives_way_to(self, later: Self) -> bool {
        matches!((self, later), (Self::Observed(_), _) | (Self::Graded(_), Self::Graded(_)))
    }
}

/// Whether the office took its decision back: it says nothing then.
fn is_taken_back(set: &[Identified], operation: &Identified) -> bool {
    let decisions = [Kind::Void, Kind::Duplicate, Kind::NotOurs, Kind::Resolved, Kind::Restored];
    let is_decision = effect(operation).0.is_some_and(|kind| decisions.contains(&kind));
    let takes_it_back = |other: &Identified| {
        let (kind, fields) = effect(other);
        kind == Some(Kind::Retracted)
            && fields.get("operation") == Some(&Raw::of(&operation.identity))
            && oracle::sees(set, other, operation)
    };
    is_decision && set.iter().any(takes_it_back)
}

/// What an operation says of severity. Null says nothing: ignorance never lowers.
fn said(set: &[Identified], operation: &Identified) -> Option<Said> {
    if is_taken_back(set, operation) {
        return None;
    }
    let (kind, fields) = effect(operation);
    let rank = |name: &str| {
        let value = fields.get(name).filter(|value| !value.is_null())?;
        Some(severity_rank(Some(value.as_text().unwrap_or("of no list"))))
    };
    match kind? {
        Kind::Graded => rank("severity").map(Said::Graded),
        Kind::Resolved | Kind::Restored => {
            let field = fields.get("field").and_then(Raw::as_text);
            field.filter(|field| *field == "severity").and_then(|_| rank("value")).map(Said::Observed)
        }
        // What these carry is no field of the record.
        Kind::Commented
        | Kind::Photographed
        | Kind::PatrolTrack
        | Kind::Withdrawn
        | Kind::ExtensionAsked
        | Kind::PhotoVerified
        | Kind::Retracted => None,
        _ => rank("severity").map(Said::Observed),
    }
}

/// Counts how what an operation says of severity stands to what the others say.
fn count_severities(
    met: &mut Met,
    set: &[Identified],
    (operation, what): (&Identified, Said),
    others: &[(&Identified, Said)],
) {
    for (other, by) in others.iter().filter(|(other, _)| other.identity != operation.identity) {
        let is_later = oracle::sees(set, other, operation);
        match (what, *by) {
            (Said::Observed(_), Said::Observed(_)) => met.count("observation after an observation", is_later),
            (Said::Observed(rank), Said::Graded(milder)) => {
                met.count("grading after an observation", is_later);
                let is_beside = are_concurrent(set, operation, other);
                met.count("milder grading beside an observation", is_beside && milder < rank);
            }
            (Said::Graded(_), Said::Graded(_)) => met.count("grading after a grading", is_later),
            (Said::Graded(rank), Said::Observed(milder)) => {
                met.count("milder observation after a grading", is_later && milder < rank);
            }
        }
    }
}

#[test]
fn shown_severity_is_at_least_every_one_that_nothing_later_replaced() {
    const SAYING: &[Kind] = &[
        Kind::Observed,
        Kind::Observed,
        Kind::Corrected,
        Kind::Graded,
        Kind::Graded,
        Kind::Rectified,
        Kind::Verified,
        Kind::Closed,
        Kind::Void,
        Kind::Resolved,
        Kind::Restored,
        Kind::Released,
        Kind::Retracted,
        Kind::Redacted,
        Kind::Commented,
    ];
    let mut met = Met::default();
    for seed in 0..1_500 {
        let kinds = if seed % 2 == 0 { SAYING } else { &[] };
        let shape = Shape { operations: 10, devices: 4, strange: 30, is_wild: seed % 3 == 0, kinds };
        let set = scenario(seed + 90_000, shape);
        let view = fold(&set);
        met.look_at_set(&set);
        let shown = severity_rank(view.severity.as_deref());
        let saying: Vec<(&Identified, Said)> =
            set.iter().filter_map(|operation| Some((operation, said(&set, operation)?))).collect();
        for (operation, what) in &saying {
            let is_replaced = saying
                .iter()
                .any(|(other, by)| what.gives_way_to(*by) && oracle::sees(&set, other, operation));
            assert!(is_replaced || shown >= what.rank(), "seed {seed}: {:?}", operation.operation);
            let stands = match what {
                Said::Observed(_) => "observation that stands",
                Said::Graded(_) => "grading that stands",
            };
            met.count(stands, !is_replaced);
            count_severities(&mut met, &set, (operation, *what), &saying);
        }
        met.count("decision taken back", set.iter().any(|operation| is_taken_back(&set, operation)));
    }
    met.assert_all();
}

#[test]
fn equal_concurrent_values_are_agreed_and_a_different_one_is_a_conflict() {
    for (field, value, other) in [
        ("species", Raw::of(&"杉"), Raw::of(&"柏")),
        ("tree_height_dm", Raw::of(&120), Raw::of(&121)),
        ("forest", Raw::of(&true), Raw::of(&false)),
        ("description", Raw::null(), Raw::of(&"")),
        ("remarks-of-tomorrow", Raw::of(&[1, 2]), Raw::of(&[2, 1])),
    ] {
        let mut story = Story::new();
        let base = story.add(Kind::Corrected, &[story.report()], |o| o.with(field, &"before"));
        let write = |story: &mut Story, kind, value: &Raw| {
            let value = value.clone();
            story.add(kind, &[base], |mut operation| {
                operation.fields.insert(field.to_owned(), value);
                operation
            })
        };
        let mine = write(&mut story, Kind::Corrected, &value);
        let theirs = write(&mut story, Kind::Observed, &value);
        let view = story.view();
        assert!(view.conflicts.is_empty(), "{field}: {:?}", view.conflicts);
        let kept = view.fields.get(field).unwrap();
        assert_eq!(kept.values.iter().map(|kept| &kept.value).collect::<Vec<_>>(), [&value; 2], "{field}");
        assert_eq!(kept.base, None, "{field}");
        for writer in [mine, theirs] {
            assert_eq!(disposition(&view, writer), Disposition::Applied, "{field}");
        }
        let third = write(&mut story, Kind::Corrected, &other);
        let view = story.view();
        let [conflict] = view.conflicts.as_slice() else { panic!("{field}: {:?}", view.conflicts) };
        assert_eq!((conflict.subject.as_str(), conflict.reason.as_str()), (field, "values"));
        assert_eq!(conflict.writers.len(), 3, "{field}");
        assert_eq!(disposition(&view, third), Disposition::Conflict, "{field}");
    }
}

#[test]
fn photos_comments_and_track_pieces_that_knew_nothing_of_each_other_are_joined() {
    type Shown = fn(&View) -> u64;
    let photos: Shown = |view| u64::try_from(view.photos.len()).unwrap();
    for (what, opening, kind, shown) in [
        ("photos", Kind::Reported, Kind::Photographed, photos),
        ("photos of observations", Kind::Reported, Kind::Observed, photos),
        ("comments", Kind::Reported, Kind::Commented, |view| view.comments),
        ("track pieces", Kind::PatrolStarted, Kind::PatrolTrack, |view| view.track_pieces),
    ] {
        let mut story = Story { author: Author::new(0), made: Vec::new() };
        let opened = story.add(opening, &[], |o| o.with("category", &"corridor"));
        let heads: Vec<Head> = (1..=3)
            .map(|number| {
                story.add(kind, &[opened], |o| {
                    photographed(number)(o.with("text", &"已通知").with("piece", &number))
                })
            })
            .collect();
        let view = story.view();
        assert_eq!(shown(&view), 3, "{what}");
        assert!(view.conflicts.is_empty(), "{what}: {:?}", view.conflicts);
        for head in heads {
            assert_eq!(disposition(&view, head), Disposition::Applied, "{what}");
        }
        // The same again, by one who knew of nothing: of a photo it is the same photo.
        story.add(kind, &[opened], |o| photographed(3)(o.with("text", &"已通知")));
        let view = story.view();
        let expected = if what.starts_with("photos") { 3 } else { 4 };
        assert_eq!(shown(&view), expected, "{what}");
        assert!(view.conflicts.is_empty(), "{what}: {:?}", view.conflicts);
    }
}

#[test]
fn what_operations_say_beside_each_other_is_all_kept() {
    let mut met = Met::default();
    for seed in 0..1_500 {
        let shape = Shape { operations: 10, devices: 4, strange: 5, is_wild: seed % 4 == 3, kinds: &[] };
        let set = scenario(seed + 120_000, shape);
        let view = fold(&set);
        met.look_at_set(&set);
        let saying = |kind: Kind| set.iter().filter(move |operation| effect(operation).0 == Some(kind));
        let any_beside = |those: &[&Identified]| {
            let beside = |(at, one): (usize, &&Identified)| {
                those[at + 1..].iter().any(|other| are_concurrent(&set, one, other))
            };
            those.iter().enumerate().any(beside)
        };
        for (name, kind, shown) in [
            ("comments beside each other", Kind::Commented, view.comments),
            ("track pieces beside each other", Kind::PatrolTrack, view.track_pieces),
        ] {
            let those: Vec<&Identified> = saying(kind).collect();
            assert_eq!(shown, u64::try_from(those.len()).unwrap(), "seed {seed}: {kind}");
            met.count(name, any_beside(&those));
        }
        let photographed: Vec<&Identified> =
            set.iter().filter(|made| !made.operation.photos.is_empty()).collect();
        for photo in photographed.iter().flat_map(|made| &made.operation.photos) {
            assert!(view.photos.get(&photo.sha256).is_some_and(|kept| kept.named.is_some()), "seed {seed}");
        }
        met.count("photos beside each other", any_beside(&photographed));
        for (name, field) in view.fields.iter().filter(|_| view.state != State::Held) {
            let first = &field.values[0].value;
            let is_agreed = field.values.iter().all(|kept| kept.value == *first);
            let is_in_conflict = view.conflicts.iter().any(|conflict| conflict.subject == name.as_str());
            let has_rule = rule(name) != Rule::Agree;
            assert_eq!(is_in_conflict, !is_agreed && !has_rule, "seed {seed}: {name}");
            met.count("equal values agreed", !has_rule && is_agreed && field.values.len() > 1);
            met.count("values in conflict", is_in_conflict);
            met.count("values settled by a rule", has_rule && !is_agreed);
        }
    }
    met.assert_all();
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
    let mut met = Met::default();
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let shape = Shape { operations: 9, devices: 3, strange: 9, is_wild: random.one_in(2), kinds: &[] };
        let set = scenario(seed, shape);
        met.look(&set, &fold(&set));
        let (known, unsent) = set.split_at(random.below(set.len()));
        let mut view = (!known.is_empty()).then(|| fold(known));
        for operation in unsent {
            let next = overlay(view.as_ref(), operation);
            assert_eq!(next.heads, [operation.head()], "seed {seed}");
            assert_eq!(View::decode(&next.encode()).as_ref(), Some(&next), "seed {seed}");
            view = Some(next);
        }
    }
    met.assert_situations_and(&[]);
}
