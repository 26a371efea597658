//! Strips: hazards in the order of their places, some dozens in one value, with what a tile shows of them.
//!
//! A tile of a thousand hazards is some twenty strips, read whole, where a row for each hazard took most of its time. A
//! strip begins at a spot and ends where the next one begins; a change of a hazard writes its strip anew. What many of its
//! hazards say alike stands in a strip once. Keeping them is `store::tile_strips`, their tile is in [`super::points`].
//! Start at [`Strip`].
//!
//! Bytes, whole numbers big-endian: the length of what follows (4); how many texts there are (2), each with its length (2);
//! then hazards to the end: place (8), id (8), deadline (8), which of the texts (2), the length of the number (2), the
//! number.

use std::collections::{BTreeMap, HashMap};

use bytes::{Buf as _, BufMut as _};

/// Bytes of a strip, at most, unless it is of one hazard: with its key it fits into one page of SQLite.
const MOST_BYTES: usize = 3_900;
/// Bytes of a strip that is cut out of a longer one: it has room for some more.
const CUT_BYTES: usize = MOST_BYTES * 3 / 4;
/// Bytes of a hazard without a number: the least that one takes.
pub const HAZARD_BYTES: usize = 28;
/// The deadline of a hazard that has none.
const NO_DUE: i64 = i64::MIN;

/// Where a hazard stands among others: by place, then by id. Neither is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The key of its place.
    pub place: i64,
    /// Its number in its layer.
    pub id: i64,
}

impl Spot {
    /// Bytes in the order of spots: a strip is kept under those of the spot that it begins at.
    pub fn key(self) -> [u8; 16] {
        let mut key = [0; 16];
        let mut rest = &mut key[..];
        rest.put_i64(self.place);
        rest.put_i64(self.id);
        key
    }
}

/// A hazard in a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'t> {
    /// Where it stands.
    pub spot: Spot,
    /// Its deadline, milliseconds since 1970.
    pub due_ms: Option<i64>,
    /// What many hazards say alike: the first of [`super::points::Point::texts`].
    pub alike: &'t str,
    /// 编号; empty where there is none.
    pub number: &'t str,
}

/// What becomes of hazards: those that are gone have no entry.
pub type Changes<'t> = BTreeMap<Spot, Option<Entry<'t>>>;

/// Hazards that come, or are written anew.
pub fn come<'t>(entries: impl Iterator<Item = Entry<'t>>) -> Changes<'t> {
    entries.map(|entry| (entry.spot, Some(entry))).collect()
}

/// A strip that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strip<'t> {
    /// What its hazards say alike.
    pub texts: Vec<&'t str>,
    /// Its hazards, and which of the texts each says.
    pub hazards: Vec<(usize, Entry<'t>)>,
}

impl<'t> Strip<'t> {
    /// Takes the first of some strips that lie one behind the other; none where it is damaged.
    pub fn take(bytes: &mut &'t [u8]) -> Option<Self> {
        let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
        let (mut rest, behind) = bytes.split_at_checked(length)?;
        *bytes = behind;
        let amount = rest.try_get_u16().ok()?;
        let texts: Vec<&str> = (0..amount).map(|_| text(&mut rest)).collect::<Option<_>>()?;
        let mut hazards = Vec::with_capacity(rest.len() / HAZARD_BYTES);
        while !rest.is_empty() {
            let spot = Spot { place: rest.try_get_i64().ok()?, id: rest.try_get_i64().ok()? };
            let due_ms = Some(rest.try_get_i64().ok()?).filter(|due_ms| *due_ms != NO_DUE);
            let nth = usize::from(rest.try_get_u16().ok()?);
            let alike = texts.get(nth).copied()?;
            hazards.push((nth, Entry { spot, due_ms, alike, number: text(&mut rest)? }));
        }
        Some(Self { texts, hazards })
    }

    /// Every strip of values that hold one or several; the last is none where it is damaged.
    pub fn all(values: &'t [Vec<u8>]) -> impl Iterator<Item = Option<Self>> {
        values.iter().flat_map(|value| {
            let mut rest = value.as_slice();
            std::iter::from_fn(move || {
                let strip = (!rest.is_empty()).then(|| Self::take(&mut rest))?;
                rest = if strip.is_some() { rest } else { &[] };
                Some(strip)
            })
        })
    }

