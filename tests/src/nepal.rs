//! The real lines of Nepal, with their towers: read in place from `nepal-osm-power`, never copied.
//!
//! Start at [`lines`]; it gives none where the data is absent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use firebreak::geometry::Line;
use serde_json::Value;

/// A line of the set.
#[derive(Debug)]
pub struct NepalLine {
    /// Its number in OpenStreetMap.
    pub osm_id: u64,
    /// With its towers as structures.
    pub line: Line,
}

/// A folder of the real data, or none and a line that says so.
pub fn real_data(set: &str) -> Option<PathBuf> {
    let given = std::env::var_os("FIREBREAK_REAL_DATA").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = given.unwrap_or_else(|| root.join("../shared/data")).join(set);
    let is_there = folder.is_dir();
    if !is_there {
        fixtures::skipped(&format!("the real data {set} is not at {}", folder.display()));
    }
    is_there.then_some(folder)
}

/// The rows of a table without quoted commas, its heading left out.
pub fn rows(file: &Path) -> Result<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(text.lines().skip(1).map(|row| row.split(',').map(str::to_owned).collect()).collect())
}

/// All lines, in the order of the file.
pub fn lines(folder: &Path) -> Result<Vec<NepalLine>> {
    let rows = rows(&folder.join("towers.csv"))?;
    let towers: BTreeSet<u64> = rows.iter().filter_map(|row| row.first()?.parse().ok()).collect();
    let text = std::fs::read_to_string(folder.join("lines.geojson"))?;
    let read: Value = serde_json::from_str(&text)?;
    let features = read.get("features").and_then(Value::as_array).context("features")?;
    features.iter().map(|feature| line(feature, &towers).context("a line of the set")).collect()
}

fn line(feature: &Value, towers: &BTreeSet<u64>) -> Option<NepalLine> {
    let osm_id = feature.pointer("/properties/osm_id")?.as_u64()?;
    let nodes = feature.pointer("/properties/nodes")?.as_array()?;
    let is_tower = |node: &Value| node.as_u64().is_some_and(|node| towers.contains(&node));
    let structures: Vec<usize> =
        nodes.iter().enumerate().filter(|(_, node)| is_tower(node)).map(|(at, _)| at).collect();
    let vertex = |pair: &Value| Some((e7(pair.get(1)?.as_f64()?), e7(pair.get(0)?.as_f64()?)));
    let coordinates = feature.pointer("/geometry/coordinates")?.as_array()?;
    let vertices = coordinates.iter().map(vertex).collect::<Option<Vec<_>>>()?;
    Some(NepalLine { osm_id, line: Line::new(vertices, &structures).ok()? })
}

/// Degrees × 1e7, nearest.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "degrees × 1e7 fit by far")]
pub fn e7(degrees: f64) -> i64 {
    (degrees * 1e7).round() as i64
}
