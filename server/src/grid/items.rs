//! Lines and structures of features: what is one, what it says of itself, where it is. A feature that is neither is
//! counted and passed over; one that is broken is refused.

use std::collections::BTreeMap;

use sync_protocol::codes::Code;
use sync_protocol::limits;
use sync_protocol::reference::{LineKind, Vertex};

use super::mapping::{Mapping, Role};
use super::{Feature, Point, Refusal, Shape, own};
use crate::geometry::Converter;
use crate::layers::Layer;
use crate::rules::voltage::{self, VoltageReading};

/// A line as it was given, its positions in WGS-84.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawLine {
    /// The row that it comes from.
    pub row: u64,
    /// Its id where it comes from.
    pub external_id: String,
    /// The record that a file of ours gives it.
    pub record: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// What it is.
    pub kind: LineKind,
    /// Its voltage.
    pub voltage: Voltage,
    /// 产权单位
    pub owner: Option<String>,
    /// 运维单位
    pub operator: Option<String>,
    /// The datum in which its positions were given.
    pub datum: String,
    /// Its vertices.
    pub vertices: Vec<Vertex>,
    /// Ids of what stands at its vertices; empty where that is not said.
    pub nodes: Vec<String>,
}

/// A voltage as given, and as it is understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Voltage {
    /// As it was given.
    pub text: Option<String>,
    /// Volts, highest first.
    pub volts: Vec<u32>,
    /// The class that rules go by.
    pub class: Option<String>,
    /// Codes of what was assumed, ascending.
    pub assumptions: Vec<String>,
}

impl Voltage {
    /// Reads a column: bare numbers are volts in the tag of OpenStreetMap, elsewhere whatever a person would mean.
    fn of(feature: &Feature, mapping: &Mapping) -> Result<Self, Fault> {
        if feature.own == Some(Layer::Lines) && !mapping.is_told(Role::Voltage) {
            return Self::read(own::voltage(feature));
        }
        let (column, text) = mapping.column(feature, Role::Voltage).unwrap_or_default();
        Self::read(match column {
            "voltage" => (voltage::read_tag(text), text.to_owned()),
            _ if own::is_in_kilovolts(column) => own::in_kilovolts(text),
            _ => (voltage::read(text), text.to_owned()),
        })
    }

    fn read((reading, text): (VoltageReading, String)) -> Result<Self, Fault> {
        Ok(Self {
            text: (!text.is_empty()).then(|| checked(&text)).transpose()?,
            volts: reading.volts,
            class: reading.class,
            assumptions: reading.assumptions.iter().map(|it| it.code().to_owned()).collect(),
        })
    }
}

/// A structure as it was given, its position in WGS-84.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawStructure {
    /// The row that it comes from.
    pub row: u64,
    /// Its id where it comes from.
    pub external_id: Option<String>,
    /// 杆号
    pub number: Option<String>,
    /// `tower`, `pole`, or as it was given.
    pub kind: String,
    /// The id or name of its line, where it names one.
    pub line: Option<String>,
    /// The record of its line, where a file of ours names it.
    pub line_record: Option<String>,
    /// Its place on the line that it names.
    pub order: Option<i64>,
    /// The datum in which its position was given.
    pub datum: String,
    /// Where it stands.
    pub position: Vertex,
    /// What it says of its line.
    pub of_line: OfLine,
    /// The ledger held it, and the import does not name it.
    pub is_kept: bool,
}

/// What a structure says of the line that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfLine {
    /// Its voltage.
    pub voltage: Voltage,
    /// 产权单位
    pub owner: Option<String>,
    /// 运维单位
    pub operator: Option<String>,
}

/// What the features of a file gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// Lines.
    pub lines: Vec<RawLine>,
    /// Structures.
    pub structures: Vec<RawStructure>,
    /// Rows that were left out.
    pub refused: Vec<Refusal>,
    /// Features that are no part of a grid, by what they are.
    pub passed_over: BTreeMap<String, u64>,
    /// Lines that came in parts that do not join, and became lines of their own.
    pub in_parts: u64,
}

