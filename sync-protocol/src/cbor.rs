//! The one codec: deterministic CBOR in and out (RFC 8949 §4.2.1).
//!
//! Typed values go through `serde_cbor`; wire structs declare their keys in encoded order, so that what it
//! writes is deterministic. Values of unknown shape are kept as [`Raw`] slices and spliced back unchanged.
//! [`crate::prepass`] decides whether bytes are acceptable at all; decode nothing that has not passed it.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use crate::prepass;

/// Bytes of an item that take no memory beside it: numbers, terms, most names.
const AT_HAND: usize = 24;

/// The bytes of one checked CBOR item, kept as they came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Raw(SmallVec<[u8; AT_HAND]>);

impl Raw {
    /// The item `null`: asserted empty.
    pub fn null() -> Self {
        Self(SmallVec::from_slice(&[0xf6]))
    }

    /// An item that passed the pre-pass.
    pub fn from_checked(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    /// The encoding of a value.
    pub fn of<T: Serialize>(value: &T) -> Self {
        let encoded = encode(value);
        if encoded.len() > AT_HAND { Self(encoded.into()) } else { Self::from_checked(&encoded) }
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        prepass::is_null(&self.0)
    }

    /// Whether the value is text.
    pub fn is_text(&self) -> bool {
        prepass::is_text(&self.0)
    }

    /// The value as text.
    pub fn as_text(&self) -> Option<&str> {
        prepass::text(&self.0)
    }

    /// The value as an integer.
    pub fn as_integer(&self) -> Option<i128> {
        prepass::integer(&self.0)
    }

    /// The value as a truth value.
    pub fn as_bool(&self) -> Option<bool> {
        prepass::boolean(&self.0)
    }

    /// The value as a byte string.
    pub fn as_byte_string(&self) -> Option<&[u8]> {
        prepass::byte_string(&self.0)
    }

    /// The value of a key, where the value is a map.
    pub fn get(&self, key: &str) -> Option<Self> {
        let entries = prepass::entries(&self.0)?;
        let (_, value) = entries.into_iter().find(|(name, _)| *name == key)?;
        Some(Self::from_checked(value))
    }

    /// The value decoded as `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Option<T> {
        decode(&self.0).ok()
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&diagnostic(&self.0))
    }
}

/// Bytes that do not decode as the wanted type.
#[derive(Debug, thiserror::Error)]
#[error("the CBOR item is not of the expected shape: {0}")]
pub struct ShapeError(#[from] serde_cbor::Error);

/// Encodes a value. Wire types cannot fail to encode: they hold no maps with keys that serde refuses.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let written = serde_cbor::to_writer(&mut bytes, value);
    debug_assert!(written.is_ok(), "a wire type failed to encode");
    bytes
}

/// Decodes one whole item that passed the pre-pass.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ShapeError> {
    Ok(serde_cbor::from_slice(bytes)?)
}

/// Writes a map with text keys in deterministic order, whatever the order of insertion.
#[derive(Debug, Default)]
pub struct MapWriter {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl MapWriter {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry with an encoded value.
    pub fn raw(&mut self, key: &str, value: &[u8]) -> &mut Self {
        let mut encoded = Vec::with_capacity(key.len() + 2);
        write_text(&mut encoded, key);
        self.entries.push((encoded, value.to_vec()));
        self
    }

    /// Adds an entry.
    pub fn value<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> &mut Self {
        let encoded = encode(&value);
        self.raw(key, &encoded)
    }

