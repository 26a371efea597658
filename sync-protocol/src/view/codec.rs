//! A view as bytes: what the server stores and sends, and what the state hash is taken over.
//!
//! Written straight into one buffer, keys in encoded order: every new record pays for this.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::{
    Act, Closure, Conflict, Disposition, FieldValue, FieldView, PhotoState, PhotoView, Stage, Standing,
    State, View, Writer, WriterIndex,
};
use crate::cbor::{self, Raw};
use crate::ids::{Head, PersonId, PhotoHash};
use crate::kind::RecordType;
use crate::named::{Name, Named};
use crate::prepass;

impl View {
    /// Encodes the view: deterministic, empty parts absent. The state hash is taken over these bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Keys in encoded order: the shorter first, then by letters.
        let mut map = Map::new();
        map.list("acts", self.acts.iter(), write_act);
        map.list("held", self.held.iter().copied(), write_index);
        map.list("heads", self.heads.iter(), write_hash);
        map.list("stage", self.stage.iter(), |out, stage| {
            cbor::write_head(out, ARRAY, 2);
            write_index(out, stage.writer);
            cbor::write_text(out, stage.state.as_str());
        });
        map.text("state", Some(self.state.as_str()));
        if !self.fields.is_empty() {
            map.key("fields");
            write_fields(&mut map.bytes, &self.fields);
        }
        map.list("photos", self.photos.iter(), write_photo);
        map.text("closure", self.closure.map(closure_name));
        map.list("dangers", self.dangers.iter().copied(), write_index);
        map.list("missing", self.missing.iter(), write_hash);
        map.list("writers", self.writers.iter(), |out, writer| {
            cbor::write_head(out, ARRAY, 3);
            write_hash(out, &writer.head);
            cbor::write_text(out, writer.kind.as_str());
            cbor::write_byte_string(out, writer.author.0.as_bytes());
        });
        map.number("comments", self.comments);
        map.list("evidence", self.evidence.iter(), |out, standing| cbor::write_text(out, standing.as_str()));
        map.list("given_up", self.given_up.iter(), write_hash);
        map.text("severity", self.severity.as_deref());
        map.list("conflicts", self.conflicts.iter(), |out, conflict| {
            cbor::write_head(out, ARRAY, 3);
            cbor::write_text(out, &conflict.subject);
            cbor::write_text(out, &conflict.reason);
            write_list(out, conflict.writers.iter().copied(), write_index);
        });
        map.list("withdrawn", self.withdrawn.iter(), write_hash);
        map.list("unanswered", self.unanswered.iter().copied(), write_index);
        if self.is_provisional {
            map.key("provisional");
            map.bytes.push(TRUE);
        }
        map.text("record_type", self.record_type.map(RecordType::as_str));
        map.list("dispositions", self.dispositions.iter(), |out, (writer, disposition)| {
            cbor::write_head(out, ARRAY, 2);
            write_index(out, *writer);
            cbor::write_text(out, disposition.as_str());
        });
        map.number("track_pieces", self.track_pieces);
        map.finish()
    }

    /// Decodes a view that [`View::encode`] wrote. `None` where the bytes are of another shape.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut view = Self { is_provisional: false, ..Self::default() };
        for (key, item) in prepass::entries(bytes)? {
            view.take(key, item)?;
        }
        Some(view)
    }

    fn take(&mut self, key: &str, item: &[u8]) -> Option<()> {
        match key {
            "state" => self.state = State::parse(prepass::text(item)?)?,
            "record_type" => self.record_type = Some(RecordType::parse(prepass::text(item)?)?),
            "provisional" => self.is_provisional = prepass::boolean(item)?,
            "heads" => self.heads = whole(item)?,
            "missing" => self.missing = whole(item)?,
            "given_up" => self.given_up = whole(item)?,
            "writers" => {
                self.writers = each(item, |(head, kind, author): (Head, String, PersonId)| {
                    Some(Writer { head, kind: kind.as_str().into(), author })
                })?;
            }
            "fields" => self.fields = decode_fields(item)?,
            "unanswered" => self.unanswered = whole(item)?,
            "severity" => self.severity = Some(prepass::text(item)?.to_owned()),
            "dangers" => self.dangers = whole(item)?,
            "acts" => self.acts = each(item, decode_act)?,
            "evidence" => self.evidence = each(item, |name: String| Standing::parse(&name))?,
            "stage" => {
                self.stage = each(item, |(writer, state): (WriterIndex, String)| {
                    Some(Stage { writer, state: State::parse(&state)? })
                })?;
            }
            "closure" => {
                let name = prepass::text(item)?;
                self.closure =
                    Some([Closure::Pending, Closure::Final].into_iter().find(|c| closure_name(*c) == name)?);
            }
            "conflicts" => {
                self.conflicts =
                    each(item, |(subject, reason, writers)| Some(Conflict { subject, reason, writers }))?;
            }
            "photos" => self.photos = each(item, decode_photo)?,
            "held" => self.held = whole(item)?,
            "withdrawn" => self.withdrawn = whole(item)?,
            "comments" => self.comments = whole(item)?,
            "track_pieces" => self.track_pieces = whole(item)?,
            "dispositions" => {
                self.dispositions = each(item, |(writer, name): (WriterIndex, String)| {
                    Some((writer, Disposition::parse(&name)?))
                })?;
            }
            _ => {}
        }
        Some(())
    }
}

const ARRAY: u8 = 4;
const MAP: u8 = 5;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// A map that is written in order; its head, of one byte or two, is known at the end.
struct Map {
    bytes: Vec<u8>,
    entries: usize,
}

impl Map {
    fn new() -> Self {
        let mut bytes = Vec::with_capacity(1_024);
        bytes.push(0);
        Self { bytes, entries: 0 }
    }

