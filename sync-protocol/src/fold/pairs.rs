//! The pair table: what shows when two lifecycle acts are made beside each other.
//!
//! Data, for people to read and for tests to hold: total over every unordered pair, symmetric, equal to what the
//! fold gives. The fold does not read it. A row says: two kinds, then what comes of them on a reported hazard,
//! then on one that was verified; both acts had seen all of that and nothing of each other.

use crate::kind::Kind;
use crate::view::State;

/// What shows, and the lifecycle conflicts that wait, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The state.
    pub state: State,
    /// Reasons of conflicts.
    pub conflicts: &'static [&'static str],
}

/// Two kinds and what comes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The two kinds, in the order of [`KINDS`].
    pub kinds: (Kind, Kind),
    /// On a hazard that was reported.
    pub on_reported: Outcome,
    /// On a hazard that was reported, rectified and verified.
    pub on_verified: Outcome,
}

/// The row of two kinds, in either order. `None` where one is no lifecycle kind.
pub fn find(one: Kind, other: Kind) -> Option<&'static Pair> {
    PAIRS.iter().find(|pair| pair.kinds == (one, other) || pair.kinds == (other, one))
}

macro_rules! pairs {
    ($($a:ident $b:ident: $on_reported:ident [$($waits:literal)*] $on_verified:ident [$($also:literal)*])*) => {
        /// Every unordered pair, each once.
        pub const PAIRS: &[Pair] = &[$(Pair {
            kinds: (Kind::$a, Kind::$b),
            on_reported: Outcome { state: State::$on_reported, conflicts: &[$($waits),*] },
            on_verified: Outcome { state: State::$on_verified, conflicts: &[$($also),*] },
        },)*];
    };
}

/// The kinds that move a hazard: dangers, cures, ends, and the other stages.
pub const KINDS: &[Kind] = &[
    Kind::Reported,
    Kind::Observed,
    Kind::VerificationFailed,
    Kind::Returned,
    Kind::Reopened,
    Kind::Rectified,
    Kind::MadeSafe,
    Kind::NotFound,
    Kind::Verified,
    Kind::Closed,
    Kind::Void,
    Kind::Duplicate,
    Kind::NotOurs,
    Kind::Corrected,
    Kind::Graded,
    Kind::Ordered,
    Kind::Receipted,
    Kind::Disputed,
    Kind::Carried,
    Kind::CarriedReviewed,
    Kind::Reordered,
];

