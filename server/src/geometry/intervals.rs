//! Stretches of one line as a set: what was walked twice is there once, in whatever order it came.
//!
//! Half-open `[from, to)` in millimetres of chainage, kept ascending, apart and not empty. It does not know its line
//! or who walked. Start at [`Intervals::insert`].

/// A set of half-open intervals of chainage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    parts: Vec<(i64, i64)>,
}

impl Intervals {
    /// The empty set.
    pub const fn new() -> Self {
        Self { parts: Vec::new() }
    }

    /// Adds `[from, to)`; what is empty or reversed adds nothing.
    pub fn insert(&mut self, from_mm: i64, to_mm: i64) {
        if from_mm >= to_mm {
            return;
        }
        let start = self.parts.partition_point(|part| part.1 < from_mm);
        let end = self.parts.partition_point(|part| part.0 <= to_mm);
        let touched = self.parts.get(start..end).unwrap_or_default();
        let from = touched.first().map_or(from_mm, |part| part.0.min(from_mm));
        let to = touched.last().map_or(to_mm, |part| part.1.max(to_mm));
        self.parts.splice(start..end, [(from, to)]);
    }

    /// The parts, ascending and apart.
    pub fn parts(&self) -> &[(i64, i64)] {
        &self.parts
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Millimetres in it.
    pub fn total_mm(&self) -> i64 {
        self.parts.iter().map(|(from, to)| to - from).sum()
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.parts.iter().chain(&other.parts).copied().collect()
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut mine, mut theirs) = (self.parts.iter().peekable(), other.parts.iter().peekable());
        let mut parts = Vec::new();
        while let (Some(a), Some(b)) = (mine.peek(), theirs.peek()) {
            let (from, to) = (a.0.max(b.0), a.1.min(b.1));
            if from < to {
                parts.push((from, to));
            }
            if a.1 <= b.1 {
                mine.next();
            } else {
                theirs.next();
            }
        }
        Self { parts }
    }

    /// What of `[0, length)` is not in it: what was *not* walked of a line so long.
    #[must_use]
    pub fn complement(&self, length_mm: i64) -> Self {
        let mut parts = Vec::new();
        let mut at = 0;
        for (from, to) in &self.parts {
            if *from >= length_mm {
                break;
            }
            if at < *from {
                parts.push((at, *from));
            }
            at = at.max(*to);
        }
        if at < length_mm {
            parts.push((at, length_mm));
        }
        Self { parts }
    }

    /// What is in this and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let Some((first, last)) = self.parts.first().zip(self.parts.last()) else { return Self::new() };
        // Shifted so that the complement, which starts at 0, holds all of this set.
        let shifted: Self = other.parts.iter().map(|(from, to)| (from - first.0, to - first.0)).collect();
        let rest = shifted.complement(last.1 - first.0);
        let rest: Self = rest.parts.iter().map(|(from, to)| (from + first.0, to + first.0)).collect();
        self.intersection(&rest)
    }
}

impl FromIterator<(i64, i64)> for Intervals {
    fn from_iter<T: IntoIterator<Item = (i64, i64)>>(parts: T) -> Self {
        let mut parts: Vec<(i64, i64)> = parts.into_iter().filter(|(from, to)| from < to).collect();
        parts.sort_unstable();
        parts.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1;
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
        Self { parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_touches_is_one_part_and_what_is_reversed_is_nothing() {
        let mut set = Intervals::new();
        set.insert(10, 20);
        set.insert(30, 40);
        set.insert(5, 5);
        set.insert(9, 3);
        assert_eq!(set.parts(), [(10, 20), (30, 40)]);
        set.insert(20, 30);
        assert_eq!(set.parts(), [(10, 40)]);
        assert_eq!(set.total_mm(), 30);
    }

    #[test]
    fn what_is_left_of_a_line_is_its_complement() {
        let set: Intervals = [(-5, 10), (20, 30), (90, 200)].into_iter().collect();
        assert_eq!(set.complement(100).parts(), [(10, 20), (30, 90)]);
        assert_eq!(Intervals::new().complement(100).parts(), [(0, 100)]);
        assert_eq!(set.complement(0).parts(), []);
    }

    #[test]
    fn sets_are_met_and_taken_apart() {
        let a: Intervals = [(0, 50), (60, 100)].into_iter().collect();
        let b: Intervals = [(40, 70), (99, 120)].into_iter().collect();
        assert_eq!(a.intersection(&b).parts(), [(40, 50), (60, 70), (99, 100)]);
        assert_eq!(a.difference(&b).parts(), [(0, 40), (70, 99)]);
        assert_eq!(a.union(&b).parts(), [(0, 120)]);
    }
}
