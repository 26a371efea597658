//! Lines that nobody drew: a table of structures that name their line, in the order in which they stand on it.

use std::collections::{BTreeMap, HashSet};

use sync_protocol::codes::Code;
use sync_protocol::limits;
use sync_protocol::reference::LineKind;

use super::super::Refusal;
use super::super::items::{RawLine, RawStructure, Voltage};

/// Lines of structures whose line is not among `drawn`.
pub(super) fn lines(
    drawn: &[RawLine],
    structures: &[RawStructure],
    refused: &mut Vec<Refusal>,
) -> Vec<RawLine> {
    let known: HashSet<&str> = drawn
        .iter()
        .flat_map(|line| [Some(line.external_id.as_str()), line.name.as_deref()])
        .flatten()
        .collect();
    let mut tables: BTreeMap<&str, Vec<&RawStructure>> = BTreeMap::new();
    for structure in structures.iter().filter(|structure| !structure.is_kept) {
        if let Some(line) = structure.line.as_deref().filter(|line| !known.contains(line)) {
            tables.entry(line).or_default().push(structure);
        }
    }
    let mut lines = Vec::with_capacity(tables.len());
    for (name, table) in tables {
        match line(name, table) {
            Ok(line) => lines.push(line),
            Err(refusal) => refused.push(refusal),
        }
    }
    lines
}

fn line(name: &str, mut table: Vec<&RawStructure>) -> Result<RawLine, Refusal> {
    if table.iter().all(|structure| structure.order.is_some()) {
        table.sort_by_key(|structure| structure.order);
    }
    let row = table.first().map_or(0, |structure| structure.row);
    let datum = table.first().map(|structure| structure.datum.clone()).unwrap_or_default();
    if table.len() > limits::LINE_VERTICES {
        let at = format!("{name}: {}", table.len());
        return Err(Refusal { row, code: Code::ImportTooManyVertices, at });
    }
    let mut vertices: Vec<_> = table.iter().map(|structure| structure.position).collect();
    vertices.dedup();
    if vertices.len() < 2 {
        return Err(Refusal { row, code: Code::ImportGeometry, at: format!("{name}: 1 structure") });
    }
    let voltage = table.iter().map(|structure| &structure.of_line.voltage);
    let voltage = voltage.clone().find(|it| it.text.is_some()).or(voltage.clone().next());
    let first = |of: fn(&RawStructure) -> &Option<String>| table.iter().find_map(|it| of(it).clone());
    Ok(RawLine {
        row,
        external_id: name.to_owned(),
        record: None,
        name: Some(name.to_owned()),
        kind: LineKind::Line,
        voltage: voltage.cloned().unwrap_or_else(Voltage::default),
        owner: first(|it| &it.of_line.owner),
        operator: first(|it| &it.of_line.operator),
        datum,
        vertices,
        nodes: Vec::new(),
    })
}
