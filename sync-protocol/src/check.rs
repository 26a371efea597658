//! What an operation's values may be: names, texts, types, ranges and what each kind requires.
//!
//! Pure and without context: who may sign what, and for which record, is the server's to decide. Devices run
//! the same check before they queue an operation.

use crate::cbor::Raw;
use crate::codes::Code;
use crate::field::FieldType;
use crate::kind::Kind;
use crate::limits;
use crate::operation::{Operation, Position};
use crate::prepass;

/// A fault and the name of the value that has it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} at {at}")]
pub struct Fault {
    /// What is wrong.
    pub code: Code,
    /// The field or key.
    pub at: String,
}

/// What names the value is kept and shown as text, so U+0000 in it, which some stores refuse, is replaced.
fn fault(code: Code, at: &str) -> Fault {
    let shown = |letter: char| if letter == '\0' { char::REPLACEMENT_CHARACTER } else { letter };
    Fault { code, at: at.chars().take(limits::NAME_BYTES).map(shown).collect() }
}

/// Checks every value of an operation.
///
/// # Errors
/// The first fault, in the order: names and texts, fields, photos, what the kind requires.
pub fn check(operation: &Operation) -> Result<(), Fault> {
    name(operation.kind.as_str())?;
    for (key, value) in operation.fields.iter().chain(&operation.unknown) {
        if key.known().is_none() {
            name(key)?;
        }
        prepass::visit_texts(value.as_bytes(), &mut text).map_err(|code| fault(code, key))?;
    }
    for (key, value) in &operation.fields {
        if let Some(known) = key.known() {
            check_value(value, known.field.value).map_err(|code| fault(code, key))?;
        }
    }
    for photo in &operation.photos {
        text(photo.role.as_bytes()).map_err(|code| fault(code, "photos"))?;
        name(&photo.role)?;
        if photo.bytes > limits::PHOTO_BYTES {
            return Err(fault(Code::PhotoTooLarge, "photos"));
        }
    }
    operation.kind.known().map_or(Ok(()), |kind| required(operation, kind))
}

fn name(name: &str) -> Result<(), Fault> {
    if name.len() > limits::NAME_BYTES || name.is_empty() {
        return Err(fault(Code::NameTooLong, name));
    }
    text(name.as_bytes()).map_err(|code| fault(code, name))
}

fn text(text: &[u8]) -> Result<(), Code> {
    if text.len() > limits::TEXT_BYTES {
        Err(Code::TextTooLong)
    } else if text.contains(&0) {
        Err(Code::TextNul)
    } else {
        Ok(())
    }
}

/// Checks one value against a field type; `null` fits every type.
pub fn check_value(value: &Raw, expected: FieldType) -> Result<(), Code> {
    if value.is_null() {
        return Ok(());
    }
    match expected {
        FieldType::Any => Ok(()),
        FieldType::Text | FieldType::Term(_) if value.is_text() => Ok(()),
        FieldType::Text | FieldType::Term(_) => Err(Code::FieldType),
        FieldType::Bool => value.as_bool().map(|_| ()).ok_or(Code::FieldType),
        FieldType::Id | FieldType::Head => byte_string(value, 16),
        FieldType::Hash => byte_string(value, 32),
        FieldType::Integer(low, high) => in_range(value.as_integer(), low, high),
        FieldType::Position => position(value),
        FieldType::Track => track(value),
        FieldType::Path => path(value),
    }
}

fn byte_string(value: &Raw, length: usize) -> Result<(), Code> {
    match value.as_byte_string() {
        Some(bytes) if bytes.len() == length => Ok(()),
        _ => Err(Code::FieldType),
    }
}

fn in_range(number: Option<i128>, low: i64, high: i64) -> Result<(), Code> {
    let number = number.ok_or(Code::FieldType)?;
    if (i128::from(low)..=i128::from(high)).contains(&number) { Ok(()) } else { Err(Code::FieldRange) }
}

const LATITUDE_E7: i64 = 900_000_000;
const LONGITUDE_E7: i64 = 1_800_000_000;