    /// Reads a strip that lies alone; none where it is damaged.
    pub fn read(mut bytes: &'t [u8]) -> Option<Self> {
        Self::take(&mut bytes).filter(|_| bytes.is_empty())
    }

    /// The bytes of a strip without hazards.
    pub fn empty() -> Vec<u8> {
        written(&[])
    }

    /// It with these changes, cut where it became too long: nothing where it became empty. Each of the strips is kept under
    /// the key of its first hazard, but the first of them, which begins where this one did.
    pub fn changed(self, changes: &Changes<'t>) -> Vec<(Spot, Vec<u8>)> {
        let mut entries: BTreeMap<Spot, Entry<'_>> =
            self.hazards.into_iter().map(|(_, entry)| (entry.spot, entry)).collect();
        for (spot, entry) in changes {
            match entry {
                Some(entry) => drop(entries.insert(*spot, *entry)),
                None => drop(entries.remove(spot)),
            }
        }
        let entries: Vec<Entry<'_>> = entries.into_values().collect();
        let mut strips = Vec::new();
        cut(&entries, &mut strips);
        strips
    }
}

/// Strips by the key that each begins at.
pub type Strips = BTreeMap<Vec<u8>, Vec<u8>>;

/// The key of the first strip of all: before that of every spot.
pub const FIRST: &[u8] = &[];

/// What changes make of strips.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Those that are others or new, and where each begins.
    pub written: Vec<(Vec<u8>, Vec<u8>)>,
    /// Those that are gone: the first of all stays, empty.
    pub emptied: Vec<Vec<u8>>,
}

/// What changes make of the strips that they touch, which are all there; none where one of those is damaged.
pub fn rewritten(touched: &Strips, changes: &Changes<'_>) -> Option<Rewritten> {
    let mut rewritten = Rewritten::default();
    let mut left = changes.iter().peekable();
    let mut strips = touched.iter().peekable();
    while let Some((first, bytes)) = strips.next() {
        // What stands behind the beginning of the next strip that is touched belongs to that one.
        let end = strips.peek().map(|(next, _)| next.as_slice());
        let is_own = |spot: &Spot| end.is_none_or(|end| &spot.key()[..] < end);
        let own = std::iter::from_fn(|| left.next_if(|(spot, _)| is_own(spot)));
        let own: Changes<'_> = own.map(|(spot, entry)| (*spot, *entry)).collect();
        let mut parts = Strip::read(bytes)?.changed(&own);
        if parts.is_empty() && first == FIRST {
            parts.push((Spot::default(), Strip::empty()));
        }
        if parts.is_empty() {
            rewritten.emptied.push(first.clone());
        }
        for (nth, (spot, part)) in parts.into_iter().enumerate() {
            // The first of its parts begins where it did. Most changes of a hazard are none of what tiles show.
            let begins = if nth == 0 { first.clone() } else { spot.key().to_vec() };
            if nth > 0 || part != *bytes {
                rewritten.written.push((begins, part));
            }
        }
    }
    Some(rewritten)
}

/// Writes strips of hazards, none of them too long.
fn cut(entries: &[Entry<'_>], strips: &mut Vec<(Spot, Vec<u8>)>) {
    let Some(first) = entries.first() else { return };
    let bytes = written(entries);
    if bytes.len() <= MOST_BYTES || entries.len() == 1 {
        strips.push((first.spot, bytes));
        return;
    }
    let parts = bytes.len().div_ceil(CUT_BYTES);
    for part in entries.chunks(entries.len().div_ceil(parts)) {
        cut(part, strips);
    }
}

fn written(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut texts: Vec<&str> = Vec::new();
    let mut known: HashMap<&str, u16> = HashMap::new();
    let mut hazards = Vec::new();
    for entry in entries {
        let nth = *known.entry(entry.alike).or_insert_with(|| {
            texts.push(entry.alike);
            short(texts.len() - 1)
        });
        hazards.put_i64(entry.spot.place);
        hazards.put_i64(entry.spot.id);
        hazards.put_i64(entry.due_ms.unwrap_or(NO_DUE));
        hazards.put_u16(nth);
        put_text(entry.number, &mut hazards);
    }
    let mut said = Vec::new();
    said.put_u16(short(texts.len()));
    for text in texts {
        put_text(text, &mut said);
    }
    let mut bytes = Vec::with_capacity(size_of::<u32>() + said.len() + hazards.len());
    bytes.put_u32(u32::try_from(said.len() + hazards.len()).unwrap_or(u32::MAX));
    bytes.extend_from_slice(&said);
    bytes.extend_from_slice(&hazards);
    bytes
}

fn text<'t>(bytes: &mut &'t [u8]) -> Option<&'t str> {
    let length = usize::from(bytes.try_get_u16().ok()?);
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    str::from_utf8(text).ok()
}