pairs! {
    Reported Reported: Reported [] Disputed ["disputed"]
    Reported Observed: Reported [] Disputed ["disputed"]
    Reported VerificationFailed: Rectifying [] Rectifying []
    Reported Returned: Reported [] Reported []
    Reported Reopened: Rectifying [] Rectifying []
    Reported Rectified: Disputed ["disputed"] Disputed ["disputed"]
    Reported MadeSafe: Disputed ["disputed"] Disputed ["disputed"]
    Reported NotFound: Disputed ["disputed"] Disputed ["disputed"]
    Reported Verified: Disputed ["disputed"] Disputed ["disputed"]
    Reported Closed: Reported ["closure-unfounded"] Disputed ["disputed"]
    Reported Void: Disputed ["disputed"] Disputed ["disputed"]
    Reported Duplicate: Disputed ["disputed"] Disputed ["disputed"]
    Reported NotOurs: Disputed ["disputed"] Disputed ["disputed"]
    Reported Corrected: Reported [] Disputed ["disputed"]
    Reported Graded: Graded [] Disputed ["disputed"]
    Reported Ordered: Ordered [] Disputed ["disputed"]
    Reported Receipted: Rectifying [] Disputed ["disputed"]
    Reported Disputed: Graded [] Disputed ["disputed"]
    Reported Carried: Carried [] Disputed ["disputed"]
    Reported CarriedReviewed: Rectifying [] Disputed ["disputed"]
    Reported Reordered: Ordered [] Disputed ["disputed"]
    Observed Observed: Reported [] Disputed ["disputed"]
    Observed VerificationFailed: Rectifying [] Rectifying []
    Observed Returned: Reported [] Reported []
    Observed Reopened: Rectifying [] Rectifying []
    Observed Rectified: Disputed ["disputed"] Disputed ["disputed"]
    Observed MadeSafe: Disputed ["disputed"] Disputed ["disputed"]
    Observed NotFound: Disputed ["disputed"] Disputed ["disputed"]
    Observed Verified: Disputed ["disputed"] Disputed ["disputed"]
    Observed Closed: Reported ["closure-unfounded"] Disputed ["disputed"]
    Observed Void: Disputed ["disputed"] Disputed ["disputed"]
    Observed Duplicate: Disputed ["disputed"] Disputed ["disputed"]
    Observed NotOurs: Disputed ["disputed"] Disputed ["disputed"]
    Observed Corrected: Reported [] Disputed ["disputed"]
    Observed Graded: Graded [] Disputed ["disputed"]
    Observed Ordered: Ordered [] Disputed ["disputed"]
    Observed Receipted: Rectifying [] Disputed ["disputed"]
    Observed Disputed: Graded [] Disputed ["disputed"]
    Observed Carried: Carried [] Disputed ["disputed"]
    Observed CarriedReviewed: Rectifying [] Disputed ["disputed"]
    Observed Reordered: Ordered [] Disputed ["disputed"]
    VerificationFailed VerificationFailed: Rectifying [] Rectifying []
    VerificationFailed Returned: Rectifying [] Rectifying []
    VerificationFailed Reopened: Rectifying [] Rectifying []
    VerificationFailed Rectified: Disputed ["disputed"] Disputed ["disputed"]
    VerificationFailed MadeSafe: Disputed ["disputed"] Disputed ["disputed"]
    VerificationFailed NotFound: Disputed ["disputed"] Disputed ["disputed"]
    VerificationFailed Verified: Disputed ["disputed"] Disputed ["disputed"]
    VerificationFailed Closed: Rectifying ["closure-unfounded"] Disputed ["disputed"]
    VerificationFailed Void: Disputed ["disputed"] Disputed ["disputed"]
    VerificationFailed Duplicate: Disputed ["disputed"] Disputed ["disputed"]
    VerificationFailed NotOurs: Disputed ["disputed"] Disputed ["disputed"]
    VerificationFailed Corrected: Rectifying [] Rectifying []
    VerificationFailed Graded: Rectifying [] Rectifying []
    VerificationFailed Ordered: Rectifying [] Rectifying []
    VerificationFailed Receipted: Rectifying [] Rectifying []
    VerificationFailed Disputed: Rectifying [] Rectifying []
    VerificationFailed Carried: Carried [] Carried []
    VerificationFailed CarriedReviewed: Rectifying [] Rectifying []
    VerificationFailed Reordered: Rectifying [] Rectifying []
    Returned Returned: Returned [] Returned []
    Returned Reopened: Rectifying [] Rectifying []
    Returned Rectified: Disputed ["disputed"] Disputed ["disputed"]
    Returned MadeSafe: Disputed ["disputed"] Disputed ["disputed"]
    Returned NotFound: Disputed ["disputed"] Disputed ["disputed"]
    Returned Verified: Disputed ["disputed"] Disputed ["disputed"]
    Returned Closed: Returned ["closure-unfounded"] Disputed ["disputed"]
    Returned Void: Disputed ["disputed"] Disputed ["disputed"]
    Returned Duplicate: Disputed ["disputed"] Disputed ["disputed"]
    Returned NotOurs: Disputed ["disputed"] Disputed ["disputed"]
    Returned Corrected: Reported [] Reported []
    Returned Graded: Graded [] Graded []
    Returned Ordered: Ordered [] Ordered []
    Returned Receipted: Rectifying [] Rectifying []
    Returned Disputed: Graded [] Graded []
    Returned Carried: Carried [] Carried []
    Returned CarriedReviewed: Rectifying [] Rectifying []
    Returned Reordered: Ordered [] Ordered []
    Reopened Reopened: Rectifying [] Rectifying []
    Reopened Rectified: Disputed ["disputed"] Disputed ["disputed"]
    Reopened MadeSafe: Disputed ["disputed"] Disputed ["disputed"]
    Reopened NotFound: Disputed ["disputed"] Disputed ["disputed"]
    Reopened Verified: Disputed ["disputed"] Disputed ["disputed"]
    Reopened Closed: Rectifying ["closure-unfounded"] Disputed ["disputed"]
    Reopened Void: Disputed ["disputed"] Disputed ["disputed"]
    Reopened Duplicate: Disputed ["disputed"] Disputed ["disputed"]
    Reopened NotOurs: Disputed ["disputed"] Disputed ["disputed"]
    Reopened Corrected: Rectifying [] Rectifying []
    Reopened Graded: Rectifying [] Rectifying []
    Reopened Ordered: Rectifying [] Rectifying []
    Reopened Receipted: Rectifying [] Rectifying []
    Reopened Disputed: Rectifying [] Rectifying []
    Reopened Carried: Carried [] Carried []
    Reopened CarriedReviewed: Rectifying [] Rectifying []
    Reopened Reordered: Rectifying [] Rectifying []
    Rectified Rectified: Rectified [] Verified []
    Rectified MadeSafe: Rectified [] Verified []
    Rectified NotFound: Disputed ["ends-differ"] Disputed ["ends-differ"]
    Rectified Verified: Rectified [] Verified []
    Rectified Closed: Rectified ["closure-unfounded"] Closed []
    Rectified Void: Rectified ["office-act-waits"] Verified ["office-act-waits"]
    Rectified Duplicate: Rectified ["office-act-waits"] Verified ["office-act-waits"]
    Rectified NotOurs: Rectified ["office-act-waits"] Verified ["office-act-waits"]
    Rectified Corrected: Rectified [] Verified []
    Rectified Graded: Rectified [] Verified []
    Rectified Ordered: Rectified [] Verified []
    Rectified Receipted: Rectified [] Verified []
    Rectified Disputed: Rectified [] Verified []
    Rectified Carried: Rectified [] Verified []
    Rectified CarriedReviewed: Rectified [] Verified []
    Rectified Reordered: Rectified [] Verified []
    MadeSafe MadeSafe: MadeSafe [] Verified []
    MadeSafe NotFound: Disputed ["ends-differ"] Disputed ["ends-differ"]
    MadeSafe Verified: Rectified [] Verified []
    MadeSafe Closed: MadeSafe ["closure-unfounded"] Closed []
    MadeSafe Void: MadeSafe ["office-act-waits"] Verified ["office-act-waits"]
    MadeSafe Duplicate: MadeSafe ["office-act-waits"] Verified ["office-act-waits"]
    MadeSafe NotOurs: MadeSafe ["office-act-waits"] Verified ["office-act-waits"]
    MadeSafe Corrected: MadeSafe [] Verified []
    MadeSafe Graded: MadeSafe [] Verified []
    MadeSafe Ordered: MadeSafe [] Verified []
    MadeSafe Receipted: MadeSafe [] Verified []
    MadeSafe Disputed: MadeSafe [] Verified []
    MadeSafe Carried: MadeSafe [] Verified []
    MadeSafe CarriedReviewed: MadeSafe [] Verified []
    MadeSafe Reordered: MadeSafe [] Verified []
    NotFound NotFound: NotFound [] Disputed ["ends-differ"]
    NotFound Verified: Disputed ["ends-differ"] Disputed ["ends-differ"]
    NotFound Closed: NotFound ["closure-unfounded"] Disputed ["ends-differ"]
    NotFound Void: NotFound ["office-act-waits"] Disputed ["ends-differ" "office-act-waits"]
    NotFound Duplicate: NotFound ["office-act-waits"] Disputed ["ends-differ" "office-act-waits"]
    NotFound NotOurs: NotFound ["office-act-waits"] Disputed ["ends-differ" "office-act-waits"]
    NotFound Corrected: NotFound [] Disputed ["ends-differ"]
    NotFound Graded: NotFound [] Disputed ["ends-differ"]
    NotFound Ordered: NotFound [] Disputed ["ends-differ"]
    NotFound Receipted: NotFound [] Disputed ["ends-differ"]
    NotFound Disputed: NotFound [] Disputed ["ends-differ"]
    NotFound Carried: NotFound [] Disputed ["ends-differ"]
    NotFound CarriedReviewed: NotFound [] Disputed ["ends-differ"]
    NotFound Reordered: NotFound [] Disputed ["ends-differ"]
    Verified Verified: Rectified [] Verified []
    Verified Closed: Rectified ["closure-unfounded"] Closed []
    Verified Void: Rectified ["office-act-waits"] Verified ["office-act-waits"]
    Verified Duplicate: Rectified ["office-act-waits"] Verified ["office-act-waits"]
    Verified NotOurs: Rectified ["office-act-waits"] Verified ["office-act-waits"]
    Verified Corrected: Rectified [] Verified []
    Verified Graded: Rectified [] Verified []
    Verified Ordered: Rectified [] Verified []
    Verified Receipted: Rectified [] Verified []
    Verified Disputed: Rectified [] Verified []
    Verified Carried: Rectified [] Verified []
    Verified CarriedReviewed: Rectified [] Verified []
    Verified Reordered: Rectified [] Verified []
    Closed Closed: Reported ["closure-unfounded"] Closed []
    Closed Void: Void ["closure-unfounded"] Closed ["office-act-waits"]
    Closed Duplicate: Duplicate ["closure-unfounded"] Closed ["office-act-waits"]
    Closed NotOurs: NotOurs ["closure-unfounded"] Closed ["office-act-waits"]
    Closed Corrected: Reported ["closure-unfounded"] Closed []
    Closed Graded: Graded ["closure-unfounded"] Closed []
    Closed Ordered: Ordered ["closure-unfounded"] Closed []
    Closed Receipted: Rectifying ["closure-unfounded"] Closed []
    Closed Disputed: Graded ["closure-unfounded"] Closed []
    Closed Carried: Carried ["closure-unfounded"] Closed []
    Closed CarriedReviewed: Rectifying ["closure-unfounded"] Closed []
    Closed Reordered: Ordered ["closure-unfounded"] Closed []
    Void Void: Void [] Void []
    Void Duplicate: Disputed ["ends-differ"] Disputed ["ends-differ"]
    Void NotOurs: Disputed ["ends-differ"] Disputed ["ends-differ"]
    Void Corrected: Void [] Void []
    Void Graded: Void [] Void []
    Void Ordered: Void [] Void []
    Void Receipted: Void [] Void []
    Void Disputed: Void [] Void []
    Void Carried: Void [] Void []
    Void CarriedReviewed: Void [] Void []
    Void Reordered: Void [] Void []
    Duplicate Duplicate: Duplicate [] Duplicate []
    Duplicate NotOurs: Disputed ["ends-differ"] Disputed ["ends-differ"]
    Duplicate Corrected: Duplicate [] Duplicate []
    Duplicate Graded: Duplicate [] Duplicate []
    Duplicate Ordered: Duplicate [] Duplicate []
    Duplicate Receipted: Duplicate [] Duplicate []
    Duplicate Disputed: Duplicate [] Duplicate []
    Duplicate Carried: Duplicate [] Duplicate []
    Duplicate CarriedReviewed: Duplicate [] Duplicate []
    Duplicate Reordered: Duplicate [] Duplicate []
    NotOurs NotOurs: NotOurs [] NotOurs []
    NotOurs Corrected: NotOurs [] NotOurs []
    NotOurs Graded: NotOurs [] NotOurs []
    NotOurs Ordered: NotOurs [] NotOurs []
    NotOurs Receipted: NotOurs [] NotOurs []
    NotOurs Disputed: NotOurs [] NotOurs []
    NotOurs Carried: NotOurs [] NotOurs []
    NotOurs CarriedReviewed: NotOurs [] NotOurs []
    NotOurs Reordered: NotOurs [] NotOurs []
    Corrected Corrected: Reported [] Verified []
    Corrected Graded: Graded [] Verified []
    Corrected Ordered: Ordered [] Verified []
    Corrected Receipted: Rectifying [] Verified []
    Corrected Disputed: Graded [] Verified []
    Corrected Carried: Carried [] Verified []
    Corrected CarriedReviewed: Rectifying [] Verified []
    Corrected Reordered: Ordered [] Verified []
    Graded Graded: Graded [] Verified []
    Graded Ordered: Ordered [] Verified []
    Graded Receipted: Rectifying [] Verified []
    Graded Disputed: Graded [] Verified []
    Graded Carried: Carried [] Verified []
    Graded CarriedReviewed: Rectifying [] Verified []
    Graded Reordered: Ordered [] Verified []
    Ordered Ordered: Ordered [] Verified []
    Ordered Receipted: Rectifying [] Verified []
    Ordered Disputed: Ordered [] Verified []
    Ordered Carried: Carried [] Verified []
    Ordered CarriedReviewed: Rectifying [] Verified []
    Ordered Reordered: Ordered [] Verified []
    Receipted Receipted: Rectifying [] Verified []
    Receipted Disputed: Rectifying [] Verified []
    Receipted Carried: Carried [] Verified []
    Receipted CarriedReviewed: Rectifying [] Verified []
    Receipted Reordered: Rectifying [] Verified []
    Disputed Disputed: Graded [] Verified []
    Disputed Carried: Carried [] Verified []
    Disputed CarriedReviewed: Rectifying [] Verified []
    Disputed Reordered: Ordered [] Verified []
    Carried Carried: Carried [] Verified []
    Carried CarriedReviewed: Carried [] Verified []
    Carried Reordered: Carried [] Verified []
    CarriedReviewed CarriedReviewed: Rectifying [] Verified []
    CarriedReviewed Reordered: Rectifying [] Verified []
    Reordered Reordered: Ordered [] Verified []
}