/// Why a row is refused: a code, and the value at fault.
pub(super) type Fault = (Code, String);

/// What `power` says of a point where it is a structure (OpenStreetMap).
const STRUCTURES: [&str; 5] = ["tower", "pole", "portal", "terminal", "catenary_mast"];

/// Lines and structures of the features of a file.
pub fn of(features: &[Feature], mapping: &Mapping, datum: &Converter) -> Items {
    let mut items = Items::default();
    for feature in features {
        if let Err((code, at)) = take(&mut items, feature, mapping, datum) {
            items.refused.push(Refusal { row: feature.row, code, at });
        }
    }
    items
}

fn take(items: &mut Items, feature: &Feature, mapping: &Mapping, datum: &Converter) -> Result<(), Fault> {
    match &feature.shape {
        Shape::None => Err((Code::ImportGeometry, String::new())),
        Shape::Point(point) => {
            let Some(kind) = structure_kind(feature, mapping) else {
                pass_over(items, feature, mapping, Role::StructureKind);
                return Ok(());
            };
            items.structures.push(structure(feature, mapping, datum, *point, kind?)?);
            Ok(())
        }
        Shape::Lines(parts) => {
            let Some(kind) = line_kind(feature, mapping) else {
                pass_over(items, feature, mapping, Role::LineKind);
                return Ok(());
            };
            let lines = lines(feature, mapping, datum, parts, kind)?;
            items.in_parts += u64::from(lines.len() > 1);
            items.lines.extend(lines);
            Ok(())
        }
        Shape::Polygons(_) => {
            pass_over(items, feature, mapping, Role::LineKind);
            Ok(())
        }
    }
}

/// Kinds of what was passed over that a report names.
const PASSED_OVER: usize = 50;

fn pass_over(items: &mut Items, feature: &Feature, mapping: &Mapping, role: Role) {
    let (column, value) = mapping.column(feature, role).unwrap_or(("geometry", "polygon"));
    let what: String = format!("{column}={value}").chars().take(60).collect();
    let is_full = items.passed_over.len() >= PASSED_OVER && !items.passed_over.contains_key(&what);
    let what = if is_full { "other".to_owned() } else { what };
    *items.passed_over.entry(what).or_default() += 1;
}

/// None where the feature says that it is something else.
fn line_kind(feature: &Feature, mapping: &Mapping) -> Option<LineKind> {
    let Some((column, value)) = mapping.column(feature, Role::LineKind) else {
        return Some(LineKind::Line);
    };
    match value {
        "minor_line" => Some(LineKind::MinorLine),
        "cable" => Some(LineKind::Cable),
        "line" => Some(LineKind::Line),
        _ if value.contains("电缆") => Some(LineKind::Cable),
        _ if value.contains("配电") => Some(LineKind::MinorLine),
        _ => (column != "power").then_some(LineKind::Line),
    }
}

/// None where the feature says that it is something else.
fn structure_kind(feature: &Feature, mapping: &Mapping) -> Option<Result<String, Fault>> {
    match mapping.column(feature, Role::StructureKind) {
        None => Some(Ok("structure".to_owned())),
        Some(("power", value)) => STRUCTURES.contains(&value).then(|| Ok(value.to_owned())),
        Some((heading, value)) => {
            Some(checked(feature.own.map_or(value, |layer| own::kind(layer, heading, value))))
        }
    }
}

fn structure(
    feature: &Feature,
    mapping: &Mapping,
    datum: &Converter,
    point: Point,
    kind: String,
) -> Result<RawStructure, Fault> {
    // The numbers of rows in our files are no order.
    let order = mapping.value(feature, Role::Order).filter(|_| feature.own.is_none());
    let order = order.map(|text| text.parse().map_err(|_source| (Code::ImportText, text.to_owned())));
    let external_id = match mapping.value(feature, Role::StructureId) {
        Some(id) => Some(checked(id)?),
        None => feature.id.as_deref().map(checked).transpose()?,
    };
    Ok(RawStructure {
        row: feature.row,
        external_id,
        number: text(feature, mapping, Role::Number)?,
        kind,
        line: text(feature, mapping, Role::LineOf)?,
        line_record: own::line_record(feature).filter(|_| !mapping.is_told(Role::LineOf)),
        order: order.transpose()?,
        datum: datum.datum().to_string(),
        position: vertex(datum, point)?,
        of_line: OfLine {
            voltage: Voltage::of(feature, mapping)?,
            owner: text(feature, mapping, Role::Owner)?,
            operator: text(feature, mapping, Role::Operator)?,
        },
        is_kept: false,
    })
}

