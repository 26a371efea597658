//! Which structure stands on which vertex of which line.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sync_protocol::reference::Vertex;

use super::super::items::{RawLine, RawStructure};
use super::{BESIDE_LINE_MM, ON_VERTEX_MM};
use crate::geometry::{GridIndex, GridLine, Line, distance_mm};

/// What came of it.
pub(super) struct Attached {
    /// Of each line: structures by vertex.
    pub(super) on_lines: Vec<BTreeMap<usize, usize>>,
    /// Of each structure: whether it is on a line.
    pub(super) on_any: Vec<bool>,
    /// Structures that name a line and are not near it.
    pub(super) beside_their_line: u64,
    /// Structures that stand where another of the line does, which keeps the place.
    pub(super) at_taken_place: u64,
}

/// Attaches structures to lines. A structure that names its line and stands beside it becomes a vertex of it.
pub(super) fn attach(lines: &mut [RawLine], structures: &[RawStructure]) -> Attached {
    let names = Names::of(lines);
    let mut attached = Attached {
        on_lines: vec![BTreeMap::new(); lines.len()],
        on_any: vec![false; structures.len()],
        beside_their_line: 0,
        at_taken_place: 0,
    };
    // New vertices move the ones behind them: they come first.
    insert_vertices(lines, structures, &names);
    attached.by_node(lines, structures);
    let corners = Corners::of(lines);
    for (index, structure) in structures.iter().enumerate() {
        let own = structure.line.as_deref().and_then(|line| names.find(line));
        let mut is_near = false;
        for (line, vertex) in corners.near(lines, structure.position) {
            if own.is_none_or(|own| own == line) {
                is_near = true;
                attached.put(index, line, vertex);
            }
        }
        let is_lost = own.is_some() && !is_near && !structure.is_kept;
        attached.beside_their_line += u64::from(is_lost);
        let is_on_any = attached.on_any.get(index).copied().unwrap_or_default();
        attached.at_taken_place += u64::from(is_near && !is_on_any && !structure.is_kept);
    }
    attached
}

impl Attached {
    /// The first structure of a vertex keeps it, unless the ledger alone names it.
    fn put(&mut self, structure: usize, line: usize, vertex: usize) {
        let Some(on_line) = self.on_lines.get_mut(line) else { return };
        // A line that returns to a vertex has one structure there.
        if on_line.values().any(|known| *known == structure) {
            return;
        }
        let holder = *on_line.entry(vertex).or_insert(structure);
        if holder == structure
            && let Some(on_any) = self.on_any.get_mut(structure)
        {
            *on_any = true;
        }
    }

    fn by_node(&mut self, lines: &[RawLine], structures: &[RawStructure]) {
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        for (index, structure) in structures.iter().enumerate() {
            if let (Some(id), None) = (&structure.external_id, &structure.line) {
                by_id.entry(id).or_insert(index);
            }
        }
        for (line_index, line) in lines.iter().enumerate() {
            for (vertex, node) in line.nodes.iter().enumerate() {
                if let Some(structure) = by_id.get(node.as_str()) {
                    self.put(*structure, line_index, vertex);
                }
            }
        }
    }
}

/// Lines by id, and by name where only one has it.
struct Names(HashMap<String, Option<usize>>);

impl Names {
    fn of(lines: &[RawLine]) -> Self {
        let mut names: HashMap<String, Option<usize>> = HashMap::new();
        for (index, line) in lines.iter().enumerate() {
            names.insert(line.external_id.clone(), Some(index));
        }
        let ids: HashSet<&str> = lines.iter().map(|line| line.external_id.as_str()).collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(name) = line.name.as_ref().filter(|name| **name != line.external_id) else { continue };
            if !ids.contains(name.as_str()) {
                names.entry(name.clone()).and_modify(|known| *known = None).or_insert(Some(index));
            }
        }
        Self(names)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied().flatten()
    }
}

