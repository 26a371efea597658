//! The cursor: one change number a class, the incarnations it was given in, and a keyed hash.
//!
//! Opaque to devices, at most 64 bytes. The hash's key is kept outside the database, so a cursor that names
//! changes which the database does not hold proves that the database was rolled back.

use sync_protocol::codes::Code;
use sync_protocol::limits;

use crate::domain::{Class, DistrictKey};
use crate::keys::Keyring;

/// Classes of a feed.
pub const CLASSES: usize = Class::ALL.len();
const VERSION: u8 = 1;
const MAC_BYTES: usize = 8;
/// Incarnations that a cursor names.
const TAGS: usize = 4;

/// A decoded cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last change held of each class, worst first.
    pub changes: [u64; CLASSES],
    /// Tags of the incarnations of the server that gave it, newest first.
    pub tags: Vec<[u8; 4]>,
}

impl Cursor {
    /// The newest change that it names.
    pub fn newest(&self) -> u64 {
        self.changes.iter().copied().max().unwrap_or(0)
    }

    /// Whether nothing was pulled yet.
    pub fn is_start(&self) -> bool {
        self.newest() == 0
    }

    /// Encodes it for a district.
    pub fn encode(&self, keys: &Keyring, district: DistrictKey) -> Vec<u8> {
        let mut bytes = vec![VERSION, u8::try_from(self.tags.len().min(TAGS)).unwrap_or(0)];
        for tag in self.tags.iter().take(TAGS) {
            bytes.extend_from_slice(tag);
        }
        for change in self.changes {
            write_varint(&mut bytes, change);
        }
        let mac = mac(keys, district, &bytes);
        bytes.extend_from_slice(&mac);
        debug_assert!(bytes.len() <= limits::CURSOR_BYTES);
        bytes
    }

    /// Decodes a cursor of this server.
    ///
    /// # Errors
    /// [`Code::CursorInvalid`].
    pub fn decode(bytes: &[u8], keys: &Keyring, district: DistrictKey) -> Result<Self, Code> {
        let (body, found) = bytes
            .len()
            .checked_sub(MAC_BYTES)
            .and_then(|length| bytes.split_at_checked(length))
            .ok_or(Code::CursorInvalid)?;
        if mac(keys, district, body).as_slice() != found {
            return Err(Code::CursorInvalid);
        }
        let [VERSION, count, rest @ ..] = body else { return Err(Code::CursorInvalid) };
        let (tags, mut rest) = rest.split_at_checked(usize::from(*count) * 4).ok_or(Code::CursorInvalid)?;
        let mut cursor = Self { tags: tags.as_chunks::<4>().0.to_vec(), ..Self::default() };
        for change in &mut cursor.changes {
            *change = read_varint(&mut rest).ok_or(Code::CursorInvalid)?;
        }
        Ok(cursor)
    }
}

fn mac(keys: &Keyring, district: DistrictKey, body: &[u8]) -> [u8; MAC_BYTES] {
    let mut message = district.0.to_be_bytes().to_vec();
    message.extend_from_slice(body);
    let full = keys.mac("cursor", &message);
    let mut short = [0; MAC_BYTES];
    short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    short
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_a_touched_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keyring::open(directory.path()).unwrap();
        let cursor = Cursor {
            changes: [0, 127, 128, u64::from(u32::MAX)],
            tags: vec![[1; 4], [2; 4], [3; 4], [4; 4]],
        };
        let bytes = cursor.encode(&keys, DistrictKey(1));
        assert!(bytes.len() <= limits::CURSOR_BYTES, "{}", bytes.len());
        assert_eq!(Cursor::decode(&bytes, &keys, DistrictKey(1)), Ok(cursor));
        assert_eq!(Cursor::decode(&bytes, &keys, DistrictKey(2)), Err(Code::CursorInvalid));
        for index in 0..bytes.len() {
            let mut touched = bytes.clone();
            touched[index] ^= 1;
            assert_eq!(Cursor::decode(&touched, &keys, DistrictKey(1)), Err(Code::CursorInvalid));
            assert_eq!(Cursor::decode(&bytes[..index], &keys, DistrictKey(1)), Err(Code::CursorInvalid));
        }
    }
}