fn position(value: &Raw) -> Result<(), Code> {
    // A map with text keys and no null: serde alone would take an array as well.
    let entries = prepass::entries(value.as_bytes()).ok_or(Code::FieldType)?;
    if entries.iter().any(|(_, value)| prepass::is_null(value)) {
        return Err(Code::FieldType);
    }
    let position: Position = value.decode().ok_or(Code::FieldType)?;
    in_range(Some(position.lat_e7.into()), -LATITUDE_E7, LATITUDE_E7)?;
    in_range(Some(position.lon_e7.into()), -LONGITUDE_E7, LONGITUDE_E7)
}

/// A track point: latitude and longitude (degrees × 1e7), time (ms since 1970), then optionally accuracy and
/// altitude in decimetres, or null where unknown.
fn track(value: &Raw) -> Result<(), Code> {
    let points = prepass::elements(value.as_bytes()).ok_or(Code::FieldType)?;
    if points.len() > limits::TRACK_POINTS {
        return Err(Code::TrackTooLong);
    }
    for point in points {
        let parts = prepass::elements(point).ok_or(Code::FieldType)?;
        let [latitude, longitude, time, rest @ ..] = parts.as_slice() else { return Err(Code::FieldType) };
        in_range(prepass::integer(latitude), -LATITUDE_E7, LATITUDE_E7)?;
        in_range(prepass::integer(longitude), -LONGITUDE_E7, LONGITUDE_E7)?;
        in_range(prepass::integer(time), i64::MIN, i64::MAX)?;
        let optional = rest.len() <= 2
            && rest.iter().all(|part| prepass::is_null(part) || prepass::integer(part).is_some());
        if !optional {
            return Err(Code::FieldType);
        }
    }
    Ok(())
}

/// Something drawn: pairs of latitude and longitude, degrees × 1e7.
fn path(value: &Raw) -> Result<(), Code> {
    let points = prepass::elements(value.as_bytes()).ok_or(Code::FieldType)?;
    if points.len() > limits::TRACK_POINTS {
        return Err(Code::TrackTooLong);
    }
    for point in points {
        let parts = prepass::elements(point).ok_or(Code::FieldType)?;
        let [latitude, longitude] = parts.as_slice() else { return Err(Code::FieldType) };
        in_range(prepass::integer(latitude), -LATITUDE_E7, LATITUDE_E7)?;
        in_range(prepass::integer(longitude), -LONGITUDE_E7, LONGITUDE_E7)?;
    }
    Ok(())
}

/// Fields without which a kind says nothing. A report needs neither position nor kind: it is held until one
/// is known.
const fn required_fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Commented => &["text"],
        Kind::Withdrawn => &["withdraws"],
        Kind::PatrolTrack => &["points"],
        Kind::Duplicate => &["duplicate_of"],
        Kind::DeadlineTightened => &["deadline_ms", "rule_version"],
        Kind::Resolved | Kind::Restored => &["field", "value"],
        Kind::Released => &["operation", "effective_kind"],
        Kind::Retracted => &["operation"],
        Kind::PhotoVerified => &["photo"],
        Kind::DeviceEnrolled | Kind::DeviceRevoked | Kind::DeviceForked => &["device"],
        Kind::RuleVersion | Kind::GridVersion => &["version"],
        _ => &[],
    }
}

fn required(operation: &Operation, kind: Kind) -> Result<(), Fault> {
    if kind.opens() && operation.id.0 != operation.record.0 {
        return Err(fault(Code::ReportIdMismatch, "record"));
    }
    if kind == Kind::Photographed && operation.photos.is_empty() {
        return Err(fault(Code::FieldRequired, "photos"));
    }
    if matches!(kind, Kind::Resolved | Kind::Restored)
        && let Some(settled) = operation.fields.get("field").and_then(Raw::as_text)
    {
        // It names a field: the subject of a conflict, which stores keep in an index.
        name(settled).map_err(|fault| Fault { at: "field".to_owned(), ..fault })?;
    }
    match required_fields(kind).iter().find(|name| !operation.fields.contains_key(name)) {
        Some(name) => Err(fault(Code::FieldRequired, name)),
        None => Ok(()),
    }
}
