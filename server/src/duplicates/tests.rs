//! What is one hazard and what is not, symmetry, order, and blocks that leave no twin out.

use sync_protocol::ids::{DeviceId, PhotoHash, RecordId};
use uuid::Uuid;

use super::*;
use crate::geometry::place;

const HOUR_MS: i64 = 3_600_000;

/// A tree beside a line, seen by device `number` with a fix of 5 m.
fn tree(number: u128) -> Candidate {
    Candidate {
        record: RecordId(Uuid::from_u128(number)),
        category: Some("corridor".to_owned()),
        kind: Some("tree".to_owned()),
        found_ms: 1_775_957_400_000,
        spot: Some(Spot { lat_e7: 300_000_000, lon_e7: 1_030_000_000, accuracy_dm: Some(50) }),
        line: None,
        device: Some(DeviceId(Uuid::from_u128(number))),
        photos: Vec::new(),
        text: None,
    }
}

/// So many metres north.
fn north(candidate: Candidate, metres: i64) -> Candidate {
    let moved = |spot: Spot| Spot { lat_e7: spot.lat_e7 + metres * 90, ..spot };
    Candidate { spot: candidate.spot.map(moved), ..candidate }
}

fn accurate(candidate: Candidate, accuracy_dm: Option<u64>) -> Candidate {
    Candidate { spot: candidate.spot.map(|spot| Spot { accuracy_dm, ..spot }), ..candidate }
}

fn later(candidate: Candidate, hours: i64) -> Candidate {
    Candidate { found_ms: candidate.found_ms + hours * HOUR_MS, ..candidate }
}

fn score(one: &Candidate, two: &Candidate) -> Option<u16> {
    let found = weigh(one, two);
    assert_eq!(found, weigh(two, one), "symmetric");
    found.map(|proposal| proposal.score)
}

#[test]
fn one_tree_seen_by_two_phones_is_proposed_and_another_tree_is_not() {
    assert!(score(&tree(1), &north(tree(2), 8)).is_some());
    assert!(score(&tree(1), &north(later(tree(2), 20 * 24), 8)).is_some());
    assert_eq!(score(&tree(1), &north(tree(2), 25)), None, "two good fixes 25 m apart are two trees");
    let poor = accurate(north(tree(2), 25), Some(300));
    assert!(score(&tree(1), &poor).is_some(), "a fix of 30 m may be off by 25");
    assert_eq!(score(&tree(1), &later(tree(2), 31 * 24)), None);
    assert_eq!(score(&tree(1), &Candidate { kind: Some("bamboo".into()), ..tree(2) }), None);
    assert_eq!(score(&tree(1), &Candidate { category: Some("line_body".into()), ..tree(2) }), None);
    assert_eq!(score(&tree(1), &Candidate { category: None, ..tree(2) }), None);
    assert!(score(&tree(1), &Candidate { kind: None, ..tree(2) }).is_some());
    assert_eq!(score(&tree(1), &tree(1)), None, "a record is no twin of its own");
    assert!(score(&tree(1), &tree(2)) > score(&tree(1), &north(tree(2), 8)));
    assert!(score(&tree(1), &tree(2)) > score(&tree(1), &later(tree(2), 200)));
}

#[test]
fn one_device_on_one_round_reports_two_things_because_they_are_two() {
    let again = |hours| later(Candidate { device: tree(1).device, ..tree(2) }, hours);
    assert_eq!(score(&tree(1), &again(12)), None);
    assert!(score(&tree(1), &again(13)).is_some(), "another round");
    let photo = vec![PhotoHash([7; 32])];
    let (one, two) =
        (Candidate { photos: photo.clone(), ..tree(1) }, Candidate { photos: photo, ..again(1) });
    assert!(score(&one, &two).is_some(), "one photo shows one thing");
}