/// Makes vertices of structures that name their line and stand beside it.
fn insert_vertices(lines: &mut [RawLine], structures: &[RawStructure], names: &Names) {
    let mut by_line: BTreeMap<usize, Vec<Vertex>> = BTreeMap::new();
    for structure in structures.iter().filter(|structure| !structure.is_kept) {
        if let Some(line) = structure.line.as_deref().and_then(|line| names.find(line)) {
            by_line.entry(line).or_default().push(structure.position);
        }
    }
    for (index, positions) in by_line {
        let Some(line) = lines.get_mut(index) else { continue };
        let Ok(geometry) = Line::new(line.vertices.clone(), &[]) else { continue };
        let grid = GridIndex::new(vec![GridLine { line: Arc::new(geometry), zone_mm: None }]);
        let is_on_vertex = |position: Vertex| {
            // The geodesic is dear, and most vertices are far.
            let is_near = |vertex: &Vertex| vertex.0.abs_diff(position.0) <= CELL_E7.unsigned_abs();
            line.vertices
                .iter()
                .any(|vertex| is_near(vertex) && distance_mm(*vertex, position) <= ON_VERTEX_MM)
        };
        let mut new: Vec<(usize, i64, Vertex)> = positions
            .into_iter()
            .filter(|position| !is_on_vertex(*position))
            .filter_map(|position| {
                let hit = grid.on_line(0, position.0, position.1)?;
                (hit.offset_mm <= BESIDE_LINE_MM).then_some((hit.segment, hit.chainage_mm, position))
            })
            .collect();
        if new.is_empty() {
            continue;
        }
        new.sort_unstable();
        new.dedup_by(|next, kept| distance_mm(next.2, kept.2) <= ON_VERTEX_MM);
        let mut new = new.into_iter().peekable();
        let mut vertices = Vec::with_capacity(line.vertices.len());
        for (at, vertex) in line.vertices.iter().enumerate() {
            vertices.push(*vertex);
            while let Some((_, _, position)) = new.next_if(|(segment, _, _)| *segment == at) {
                vertices.push(position);
            }
        }
        line.vertices = vertices;
        line.nodes.clear();
    }
}

/// Vertices by cell, to find those near a position.
struct Corners(HashMap<(i64, i64), Vec<(usize, usize)>>);

/// The side of a cell, degrees × 1e7: 1.1 m of latitude.
const CELL_E7: i64 = 100;
/// Cells looked at to the east and to the west: enough for [`ON_VERTEX_MM`] up to 84 degrees of latitude.
const CELLS_ASIDE: i64 = 5;

impl Corners {
    fn of(lines: &[RawLine]) -> Self {
        let mut cells: HashMap<(i64, i64), Vec<(usize, usize)>> = HashMap::new();
        for (line_index, line) in lines.iter().enumerate() {
            for (vertex, at) in line.vertices.iter().enumerate() {
                cells.entry(cell(*at)).or_default().push((line_index, vertex));
            }
        }
        Self(cells)
    }

    /// The nearest vertex of each line within reach, lines ascending.
    fn near(&self, lines: &[RawLine], position: Vertex) -> Vec<(usize, usize)> {
        let (row, column) = cell(position);
        let mut best: BTreeMap<usize, (i64, usize)> = BTreeMap::new();
        for row in row - 1..=row + 1 {
            for column in column - CELLS_ASIDE..=column + CELLS_ASIDE {
                for (line, vertex) in self.0.get(&(row, column)).into_iter().flatten() {
                    let at = lines.get(*line).and_then(|line| line.vertices.get(*vertex));
                    let Some(distance) = at.map(|at| distance_mm(*at, position)) else { continue };
                    if distance <= ON_VERTEX_MM {
                        let found = (distance, *vertex);
                        best.entry(*line).and_modify(|known| *known = found.min(*known)).or_insert(found);
                    }
                }
            }
        }
        best.into_iter().map(|(line, (_, vertex))| (line, vertex)).collect()
    }
}

const fn cell((lat, lon): Vertex) -> (i64, i64) {
    (lat.div_euclid(CELL_E7), lon.div_euclid(CELL_E7))
}
