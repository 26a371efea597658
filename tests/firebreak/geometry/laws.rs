//! Laws of geometry: sets of stretches do not know an order, tracks do not know how they came, datums come back.

use std::sync::Arc;

use firebreak::geometry::{
    Converter, Datum, Degrees, Fix, GridIndex, GridLine, Intervals, Line, Walked, clean, destination,
    distance_mm, follow,
};
use proptest::prelude::*;

const ORIGIN: (i64, i64) = (300_000_000, 1_030_000_000);

/// Farthest that a position comes back from a datum, millimetres: half a unit of 1e-7 degrees each way, and the error
/// of the inverse of BD-09, which the others are far below.
const ROUND_TRIP_MM: i64 = 17;

fn parts() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((-50_i64..1_200, -50_i64..1_200), 0..30)
}

/// What is in a set, millimetre by millimetre.
fn members(parts: &[(i64, i64)]) -> Vec<i64> {
    (-60..1_300).filter(|at| parts.iter().any(|(from, to)| (from..to).contains(&at))).collect()
}

/// Two lines side by side and one across.
fn grid() -> GridIndex {
    let line = |from, bearing: f64, length_mm| {
        let line = Line::new(vec![from, destination(from, bearing, length_mm)], &[]);
        line.map(|line| GridLine { line: Arc::new(line), zone_mm: None })
    };
    let beside = destination(ORIGIN, 0.0, 35_000);
    let across = destination(destination(ORIGIN, 90.0, 2_000_000), 0.0, 1_500_000);
    let lines =
        [line(ORIGIN, 90.0, 6_000_000), line(beside, 90.0, 6_000_000), line(across, 170.0, 3_000_000)];
    GridIndex::new(lines.into_iter().flatten().collect())
}

/// A walk that wanders: turns, speeds, pauses, spikes, unreliable fixes and a hop.
fn wander(steps: &[(i16, u16, u16)]) -> Vec<Fix> {
    let mut at = destination(ORIGIN, 45.0, 30_000);
    let mut time_ms = 1_700_000_000_000;
    let mut bearing = 90.0;
    let mut fixes = Vec::new();
    for (turn, length, kind) in steps {
        bearing = 90.0 + (bearing - 90.0) / 2.0 + f64::from(turn % 40);
        at = destination(at, bearing, i64::from(length % 60) * 1_000);
        time_ms += 10_000 + i64::from(*length) * 40;
        let (place, accuracy_dm) = match kind % 40 {
            0 => (destination(at, 10.0, 900_000), Some(40)),
            1 => (at, Some(700)),
            2 => (at, None),
            _ => (at, Some(i64::from(kind % 200) + 30)),
        };
        fixes.push(Fix { time_ms: Some(time_ms), accuracy_dm, lat_e7: place.0, lon_e7: place.1, segment: 0 });
    }
    fixes
}

fn union(walked: &[Walked], line: usize) -> Intervals {
    walked.iter().filter(|part| part.line == line).map(|part| (part.from_mm, part.to_mm)).collect()
}

/// Whether a datum shifts some places within 2 km and others not: at the edge of China two places have the same numbers. It
/// shifts by up to 0.014 degrees, and the area that it shifts has narrow corners: the places tried are 0.004 apart.
fn is_at_the_edge(converter: &Converter, Degrees { lat, lon }: Degrees) -> bool {
    let steps = || (-5..=5).map(|step| f64::from(step) * 0.004);
    let around = steps().flat_map(|north| steps().map(move |east| (lat + north, lon + east)));
    let is_shifted =
        around.filter_map(|(lat, lon)| Some(converter.from_wgs84(Degrees { lat, lon }).ok()? != (lon, lat)));
    let is_shifted: Vec<bool> = is_shifted.collect();
    is_shifted.contains(&true) && is_shifted.contains(&false)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_set_of_stretches_does_not_know_in_which_order_they_came(
        (parts, shuffled) in parts().prop_flat_map(|parts| (Just(parts.clone()), Just(parts).prop_shuffle())),
        length in 0_i64..1_300,
    ) {
        let mut set = Intervals::new();
        for (from, to) in &shuffled {
            set.insert(*from, *to);
        }
        let collected: Intervals = parts.iter().chain(&shuffled).copied().collect();
        prop_assert_eq!(&set, &collected);
        prop_assert_eq!(members(set.parts()), members(&parts));
        prop_assert!(set.parts().windows(2).all(|pair| pair[0].1 < pair[1].0));
        let line: Intervals = [(0, length)].into_iter().collect();
        let (walked, left) = (set.intersection(&line), set.complement(length));
        prop_assert!(walked.total_mm() <= length);
        prop_assert_eq!(walked.total_mm() + left.total_mm(), length);
        prop_assert_eq!(line.difference(&set), left);
        prop_assert_eq!(walked.union(&line.difference(&set)), line);
    }

    #[test]
    fn a_track_that_was_shuffled_sent_twice_and_cut_anew_gives_the_same_stretches(
        steps in prop::collection::vec(any::<(i16, u16, u16)>(), 2..250),
        cuts in prop::collection::vec(any::<u16>(), 0..250),
        order in any::<u64>(),
    ) {
        let index = grid();
        prop_assert_eq!(index.len(), 3);
        let fixes = wander(&steps);
        let expected = follow(&index, &clean(fixes.clone()));
        // Cut where the numbers say, send some twice, in an order of its own.
        let mut sent: Vec<Fix> = fixes.iter().zip(cuts.iter().cycle().chain(std::iter::repeat(&0)))
            .flat_map(|(fix, cut)| {
                let fix = Fix { segment: u32::from(cut % 7), ..*fix };
                std::iter::repeat_n(fix, 1 + usize::from(cut % 3 == 1))
            })
            .collect();
        sent.sort_by_key(|fix| fix.time_ms.unwrap_or_default().unsigned_abs().wrapping_mul(order | 1));
        let found = follow(&index, &clean(sent));
        prop_assert_eq!(&found, &expected);
        for line in 0..index.len() {
            let length_mm = index.line(line).map_or(0, Line::length_mm);
            let union = union(&found, line);
            prop_assert!(union.total_mm() <= length_mm);
            prop_assert!(union.parts().iter().all(|(from, to)| *from >= 0 && *to <= length_mm));
        }
    }

    #[test]
    fn a_position_comes_back_from_every_datum(
        lat in 180_000_000_i64..530_000_000,
        lon in 740_000_000_i64..1_350_000_000,
        code in 4491_u16..=4554,
    ) {
        let degrees = |e7: i64| f64::from(i32::try_from(e7).unwrap_or_default()) / 1e7;
        let given = Degrees { lat: degrees(lat), lon: degrees(lon) };
        for datum in [Datum::Wgs84, Datum::Cgcs2000, Datum::Gcj02, Datum::Bd09, Datum::Epsg(code)] {
            let converter = Converter::new(datum).expect("a datum");
            // Far from its meridian a zone has no position.
            let Ok((x, y)) = converter.from_wgs84(given) else {
                prop_assert!(matches!(datum, Datum::Epsg(_)));
                continue;
            };
            if matches!(datum, Datum::Gcj02 | Datum::Bd09) && is_at_the_edge(&converter, given) {
                continue;
            }
            let back = converter.to_wgs84(x, y).expect("it came from there");
            let off_mm = distance_mm(back.vertex(), given.vertex());
            prop_assert!(off_mm <= ROUND_TRIP_MM, "{datum}: {off_mm} mm off at {given:?}");
        }
    }
}