#[test]
fn a_place_that_means_unknown_pairs_nothing() {
    let defaults = [(423_594_000, -710_587_000)];
    assert!(!is_place_known(423_594_000, -710_587_000, &defaults));
    assert!(!is_place_known(0, 0, &[]));
    assert!(is_place_known(423_594_000, -710_587_000, &[]));
    let nowhere = |number| Candidate { spot: None, ..tree(number) };
    assert_eq!(score(&nowhere(1), &nowhere(2)), None);
    assert_eq!(score(&nowhere(1), &tree(2)), None);
    assert_eq!(block(&nowhere(1)), None);
    let photo = |candidate| Candidate { photos: vec![PhotoHash([7; 32])], ..candidate };
    assert!(score(&photo(nowhere(1)), &photo(nowhere(2))).is_some());
}

#[test]
fn along_a_line_counts_and_another_line_speaks_against() {
    let line = |candidate: Candidate, line: u128, chainage_mm| Candidate {
        line: Some((Uuid::from_u128(line), chainage_mm)),
        ..candidate
    };
    let poor = |candidate| accurate(candidate, Some(200));
    let (one, two) = (poor(tree(1)), poor(north(tree(2), 30)));
    let plain = score(&one, &two).unwrap();
    let across = score(&line(one.clone(), 1, 5_000), &line(two.clone(), 1, 6_000)).unwrap();
    assert!(across > plain, "30 m apart across the line, 1 m along it");
    let along = score(&line(one.clone(), 1, 5_000), &line(two.clone(), 1, 35_000)).unwrap();
    assert_eq!(along, plain);
    assert!(score(&line(one, 1, 5_000), &line(two, 2, 6_000)) < Some(plain));
}

#[test]
fn the_same_words_and_the_same_photo_make_it_likelier() {
    let far = north(later(tree(2), 400), 15);
    let plain = score(&tree(1), &far);
    let text = |candidate| Candidate { text: Some([1; 32]), ..candidate };
    let worded = score(&text(tree(1)), &text(far.clone()));
    assert!(worded > plain, "{worded:?} {plain:?}");
    assert_eq!(score(&text(tree(1)), &Candidate { text: Some([2; 32]), ..far.clone() }), plain);
    let photo = |candidate| Candidate { photos: vec![PhotoHash([7; 32])], ..candidate };
    assert_eq!(score(&photo(tree(1)), &photo(tree(2))), Some(1_000));
}

#[test]
fn a_satellite_sees_one_fire_again_within_a_day_and_kilometres() {
    let fire = |number| {
        let fire =
            Candidate { category: Some("fire_sighting".into()), kind: Some("flame".into()), ..tree(number) };
        accurate(fire, Some(5_500))
    };
    assert!(score(&fire(1), &later(north(fire(2), 900), 3)).is_some());
    assert_eq!(score(&fire(1), &later(north(fire(2), 3_100), 3)), None);
    assert_eq!(score(&fire(1), &later(fire(2), 25)), None);
    let pass = Candidate { device: fire(1).device, ..north(fire(2), 900) };
    assert_eq!(score(&fire(1), &pass), None, "two pixels of one pass are two");
}

/// A small generator of numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn signed(&mut self, most: u64) -> i64 {
        i64::try_from(self.below(2 * most + 1)).unwrap() - i64::try_from(most).unwrap()
    }

    fn candidate(&mut self, number: u128) -> Candidate {
        let category = if self.below(4) == 0 { "fire_sighting" } else { "corridor" };
        let accuracy_dm =
            [None, Some(30), Some(80), Some(250), Some(9_000)][usize::try_from(self.below(5)).unwrap()];
        let spot = Spot {
            lat_e7: 300_000_000 + self.signed(20_000),
            lon_e7: 1_030_000_000 + self.signed(20_000),
            accuracy_dm,
        };
        Candidate {
            category: Some(category.to_owned()),
            kind: [None, Some("tree".to_owned())][usize::try_from(self.below(2)).unwrap()].clone(),
            found_ms: 1_775_957_400_000 + self.signed(60) * 12 * HOUR_MS,
            spot: (self.below(10) > 0).then_some(spot),
            line: (self.below(2) > 0).then(|| {
                (Uuid::from_u128(self.below(2).into()), i64::try_from(self.below(300_000)).unwrap())
            }),
            device: Some(DeviceId(Uuid::from_u128(self.below(5).into()))),
            photos: (self.below(8) == 0)
                .then(|| PhotoHash([u8::try_from(self.below(3)).unwrap(); 32]))
                .into_iter()
                .collect(),
            text: (self.below(3) == 0).then(|| [u8::try_from(self.below(3)).unwrap(); 32]),
            ..tree(number)
        }
    }
}

