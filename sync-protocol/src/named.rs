//! What an operation asserts and a view shows, by the names of fields, in the order in which maps are encoded.
//!
//! Every report brings some twenty names, most of them those of the catalogue: to copy one of those takes no memory.
//! Maps are read, and views written, in one pass over them.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::cbor::Raw;
use crate::field::{self, Entry};

/// A field's name. Names are ordered as their encodings are: the shorter first, then by their bytes.
#[derive(Clone)]
pub struct Name(Held);

#[derive(Clone)]
enum Held {
    /// One of the catalogue.
    Known(&'static Entry),
    /// Any other.
    Other(Arc<str>),
}

impl Name {
    /// Reads a name; none where the bytes are not text.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if let Some(known) = field::entry(bytes) {
            return Some(Self(Held::Known(known)));
        }
        std::str::from_utf8(bytes).ok().map(|name| Self(Held::Other(name.into())))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Held::Known(entry) => entry.field.name,
            Held::Other(name) => name,
        }
    }

    /// What the catalogue knows of it.
    pub(crate) fn known(&self) -> Option<&'static Entry> {
        match self.0 {
            Held::Known(entry) => Some(entry),
            Held::Other(_) => None,
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(field::entry(name.as_bytes()).map_or_else(|| Held::Other(name.into()), Held::Known))
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// The order of encoded names.
fn encoded_order(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.as_bytes().cmp(other.as_bytes()))
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        encoded_order(self, other)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// What is asserted, by name.
pub type Fields = Named<Raw>;

/// Values by name, each name once, in the order of [`Name`].
///
/// One value at a time is put in by [`Named::insert`], which moves those behind it; many are put in at the cost of one
/// pass over all by collecting and [`Extend`].
#[derive(Clone, PartialEq, Eq)]
pub struct Named<V>(Vec<(Name, V)>);

impl<V> Named<V> {
    /// Nothing.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The same in order, the last value of each name.
    fn in_order(mut self) -> Self {
        if !self.0.is_sorted_by(|(one, _), (next, _)| one < next) {
            // The sort is stable: of one name the first came first.
            self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
            self.0.dedup_by(|later, kept| {
                let is_same = later.0 == kept.0;
                if is_same {
                    std::mem::swap(&mut later.1, &mut kept.1);
                }
                is_same
            });
        }
        self
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| encoded_order(known, name))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        let place = self.place(name).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// The value of a name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let place = self.place(name).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Whether there is a value of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Puts a value in; the one that was there before.
    pub fn insert(&mut self, name: impl Into<Name>, value: V) -> Option<V> {
        let name = name.into();
        if self.0.last().is_none_or(|(last, _)| *last < name) {
            self.0.push((name, value));
            return None;
        }
        match self.place(&name) {
            Ok(place) => self.0.get_mut(place).map(|(_, known)| std::mem::replace(known, value)),
            Err(place) => {
                self.0.insert(place, (name, value));
                None
            }
        }
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes a value out.
    pub fn remove(&mut self, name: &str) -> Option<V> {
        let place = self.place(name).ok()?;
        Some(self.0.remove(place).1)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub fn iter(&self) -> Iter<'_, V> {
        self.0.iter().map(pair)
    }

    /// The names.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

/// Names and values, one after the other.
pub type Iter<'a, V> =
    std::iter::Map<std::slice::Iter<'a, (Name, V)>, fn(&'a (Name, V)) -> (&'a Name, &'a V)>;

const fn pair<V>((name, value): &(Name, V)) -> (&Name, &V) {
    (name, value)
}

impl<V> Default for Named<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: fmt::Debug> fmt::Debug for Named<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: Into<Name>, V, const COUNT: usize> From<[(N, V); COUNT]> for Named<V> {
    fn from(entries: [(N, V); COUNT]) -> Self {
        entries.into_iter().collect()
    }
}

impl<N: Into<Name>, V> FromIterator<(N, V)> for Named<V> {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(name, value)| (name.into(), value)).collect()).in_order()
    }
}

impl<N: Into<Name>, V> Extend<(N, V)> for Named<V> {
    /// Of several values of a name the last stays.
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, entries: I) {
        if self.is_empty() {
            *self = entries.into_iter().collect();
        } else {
            self.0.extend(entries.into_iter().map(|(name, value)| (name.into(), value)));
            *self = std::mem::take(self).in_order();
        }
    }
}

impl<V> IntoIterator for Named<V> {
    type Item = (Name, V);
    type IntoIter = std::vec::IntoIter<(Name, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, V> IntoIterator for &'a Named<V> {
    type Item = (&'a Name, &'a V);
    type IntoIter = Iter<'a, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn names() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("type".to_owned()),
            Just("forest".to_owned()),
            Just("county".to_owned()),
            "[a-c乡]{0,3}",
            // Heads of texts are a byte longer from 24 bytes on, and from 256.
            prop::sample::select(vec![23, 24, 64, 255, 256]).prop_map(|bytes| "x".repeat(bytes)),
        ]
    }

    fn in_letters<V: Clone>(named: &Named<V>) -> BTreeMap<String, V> {
        named.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds_in_encoded_order(
            first in prop::collection::vec((names(), 0..9), 0..12),
            more in prop::collection::vec((names(), 0..9), 0..12),
            asked in names(),
        ) {
            let mut map: BTreeMap<String, i32> = first.iter().cloned().collect();
            let mut named: Named<i32> = first.into_iter().collect();
            prop_assert_eq!(in_letters(&named), map.clone());
            let mut one_by_one = named.clone();
            for (name, value) in &more {
                prop_assert_eq!(one_by_one.insert(name.as_str(), *value), map.insert(name.clone(), *value));
            }
            named.extend(more);
            prop_assert_eq!(&named, &one_by_one);
            prop_assert_eq!(in_letters(&named), map.clone());
            let encoded: Vec<Vec<u8>> =
                named.keys().map(|name| crate::cbor::encode(&name.as_str())).collect();
            prop_assert!(encoded.is_sorted());
            prop_assert_eq!(named.get(&asked), map.get(&asked));
            prop_assert_eq!(named.remove(&asked), map.remove(&asked));
            prop_assert_eq!(named.contains_key(&asked), false);
            prop_assert_eq!(in_letters(&named), map);
        }
    }

    #[test]
    fn a_name_is_of_the_catalogue_where_it_says_one() {
        assert!(Name::from("position").known().is_some_and(|entry| !entry.is_argument));
        assert!(Name::from("reason").known().is_some_and(|entry| entry.is_argument));
        assert!(Name::from("of tomorrow").known().is_none());
        assert_eq!(Name::read("乡".as_bytes()), Some("乡".into()));
        assert_eq!(Name::read(&[0xff]), None);
    }
}
