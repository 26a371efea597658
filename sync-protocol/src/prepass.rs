//! The structural pre-pass: runs over bytes before any typed decoding and preallocates nothing from a header.
//!
//! It finds out whether one CBOR item is well formed, in deterministic encoding (RFC 8949 §4.2.1), free of
//! floats, tags and indefinite lengths, and within depth and item limits; [`entries`] and [`elements`] then
//! yield slices of the bytes that were checked. It knows nothing of operations.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::codes::Code;

/// How much of an item is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Nesting depth of arrays and maps.
    pub depth: usize,
    /// Data items, nested ones included.
    pub items: usize,
}

/// The head of one data item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ItemHead {
    major: u8,
    /// The value, length or count.
    argument: u64,
    /// Bytes of the head itself.
    size: usize,
}

fn head(bytes: &[u8]) -> Result<ItemHead, Code> {
    let (&first, rest) = bytes.split_first().ok_or(Code::CborTruncated)?;
    let (major, info) = (first >> 5, first & 0x1f);
    if major == 7 {
        return match info {
            20..=22 => Ok(ItemHead { major, argument: u64::from(info), size: 1 }),
            25..=27 => Err(Code::CborFloat),
            28..=30 => Err(Code::CborMalformed),
            31 => Err(Code::CborIndefinite),
            _ => Err(Code::CborSimple),
        };
    }
    if major == 6 {
        return Err(Code::CborTag);
    }
    // The argument, the size of the head, and the least that no shorter head says.
    let (argument, size, least) = match info {
        0..=23 => (u64::from(info), 1, 0),
        24 => (big_endian::<1>(rest)?, 2, 24),
        25 => (big_endian::<2>(rest)?, 3, 0x100),
        26 => (big_endian::<4>(rest)?, 5, 0x1_0000),
        27 => (big_endian::<8>(rest)?, 9, 0x1_0000_0000),
        31 if (2..=5).contains(&major) => return Err(Code::CborIndefinite),
        _ => return Err(Code::CborMalformed),
    };
    if argument < least {
        return Err(Code::CborNotDeterministic);
    }
    Ok(ItemHead { major, argument, size })
}

fn big_endian<const N: usize>(bytes: &[u8]) -> Result<u64, Code> {
    let chunk = bytes.first_chunk::<N>().ok_or(Code::CborTruncated)?;
    Ok(chunk.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
}

/// The length of the one item at the start of `bytes`, checked to the last nested item.
///
/// Bytes after it are not looked at: [`exact`] refuses them.
pub fn item_length(bytes: &[u8], bounds: Bounds) -> Result<usize, Code> {
    let mut items = 0;
    walk(bytes, bounds, 0, &mut items)
}

/// Checks that `bytes` are one item and nothing else.
pub fn exact(bytes: &[u8], bounds: Bounds) -> Result<(), Code> {
    if item_length(bytes, bounds)? == bytes.len() { Ok(()) } else { Err(Code::CborTrailing) }
}

fn walk(bytes: &[u8], bounds: Bounds, depth: usize, items: &mut usize) -> Result<usize, Code> {
    *items += 1;
    if *items > bounds.items {
        return Err(Code::CborTooManyItems);
    }
    let head = head(bytes)?;
    match head.major {
        2 | 3 => {
            let payload = slice(bytes, head)?;
            // Most texts are names, which a look at their highest bits shows to be text.
            if head.major == 3 && !payload.is_ascii() && std::str::from_utf8(payload).is_err() {
                return Err(Code::CborText);
            }
            Ok(head.size + payload.len())
        }
        4 => {
            if depth >= bounds.depth {
                return Err(Code::CborTooDeep);
            }
            let mut at = head.size;
            for _ in 0..head.argument {
                at += walk(tail(bytes, at)?, bounds, depth + 1, items)?;
            }
            Ok(at)
        }
        5 => {
            if depth >= bounds.depth {
                return Err(Code::CborTooDeep);
            }
            let mut at = head.size;
            let mut order = KeyOrder::default();
            for _ in 0..head.argument {
                let rest = tail(bytes, at)?;
                let length = walk(rest, bounds, depth + 1, items)?;
                let key = rest.get(..length).ok_or(Code::CborTruncated)?;
                order.add(key, || keys_before(bytes, head.size, at))?;
                at += length;
                at += walk(tail(bytes, at)?, bounds, depth + 1, items)?;
            }
            order.finish()?;
            Ok(at)
        }
        _ => Ok(head.size),
    }
}

/// Watches the keys of one map. A duplicate key is the graver fault, so a map out of order is read to its end
/// before it is called not deterministic; no key is collected while the order holds.
#[derive(Default)]
struct KeyOrder<'a> {
    previous: Option<&'a [u8]>,
    unordered: Option<HashSet<&'a [u8]>>,
}

