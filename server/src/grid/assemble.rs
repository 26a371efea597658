//! Puts structures on lines. A structure joins a line by the id of the vertex (`nodes`), by standing on a vertex, or by
//! naming its line. A table of structures that name a line which nobody drew makes that line.

mod attach;
mod tables;

use std::collections::{BTreeMap, HashSet};

use sync_protocol::codes::Code;
use sync_protocol::limits;
use sync_protocol::reference::{LineStructure, LineView, Reference, StructureView};

use super::Refusal;
use super::items::{Items, OfLine, RawLine, RawStructure, Voltage};
use crate::geometry::Line;

/// A structure within this of a vertex stands on it, millimetres.
pub const ON_VERTEX_MM: i64 = 500;
/// A structure that names its line and is within this of it is a vertex of it, millimetres.
pub const BESIDE_LINE_MM: i64 = 50_000;

/// The version of a view that no import has written yet.
pub const NO_VERSION: [u8; 32] = [0; 32];

/// Lines and structures, put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assembled {
    /// Lines and structures that stand alone, without a version.
    pub items: Vec<Reference>,
    /// Rows that were left out.
    pub refused: Vec<Refusal>,
    /// Structures on lines; one on several counts for each.
    pub structures_on_lines: u64,
    /// Structures that name a line and are not near it.
    pub beside_their_line: u64,
    /// Structures that stand where another of the line does, and so on no line.
    pub at_taken_place: u64,
    /// Lines with a span too long to be one.
    pub untraced: u64,
}

/// Puts together what files gave.
pub fn assemble(items: Items) -> Assembled {
    let mut assembled = Assembled { refused: items.refused, ..Assembled::default() };
    let mut lines = distinct(items.lines, &mut assembled.refused);
    lines.extend(tables::lines(&lines, &items.structures, &mut assembled.refused));
    let structures = distinct_structures(items.structures, &mut assembled.refused);
    let attached = attach::attach(&mut lines, &structures);
    assembled.beside_their_line = attached.beside_their_line;
    assembled.at_taken_place = attached.at_taken_place;
    for (line, on) in lines.into_iter().zip(attached.on_lines) {
        let row = line.row;
        match view(line, &structures, &on) {
            Ok(view) => {
                assembled.structures_on_lines += u64::try_from(view.structures.len()).unwrap_or(0);
                assembled.untraced += u64::from(view.is_untraced);
                assembled.items.push(Reference::Line(view));
            }
            Err((code, at)) => assembled.refused.push(Refusal { row, code, at }),
        }
    }
    let alone = structures.into_iter().zip(attached.on_any);
    // What the ledger held on a line that has gone stands nowhere.
    let alone = alone
        .filter(|(structure, is_attached)| !(*is_attached || structure.is_kept && structure.line.is_some()));
    assembled.items.extend(alone.map(|(structure, _)| Reference::Structure(alone_view(structure))));
    assembled
}

/// The first line of each id; the others are refused.
fn distinct(lines: Vec<RawLine>, refused: &mut Vec<Refusal>) -> Vec<RawLine> {
    let mut known = HashSet::new();
    let mut kept = Vec::with_capacity(lines.len());
    for line in lines {
        if known.insert(line.external_id.clone()) {
            kept.push(line);
        } else {
            refused.push(Refusal { row: line.row, code: Code::ImportIdReused, at: line.external_id });
        }
    }
    kept
}

/// The first structure of each id; the others are refused, unless they name other lines.
fn distinct_structures(structures: Vec<RawStructure>, refused: &mut Vec<Refusal>) -> Vec<RawStructure> {
    let mut known = HashSet::new();
    let mut kept = Vec::with_capacity(structures.len());
    for structure in structures {
        let is_new = match &structure.external_id {
            Some(id) => known.insert((id.clone(), structure.line.clone())),
            None => true,
        };
        if is_new {
            kept.push(structure);
        } else if !structure.is_kept {
            let at = structure.external_id.unwrap_or_default();
            refused.push(Refusal { row: structure.row, code: Code::ImportIdReused, at });
        }
    }
    kept
}

