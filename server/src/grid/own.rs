//! Files that this server wrote, coming back: what their columns mean under each of their headings, and in which unit.
//!
//! A file is known by headings that nobody else has. A column that a mapping names is read as told, here as elsewhere.
//! Start at [`layer_of`].

use std::collections::HashMap;

use sync_protocol::ids::DistrictId;
use sync_protocol::reference::LineView;

use super::items::Items;
use super::mapping::Role;
use super::{Feature, plan};
use crate::layers::{Column, Layer, unterm};
use crate::rules::voltage::{self, VoltageReading};

/// Kilovolts that differ by less are the same.
const SAME_KV: f64 = 1e-6;

/// The column in which our tables say the datum of their places, in each of their headings.
pub const DATUM: [&str; 2] = ["坐标系", "datum"];

fn column(layer: Layer, name: &str) -> Option<&'static Column> {
    layer.columns().iter().find(|column| column.name == name)
}

/// The layer of a file with such headings, where it is one of ours that has lines or structures.
pub fn layer_of(has: impl Fn(&str) -> bool) -> Option<Layer> {
    let is_there = |layer: Layer, name: &str| {
        column(layer, name).is_some_and(|column| [column.name, column.zh, column.en].into_iter().any(&has))
    };
    // `voltage` is everybody's; under the other headings it is ours.
    let is_as_given =
        column(Layer::Lines, "voltage").is_some_and(|column| [column.zh, column.en].into_iter().any(&has));
    if is_there(Layer::Lines, "voltage_assumed") || is_as_given {
        Some(Layer::Lines)
    } else if is_there(Layer::Structures, "chainage_m") && is_there(Layer::Structures, "structure") {
        Some(Layer::Structures)
    } else {
        None
    }
}

/// The column of a layer that has a role.
pub(super) const fn column_of(layer: Layer, role: Role) -> Option<&'static str> {
    match (layer, role) {
        (Layer::Lines, Role::LineId) | (Layer::Structures, Role::StructureId) => Some("external_id"),
        (Layer::Lines, Role::LineName) => Some("name"),
        (Layer::Lines, Role::LineKind) | (Layer::Structures, Role::StructureKind) => Some("kind"),
        (Layer::Lines, Role::Voltage) => Some("voltage"),
        (Layer::Lines, Role::Owner) => Some("owner"),
        (Layer::Lines, Role::Operator) => Some("operator"),
        (Layer::Structures, Role::Number) => Some("number"),
        (Layer::Structures, Role::LineOf) => Some("line_name"),
        _ => None,
    }
}

/// A column of a feature by its name in the layer, under whichever heading; with the heading.
pub(super) fn value<'f>(feature: &'f Feature, layer: Layer, name: &str) -> Option<(&'f str, &'f str)> {
    let column = column(layer, name)?;
    let found = [column.name, column.zh, column.en]
        .into_iter()
        .find_map(|heading| feature.properties.get_key_value(heading));
    found.map(|(heading, value)| (heading.as_str(), value.as_str()))
}

/// The record of a line in a file of ours.
pub(super) fn record(feature: &Feature) -> Option<String> {
    (feature.own == Some(Layer::Lines)).then(|| value(feature, Layer::Lines, "uuid"))?.map(told)
}

/// The record of the line of a structure in a file of ours.
pub(super) fn line_record(feature: &Feature) -> Option<String> {
    (feature.own == Some(Layer::Structures)).then(|| value(feature, Layer::Structures, "line"))?.map(told)
}

fn told((_, value): (&str, &str)) -> String {
    value.to_owned()
}

/// The kind of a structure as the ledger keeps it: Chinese headings stand over Chinese words.
pub(super) fn kind<'v>(layer: Layer, heading: &str, value: &'v str) -> &'v str {
    let is_word = column(layer, "kind").is_some_and(|column| column.zh == heading);
    if is_word { unterm(value) } else { value }
}

/// The voltage of a line in a file of ours, and the text that it is given as. The text as it was once given counts, read so
/// that it means the kilovolts beside it; where it means others, somebody changed these, and they count.
pub(super) fn voltage(feature: &Feature) -> (VoltageReading, String) {
    let of = |name: &str| value(feature, Layer::Lines, name).map(|(_, value)| value);
    let (text, kilovolts) = (of("voltage").unwrap_or_default(), of("voltage_kv"));
    let number = kilovolts.and_then(|text| text.parse::<f64>().ok());
    let is_meant = |reading: &VoltageReading| match (reading.volts.first(), number) {
        (Some(volts), Some(number)) => (f64::from(*volts) / 1_000.0 - number).abs() < SAME_KV,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    let readings = [voltage::read_tag(text), voltage::read(text)];
    if let Some(reading) = readings.into_iter().find(is_meant) {
        return (reading, text.to_owned());
    }
    match kilovolts {
        None => (voltage::read(text), text.to_owned()),
        Some(kilovolts) => in_kilovolts(kilovolts),
    }
}

/// A voltage under the heading of kilovolts.
pub(super) fn in_kilovolts(text: &str) -> (VoltageReading, String) {
    let is_bare = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let text = if is_bare { format!("{text} kV") } else { text.to_owned() };
    (voltage::read(&text), text)
}

/// Whether a heading is ours for kilovolts.
pub(super) fn is_in_kilovolts(heading: &str) -> bool {
    column(Layer::Lines, "voltage_kv").is_some_and(|column| [column.name, column.en].contains(&heading))
}

/// Structures of our files name the record of their line: its id takes the record's place. A line is known by the record
/// beside it in a file, else by the one that it has in this district.
pub fn resolve(items: &mut Items, district: DistrictId) {
    let mut ids: HashMap<String, &str> = HashMap::new();
    for line in &items.lines {
        let own = plan::named_record(district, LineView::RECORD_TYPE, &line.external_id);
        ids.insert(own.to_string(), &line.external_id);
    }
    for line in &items.lines {
        if let Some(record) = &line.record {
            ids.insert(record.clone(), &line.external_id);
        }
    }
    for structure in &mut items.structures {
        let id = structure.line_record.as_ref().and_then(|record| ids.get(record));
        if let Some(id) = id {
            structure.line = Some((*id).to_owned());
        }
    }
}

/// The datum that the name of a layer ends with: where a file can name no system, ours say it there.
pub fn datum_of_name(name: &str) -> Option<String> {
    let (_, suffix) = name.rsplit_once('_')?;
    ["gcj02", "bd09"].contains(&suffix.to_ascii_lowercase().as_str()).then(|| suffix.to_ascii_lowercase())
}

/// The datum in what a layer of a GeoPackage of ours says of itself: `坐标系: GCJ-02 (…)`.
pub fn datum_of_text(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        ["坐标系", "Coordinates"].contains(&name).then_some(value)
    })?;
    let name = line.split(" (").next().unwrap_or_default();
    name.parse::<crate::geometry::Datum>().ok().map(|datum| datum.to_string())
}