impl<'a> KeyOrder<'a> {
    fn add(&mut self, key: &'a [u8], before: impl FnOnce() -> Vec<&'a [u8]>) -> Result<(), Code> {
        if self.unordered.is_none() {
            match self.previous.map(|previous| previous.cmp(key)) {
                Some(Ordering::Equal) => return Err(Code::CborDuplicateKey),
                Some(Ordering::Greater) => self.unordered = Some(before().into_iter().collect()),
                Some(Ordering::Less) | None => {}
            }
        }
        self.previous = Some(key);
        let is_new = self.unordered.as_mut().is_none_or(|keys| keys.insert(key));
        if is_new { Ok(()) } else { Err(Code::CborDuplicateKey) }
    }

    fn finish(self) -> Result<(), Code> {
        if self.unordered.is_some() { Err(Code::CborNotDeterministic) } else { Ok(()) }
    }
}

/// The keys of a map between its head and `end`, a part that was checked.
fn keys_before(map: &[u8], mut at: usize, end: usize) -> Vec<&[u8]> {
    let mut keys = Vec::new();
    while at < end {
        let Some(rest) = map.get(at..end) else { break };
        let Some(length) = checked_length(rest) else { break };
        keys.extend(rest.get(..length));
        let Some(value) = rest.get(length..).and_then(checked_length) else { break };
        at += length + value;
    }
    keys
}

fn tail(bytes: &[u8], at: usize) -> Result<&[u8], Code> {
    bytes.get(at..).ok_or(Code::CborTruncated)
}

fn slice(bytes: &[u8], head: ItemHead) -> Result<&[u8], Code> {
    let length = usize::try_from(head.argument).map_err(|_source| Code::CborTruncated)?;
    let end = head.size.checked_add(length).ok_or(Code::CborTruncated)?;
    bytes.get(head.size..end).ok_or(Code::CborTruncated)
}

/// Parts that are said to follow, and no more than there are bytes for them.
fn room(said: u64, bytes: &[u8]) -> usize {
    usize::try_from(said).unwrap_or(usize::MAX).min(bytes.len())
}

/// The entries of a checked map with text keys: each key and the bytes of its value.
///
/// `None` where the bytes are not a map, or a key is not text. Call only on bytes that passed [`exact`].
pub fn entries(map: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    each_entry(map, |key, value| Some((std::str::from_utf8(key).ok()?, value)))
}

/// How many entries a checked map has. `None` where the bytes are not a map.
pub(crate) fn entry_count(map: &[u8]) -> Option<usize> {
    let head = head(map).ok().filter(|head| head.major == 5)?;
    usize::try_from(head.argument).ok()
}

/// What `read` makes of each entry of a checked map with text keys: of the bytes of its key's text, which [`exact`] found to
/// be UTF-8, and the bytes of its value.
///
/// `None` where the bytes are not a map, or a key is not text, or `read` gives none. Call only on bytes that passed [`exact`].
pub(crate) fn each_entry<'a, T>(
    map: &'a [u8],
    read: impl Fn(&'a [u8], &'a [u8]) -> Option<T>,
) -> Option<Vec<T>> {
    let of_map = head(map).ok().filter(|head| head.major == 5)?;
    let mut entries = Vec::with_capacity(room(of_map.argument, map));
    let mut rest = map.get(of_map.size..)?;
    for _ in 0..of_map.argument {
        let of_key = head(rest).ok().filter(|head| head.major == 3)?;
        let key = slice(rest, of_key).ok()?;
        rest = rest.get(of_key.size + key.len()..)?;
        let value;
        (value, rest) = rest.split_at_checked(checked_length(rest)?)?;
        entries.push(read(key, value)?);
    }
    Some(entries)
}

/// The entries of a checked map with keys of any type: the bytes of each key and value.
pub fn pairs(map: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let head = head(map).ok().filter(|head| head.major == 5)?;
    let mut at = head.size;
    let mut pairs = Vec::with_capacity(room(head.argument, map));
    for _ in 0..head.argument {
        let rest = map.get(at..)?;
        let (key, rest) = rest.split_at_checked(checked_length(rest)?)?;
        let value = rest.get(..checked_length(rest)?)?;
        pairs.push((key, value));
        at += key.len() + value.len();
    }
    Some(pairs)
}

/// The elements of a checked array, each as its bytes. `None` where the bytes are not an array.
pub fn elements(array: &[u8]) -> Option<Vec<&[u8]>> {
    let head = head(array).ok().filter(|head| head.major == 4)?;
    let mut at = head.size;
    let mut elements = Vec::with_capacity(room(head.argument, array));
    for _ in 0..head.argument {
        let length = checked_length(array.get(at..)?)?;
        elements.push(array.get(at..at + length)?);
        at += length;
    }
    Some(elements)
}

/// The payload of a checked byte string. `None` where the item is none.
pub fn byte_string(item: &[u8]) -> Option<&[u8]> {
    let head = head(item).ok().filter(|head| head.major == 2)?;
    slice(item, head).ok()
}

/// The text of a checked text item. `None` where the item is none.
pub fn text(item: &[u8]) -> Option<&str> {
    let head = head(item).ok().filter(|head| head.major == 3)?;
    std::str::from_utf8(slice(item, head).ok()?).ok()
}