fn view(
    line: RawLine,
    structures: &[RawStructure],
    on: &BTreeMap<usize, usize>,
) -> Result<LineView, (Code, String)> {
    let vertices: Vec<usize> = on.keys().copied().collect();
    let geometry = Line::new(line.vertices.clone(), &vertices)
        .map_err(|error| (Code::ImportGeometry, error.to_string()))?;
    let on_line = on.iter().filter_map(|(vertex, structure)| {
        let structure = structures.get(*structure)?;
        Some(LineStructure {
            vertex: u32::try_from(*vertex).ok()?,
            chainage_mm: u64::try_from(*geometry.chainages_mm().get(*vertex)?).ok()?,
            number: structure.number.clone(),
            external_id: structure.external_id.clone(),
            kind: structure.kind.clone(),
        })
    });
    let view = LineView {
        structures: on_line.collect(),
        external_id: line.external_id,
        name: line.name,
        kind: line.kind,
        voltage: line.voltage.text,
        volts: line.voltage.volts,
        class: line.voltage.class,
        assumptions: line.voltage.assumptions,
        owner: line.owner,
        operator: line.operator,
        datum: line.datum,
        length_mm: u64::try_from(geometry.length_mm()).unwrap_or_default(),
        longest_span_mm: u64::try_from(geometry.longest_span_mm()).unwrap_or_default(),
        is_untraced: geometry.is_untraced(),
        vertices: line.vertices,
        is_retired: false,
        version: NO_VERSION,
    };
    let bytes = view.encode().len() + RETIRED_BYTES;
    if bytes > limits::VIEW_BYTES || view.vertices.len() > limits::LINE_VERTICES {
        return Err((Code::ImportTooManyVertices, format!("{} vertices", view.vertices.len())));
    }
    Ok(view)
}

/// What a view grows by when it is retired.
pub(super) const RETIRED_BYTES: usize = 16;

fn alone_view(structure: RawStructure) -> StructureView {
    let (lat, lon) = structure.position;
    let id = match (structure.external_id, &structure.line, &structure.number) {
        (Some(id), _, _) => id,
        (None, Some(line), Some(number)) => format!("{line}/{number}"),
        (None, _, _) => format!("@{lat},{lon}"),
    };
    StructureView {
        external_id: id,
        number: structure.number,
        kind: structure.kind,
        datum: structure.datum,
        position: structure.position,
        is_retired: false,
        version: NO_VERSION,
    }
}

/// Adds what the ledger holds and the import does not name, so that nothing of it is retired.
pub fn keep(items: &mut Items, held: &[Reference]) {
    let lines: HashSet<&str> = items.lines.iter().map(|line| line.external_id.as_str()).collect();
    let named: HashSet<&str> =
        items.structures.iter().filter_map(|structure| structure.external_id.as_deref()).collect();
    let mut kept_lines = Vec::new();
    let mut kept = Vec::new();
    let mut known: HashSet<&str> = HashSet::new();
    for reference in held.iter().filter(|reference| !reference.is_retired()) {
        match reference {
            Reference::Line(line) => {
                let on_line = line.structures.iter().filter(|structure| match &structure.external_id {
                    Some(id) => !named.contains(id.as_str()) && known.insert(id.as_str()),
                    None => true,
                });
                kept.extend(on_line.filter_map(|structure| kept_on_line(line, structure)));
                if !lines.contains(line.external_id.as_str()) {
                    kept_lines.push(kept_line(line));
                }
            }
            Reference::Structure(structure) if !named.contains(structure.external_id.as_str()) => {
                kept.push(RawStructure {
                    row: 0,
                    external_id: Some(structure.external_id.clone()),
                    number: structure.number.clone(),
                    kind: structure.kind.clone(),
                    line: None,
                    line_record: None,
                    order: None,
                    datum: structure.datum.clone(),
                    position: structure.position,
                    of_line: OfLine::default(),
                    is_kept: true,
                });
            }
            Reference::Structure(_) | Reference::Region(_) => {}
        }
    }
    items.lines.extend(kept_lines);
    items.structures.extend(kept);
}

fn kept_line(line: &LineView) -> RawLine {
    RawLine {
        row: 0,
        external_id: line.external_id.clone(),
        record: None,
        name: line.name.clone(),
        kind: line.kind,
        voltage: Voltage {
            text: line.voltage.clone(),
            volts: line.volts.clone(),
            class: line.class.clone(),
            assumptions: line.assumptions.clone(),
        },
        owner: line.owner.clone(),
        operator: line.operator.clone(),
        datum: line.datum.clone(),
        vertices: line.vertices.clone(),
        nodes: Vec::new(),
    }
}

/// A structure without an id is known by its line alone; one with an id may stand on several.
fn kept_on_line(line: &LineView, structure: &LineStructure) -> Option<RawStructure> {
    Some(RawStructure {
        row: 0,
        external_id: structure.external_id.clone(),
        number: structure.number.clone(),
        kind: structure.kind.clone(),
        line: structure.external_id.is_none().then(|| line.external_id.clone()),
        line_record: None,
        order: None,
        datum: line.datum.clone(),
        position: *line.vertices.get(usize::try_from(structure.vertex).ok()?)?,
        of_line: OfLine::default(),
        is_kept: true,
    })
}
