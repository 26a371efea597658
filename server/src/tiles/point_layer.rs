//! A layer of points with few tags in the bytes of the format, written once from front to back.
//!
//! The general builder looks every key and value up in tables that own them and sorts those at the end, which took most of
//! the time of a tile of some thousand hazards. Here keys are known beforehand, a text is looked up by where it already
//! lies, the value that is another for each feature is not looked up at all, and tags that many features have alike are
//! put together once. Start at [`PointLayer::feature`].

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use buffa::encoding::varint_len;
use buffa::types::{
    encode_uint32, put_bool_field, put_int32_field, put_int64_field, put_len_delimited_header,
    put_string_field, put_uint32_field, put_uint64_field,
};
use foldhash::fast::RandomState;

use super::EXTENT;

/// A tag of a feature: which key, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag<'t> {
    /// A text that many features have.
    Text(u32, &'t str),
    /// A text that no other feature has.
    OwnText(u32, &'t str),
    /// A whole number.
    Whole(u32, i64),
    /// Yes or no.
    Truth(u32, bool),
}

/// A layer that is being written.
#[derive(Debug, Default)]
pub(super) struct PointLayer<'t> {
    features: Vec<u8>,
    values: Vec<u8>,
    values_written: u32,
    texts: HashMap<&'t str, u32, RandomState>,
    wholes: HashMap<i64, u32, RandomState>,
    truths: HashMap<bool, u32, RandomState>,
    /// Tags that many features have alike, one after the other.
    alike: Vec<u8>,
    /// The tags of the feature at hand that are its own.
    own: Vec<u8>,
}

/// Tags of a layer that many of its features have alike, put together once.
#[derive(Clone, Debug, Default)]
pub(super) struct Alike(Range<usize>);

/// Of a point: move to one position.
const MOVE_TO_ONE: u32 = 9;
/// The number of the kind of geometry.
const POINT: i32 = 1;
/// The version of the format.
const VERSION: u32 = 2;
/// A feature takes about as many bytes.
const FEATURE_BYTES: usize = 40;
/// The bytes of whatever stands around a layer: more than they are.
const HEADER_BYTES: usize = 64;

impl<'t> PointLayer<'t> {
    /// A layer that is expected to take so many bytes: what grows is copied, and comes from the system page by page.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self {
            features: Vec::with_capacity(bytes),
            values: Vec::with_capacity(bytes / 2),
            wholes: HashMap::with_capacity_and_hasher(bytes / FEATURE_BYTES, RandomState::default()),
            ..Self::default()
        }
    }

    /// Puts tags together that features will have alike.
    pub(super) fn alike(&mut self, tags: impl IntoIterator<Item = Tag<'t>>) -> Alike {
        let first = self.alike.len();
        for tag in tags {
            let (key, value) = self.value(tag);
            encode_uint32(key, &mut self.alike);
            encode_uint32(value, &mut self.alike);
        }
        Alike(first..self.alike.len())
    }

    /// Appends a point: its tags are those of `alike` and its own behind them.
    pub(super) fn feature(
        &mut self,
        id: Option<u64>,
        (x, y): (i32, i32),
        alike: &Alike,
        own: impl IntoIterator<Item = Tag<'t>>,
    ) {
        self.own.clear();
        for tag in own {
            let (key, value) = self.value(tag);
            encode_uint32(key, &mut self.own);
            encode_uint32(value, &mut self.own);
        }
        let alike = self.alike.get(alike.0.clone()).unwrap_or_default();
        let place = [MOVE_TO_ONE, zigzag(x), zigzag(y)];
        let tags = length(alike) + length(&self.own);
        let geometry = place.iter().map(|part| measure(varint_len(u64::from(*part)))).sum();
        let kind_bytes = 2;
        let bytes = id.map_or(0, |id| 1 + measure(varint_len(id)))
            + delimited(tags)
            + kind_bytes
            + delimited(geometry);
        let features = &mut self.features;
        put_len_delimited_header(2, bytes, features);
        if let Some(id) = id {
            put_uint64_field(1, id, features);
        }
        put_len_delimited_header(2, tags, features);
        features.extend_from_slice(alike);
        features.extend_from_slice(&self.own);
        put_int32_field(3, POINT, features);
        put_len_delimited_header(4, geometry, features);
        for part in place {
            encode_uint32(part, features);
        }
    }

    /// The key of a tag and where its value stands in the table of values.
    fn value(&mut self, tag: Tag<'t>) -> (u32, u32) {
        let Self { values, values_written, texts, wholes, truths, .. } = self;
        match tag {
            Tag::Text(key, text) => (key, known(texts, text, values_written, || put_text(text, values))),
            Tag::OwnText(key, text) => {
                put_text(text, values);
                *values_written += 1;
                (key, *values_written - 1)
            }
            Tag::Whole(key, number) => (
                key,
                known(wholes, number, values_written, || {
                    let bytes = 1 + varint_len(number.cast_unsigned());
                    put_value(values, bytes, |values| put_int64_field(4, number, values));
                }),
            ),
            Tag::Truth(key, truth) => (
                key,
                known(truths, truth, values_written, || {
                    put_value(values, 2, |values| put_bool_field(7, truth, values));
                }),
            ),
        }
    }

    /// The tile of this layer alone; none where it has no feature.
    pub(super) fn tile(&self, name: &str, keys: &[&str]) -> Option<Vec<u8>> {
        if self.features.is_empty() {
            return None;
        }
        let mut front = Vec::new();
        put_string_field(1, name, &mut front);
        let mut back = Vec::new();
        for key in keys {
            put_string_field(3, key, &mut back);
        }
        let mut end = Vec::new();
        put_uint32_field(5, EXTENT.unsigned_abs(), &mut end);
        put_uint32_field(15, VERSION, &mut end);
        let parts = [&front, &self.features, &back, &self.values, &end];
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let mut tile = Vec::with_capacity(bytes + HEADER_BYTES);
        put_len_delimited_header(3, u64::try_from(bytes).unwrap_or(u64::MAX), &mut tile);
        for part in parts {
            tile.extend_from_slice(part);
        }
        Some(tile)
    }
}

