//! The fold is total: whatever the operations say and name, a cycle included, it gives a view.

use proptest::prelude::*;
use uuid::Uuid;

use crate::cbor::Raw;
use crate::fold::{advance, disposition, fold, overlay};
use crate::ids::{Head, Identity, OperationId, PersonId, PhotoHash, RecordId};
use crate::kind::Kind;
use crate::operation::{Identified, KindName, Operation, Photo, Stamp};
use crate::view::View;

fn head(number: u8) -> Head {
    Identity([number; 32]).head()
}

fn value() -> impl Strategy<Value = Raw> {
    prop_oneof![
        Just(Raw::null()),
        any::<i64>().prop_map(|number| Raw::of(&number)),
        any::<bool>().prop_map(|is| Raw::of(&is)),
        "[a-z]{0,8}".prop_map(|text| Raw::of(&text)),
        prop::sample::select(vec!["critical", "serious", "general", "rectified", "reported", "species"])
            .prop_map(|text| Raw::of(&text)),
        (0..8_u8).prop_map(|number| Raw::of(&Identity([number; 32]))),
        any::<u64>().prop_map(|dm| Raw::of(&std::collections::BTreeMap::from([("accuracy_dm", dm)]))),
        Just(Raw::from_checked(&[0xa0])),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let known = vec![
        "severity", "graded_severity", "position", "category", "description", "field", "value",
        "effective_kind", "effective_fields", "effective_author", "photo", "withdraws", "operation",
        "lifecycle", "of_tomorrow",
    ];
    prop::sample::select(known).prop_map(str::to_owned)
}

fn kind() -> impl Strategy<Value = KindName> {
    prop_oneof![
        12 => prop::sample::select(Kind::ALL.to_vec()).prop_map(KindName::Known),
        1 => "[a-z]{1,6}".prop_map(|text| KindName::from(text.as_str())),
    ]
}

fn operation() -> impl Strategy<Value = Identified> {
    let names = || prop::collection::vec((0..14_u8).prop_map(head), 0..4);
    let fields = prop::collection::btree_map(name(), value(), 0..5);
    let photos = prop::collection::vec(0..4_u8, 0..2);
    (0..12_u8, kind(), names(), names(), fields, photos).prop_map(
        |(number, kind, heads, lacking, fields, photos)| {
            let id = Uuid::from_u128(u128::from(number));
            let author = PersonId(Uuid::from_u128(u128::from(number % 3)));
            let mut operation =
                Operation::new(OperationId(id), RecordId(id), Kind::Observed, author, Stamp::default());
            (operation.kind, operation.heads, operation.lacking, operation.fields) =
                (kind, heads, lacking, fields.into_iter().collect());
            let photo = |number| Photo { role: String::new(), bytes: 0, sha256: PhotoHash([number; 32]) };
            operation.photos = photos.into_iter().map(photo).collect();
            Identified { identity: Identity([number; 32]), operation }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_operations_give_a_view_that_can_be_stored(
        mut operations in prop::collection::vec(operation(), 0..14)
    ) {
        // One identity stands for one content, as it does where it is a hash.
        operations.sort_by_key(|operation| operation.identity);
        operations.dedup_by_key(|operation| operation.identity);
        let view = fold(&operations);
        prop_assert_eq!(View::decode(&view.encode()), Some(view.clone()));
        operations.reverse();
        prop_assert_eq!(fold(&operations).encode(), view.encode());
        let mut shown = None;
        for operation in &operations {
            let _any = disposition(&view, operation.head());
            let _any = advance(Some(&view), operation);
            shown = Some(overlay(shown.as_ref(), operation));
        }
    }
}
