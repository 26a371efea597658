//! Strips: hazards in the order of their places, some dozens in one value, with what a tile shows of them.
//!
//! A tile of a thousand hazards is some twenty strips, read whole, where a row for each hazard took most of its time. A
//! strip begins at a spot and ends where the next one begins; a change of a hazard writes its strip anew. What many of its
//! hazards say alike stands in a strip once. Keeping them is `store::tile_strips`, their tile is in [`super::points`].
//! Start at [`Strip`].
//!
//! Bytes, whole numbers big-endian: how many texts there are (2), each with its length (2); then hazards to the end: place
//! (8), id (8), deadline (8), which of the texts (2), the length of the number (2), the number.

use std::collections::{BTreeMap, HashMap};

use bytes::{Buf as _, BufMut as _};

/// Bytes of a strip, at most, unless it is of one hazard: with its key it fits into one page of SQLite.
const MOST_BYTES: usize = 3_900;
/// Bytes of a strip that is cut out of a longer one: it has room for some more.
const CUT_BYTES: usize = MOST_BYTES * 3 / 4;
/// Bytes of a hazard without a number.
const LEAST_BYTES: usize = 28;
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
    /// What many hazards say alike: the text of [`super::points::Point::alike`].
    pub alike: &'t str,
    /// 编号; empty where there is none.
    pub number: &'t str,
}

/// What becomes of hazards: those that are gone have no entry.
pub type Changes<'t> = BTreeMap<Spot, Option<Entry<'t>>>;

/// A strip that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strip<'t> {
    /// What its hazards say alike.
    pub texts: Vec<&'t str>,
    /// Its hazards, and which of the texts each says.
    pub hazards: Vec<(usize, Entry<'t>)>,
}

impl<'t> Strip<'t> {
    /// Reads a strip; none where it is damaged.
    pub fn read(bytes: &'t [u8]) -> Option<Self> {
        let mut rest = bytes;
        let amount = rest.try_get_u16().ok()?;
        let texts: Vec<&str> = (0..amount).map(|_| text(&mut rest)).collect::<Option<_>>()?;
        let mut hazards = Vec::with_capacity(rest.len() / LEAST_BYTES);
        while !rest.is_empty() {
            let spot = Spot { place: rest.try_get_i64().ok()?, id: rest.try_get_i64().ok()? };
            let due_ms = Some(rest.try_get_i64().ok()?).filter(|due_ms| *due_ms != NO_DUE);
            let nth = usize::from(rest.try_get_u16().ok()?);
            let alike = texts.get(nth).copied()?;
            hazards.push((nth, Entry { spot, due_ms, alike, number: text(&mut rest)? }));
        }
        Some(Self { texts, hazards })
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
    let mut bytes = Vec::with_capacity(MOST_BYTES);
    bytes.put_u16(short(texts.len()));
    for text in texts {
        put_text(text, &mut bytes);
    }
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
        entries.into_iter().map(|entry| (entry.spot, Some(entry))).collect()
    }

    #[test]
    fn a_strip_holds_its_hazards_in_order_and_follows_their_changes() {
        let come = [entry(9, 1), entry(7, 2), entry(7, 1), entry(8, 6)];
        let strips = Strip::default().changed(&all(come));
        assert_eq!(read(&strips), [entry(7, 1), entry(7, 2), entry(8, 6), entry(9, 1)]);
        let other = Entry { due_ms: Some(-5), number: "", ..entry(8, 6) };
        let changes =
            Changes::from([(other.spot, Some(other)), (entry(7, 1).spot, None), (entry(1, 1).spot, None)]);
        let changed = strip(read(&strips)).changed(&changes);
        assert_eq!(read(&changed), [entry(7, 2), other, entry(9, 1)]);
        let gone: Changes<'_> = read(&changed).iter().map(|entry| (entry.spot, None)).collect();
        assert_eq!(strip(read(&changed)).changed(&gone), []);
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
        assert_eq!(strips[0].0, long.spot);
        assert_eq!(read(&strips)[1..], many[1..]);
    }

    #[test]
    fn a_strip_that_is_damaged_is_none() {
        let number = "TX-2026-000001".len();
        let one = Strip::default().changed(&all([entry(1, 1), entry(2, 3)])).remove(0).1;
        let ends: Vec<usize> = (0..=one.len()).filter(|end| Strip::read(&one[..*end]).is_some()).collect();
        assert_eq!(
            ends,
            [one.len() - 2 * (LEAST_BYTES + number), one.len() - LEAST_BYTES - number, one.len()]
        );
        let broken = |at: usize, byte: u8| {
            let mut bytes = one.clone();
            bytes[at] = byte;
            Strip::read(&bytes).is_none()
        };
        // More texts than there are, bytes that are no text, a text that does not exist.
        assert!(broken(1, 200) && broken(4, 0xff) && broken(one.len() - number - 3, 9));
    }

    #[test]
    fn keys_are_in_the_order_of_spots() {
        let spots = [(0, 0), (0, 1), (1, 0), (1, 1 << 52), (255, 0), (256, 0), (1 << 61, 7)];
        let keys = spots.map(|(place, id)| Spot { place, id }.key());
        assert!(keys.is_sorted_by(|a, b| a < b));
    }
}
