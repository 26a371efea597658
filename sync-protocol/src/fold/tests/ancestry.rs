//! The lists of nodes, whatever a set holds.

use crate::fold::ancestry::Lists;

#[test]
fn lists_turn_around() {
    let mut lists = Lists::default();
    for items in [&[1, 2][..], &[], &[1, 0, 1]] {
        lists.push(items.iter().copied());
    }
    let inverted = lists.inverted();
    assert_eq!([inverted.of(0), inverted.of(1), inverted.of(2)], [&[2][..], &[0, 2, 2], &[0]]);
    assert_eq!(inverted.inverted().of(2), [0, 1, 1]);
}
