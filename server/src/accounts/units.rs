//! The tree of units: who stands below whom. A unit's people see the hazards of their unit and of every unit below it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// A unit and its parent.
pub type Parents = BTreeMap<Uuid, Option<Uuid>>;

/// A unit and every unit below it.
pub fn with_those_below(root: Uuid, parents: &Parents) -> BTreeSet<Uuid> {
    let mut found = BTreeSet::from([root]);
    let mut frontier = vec![root];
    while let Some(above) = frontier.pop() {
        for (unit, parent) in parents {
            if *parent == Some(above) && found.insert(*unit) {
                frontier.push(*unit);
            }
        }
    }
    found
}

/// Whether a unit would stand below itself, were this its parent.
pub fn makes_a_circle(unit: Uuid, parent: Uuid, parents: &Parents) -> bool {
    with_those_below(unit, parents).contains(&parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn those_below_are_found_at_any_depth_and_a_circle_ends() {
        // 1 over 2 over 3; 4 alone; 5 and 6 over each other.
        let parents = Parents::from([
            (id(1), None),
            (id(2), Some(id(1))),
            (id(3), Some(id(2))),
            (id(4), None),
            (id(5), Some(id(6))),
            (id(6), Some(id(5))),
        ]);
        assert_eq!(with_those_below(id(1), &parents), [1, 2, 3].map(id).into());
        assert_eq!(with_those_below(id(3), &parents), [3].map(id).into());
        assert_eq!(with_those_below(id(5), &parents), [5, 6].map(id).into());
        for (unit, parent, expected) in
            [(1, 3, true), (1, 1, true), (3, 1, false), (1, 4, false), (4, 3, false)]
        {
            assert_eq!(makes_a_circle(id(unit), id(parent), &parents), expected, "{unit} below {parent}");
        }
    }
}