    fn key(&mut self, key: &str) {
        self.entries += 1;
        cbor::write_text(&mut self.bytes, key);
    }

    fn text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.key(key);
            cbor::write_text(&mut self.bytes, text);
        }
    }

    fn number(&mut self, key: &str, number: u64) {
        if number > 0 {
            self.key(key);
            write_number(&mut self.bytes, number);
        }
    }

    fn list<T>(
        &mut self,
        key: &str,
        items: impl ExactSizeIterator<Item = T>,
        write: impl FnMut(&mut Vec<u8>, T),
    ) {
        if items.len() > 0 {
            self.key(key);
            write_list(&mut self.bytes, items, write);
        }
    }

    /// The map. It has fewer than 24 keys, so its head is the one byte that was kept for it.
    fn finish(mut self) -> Vec<u8> {
        let mut head = Vec::with_capacity(1);
        cbor::write_head(&mut head, MAP, self.entries);
        self.bytes.splice(0..1, head);
        self.bytes
    }
}

fn write_list<T>(
    out: &mut Vec<u8>,
    items: impl ExactSizeIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    cbor::write_head(out, ARRAY, items.len());
    for item in items {
        write(out, item);
    }
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    cbor::write_head(out, 0, usize::try_from(number).unwrap_or(usize::MAX));
}

fn write_index(out: &mut Vec<u8>, index: WriterIndex) {
    write_number(out, u64::from(index));
}

fn write_hash(out: &mut Vec<u8>, hash: &impl AsRef<[u8]>) {
    cbor::write_byte_string(out, hash.as_ref());
}

fn write_act(out: &mut Vec<u8>, act: &Act) {
    cbor::write_head(out, ARRAY, 6);
    write_index(out, act.writer);
    cbor::write_text(out, act.standing.as_str());
    out.extend([act.is_sound, act.has_unseen, act.is_outranked].map(|is| if is { TRUE } else { FALSE }));
    write_list(out, act.pending.iter(), write_hash);
}

fn write_photo(out: &mut Vec<u8>, (hash, photo): (&PhotoHash, &PhotoView)) {
    cbor::write_head(out, ARRAY, 3);
    write_hash(out, hash);
    out.push(photo_state(photo.state));
    match &photo.named {
        None => out.push(NULL),
        Some((role, bytes)) => {
            cbor::write_head(out, ARRAY, 2);
            cbor::write_text(out, role);
            write_number(out, *bytes);
        }
    }
}

fn write_fields(out: &mut Vec<u8>, fields: &Named<FieldView>) {
    cbor::write_head(out, MAP, fields.len());
    for (name, field) in fields {
        cbor::write_text(out, name);
        cbor::write_head(out, ARRAY, 1 + usize::from(field.base.is_some()));
        write_list(out, field.values.iter(), |out, value| {
            cbor::write_head(out, ARRAY, 2);
            write_index(out, value.writer);
            out.extend_from_slice(value.value.as_bytes());
        });
        if let Some(base) = &field.base {
            out.extend_from_slice(base.as_bytes());
        }
    }
}

const fn closure_name(closure: Closure) -> &'static str {
    match closure {
        Closure::Pending => "pending",
        Closure::Final => "final",
    }
}

const fn photo_state(state: PhotoState) -> u8 {
    match state {
        PhotoState::Named => 0,
        PhotoState::Verified => 1,
        PhotoState::WrittenOff => 2,
        PhotoState::Redacted => 3,
    }
}

fn whole<T: DeserializeOwned>(item: &[u8]) -> Option<T> {
    cbor::decode(item).ok()
}

/// Every element of an array, read as a `T` and then as a `U`.
fn each<T: DeserializeOwned, U, C: FromIterator<U>>(
    item: &[u8],
    read: impl FnMut(T) -> Option<U>,
) -> Option<C> {
    whole::<Vec<T>>(item)?.into_iter().map(read).collect()
}

fn decode_fields(item: &[u8]) -> Option<Named<FieldView>> {
    let fields = prepass::each_entry(item, |name, item| {
        let parts = prepass::elements(item)?;
        let (values, base) = parts.split_first()?;
        let values = prepass::elements(values)?
            .into_iter()
            .map(|value| {
                let pair = prepass::elements(value)?;
                let [writer, value] = pair.as_slice() else { return None };
                let writer = WriterIndex::try_from(prepass::integer(writer)?).ok()?;
                Some(FieldValue { writer, value: Raw::from_checked(value) })
            })
            .collect::<Option<_>>()?;
        let base = base.first().map(|base| Raw::from_checked(base));
        Some((Name::read(name)?, FieldView { values, base }))
    })?;
    Some(fields.into_iter().collect())
}

/// As an act travels: writer, standing, sound, has unseen, outranked, pending photos.
type EncodedAct = (WriterIndex, String, bool, bool, bool, BTreeSet<PhotoHash>);

fn decode_act((writer, standing, is_sound, has_unseen, is_outranked, pending): EncodedAct) -> Option<Act> {
    let standing = Standing::parse(&standing)?;
    Some(Act { writer, standing, is_sound, has_unseen, is_outranked, pending })
}

/// As a photo travels: hash, state, role and length.
type EncodedPhoto = (PhotoHash, u8, Option<(String, u64)>);

fn decode_photo((hash, state, named): EncodedPhoto) -> Option<(PhotoHash, PhotoView)> {
    let states = [PhotoState::Named, PhotoState::Verified, PhotoState::WrittenOff, PhotoState::Redacted];
    let state = states.into_iter().find(|known| photo_state(*known) == state)?;
    Some((hash, PhotoView { state, named }))
}
