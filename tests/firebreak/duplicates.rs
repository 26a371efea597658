//! What is proposed of hazards whose truth is known: most twins, and mostly twins.

use firebreak_tests::twins::{Twins, found, seeded};

#[test]
fn most_twins_are_proposed_and_most_proposals_are_twins() {
    for seed in [1, 2, 3] {
        let Twins { candidates, pairs } = seeded(seed, 600);
        let proposed = found(&candidates);
        let right = proposed.intersection(&pairs).count();
        println!("seed {seed}: {right} of {} twins, {} proposals", pairs.len(), proposed.len());
        assert!(right * 100 >= pairs.len() * 85, "seed {seed}: {right} of {}", pairs.len());
        assert!(right * 100 >= proposed.len() * 50, "seed {seed}: {right} of {}", proposed.len());
        let mut other = candidates;
        other.reverse();
        assert_eq!(found(&other), proposed, "seed {seed}: in another order");
    }
}