/// Texts are cut where points are made of hazards: none is longer than its length can say.
fn put_text(text: &str, bytes: &mut Vec<u8>) {
    bytes.put_u16(short(text.len()));
    bytes.extend_from_slice(text.as_bytes());
}

fn short(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(place: i64, id: i64) -> Entry<'static> {
        let spot = Spot { place, id };
        let alike = if id % 3 == 0 { "3\u{1f}1\u{1f}corridor" } else { "1\u{1f}0\u{1f}" };
        Entry { spot, due_ms: (id % 2 == 0).then_some(id), alike, number: "TX-2026-000001" }
    }

    fn read(strips: &[(Spot, Vec<u8>)]) -> Vec<Entry<'_>> {
        let read = strips.iter().flat_map(|(first, bytes)| {
            let strip = Strip::read(bytes).expect("whole");
            assert_eq!(strip.hazards.first().map(|(_, entry)| entry.spot), Some(*first));
            assert!(strip.hazards.iter().all(|(nth, entry)| strip.texts[*nth] == entry.alike));
            strip.hazards.into_iter().map(|(_, entry)| entry)
        });
        read.collect()
    }

    fn strip(entries: Vec<Entry<'_>>) -> Strip<'_> {
        Strip { texts: Vec::new(), hazards: entries.into_iter().map(|entry| (0, entry)).collect() }
    }

    fn all(entries: impl IntoIterator<Item = Entry<'static>>) -> Changes<'static> {
        come(entries.into_iter())
    }

    #[test]
    fn a_strip_holds_its_hazards_in_order_and_follows_their_changes() {
        let come = [entry(9, 1), entry(7, 2), entry(7, 1), entry(8, 6)];
        let strips = Strip::default().changed(&all(come));
        assert_eq!(read(&strips), [entry(7, 1), entry(7, 2), entry(8, 6), entry(9, 1)]);
        let other = Entry { due_ms: Some(-5), number: "", ..entry(8, 6) };
        let changes =
            Changes::from([(other.spot, Some(other)), (entry(7, 1).spot, None), (entry(1, 1).spot, None)]);
        let after = strip(read(&strips)).changed(&changes);
        assert_eq!(read(&after), [entry(7, 2), other, entry(9, 1)]);
        let gone: Changes<'_> = read(&after).iter().map(|entry| (entry.spot, None)).collect();
        assert_eq!(strip(read(&after)).changed(&gone), []);
        assert_eq!(Strip::read(&Strip::empty()), Some(Strip::default()));
    }

    #[test]
    fn a_strip_that_became_too_long_is_cut_and_loses_nothing() {
        let many: Vec<Entry<'_>> = (0..1_000).map(|id| entry(id / 4, id)).collect();
        let strips = Strip::default().changed(&all(many.iter().copied()));
        assert_eq!(read(&strips), many);
        assert!(strips.len() > 10 && strips.iter().all(|(_, bytes)| bytes.len() <= MOST_BYTES));
        // One hazard that is too long alone is a strip.
        let long = "树".repeat(2_000);
        let long = Entry { number: &long, ..entry(0, 0) };
        let strips = strip(many.clone()).changed(&Changes::from([(long.spot, Some(long))]));
        assert_eq!(Strip::read(&strips[0].1).unwrap().hazards, [(0, long)]);
        assert_eq!(read(&strips)[1..], many[1..]);
    }

    #[test]
    fn strips_lie_one_behind_the_other_and_a_damaged_one_is_none() {
        let number = "TX-2026-000001".len();
        let one = Strip::default().changed(&all([entry(1, 1), entry(2, 3)])).remove(0).1;
        let two = Strip::default().changed(&all([entry(3, 3)])).remove(0).1;
        let both = [one.clone(), two].concat();
        let mut rest = both.as_slice();
        let amounts: Vec<usize> =
            std::iter::from_fn(|| Strip::take(&mut rest)).map(|strip| strip.hazards.len()).collect();
        assert_eq!((amounts, rest.len(), Strip::read(&both)), (vec![2, 1], 0, None));
        assert!((0..one.len()).all(|length| Strip::read(&one[..length]).is_none()));
        let broken = |at: usize, byte: u8| {
            let mut bytes = one.clone();
            bytes[at] = byte;
            Strip::read(&bytes).is_none()
        };
        // A byte fewer than there are, more texts, bytes that are no text, a text that does not exist.
        assert!(
            broken(3, one[3] - 1) && broken(5, 200) && broken(8, 0xff) && broken(one.len() - number - 3, 9)
        );
    }

    /// Applies changes as the store does.
    fn apply(strips: &mut Strips, changes: &Changes<'_>) -> Rewritten {
        let keys = changes.keys().map(|spot| spot.key().to_vec());
        let found = keys.filter_map(|key| strips.range(..=key).next_back());
        let mut touched: Strips = found.map(|(first, bytes)| (first.clone(), bytes.clone())).collect();
        if strips.is_empty() {
            touched.insert(FIRST.to_vec(), Strip::empty());
        }
        let done = rewritten(&touched, changes).unwrap();
        done.emptied.iter().for_each(|first| drop(strips.remove(first)));
        strips.extend(done.written.iter().cloned());
        done
    }

    #[test]
    fn strips_follow_changes_wherever_they_are_and_nothing_is_written_that_did_not_change() {
        let mut strips = Strips::new();
        let many: Vec<Entry<'_>> = (100..1_100).map(|id| entry(id * 10, id)).collect();
        apply(&mut strips, &all(many.iter().copied()));
        assert!(strips.len() > 10 && strips.contains_key(FIRST));
        assert_eq!(apply(&mut strips, &all(many.iter().copied())), Rewritten::default());
        // One before all, one behind all, one moved across strips, one that is not there.
        let moved = Entry { spot: Spot { place: 9_001, id: 105 }, ..entry(1_050, 105) };
        let mut changes = all([entry(1, 7), entry(99_999, 8), moved]);
        changes.extend([(entry(1_050, 105).spot, None), (entry(5, 5).spot, None)]);
        apply(&mut strips, &changes);
        let held = |strips: &Strips| -> Vec<Spot> {
            let read = strips.values().map(|bytes| Strip::read(bytes).unwrap());
            read.flat_map(|strip| strip.hazards.iter().map(|(_, entry)| entry.spot).collect::<Vec<_>>())
                .collect()
        };
        let mut expected: Vec<Spot> =
            many.iter().map(|entry| entry.spot).filter(|spot| spot.id != 105).collect();
        expected.extend([entry(1, 7).spot, entry(99_999, 8).spot, moved.spot]);
        expected.sort_unstable();
        assert_eq!(held(&strips), expected);
        for (nth, (first, bytes)) in strips.iter().enumerate() {
            let begins = Strip::read(bytes).unwrap().hazards[0].1.spot.key();
            assert!(first.as_slice() <= &begins[..] && (nth == 0) == first.is_empty());
        }
        // All that stood in some strips go, and those with them; then everything.
        let gone = |spots: &[Spot]| spots.iter().map(|spot| (*spot, None)).collect();
        let before = strips.len();
        let done = apply(&mut strips, &gone(&expected[200..800]));
        assert!(done.emptied.len() > 5 && strips.len() == before - done.emptied.len());
        let left = held(&strips);
        assert_eq!(left, [&expected[..200], &expected[800..]].concat());
        apply(&mut strips, &gone(&left));
        assert_eq!(strips, Strips::from([(FIRST.to_vec(), Strip::empty())]));
        strips.insert(FIRST.to_vec(), b"damaged".to_vec());
        assert_eq!(rewritten(&strips, &all([entry(1, 1)])), None);
    }

    #[test]
    fn keys_are_in_the_order_of_spots() {
        let spots = [(0, 0), (0, 1), (1, 0), (1, 1 << 52), (255, 0), (256, 0), (1 << 61, 7)];
        let keys = spots.map(|(place, id)| Spot { place, id }.key());
        assert!(keys.is_sorted_by(|a, b| a < b));
    }
}