/// What a district has once its records came in this order, each weighed against those before it.
fn arrive(order: &[Candidate]) -> std::collections::BTreeMap<(RecordId, RecordId), (u16, i64)> {
    let mut proposals = std::collections::BTreeMap::new();
    for (at, candidate) in order.iter().enumerate() {
        for proposal in propose(candidate, &order[..at]) {
            let of = (proposal.score, proposal.distance_mm);
            assert_eq!(proposals.insert((proposal.record, proposal.other), of), None);
        }
    }
    proposals
}

#[test]
fn proposals_do_not_depend_on_the_order_of_arrival() {
    let mut found = 0;
    for seed in 0..60 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut order: Vec<Candidate> = (0..40).map(|number| random.candidate(number + 1)).collect();
        let first = arrive(&order);
        found += first.len();
        for _ in 0..6 {
            for at in (1..order.len()).rev() {
                let other = random.below(u64::try_from(at).unwrap() + 1);
                order.swap(at, usize::try_from(other).unwrap());
            }
            assert_eq!(arrive(&order), first);
        }
    }
    assert!(found > 500, "{found}");
}

#[test]
fn a_block_leaves_no_twin_out_that_has_a_place() {
    let mut random = Random(11);
    let all: Vec<Candidate> = (0..400).map(|number| random.candidate(number + 1)).collect();
    let mut found = 0;
    for one in &all {
        let Some(block) = block(one) else { continue };
        assert!(block.places.len() <= RANGES, "{}", block.places.len());
        for two in &all {
            let (Some(_), Some(spot)) = (weigh(one, two), two.spot) else { continue };
            // A photo pairs places that are far apart; nobody looks for them by place.
            if one.photos.iter().any(|photo| two.photos.contains(photo)) {
                continue;
            }
            found += 1;
            let key = place(spot.lat_e7, spot.lon_e7);
            assert!(block.places.iter().any(|(from, to)| (*from..=*to).contains(&key)), "{one:?} {two:?}");
            assert!((block.from_ms..=block.to_ms).contains(&two.found_ms));
        }
    }
    assert!(found > 200, "{found}");
}

#[test]
fn a_block_near_a_pole_or_the_date_line_is_a_box_still() {
    for (lat_e7, lon_e7) in [(899_999_999, 0), (-900_000_000, 5), (10, 1_799_999_999), (0, -1_800_000_000)] {
        let spot = Spot { lat_e7, lon_e7, accuracy_dm: None };
        assert!(around(spot, 3_000_000).is_valid(), "{lat_e7} {lon_e7}");
    }
}

#[test]
fn reasons_are_data_with_words_in_both_languages() {
    let photo = |candidate| Candidate { photos: vec![PhotoHash([7; 32])], text: Some([1; 32]), ..candidate };
    let lined =
        |candidate: Candidate, line| Candidate { line: Some((Uuid::from_u128(line), 0)), ..candidate };
    let near = weigh(&photo(tree(1)), &photo(later(north(tree(2), 8), 30))).unwrap();
    let zh: Vec<String> = near.reasons.iter().map(Reason::zh).collect();
    assert_eq!(
        zh.join("；"),
        "类别和类型相同；相距 8.0 m（两次定位误差合计约 8.7 m）；发现时间相隔 30 小时；描述相同；有同一张照片"
    );
    let along = weigh(&lined(tree(1), 1), &lined(Candidate { kind: None, ..tree(2) }, 1)).unwrap();
    let other = weigh(&photo(lined(tree(1), 1)), &photo(lined(tree(2), 2))).unwrap();
    for reason in near.reasons.iter().chain(&along.reasons).chain(&other.reasons) {
        assert!(reason.en().is_ascii() && !reason.zh().is_ascii());
        let json = serde_json::to_string(reason).unwrap();
        assert_eq!(&serde_json::from_str::<Reason>(&json).unwrap(), reason);
    }
}
