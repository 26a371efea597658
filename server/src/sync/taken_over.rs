//! What a hazard that stays takes over from its duplicate (domain §5): the earlier find, the earlier deadline, the worse
//! severity. Pure. Whoever makes a duplicate writes each as a `resolved` that names the duplicate. Start at [`taken_over`].

use sync_protocol::cbor::Raw;
use sync_protocol::field::severity_rank;
use sync_protocol::named::Fields;
use sync_protocol::view::View;

use super::derive;
use crate::store::RecordRow;

/// The fields of each decision on the hazard that stays.
pub(super) fn taken_over(stays: (&RecordRow, &View), goes: (&RecordRow, &View)) -> Vec<Fields> {
    let decision = |field: &str, value: Raw| {
        Fields::from([
            ("field", Raw::of(&field)),
            ("value", value),
            ("duplicate_of", Raw::of(&goes.0.record)),
        ])
    };
    let mut decisions = Vec::new();
    if found_ms(goes) < found_ms(stays) {
        decisions.push(decision("found_at_ms", Raw::of(&found_ms(goes))));
    }
    if let Some(due_ms) = deadline_ms(goes.1)
        && deadline_ms(stays.1).is_none_or(|own_ms| due_ms < own_ms)
    {
        decisions.push(decision("deadline_ms", Raw::of(&due_ms)));
    }
    if rank(goes.1) > rank(stays.1) {
        decisions.push(decision("severity", Raw::of(&goes.1.severity)));
    }
    decisions
}

fn found_ms((row, view): (&RecordRow, &View)) -> i64 {
    derive::found_ms(view, row.received_ms)
}

fn deadline_ms(view: &View) -> Option<i64> {
    view.shown("deadline_ms").and_then(Raw::decode)
}

fn rank(view: &View) -> u8 {
    severity_rank(view.severity.as_deref())
}