/// Where a value stands; it is written where it is not there yet.
fn known<V: Eq + Hash>(
    table: &mut HashMap<V, u32, RandomState>,
    value: V,
    written: &mut u32,
    write: impl FnOnce(),
) -> u32 {
    *table.entry(value).or_insert_with(|| {
        write();
        *written += 1;
        *written - 1
    })
}

/// Appends a text to the table of values.
fn put_text(text: &str, values: &mut Vec<u8>) {
    let bytes = 1 + varint_len(length(text.as_bytes())) + text.len();
    put_value(values, bytes, |values| put_string_field(1, text, values));
}

/// Appends one entry of the table of values, which takes so many bytes, its length before it.
fn put_value(values: &mut Vec<u8>, bytes: usize, write: impl FnOnce(&mut Vec<u8>)) {
    put_len_delimited_header(4, measure(bytes), values);
    write(values);
}

/// The bytes of a field of so many bytes, its key of one byte and its length before them.
fn delimited(bytes: u64) -> u64 {
    1 + measure(varint_len(bytes)) + bytes
}

fn length(bytes: &[u8]) -> u64 {
    measure(bytes.len())
}

fn measure(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Signed as unsigned, small ones small.
const fn zigzag(number: i32) -> u32 {
    ((number << 1) ^ (number >> 31)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use fast_mvt::{MvtReaderRef, MvtValueRef};

    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_what_many_have_is_written_once() {
        let mut layer = PointLayer::default();
        assert_eq!(layer.tile("a", &["k"]), None);
        for nth in 0..3_i64 {
            let tags = [Tag::Text(0, "same"), Tag::OwnText(1, "own"), Tag::Whole(2, -5), Tag::Truth(0, true)];
            layer.feature(u64::try_from(nth).ok(), (-1, 4_095), &Alike::default(), tags);
        }
        layer.feature(None, (0, 0), &Alike::default(), [Tag::Text(1, "")]);
        let tile = layer.tile("a", &["k", "own", "whole"]).unwrap();
        assert_eq!(layer.values_written, 3 + 3 + 1);
        let reader = MvtReaderRef::new(&tile).unwrap();
        let read = reader.layers().next().unwrap();
        assert_eq!((read.name(), read.features().count()), ("a", 4));
        let first = read.features().next().unwrap();
        assert_eq!(
            (first.id(), first.geometry().unwrap()),
            (Some(0), fast_mvt::MvtGeometry::Point((-1, 4_095).into()))
        );
        let said: Vec<_> = first.properties().map(Result::unwrap).collect();
        let expected = [
            ("k", MvtValueRef::String("same")),
            ("own", MvtValueRef::String("own")),
            ("whole", MvtValueRef::Int(-5)),
            ("k", MvtValueRef::Bool(true)),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn tags_that_are_put_together_once_stand_before_those_of_a_feature_alone() {
        let tags = [Tag::Text(0, "same"), Tag::Truth(2, true), Tag::OwnText(1, "own")];
        let (mut apart, mut together) = (PointLayer::default(), PointLayer::default());
        let alike = together.alike(tags.into_iter().take(2));
        for nth in 0..300_u64 {
            apart.feature(Some(nth), (4_095, 0), &Alike::default(), tags);
            together.feature(Some(nth), (4_095, 0), &alike, tags.into_iter().skip(2));
        }
        let keys = ["same", "own", "truth"];
        assert_eq!(apart.tile("a", &keys), together.tile("a", &keys));
    }

    #[test]
    fn small_numbers_of_either_sign_are_small() {
        assert_eq!([0, -1, 1, -2, i32::MAX, i32::MIN].map(zigzag), [0, 1, 2, 3, u32::MAX - 1, u32::MAX]);
    }
}
