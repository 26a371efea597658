//! Records as several devices and an office would make them, and graphs that nobody would.

use uuid::Uuid;

use crate::cbor::Raw;
use crate::ids::{Head, Identity, OperationId, PersonId, PhotoHash, RecordId};
use crate::kind::Kind;
use crate::operation::{Identified, KindName, Operation, Photo, Stamp, encode_fields};

/// A small generator of numbers (splitmix64): the seed says everything.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(super) fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

pub(super) fn identify(operation: Operation) -> Identified {
    Identified { identity: Identity::of(&operation.encode()), operation }
}

/// Operations of one record, each with an id of its own.
pub(super) struct Author {
    made: u128,
    salt: u128,
}

const RECORD: RecordId = RecordId(Uuid::from_u128(1));

impl Author {
    pub(super) fn new(salt: u64) -> Self {
        Self { made: 0, salt: u128::from(salt) << 32 }
    }

    /// An operation of person `person` after these.
    pub(super) fn operation(&mut self, kind: Kind, person: u128, after: &[Head]) -> Operation {
        self.made += 1;
        let id = if kind.opens() { RECORD.0 } else { Uuid::from_u128(self.salt + self.made) };
        let at = Stamp { wall_ms: i64::try_from(self.made).unwrap(), ..Stamp::default() };
        Operation::new(OperationId(id), RECORD, kind, PersonId(Uuid::from_u128(person)), at)
            .after(after.iter().copied())
    }
}

/// Kinds by how often they come.
const KINDS: &[Kind] = &[
    Kind::Observed,
    Kind::Observed,
    Kind::Corrected,
    Kind::Corrected,
    Kind::Withdrawn,
    Kind::Commented,
    Kind::Photographed,
    Kind::Rectified,
    Kind::Rectified,
    Kind::MadeSafe,
    Kind::NotFound,
    Kind::Verified,
    Kind::Verified,
    Kind::VerificationFailed,
    Kind::Graded,
    Kind::Returned,
    Kind::Void,
    Kind::Duplicate,
    Kind::NotOurs,
    Kind::Ordered,
    Kind::Receipted,
    Kind::Disputed,
    Kind::ExtensionGranted,
    Kind::Carried,
    Kind::CarriedReviewed,
    Kind::Reordered,
    Kind::Closed,
    Kind::Closed,
    Kind::Reopened,
    Kind::Resolved,
    Kind::Restored,
    Kind::Released,
    Kind::WrittenOff,
    Kind::PhotoVerified,
    Kind::Redacted,
    Kind::Retracted,
    Kind::Retracted,
    Kind::Reported,
];

/// How a scenario is made.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) operations: usize,
    pub(super) devices: usize,
    /// One operation in so many is of a kind that no hazard has, or unknown.
    pub(super) strange: usize,
    /// Names any earlier operations, lacks any of them, misses some: not a copy's heads.
    pub(super) is_wild: bool,
    /// The kinds to choose from; none: all.
    pub(super) kinds: &'static [Kind],
}

/// A record as devices make it that exchange what they have, in part and in any order.
pub(super) fn scenario(seed: u64, shape: Shape) -> Vec<Identified> {
    let mut random = Random::new(seed);
    let mut author = Author::new(seed);
    let mut made: Vec<Identified> = Vec::new();
    let mut copies: Vec<Vec<usize>> = vec![Vec::new(); shape.devices];
    while made.len() < shape.operations {
        let device = random.below(shape.devices);
        if !made.is_empty() && random.one_in(2) {
            exchange(&mut random, &mut copies, device);
            continue;
        }
        let (heads, lacking) =
            if shape.is_wild { wild(&mut random, &made) } else { copy(&made, &copies[device]) };
        let kinds = if shape.kinds.is_empty() { KINDS } else { shape.kinds };
        let is_report = made.is_empty() && random.below(4) > 0;
        let kind = if is_report { Kind::Reported } else { random.pick(kinds) };
        let mut operation = author.operation(kind, u128::try_from(device).unwrap(), &heads);
        operation.lacking = lacking;
        if random.one_in(shape.strange) {
            let strange = ["patrol_track", "patrol_started", "device_enrolled", "levitated", "work"];
            operation.kind = KindName::from(random.pick(&strange));
        }
        fill(&mut random, &mut operation, &made);
        if !made.is_empty() && random.one_in(12) {
            // A faulty app uses an id again, with other bytes.
            operation.id = made[random.below(made.len())].operation.id;
        }
        copies[device].push(made.len());
        made.push(identify(operation));
    }
    made
}

fn exchange(random: &mut Random, copies: &mut [Vec<usize>], device: usize) {
    let other = copies[random.below(copies.len())].clone();
    let is_partial = random.one_in(4);
    for operation in other {
        let is_kept = !is_partial || random.one_in(2);
        if is_kept && !copies[device].contains(&operation) {
            copies[device].push(operation);
        }
    }
}

/// The heads of a copy, and what it names but does not have.
fn copy(made: &[Identified], copy: &[usize]) -> (Vec<Head>, Vec<Head>) {
    let has: Vec<Head> = copy.iter().map(|index| made[*index].head()).collect();
    let named = || copy.iter().flat_map(|index| made[*index].operation.heads.iter().copied());
    let heads = has.iter().copied().filter(|head| !named().any(|name| name == *head)).collect();
    let mut lacking: Vec<Head> = named().filter(|name| !has.contains(name)).collect();
    lacking.sort_unstable();
    lacking.dedup();
    (heads, lacking)
}

