//! Whom a fold overrides, and what they are told. Pure.

use std::collections::BTreeMap;

use sync_protocol::cbor::Raw;
use sync_protocol::codes::Code;
use sync_protocol::exchange::Notice;
use sync_protocol::ids::{DeviceId, Head, Identity, NoticeId, PersonId, RecordId, sha256};
use sync_protocol::view::View;

use super::NoticeDraft;

/// A value that does not show, or is in conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    code: Code,
    author: PersonId,
    yours: Option<Raw>,
    shown: Option<Raw>,
}

/// Every loss in a view, by operation and subject.
pub(super) fn losses(view: &View) -> BTreeMap<(Head, String), Loss> {
    let mut losses = BTreeMap::new();
    for conflict in &view.conflicts {
        let shown = view.shown(&conflict.subject).cloned();
        for index in &conflict.writers {
            let Some(writer) = view.writer(*index) else { continue };
            let yours = view.fields.get(&conflict.subject).and_then(|field| {
                field.values.iter().find(|value| value.writer == *index).map(|value| value.value.clone())
            });
            losses.insert(
                (writer.head, conflict.subject.clone()),
                Loss { code: Code::NoticeConflict, author: writer.author, yours, shown: shown.clone() },
            );
        }
    }
    for (name, field) in &view.fields {
        let Some((shown, others)) = field.values.split_first() else { continue };
        for value in others.iter().filter(|value| value.value != shown.value) {
            let Some(writer) = view.writer(value.writer) else { continue };
            losses.entry((writer.head, name.to_string())).or_insert_with(|| Loss {
                code: Code::NoticeOverridden,
                author: writer.author,
                yours: Some(value.value.clone()),
                shown: Some(shown.value.clone()),
            });
        }
    }
    losses
}

/// Notices for what changed between two views of a record.
pub(super) fn notices(
    record: RecordId,
    before: &BTreeMap<(Head, String), Loss>,
    after: &BTreeMap<(Head, String), Loss>,
    (change, now_ms): (u64, i64),
) -> Vec<NoticeDraft> {
    let mut notices = Vec::new();
    let draft = |notice| drafted(notice, Some(change));
    for ((head, subject), loss) in after {
        if before.get(&(*head, subject.clone())) == Some(loss) {
            continue;
        }
        notices.push(draft(Notice {
            id: NoticeId([0; 16]),
            code: loss.code.as_str().to_owned(),
            field: Some(subject.clone()),
            at_ms: now_ms,
            person: loss.author,
            record: Some(record),
            operation: Some(*head),
            yours: loss.yours.clone(),
            shown: loss.shown.clone(),
        }));
    }
    for ((head, subject), loss) in before {
        if loss.code == Code::NoticeConflict && !after.contains_key(&(*head, subject.clone())) {
            notices.push(draft(Notice {
                id: NoticeId([0; 16]),
                code: Code::NoticeSettled.as_str().to_owned(),
                field: Some(subject.clone()),
                at_ms: now_ms,
                person: loss.author,
                record: Some(record),
                operation: Some(*head),
                yours: loss.yours.clone(),
                shown: None,
            }));
        }
    }
    notices
}

/// Tells a person that an operation waits in quarantine.
pub(super) fn quarantine_notice(
    person: PersonId,
    code: Code,
    at: &str,
    record: Option<RecordId>,
    identity: Identity,
    now_ms: i64,
) -> NoticeDraft {
    draft(Notice {
        id: NoticeId([0; 16]),
        code: code.as_str().to_owned(),
        field: (!at.is_empty()).then(|| at.to_owned()),
        at_ms: now_ms,
        person,
        record,
        operation: Some(identity.head()),
        yours: None,
        shown: None,
    })
}

/// Tells a person that this phone's chain is forked.
pub(super) fn re_enrol_notice(person: PersonId, device: DeviceId, now_ms: i64) -> NoticeDraft {
    draft(Notice {
        id: NoticeId([0; 16]),
        code: Code::NoticeReEnrol.as_str().to_owned(),
        field: None,
        at_ms: now_ms,
        person,
        record: Some(RecordId(device.0)),
        operation: None,
        yours: None,
        shown: None,
    })
}

/// Tells a person that they are bound to no phone any more.
pub fn unbound_notice(person: PersonId, now_ms: i64) -> NoticeDraft {
    draft(Notice {
        id: NoticeId([0; 16]),
        code: Code::AuthorNotBound.as_str().to_owned(),
        field: None,
        at_ms: now_ms,
        person,
        record: None,
        operation: None,
        yours: None,
        shown: None,
    })
}

/// Tells the author that a quarantined operation was released.
pub(super) fn released_notice(
    person: PersonId,
    record: RecordId,
    operation: Identity,
    now_ms: i64,
) -> NoticeDraft {
    draft(Notice {
        id: NoticeId([0; 16]),
        code: Code::NoticeReleased.as_str().to_owned(),
        field: None,
        at_ms: now_ms,
        person,
        record: Some(record),
        operation: Some(operation.head()),
        yours: None,
        shown: None,
    })
}

/// A notice of what happens to an operation once.
fn draft(notice: Notice) -> NoticeDraft {
    drafted(notice, None)
}

/// Names a notice by what it says, its time apart, and by the change of its record that it tells of: the same event
/// twice is one notice, another event in the same words is another.
fn drafted(mut notice: Notice, change: Option<u64>) -> NoticeDraft {
    let at_ms = std::mem::take(&mut notice.at_ms);
    let mut said = notice.encode();
    said.extend(change.into_iter().flat_map(u64::to_be_bytes));
    let hash = sha256(&said);
    let mut id = [0; 16];
    id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    notice.id = NoticeId(id);
    notice.at_ms = at_ms;
    NoticeDraft { person: notice.person, id: notice.id, body: notice.encode() }
}
