//! The chain: what each kind of tampering shows as.

use super::*;

const HOME: DistrictId = DistrictId(Uuid::from_u128(7));

fn chain(rows: u64) -> Vec<Row> {
    let mut last = Link::START;
    (1..=rows)
        .map(|nth| {
            let entry = Entry {
                actor: Actor::Person(PersonId(Uuid::from_u128(u128::from(nth)))),
                action: "act.graded".into(),
                object: format!("record {nth}"),
                detail: serde_json::json!({"nth": nth}),
            };
            let row = Row::after(last, HOME, 1_000 + i64::try_from(nth).unwrap(), &entry);
            last = row.link();
            row
        })
        .collect()
}

fn verdict(rows: &[Row], head: Link, kept: Option<AuditHash>) -> Verdict {
    let mut verifier = Verifier::new(HOME, kept);
    for row in rows {
        verifier.take(row);
    }
    verifier.finish(head)
}

#[test]
fn a_chain_as_it_was_written_is_in_order_and_holds_every_head_it_had() {
    let rows = chain(5);
    let head = rows.last().unwrap().link();
    for kept in rows.iter().map(|row| row.hash).chain([AuditHash::START]) {
        assert!(verdict(&rows, head, Some(kept)).ok);
    }
    assert!(verdict(&[], Link::START, None).ok);
}

#[test]
fn every_part_of_a_row_is_covered() {
    let rows = chain(3);
    let head = rows.last().unwrap().link();
    let edits: [fn(&mut Row); 7] = [
        |row| row.at_ms += 1,
        |row| row.actor.push('x'),
        |row| row.action = "act.closed".to_owned(),
        |row| row.object.push('x'),
        |row| row.detail = "{}".to_owned(),
        // What moves from one text to the next is another row.
        |row| {
            let letter = row.object.remove(0);
            row.action.push(letter);
        },
        |row| row.hash.0[31] ^= 1,
    ];
    for edit in edits {
        let mut rows = rows.clone();
        edit(&mut rows[1]);
        let faults = verdict(&rows, head, None).faults;
        assert!(faults.contains(&Fault::Edited { sequence: 2 }), "{faults:?}");
    }
    // The same row in another district's chain is not that row.
    let mut elsewhere = Verifier::new(DistrictId(Uuid::from_u128(8)), None);
    for row in &rows {
        elsewhere.take(row);
    }
    assert_eq!(elsewhere.finish(head).fault_count, 3);
}

#[test]
fn deleted_reordered_and_cut_off_rows_show() {
    let rows = chain(5);
    let head = rows.last().unwrap().link();
    let deleted: Vec<Row> = rows.iter().filter(|row| row.sequence != 3).cloned().collect();
    assert_eq!(verdict(&deleted, head, None).faults, [Fault::Missing { first: 3, last: 3 }]);
    let mut swapped = rows.clone();
    (swapped[1].sequence, swapped[2].sequence) = (3, 2);
    swapped.swap(1, 2);
    assert!(!verdict(&swapped, head, None).ok);
    assert_eq!(
        verdict(&rows[..4], head, None).faults,
        [Fault::HeadDiffers { head: 5, last: 4 }],
        "cut off at the end"
    );
    // Where the head was set back too, only one that was kept elsewhere shows it.
    let cut = rows[3].link();
    assert!(verdict(&rows[..4], cut, None).ok);
    let kept = rows[4].hash;
    assert_eq!(verdict(&rows[..4], cut, Some(kept)).faults, [Fault::HeadUnknown { head: kept.to_string() }]);
}

#[test]
fn a_chain_made_anew_is_found_by_a_head_that_was_kept() {
    let rows = chain(3);
    let mut anew = Vec::new();
    let mut last = Link::START;
    for row in &rows {
        let entry = Entry {
            actor: Actor::Operator,
            action: row.action.clone().into(),
            object: row.object.clone(),
            detail: serde_json::json!({}),
        };
        let row = Row::after(last, HOME, row.at_ms, &entry);
        last = row.link();
        anew.push(row);
    }
    assert!(verdict(&anew, last, None).ok);
    assert!(!verdict(&anew, last, Some(rows[2].hash)).ok);
}

#[test]
fn texts_are_bounded_at_n_and_n_plus_one() {
    let entry = |object: usize, detail: usize| Entry {
        actor: Actor::Nobody,
        action: "login.failed".into(),
        object: "名".repeat(object),
        // The JSON text around it: {"d":""}.
        detail: serde_json::json!({"d": "x".repeat(detail - 8)}),
    };
    let of = |entry: &Entry| Row::after(Link::START, HOME, 0, entry);
    let whole = of(&entry(OBJECT_CHARACTERS, DETAIL_BYTES));
    assert_eq!((whole.object.chars().count(), whole.detail.len()), (OBJECT_CHARACTERS, DETAIL_BYTES));
    let cut = of(&entry(OBJECT_CHARACTERS + 1, DETAIL_BYTES + 1));
    assert_eq!(cut.object.chars().count(), OBJECT_CHARACTERS);
    assert!(cut.detail.contains("left_out_bytes") && cut.detail.len() < 200);
    let odd = Entry { object: "a\0b\nc".to_owned(), ..entry(1, 10) };
    assert_eq!(of(&odd).object, "a\u{fffd}b\u{fffd}c");
}
