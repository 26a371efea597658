//! Golden views: the one of the worked example, and one with every part.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::ids::{Head, PersonId};
use sync_protocol::kind::RecordType;
use sync_protocol::named::Named;
use sync_protocol::operation::{KindName, Operation, Photo};
use sync_protocol::view::{
    Act, Closure, Conflict, Disposition, FieldValue, FieldView, PhotoState, PhotoView, Stage, Standing,
    State, View, Writer,
};

use crate::story::{self, head_of, inspector, photo, raw, reviewer};

/// The record of the worked example: one report, open, its photo not come yet.
pub(crate) fn view() -> View {
    let run = story::bundle("bundle-reported").run;
    let operation = Operation::decode(&run.operations[0]).unwrap();
    let fields = operation.fields.into_iter().map(|(name, value)| {
        let values = [FieldValue { writer: 0, value }].into();
        (name, FieldView { values, base: None })
    });
    let named = |photo: &Photo| PhotoView {
        state: PhotoState::Named,
        named: Some((photo.role.clone(), photo.bytes)),
    };
    View {
        record_type: Some(RecordType::Hazard),
        is_provisional: false,
        state: State::Reported,
        heads: vec![head_of("bundle-reported")],
        writers: vec![writer(head_of("bundle-reported"), "reported", inspector())],
        fields: fields.collect(),
        unanswered: BTreeSet::from([0]),
        severity: Some("serious".into()),
        dangers: BTreeSet::from([0]),
        stage: vec![Stage { writer: 0, state: State::Reported }],
        photos: operation.photos.iter().map(|photo| (photo.sha256, named(photo))).collect(),
        ..View::default()
    }
}

fn writer(head: Head, kind: &str, author: PersonId) -> Writer {
    Writer { head, kind: KindName::from(kind), author }
}

/// A view with every part, to be read only: no fold needs to yield it.
pub(crate) fn view_with_every_part() -> View {
    let mut heads: Vec<Head> = ["reported", "corrected", "rectified", "closed", "duplicate"]
        .iter()
        .map(|kind| head_of(&format!("bundle-{kind}")))
        .collect();
    heads.sort_unstable();
    let act = |writer, standing, is_sound| Act {
        writer,
        standing,
        is_sound,
        has_unseen: false,
        is_outranked: false,
        pending: BTreeSet::new(),
    };
    let township = FieldView {
        values: [
            FieldValue { writer: 1, value: raw(&"云顶乡") },
            FieldValue { writer: 0, value: raw(&"云顶镇") },
        ]
        .into_iter()
        .collect(),
        base: Some(raw(&"云顶")),
    };
    View {
        record_type: Some(RecordType::Hazard),
        is_provisional: true,
        state: State::Closed,
        missing: vec![Head([0x11; 16])],
        given_up: BTreeSet::from([Head([0x11; 16])]),
        writers: heads.iter().map(|head| writer(*head, "closed", reviewer())).collect(),
        heads,
        fields: Named::from([("township", township)]),
        unanswered: BTreeSet::from([0]),
        severity: Some("catastrophic".into()),
        dangers: BTreeSet::from([0, 1]),
        acts: vec![
            Act { has_unseen: true, is_outranked: true, ..act(2, Standing::Duplicate, false) },
            Act { pending: BTreeSet::from([photo("after")]), ..act(3, Standing::Closed, true) },
        ],
        evidence: BTreeSet::from([Standing::Rectified, Standing::Closed]),
        stage: vec![Stage { writer: 1, state: State::Ordered }],
        closure: Some(Closure::Pending),
        conflicts: vec![Conflict {
            subject: "township".into(),
            reason: "values".into(),
            writers: vec![0, 1],
        }],
        photos: BTreeMap::from([
            (
                photo("after"),
                PhotoView { state: PhotoState::Named, named: Some(("after".into(), 1_904_331)) },
            ),
            (photo("before"), PhotoView { state: PhotoState::Verified, named: None }),
            (
                photo("site"),
                PhotoView { state: PhotoState::WrittenOff, named: Some(("site".into(), 1_048_576)) },
            ),
        ]),
        held: BTreeSet::from([4]),
        withdrawn: BTreeSet::from([Head([0x22; 16])]),
        comments: 2,
        track_pieces: 1,
        dispositions: BTreeMap::from([
            (0, Disposition::Conflict),
            (1, Disposition::Conflict),
            (2, Disposition::Merged),
            (3, Disposition::Joined),
            (4, Disposition::Held),
        ]),
    }
}
