//! Where a feature lies along the Hilbert curve of its file: neighbours on the curve are neighbours on the ground, so that
//! what a reader asks for lies together. Start at [`along`].

use ::flatgeobuf::packed_r_tree::NodeItem;

/// Bits of each coordinate of the grid that the curve fills.
const BITS: u32 = 16;

/// The place of the middle of a box along the curve that fills an extent.
pub(super) fn along(node: &NodeItem, extent: &NodeItem) -> u32 {
    let x = cell(node.min_x.midpoint(node.max_x), extent.min_x, extent.width());
    let y = cell(node.min_y.midpoint(node.max_y), extent.min_y, extent.height());
    distance(x, y)
}

/// The cell of a coordinate; an extent without width is one cell.
fn cell(at: f64, from: f64, width: f64) -> u32 {
    let share = if width > 0.0 { ((at - from) / width).clamp(0.0, 1.0) } else { 0.0 };
    whole(share * f64::from(u16::MAX))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no conversion that can fail takes a float; it is between 0 and 65,535"
)]
const fn whole(number: f64) -> u32 {
    number as u32
}

/// Cells on the curve before this one: quadrant by quadrant, each turned so that it begins where the one before it ends.
const fn distance(mut x: u32, mut y: u32) -> u32 {
    let mut distance = 0;
    let mut bit = BITS;
    while bit > 0 {
        bit -= 1;
        let (right, upper) = ((x >> bit) & 1, (y >> bit) & 1);
        distance = (distance << 2) | ((3 * right) ^ upper);
        if upper == 0 {
            if right == 1 {
                let last = (1 << bit) - 1;
                (x, y) = (last ^ (x & last), last ^ (y & last));
            }
            (x, y) = (y, x);
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_curve_goes_through_every_cell_of_a_square_from_neighbour_to_neighbour() {
        // The lowest corner of the grid is a curve of its own.
        let cells = (0..64_u32).flat_map(|x| (0..64_u32).map(move |y| (distance(x, y), (x, y))));
        let by_distance: BTreeMap<u32, (u32, u32)> = cells.collect();
        assert_eq!(by_distance.len(), 64 * 64);
        assert_eq!(by_distance.keys().last(), Some(&(64 * 64 - 1)));
        let along: Vec<&(u32, u32)> = by_distance.values().collect();
        for pair in along.windows(2) {
            let apart = pair[0].0.abs_diff(pair[1].0) + pair[0].1.abs_diff(pair[1].1);
            assert_eq!(apart, 1, "{pair:?}");
        }
    }

    #[test]
    fn the_corners_of_an_extent_are_at_the_ends_of_its_curve_and_an_extent_may_be_a_point() {
        let extent = NodeItem::bounds(100.0, 20.0, 110.0, 30.0);
        let at = |x: f64, y: f64| along(&NodeItem::bounds(x, y, x, y), &extent);
        assert_eq!(at(100.0, 20.0), 0);
        assert!([at(110.0, 20.0), at(100.0, 30.0)].contains(&u32::MAX));
        let point = NodeItem::bounds(1.0, 2.0, 1.0, 2.0);
        assert_eq!(along(&point, &point), 0);
    }
}
