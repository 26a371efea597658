//! The states that a hazard was in, each from the receipt of what led to it to the receipt of what ended it. Pure.
//!
//! They are what the ledger showed: the fold of what had come by each moment, in the order of receipt. What comes late
//! comes at the end, so a state that was told once stays told, with its id. No clock of a phone orders anything. The
//! reasons are in `docs/decisions/0015-layers-of-the-map.md`.

use std::collections::BTreeSet;

use sync_protocol::fold::{advance, fold};
use sync_protocol::ids::Head;
use sync_protocol::kind::Kind;
use sync_protocol::operation::Identified;
use sync_protocol::view::{State, View};

use crate::store::{MapHazardRow, MapStateRow, PastOperation, RecordRow};

/// Bits of an id that tell the states of one hazard apart; above them stands its number.
const PART_BITS: u32 = 20;
/// Numbers from here on leave no id that a program of a browser reads exactly (2^53).
const MOST_NUMBERS: u64 = 1 << 33;
/// How often the whole set of a hazard is folded, at most; what it was in between is left out.
const WHOLE_FOLDS: u32 = 64;

/// A state, since when, and the operation that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Since {
    state: State,
    from_ms: i64,
    by: Head,
}

/// The states of a hazard; none of what has no number. `shown`: its row on the map. `behind`: its operations, where
/// there are several.
pub(super) fn states(
    row: &RecordRow,
    view: &View,
    shown: &MapHazardRow,
    behind: &[PastOperation],
) -> Vec<MapStateRow> {
    if !(1..MOST_NUMBERS).contains(&row.number) {
        return Vec::new();
    }
    let history = history(row, view, behind);
    let ends = history.iter().skip(1).map(|next| Some(next.from_ms)).chain([None]);
    let mut given = BTreeSet::new();
    history
        .iter()
        .zip(ends)
        .map(|(since, valid_to)| MapStateRow {
            record: row.record,
            id: id(shown.id, since.by, &mut given),
            place: shown.place,
            lat_e7: shown.lat_e7,
            lon_e7: shown.lon_e7,
            number: shown.number.clone(),
            category: shown.category.clone(),
            kind: shown.kind.clone(),
            state: since.state.as_str().to_owned(),
            open: i64::from(since.state.is_open()),
            valid_from: since.from_ms,
            valid_to,
        })
        .collect()
}

/// The number of the hazard and bits of the operation; the next where the hazard has another state by these.
fn id(number: i64, by: Head, given: &mut BTreeSet<i64>) -> i64 {
    let first = by.0.first_chunk::<4>().copied().map_or(0, u32::from_be_bytes);
    let mut part = i64::from(first >> (u32::BITS - PART_BITS));
    while !given.insert(part) {
        part = (part + 1) % (1 << PART_BITS);
    }
    (number << PART_BITS) | part
}

fn history(row: &RecordRow, view: &View, behind: &[PastOperation]) -> Vec<Since> {
    let mut operations: Vec<(i64, &PastOperation, Identified)> = behind
        .iter()
        .filter_map(|past| Some((past.received_ms, past, Identified::decode(&past.bytes).ok()?)))
        .collect();
    operations.sort_by_key(|(received_ms, past, _)| (*received_ms, past.device, past.sequence));
    let mut found = replay(operations.into_iter().map(|(received_ms, _, one)| (received_ms, one)));
    let last_ms = behind.iter().map(|past| past.received_ms).max().unwrap_or(row.received_ms);
    // What shows now is what the ledger says, however much of the way there was left out.
    if found.last().is_none_or(|since| since.state != view.state) {
        let by = view.heads.first().copied().unwrap_or(Head([0; 16]));
        push(&mut found, Since { state: view.state, from_ms: last_ms, by });
    }
    found
}

/// The states after each moment of receipt.
fn replay(operations: impl Iterator<Item = (i64, Identified)>) -> Vec<Since> {
    let mut found = Vec::new();
    let mut set: Vec<Identified> = Vec::new();
    let mut view: Option<View> = None;
    let (mut is_whole_needed, mut folds) = (false, 0);
    let mut operations = operations.peekable();
    while let Some((received_ms, operation)) = operations.next() {
        let (by, is_silent) = (operation.head(), moves_nothing(&operation));
        if !is_whole_needed {
            match advance(view.as_ref(), &operation) {
                Some(next) => view = Some(next),
                None => is_whole_needed = true,
            }
        }
        set.push(operation);
        let ends_moment = operations.peek().is_none_or(|(next_ms, _)| *next_ms != received_ms);
        if !ends_moment || (is_whole_needed && is_silent) {
            continue;
        }
        if is_whole_needed {
            if folds == WHOLE_FOLDS {
                continue;
            }
            view = Some(fold(&set));
            (is_whole_needed, folds) = (false, folds + 1);
        }
        if let Some(view) = &view {
            push(&mut found, Since { state: view.state, from_ms: received_ms, by });
        }
    }
    found
}

/// Adds a state where it is another than the last; what lasted no time is left out.
fn push(found: &mut Vec<Since>, since: Since) {
    if found.last().is_some_and(|last| last.from_ms >= since.from_ms) {
        found.pop();
    }
    if found.last().is_none_or(|last| last.state != since.state) {
        found.push(since);
    }
}

/// Kinds that come often and move no hazard: not worth the fold of a whole set.
fn moves_nothing(operation: &Identified) -> bool {
    matches!(
        operation.operation.kind.known(),
        Some(Kind::Commented | Kind::PhotoVerified | Kind::Redacted | Kind::DeadlineTightened)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(state: State, from_ms: i64) -> Since {
        Since { state, from_ms, by: Head([7; 16]) }
    }

    #[test]
    fn a_state_is_told_once_and_what_lasted_no_time_is_not() {
        let mut found = Vec::new();
        for next in [
            since(State::Reported, 1),
            since(State::Reported, 2),
            since(State::Rectified, 3),
            since(State::Verified, 3),
            since(State::Closed, 4),
            since(State::Verified, 4),
        ] {
            push(&mut found, next);
        }
        assert_eq!(found, [since(State::Reported, 1), since(State::Verified, 3)]);
    }

    #[test]
    fn states_of_one_hazard_have_ids_of_their_own_below_those_of_the_next() {
        let mut given = BTreeSet::new();
        let heads = [Head([0xff; 16]), Head([0xff; 16]), Head([0; 16])];
        let ids = heads.map(|head| id(5, head, &mut given));
        assert_eq!(ids, [(6 << 20) - 1, 5 << 20, (5 << 20) + 1]);
        let largest = id(i64::try_from(MOST_NUMBERS).unwrap() - 1, Head([0xff; 16]), &mut BTreeSet::new());
        assert!(largest < 1 << 53);
    }
}