fn wild(random: &mut Random, made: &[Identified]) -> (Vec<Head>, Vec<Head>) {
    let mut some = |most: usize| -> Vec<Head> {
        let mut heads: Vec<Head> = (0..random.below(most + 1))
            .filter(|_| !made.is_empty())
            .map(|_| if random.one_in(12) { Head([7; 16]) } else { made[random.below(made.len())].head() })
            .collect();
        heads.sort_unstable();
        heads.dedup();
        heads
    };
    let heads = some(3);
    let lacking = if heads.is_empty() { Vec::new() } else { some(1) };
    (heads, lacking)
}

fn fill(random: &mut Random, operation: &mut Operation, made: &[Identified]) {
    let mut fields = values(random);
    match operation.kind.known() {
        Some(Kind::Resolved | Kind::Restored) => {
            let names = ["description", "species", "severity", "graded_severity", "lifecycle", "text"];
            operation.fields.insert("field".to_owned(), Raw::of(&random.pick(&names)));
            operation.fields.insert("value".to_owned(), Raw::of(&random.pick(&["a", "b", "general"])));
        }
        Some(Kind::Withdrawn) if !made.is_empty() => {
            let target = made[random.below(made.len())].identity;
            operation.fields.insert("withdraws".to_owned(), Raw::of(&target));
        }
        Some(Kind::Retracted) if !made.is_empty() => {
            // Mostly one that can be taken back.
            let is_decision = |other: &&Identified| {
                matches!(
                    other.operation.kind.known(),
                    Some(Kind::Void | Kind::Duplicate | Kind::NotOurs | Kind::Resolved | Kind::Restored)
                )
            };
            let decisions: Vec<&Identified> = made.iter().filter(is_decision).collect();
            let target = if decisions.is_empty() || random.one_in(6) {
                made[random.below(made.len())].identity
            } else {
                decisions[random.below(decisions.len())].identity
            };
            operation.fields.insert("operation".to_owned(), Raw::of(&target));
        }
        Some(Kind::Redacted) if !made.is_empty() && !random.one_in(4) => {
            let target = made[random.below(made.len())].identity;
            operation.fields.insert("operation".to_owned(), Raw::of(&target));
            let names =
                ["description", "species", "remarks-of-tomorrow", "severity", "value", "field", "text"];
            operation.fields.insert("field".to_owned(), Raw::of(&random.pick(&names)));
        }
        Some(Kind::WrittenOff) if !made.is_empty() && random.one_in(2) => {
            // Some of them come later, or are there.
            let head = made[random.below(made.len())].head();
            operation.fields.insert("predecessor".to_owned(), Raw::of(&head));
        }
        Some(Kind::WrittenOff | Kind::PhotoVerified | Kind::Redacted) => {
            operation.fields.insert("photo".to_owned(), Raw::of(&photo(random).sha256));
        }
        Some(Kind::Released) => {
            let kinds = [
                "reported", "rectified", "observed", "verified", "graded", "commented", "levitated",
                "released",
            ];
            operation.fields.insert("effective_kind".to_owned(), Raw::of(&random.pick(&kinds)));
            operation.fields.insert("effective_author".to_owned(), Raw::of(&PersonId(Uuid::from_u128(9))));
            if !fields.is_empty() {
                let encoded = encode_fields(&fields.drain(..).collect());
                operation.fields.insert("effective_fields".to_owned(), Raw::from_checked(&encoded));
            }
        }
        _ => {}
    }
    operation.fields.extend(fields);
    if random.one_in(4) || operation.kind.known() == Some(Kind::Photographed) {
        operation.photos.push(photo(random));
    }
}

fn photo(random: &mut Random) -> Photo {
    let number = u8::try_from(random.below(3)).unwrap();
    Photo { role: random.pick(&["before", "after"]).to_owned(), bytes: 9, sha256: PhotoHash([number; 32]) }
}

fn values(random: &mut Random) -> Vec<(String, Raw)> {
    let mut fields = Vec::new();
    let mut put = |name: &str, value: Raw| fields.push((name.to_owned(), value));
    if random.one_in(3) {
        let terms = ["critical", "serious", "general", "apocalyptic", "aching"];
        let term = random.pick(&terms);
        put("severity", if random.one_in(5) { Raw::null() } else { Raw::of(&term) });
    }
    for name in ["description", "species", "remarks-of-tomorrow"] {
        if random.one_in(5) {
            let text = random.pick(&["a", "b", "c"]);
            put(name, if random.one_in(6) { Raw::null() } else { Raw::of(&text) });
        }
    }
    if random.one_in(5) {
        let position = crate::operation::Position {
            accuracy_dm: [None, Some(30), Some(80)][random.below(3)],
            lat_e7: i64::try_from(random.below(3)).unwrap(),
            ..Default::default()
        };
        put("position", if random.one_in(6) { Raw::null() } else { Raw::of(&position) });
    }
    if random.one_in(6) {
        put("category", if random.one_in(4) { Raw::null() } else { Raw::of(&"corridor") });
    }
    if random.one_in(12) {
        put("graded_severity", Raw::of(&"general"));
    }
    fields
}