fn lines(
    feature: &Feature,
    mapping: &Mapping,
    datum: &Converter,
    parts: &[Vec<Point>],
    kind: LineKind,
) -> Result<Vec<RawLine>, Fault> {
    let points: usize = parts.iter().map(Vec::len).sum();
    if points > limits::LINE_VERTICES {
        return Err((Code::ImportTooManyVertices, points.to_string()));
    }
    let name = text(feature, mapping, Role::LineName)?;
    let id = mapping.value(feature, Role::LineId).or(feature.id.as_deref()).or(name.as_deref());
    let external_id = checked(id.ok_or((Code::ImportNoId, String::new()))?)?;
    let nodes: Vec<String> = match mapping.value(feature, Role::Nodes) {
        Some(nodes) => {
            let parts = nodes.split([';', ',', ' ', '[', ']']);
            parts.filter(|id| !id.is_empty()).map(str::to_owned).collect()
        }
        None => Vec::new(),
    };
    let parts: Vec<Vec<Vertex>> = parts
        .iter()
        .map(|part| part.iter().map(|point| vertex(datum, *point)).collect())
        .collect::<Result<_, _>>()?;
    let parts = joined(parts);
    let is_whole = parts.len() == 1;
    let line = |(part, vertices): (usize, Vec<Vertex>)| {
        let length = vertices.len();
        if length < 2 || vertices.iter().all(|vertex| Some(vertex) == vertices.first()) {
            return Err((Code::ImportGeometry, format!("{length} vertices")));
        }
        let has_nodes = is_whole && nodes.len() == length;
        Ok(RawLine {
            row: feature.row,
            external_id: if is_whole { external_id.clone() } else { format!("{external_id}/{}", part + 1) },
            record: own::record(feature),
            name: name.clone(),
            kind,
            voltage: Voltage::of(feature, mapping)?,
            owner: text(feature, mapping, Role::Owner)?,
            operator: text(feature, mapping, Role::Operator)?,
            datum: datum.datum().to_string(),
            vertices,
            nodes: if has_nodes { nodes.clone() } else { Vec::new() },
        })
    };
    if parts.is_empty() {
        return Err((Code::ImportGeometry, "0 vertices".to_owned()));
    }
    parts.into_iter().enumerate().map(line).collect()
}

/// Parts that begin where the one before ends are one line.
fn joined(parts: Vec<Vec<Vertex>>) -> Vec<Vec<Vertex>> {
    let mut whole: Vec<Vec<Vertex>> = Vec::with_capacity(parts.len());
    for part in parts {
        match whole.last_mut() {
            Some(before) if before.last() == part.first() => before.extend(part.into_iter().skip(1)),
            _ => whole.push(part),
        }
    }
    whole
}

/// The value of a role, fit to be stored.
pub(super) fn text(feature: &Feature, mapping: &Mapping, role: Role) -> Result<Option<String>, Fault> {
    mapping.value(feature, role).map(checked).transpose()
}

/// A text that is short enough and has no control characters.
pub(super) fn checked(text: &str) -> Result<String, Fault> {
    if text.len() > limits::REFERENCE_TEXT_BYTES || text.chars().any(char::is_control) {
        return Err((Code::ImportText, text.chars().filter(|c| !c.is_control()).take(40).collect()));
    }
    Ok(text.to_owned())
}

/// A position in WGS-84, degrees × 1e7.
pub(super) fn vertex(datum: &Converter, (x, y): Point) -> Result<Vertex, Fault> {
    let degrees = datum.to_wgs84(x, y).map_err(|_source| (Code::ImportPosition, format!("{x}, {y}")))?;
    Ok(degrees.vertex())
}