    /// The encoded map.
    pub fn finish(&mut self) -> Vec<u8> {
        self.entries.sort();
        let size: usize = self.entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        let mut bytes = Vec::with_capacity(size + 9);
        write_head(&mut bytes, 5, self.entries.len());
        for (key, value) in &self.entries {
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(value);
        }
        bytes
    }
}

/// Writes an array of encoded items.
pub fn array<I: AsRef<[u8]>>(items: &[I]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_head(&mut bytes, 4, items.len());
    for item in items {
        bytes.extend_from_slice(item.as_ref());
    }
    bytes
}

/// Appends a byte string.
pub fn write_byte_string(bytes: &mut Vec<u8>, payload: &[u8]) {
    write_head(bytes, 2, payload.len());
    bytes.extend_from_slice(payload);
}

/// Appends a text.
pub fn write_text(bytes: &mut Vec<u8>, text: &str) {
    write_head(bytes, 3, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

/// Appends the head of an item of this major type.
pub fn write_head(bytes: &mut Vec<u8>, major: u8, argument: usize) {
    let tag = major << 5;
    if let Ok(small) = u8::try_from(argument) {
        if small < 24 {
            bytes.push(tag | small);
        } else {
            bytes.extend_from_slice(&[tag | 0x18, small]);
        }
    } else if let Ok(short) = u16::try_from(argument) {
        bytes.push(tag | 0x19);
        bytes.extend_from_slice(&short.to_be_bytes());
    } else if let Ok(word) = u32::try_from(argument) {
        bytes.push(tag | 0x1a);
        bytes.extend_from_slice(&word.to_be_bytes());
    } else {
        bytes.push(tag | 0x1b);
        bytes.extend_from_slice(&u64::try_from(argument).unwrap_or(u64::MAX).to_be_bytes());
    }
}

/// CBOR diagnostic notation (RFC 8949 §8) of one checked item, for people.
pub fn diagnostic(item: &[u8]) -> String {
    let mut text = String::new();
    write_diagnostic(item, &mut text);
    text
}

fn write_diagnostic(item: &[u8], out: &mut String) {
    use fmt::Write as _;
    if let Some(number) = prepass::integer(item) {
        let _infallible = write!(out, "{number}");
    } else if let Some(payload) = prepass::byte_string(item) {
        out.push_str("h'");
        for byte in payload {
            let _infallible = write!(out, "{byte:02x}");
        }
        out.push('\'');
    } else if let Some(text) = prepass::text(item) {
        write_quoted(text, out);
    } else if let Some(elements) = prepass::elements(item) {
        out.push('[');
        for (index, element) in elements.into_iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            write_diagnostic(element, out);
        }
        out.push(']');
    } else if let Some(pairs) = prepass::pairs(item) {
        out.push('{');
        for (index, (key, value)) in pairs.into_iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            write_diagnostic(key, out);
            out.push_str(": ");
            write_diagnostic(value, out);
        }
        out.push('}');
    } else {
        out.push_str(match item {
            [0xf4] => "false",
            [0xf5] => "true",
            [0xf6] => "null",
            _ => "?",
        });
    }
}

/// A text in the quotes and escapes of JSON, as diagnostic notation has it.
fn write_quoted(text: &str, out: &mut String) {
    use fmt::Write as _;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\u{0}'..='\u{1f}' | '\u{7f}' => {
                let _infallible = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_take_the_shortest_form() {
        for (argument, hex) in [
            (0, "00"),
            (23, "17"),
            (24, "1818"),
            (255, "18ff"),
            (256, "190100"),
            (65_535, "19ffff"),
            (65_536, "1a00010000"),
            (4_294_967_295, "1affffffff"),
            (4_294_967_296, "1b0000000100000000"),
        ] {
            let mut bytes = Vec::new();
            write_head(&mut bytes, 0, argument);
            assert_eq!(hex::encode(&bytes), hex);
            assert_eq!(hex::encode(encode(&argument)), hex, "the typed codec disagrees");
        }
    }

    #[test]
    fn map_writer_sorts_keys_by_their_encoding_whatever_the_order_of_insertion() {
        let bytes = MapWriter::new().value("aa", &1).value("b", &2).value("a", &3).finish();
        assert_eq!(diagnostic(&bytes), r#"{"a": 3, "b": 2, "aa": 1}"#);
    }

    #[test]
    fn diagnostic_notation_escapes_text_as_json_does_and_shows_integer_keys() {
        assert_eq!(diagnostic(&encode(&"a\"\\\n\u{1}树")), "\"a\\\"\\\\\\n\\u0001树\"");
        assert_eq!(diagnostic(&[0xa1, 0x01, 0x26]), "{1: -7}");
    }
}
