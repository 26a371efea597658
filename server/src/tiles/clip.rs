//! Chains of positions cut to a tile with a margin around it, in whole units of the tile.
//!
//! What lies within one unit becomes one point: a chain is never finer than the tile can show.

/// A corner: x eastward, y southward.
pub(super) type Corner = (f64, f64);

/// Least and greatest of both coordinates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Window {
    /// The part of a segment inside, from its beginning; none where it passes by (Liang and Barsky).
    fn part(self, from: Corner, to: Corner) -> Option<(Corner, Corner)> {
        let (along_x, along_y) = (to.0 - from.0, to.1 - from.1);
        let (mut enters, mut leaves) = (0.0_f64, 1.0_f64);
        for (step, room) in [
            (-along_x, from.0 - self.least),
            (along_x, self.most - from.0),
            (-along_y, from.1 - self.least),
            (along_y, self.most - from.1),
        ] {
            if step == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if step < 0.0 {
                enters = enters.max(room / step);
            } else {
                leaves = leaves.min(room / step);
            }
        }
        let at = |part: f64| (from.0 + part * along_x, from.1 + part * along_y);
        let begins = if enters > 0.0 { at(enters) } else { from };
        let ends = if leaves < 1.0 { at(leaves) } else { to };
        (enters <= leaves).then_some((begins, ends))
    }

    /// The chains that are left of one, each of two points or more.
    pub(super) fn chains(self, chain: impl IntoIterator<Item = Corner>) -> Vec<Vec<(i32, i32)>> {
        let mut kept: Vec<Vec<(i32, i32)>> = Vec::new();
        let mut is_going_on = false;
        let mut before: Option<Corner> = None;
        for corner in chain {
            let Some(from) = before.replace(corner) else { continue };
            let Some((begins, ends)) = self.part(from, corner) else {
                is_going_on = false;
                continue;
            };
            if !is_going_on {
                kept.push(vec![whole(begins)]);
            }
            if let Some(chain) = kept.last_mut()
                && chain.last() != Some(&whole(ends))
            {
                chain.push(whole(ends));
            }
            is_going_on = ends == corner;
        }
        kept.retain(|chain| chain.len() > 1);
        kept
    }
}

/// The unit that a corner is in.
pub(super) fn whole((x, y): Corner) -> (i32, i32) {
    (unit(x), unit(y))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "saturates, and is clipped before"
)]
fn unit(coordinate: f64) -> i32 {
    coordinate.floor() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { least: -64.0, most: 4_160.0 };

    #[test]
    fn a_chain_that_leaves_and_comes_back_is_two() {
        let chain = [(0.0, 0.0), (5_000.0, 0.0), (5_000.0, 100.0), (0.0, 100.0)];
        let expected = vec![vec![(0, 0), (4_160, 0)], vec![(4_160, 100), (0, 100)]];
        assert_eq!(WINDOW.chains(chain), expected);
    }

    #[test]
    fn a_chain_that_passes_by_or_is_within_a_unit_leaves_nothing() {
        assert!(WINDOW.chains([(-100.0, 0.0), (-100.0, 4_000.0)]).is_empty());
        assert!(WINDOW.chains([(-100.0, -60.0), (-60.0, -100.0)]).is_empty());
        assert!(WINDOW.chains([(7.1, 7.1), (7.9, 7.2), (7.5, 7.5)]).is_empty());
        assert!(WINDOW.chains([]).is_empty());
    }

    #[test]
    fn a_chain_through_the_tile_without_a_corner_in_it_is_kept() {
        let chain = [(-1_000.0, 2_000.0), (9_000.0, 2_000.0)];
        assert_eq!(WINDOW.chains(chain), vec![vec![(-64, 2_000), (4_160, 2_000)]]);
    }
}
