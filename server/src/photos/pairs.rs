//! Before and after: whether two photos can show one place, by what is known of where and when each was taken. Pure.
//!
//! It warns and never refuses: under trees a fix is 30 m off, and a clock may be wrong.

use serde::Serialize;
use utoipa::ToSchema;

use crate::geometry::{Vertex, distance_mm};

/// Further apart than this, a pair is marked: a poor fix on each side, and the length of a tree.
pub const FAR_MM: i64 = 80_000;

/// Where what is known of a photo comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PairSource)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The operation that names it.
    Operation,
    /// The file itself.
    Exif,
}

/// A photo as far as a pair asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Degrees × 1e7, and by whom.
    pub place: Option<(Vertex, Source)>,
    /// Milliseconds since 1970, and by whom.
    pub at_ms: Option<(i64, Source)>,
}

/// What is odd about a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PairWarning)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// Further apart than [`FAR_MM`].
    FarApart,
    /// The later one was taken before the earlier one.
    AfterIsEarlier,
    /// Of one of them it is not known where it was taken.
    PlaceUnknown,
}

impl Warning {
    /// In Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::FarApart => "两张照片位置相距过远",
            Self::AfterIsEarlier => "整改后照片早于整改前照片",
            Self::PlaceUnknown => "照片位置不明",
        }
    }
}

/// Two photos of one hazard, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PhotoPair)]
pub struct Pair {
    /// SHA-256 of the earlier one.
    pub before: String,
    /// SHA-256 of the later one.
    pub after: String,
    /// Whole metres between the two places, where both are known.
    pub distance_m: Option<i64>,
    /// Where those come from.
    pub places_by: Option<[Source; 2]>,
    /// Milliseconds from the one to the other, where both are known.
    pub elapsed_ms: Option<i64>,
    /// What is odd: to be looked at, never a reason to refuse.
    pub warnings: Vec<Warning>,
    /// The same in Chinese.
    pub warnings_zh: Vec<&'static str>,
}

/// Each photo of after, with that of before which is nearest to it, or the first where no place is known.
pub fn pairs(before: &[Shot], after: &[Shot]) -> Vec<Pair> {
    after
        .iter()
        .filter_map(|after| {
            let nearest = before.iter().min_by(|one, other| {
                let (one, other) = (distance(one, after), distance(other, after));
                one.unwrap_or(i64::MAX).cmp(&other.unwrap_or(i64::MAX))
            });
            nearest.map(|before| pair(before, after))
        })
        .collect()
}

fn distance(one: &Shot, other: &Shot) -> Option<i64> {
    let ((one, _), (other, _)) = (one.place?, other.place?);
    Some(distance_mm(one, other))
}

fn pair(before: &Shot, after: &Shot) -> Pair {
    let distance_mm = distance(before, after);
    let elapsed_ms = before.at_ms.zip(after.at_ms).map(|((from, _), (to, _))| to.saturating_sub(from));
    let mut warnings = Vec::new();
    match distance_mm {
        Some(mm) if mm > FAR_MM => warnings.push(Warning::FarApart),
        Some(_) => {}
        None => warnings.push(Warning::PlaceUnknown),
    }
    if elapsed_ms.is_some_and(|elapsed| elapsed < 0) {
        warnings.push(Warning::AfterIsEarlier);
    }
    Pair {
        before: before.sha256.clone(),
        after: after.sha256.clone(),
        distance_m: distance_mm.map(|mm| mm.saturating_add(500) / 1_000),
        places_by: before.place.zip(after.place).map(|((_, one), (_, other))| [one, other]),
        elapsed_ms,
        warnings_zh: warnings.iter().map(|warning| warning.zh()).collect(),
        warnings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot(name: &str, lat_e7: Option<i64>, at_ms: Option<i64>) -> Shot {
        Shot {
            sha256: name.to_owned(),
            place: lat_e7.map(|lat| ((lat, 1_030_000_000), Source::Operation)),
            at_ms: at_ms.map(|at| (at, Source::Exif)),
        }
    }

    #[test]
    fn an_after_photo_is_held_against_the_nearest_before_photo() {
        let before = [shot("far", Some(301_000_000), Some(5)), shot("near", Some(300_000_100), Some(7))];
        let found = pairs(&before, &[shot("after", Some(300_000_000), Some(1_007))]);
        let [pair] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((pair.before.as_str(), pair.elapsed_ms), ("near", Some(1_000)));
        assert_eq!(pair.distance_m, Some(1));
        assert_eq!(pair.warnings, []);
    }

    #[test]
    fn what_is_odd_is_said_and_nothing_is_left_out() {
        // One millidegree of latitude is 111 m.
        let far = pairs(&[shot("b", Some(300_000_000), Some(9))], &[shot("a", Some(300_010_000), Some(3))]);
        assert_eq!(far[0].warnings, [Warning::FarApart, Warning::AfterIsEarlier]);
        let near = pairs(&[shot("b", Some(300_000_000), None)], &[shot("a", Some(300_007_000), None)]);
        assert_eq!((near[0].warnings.as_slice(), near[0].elapsed_ms), (&[][..], None), "78 m");
        let nowhere = pairs(&[shot("b", None, None)], &[shot("a", Some(1), None)]);
        assert_eq!(nowhere[0].warnings, [Warning::PlaceUnknown]);
        assert!(pairs(&[], &[shot("a", None, None)]).is_empty());
    }
}