/// Whether a checked item is text.
pub fn is_text(item: &[u8]) -> bool {
    head(item).is_ok_and(|head| head.major == 3)
}

/// The number of a checked integer item, positive or negative. `None` where the item is none.
pub fn integer(item: &[u8]) -> Option<i128> {
    let head = head(item).ok()?;
    match head.major {
        0 => Some(i128::from(head.argument)),
        1 => Some(-1 - i128::from(head.argument)),
        _ => None,
    }
}

/// Whether a checked item is `null`.
pub fn is_null(item: &[u8]) -> bool {
    item == [0xf6]
}

/// The truth value of a checked item. `None` where the item is none.
pub fn boolean(item: &[u8]) -> Option<bool> {
    match item {
        [0xf4] => Some(false),
        [0xf5] => Some(true),
        _ => None,
    }
}

/// Visits the bytes of every text of a checked item, keys included, until `visit` breaks. That they are UTF-8 was found by
/// [`exact`].
pub fn visit_texts<'a>(
    item: &'a [u8],
    visit: &mut impl FnMut(&'a [u8]) -> Result<(), Code>,
) -> Result<(), Code> {
    let mut at = 0;
    // A flat scan: nested items follow their heads, so heads can be read one after the other.
    while at < item.len() {
        let rest = tail(item, at)?;
        let head = head(rest)?;
        at += head.size;
        if matches!(head.major, 2 | 3) {
            let payload = slice(rest, head)?;
            if head.major == 3 {
                visit(payload)?;
            }
            at += payload.len();
        }
    }
    Ok(())
}

/// The length of the checked item at the start of `bytes`, by heads alone.
fn checked_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut pending: u64 = 1;
    while pending > 0 {
        let rest = bytes.get(at..)?;
        let head = head(rest).ok()?;
        pending -= 1;
        at += head.size;
        match head.major {
            2 | 3 => at += slice(rest, head).ok()?.len(),
            4 => pending = pending.checked_add(head.argument)?,
            5 => pending = pending.checked_add(head.argument.checked_mul(2)?)?,
            _ => {}
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { depth: 4, items: 32 };

    fn fault(hex: &str) -> Code {
        exact(&hex::decode(hex).unwrap(), BOUNDS).unwrap_err()
    }

    #[test]
    fn each_structural_fault_has_its_code() {
        for (bytes, code) in [
            ("", Code::CborTruncated),
            ("1c", Code::CborMalformed),
            ("0000", Code::CborTrailing),
            ("818181818100", Code::CborTooDeep),
            ("9821".to_owned().as_str(), Code::CborTruncated),
            ("a2616100616101", Code::CborDuplicateKey),
            ("a2616200616100", Code::CborNotDeterministic),
            ("a3616200616100616201", Code::CborDuplicateKey),
            ("1801", Code::CborNotDeterministic),
            ("9f00ff", Code::CborIndefinite),
            ("5f4100ff", Code::CborIndefinite),
            ("f97e00", Code::CborFloat),
            ("fb7ff8000000000000", Code::CborFloat),
            ("c000", Code::CborTag),
            ("f7", Code::CborSimple),
            ("f8ff", Code::CborSimple),
            ("61ff", Code::CborText),
            ("5b1000000000000000", Code::CborTruncated),
            ("9b1000000000000000", Code::CborTruncated),
        ] {
            assert_eq!(fault(bytes), code, "{bytes}");
        }
    }

    #[test]
    fn item_limit_holds_at_n_and_fails_at_n_plus_1() {
        let mut array = vec![0x98, 31];
        array.extend([0; 31]);
        assert_eq!(exact(&array, BOUNDS), Ok(()));
        let mut array = vec![0x98, 32];
        array.extend([0; 32]);
        assert_eq!(exact(&array, BOUNDS), Err(Code::CborTooManyItems));
    }

    #[test]
    fn nested_maps_out_of_order_neither_recurse_past_the_depth_limit_nor_hide_it() {
        // {"b": 0, "a": 0, "c": {"b": 0, …}}, a hundred thousand maps deep.
        let mut bomb = Vec::new();
        for _ in 0..100_000 {
            bomb.extend_from_slice(&[0xa3, 0x61, b'b', 0, 0x61, b'a', 0, 0x61, b'c']);
        }
        bomb.push(0);
        let bounds = Bounds { depth: 16, items: 1 << 20 };
        assert_eq!(exact(&bomb, bounds), Err(Code::CborTooDeep));
    }

    #[test]
    fn depth_limit_holds_at_n_and_fails_at_n_plus_1() {
        assert_eq!(exact(&[0x81, 0x81, 0x81, 0x81, 0x00], BOUNDS), Ok(()));
        assert_eq!(exact(&[0x81, 0x81, 0x81, 0x81, 0x81, 0x00], BOUNDS), Err(Code::CborTooDeep));
    }
}
