//! Redaction: no view holds the text or shows the photo, in whatever order things come, and everything else stays.

use super::agreement::arrive;
use super::generate::{Author, identify};
use super::order::permutations;
use crate::fold::{BLANK, advance, blank, fold, is_redactable, oracle, redacted};
use crate::ids::PhotoHash;
use crate::kind::Kind;
use crate::operation::{Identified, Operation, Photo};
use crate::view::{PhotoState, View};

const SECRET: &str = "张三 13900000000";

fn holds(view: &View, text: &str) -> bool {
    view.encode().windows(text.len()).any(|window| window == text.as_bytes())
}

fn redaction(author: &mut Author, of: &Identified, field: &str) -> Operation {
    let mut redaction = author.operation(Kind::Redacted, 90, &[of.head()]);
    redaction.fields.clear();
    redaction.with("operation", &of.identity).with("field", &field).with("reason", &"当事人要求")
}

fn report(author: &mut Author) -> Identified {
    let mut report = author.operation(Kind::Reported, 1, &[]);
    report.fields.clear();
    report.photos = vec![Photo { role: "before".to_owned(), bytes: 9, sha256: PhotoHash([3; 32]) }];
    identify(report.with("category", &"corridor").with("severity", &"serious").with("description", &SECRET))
}

#[test]
fn a_text_is_in_no_view_once_it_is_redacted_whatever_the_order() {
    let mut author = Author::new(1);
    let report = report(&mut author);
    let mut other = author.operation(Kind::Corrected, 2, &[report.head()]);
    other.fields.clear();
    let other = identify(other.with("species", &"杉"));
    let redaction = identify(redaction(&mut author, &report, "description"));
    let set = [report.clone(), other, redaction.clone()];
    assert!(holds(&fold(&set[..2]), SECRET));
    let expected = fold(&set);
    assert_eq!(expected.shown("description").and_then(|raw| raw.as_text()), Some(BLANK));
    assert!(!holds(&expected, SECRET));
    assert_eq!(expected, oracle::fold(&set));
    permutations(&set, &mut |order| {
        let (view, _) = arrive(order, |_, _| {});
        assert_eq!(view.encode(), expected.encode());
    });
    assert!(advance(Some(&fold(&set[..2])), &redaction).is_none(), "a view does not hold what it blanks");
    // Everything else is as it was.
    let mut was = fold(&set[..2]);
    was.heads = expected.heads.clone();
    for value in was.fields.get_mut("description").into_iter().flat_map(|field| &mut field.values) {
        value.value = crate::cbor::Raw::of(&BLANK);
    }
    assert_eq!(was.fields, expected.fields);
    assert_eq!(was.severity, expected.severity);
    // The history says it blanked too.
    assert_eq!(redacted(&set), [(report.head(), "description".to_owned())].into());
    let mut told = report.operation.clone();
    blank(&mut told, "description");
    assert!(!told.encode().windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
}

#[test]
fn a_text_that_a_release_says_or_a_decision_repeats_is_redacted_there() {
    let mut author = Author::new(3);
    let mut released = author.operation(Kind::Released, 1, &[]);
    released.fields.clear();
    let said = crate::operation::encode_fields(
        &[
            ("description".to_owned(), crate::cbor::Raw::of(&SECRET)),
            ("category".to_owned(), crate::cbor::Raw::of(&"corridor")),
        ]
        .into(),
    );
    released = released.with("effective_kind", &"reported");
    released.fields.insert("effective_fields".to_owned(), crate::cbor::Raw::from_checked(&said));
    let released = identify(released);
    let mut resolved = author.operation(Kind::Resolved, 2, &[released.head()]);
    resolved.fields.clear();
    let resolved = identify(resolved.with("field", &"remarks").with("value", &SECRET));
    let mut first = redaction(&mut author, &released, "description");
    first.heads = vec![resolved.head()];
    let first = identify(first);
    let mut second = redaction(&mut author, &resolved, "value");
    second.heads = vec![first.head()];
    let set = [released.clone(), resolved, first, identify(second)];
    let view = fold(&set);
    assert!(holds(&fold(&set[..2]), SECRET) && !holds(&view, SECRET));
    assert_eq!(view, oracle::fold(&set));
    let mut told = released.operation;
    blank(&mut told, "description");
    assert!(!told.encode().windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
}

#[test]
fn what_decides_is_never_blanked() {
    let mut author = Author::new(5);
    let report = report(&mut author);
    for field in ["severity", "category", "field", "effective_kind", "order_number", "position"] {
        assert!(!is_redactable(field), "{field}");
        let set = [report.clone(), identify(redaction(&mut author, &report, field))];
        assert_eq!(fold(&set).fields, fold(&set[..1]).fields, "{field}");
        assert!(redacted(&set).is_empty());
    }
}

#[test]
fn a_redacted_photo_stays_redacted_and_nobody_waits_for_it() {
    let mut author = Author::new(7);
    let report = report(&mut author);
    let of_photo = |author: &mut Author, kind: Kind| {
        let mut operation = author.operation(kind, 50, &[report.head()]);
        operation.fields.clear();
        identify(operation.with("photo", &PhotoHash([3; 32])))
    };
    let set = [
        report.clone(),
        of_photo(&mut author, Kind::Redacted),
        of_photo(&mut author, Kind::PhotoVerified),
        of_photo(&mut author, Kind::WrittenOff),
    ];
    let expected = fold(&set);
    assert_eq!(expected.photos[&PhotoHash([3; 32])].state, PhotoState::Redacted);
    assert_eq!(expected, oracle::fold(&set));
    permutations(&set, &mut |order| {
        let (view, _) = arrive(order, |_, _| {});
        assert_eq!(view.encode(), expected.encode());
    });
    assert_eq!(View::decode(&expected.encode()), Some(expected));
}
