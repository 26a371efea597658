//! Lengths, chainages, conversions and matches of ours, written down and held against pyproj by `tests/python/geometry.py`.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use firebreak::geometry::{Converter, Datum, Degrees, GridIndex, GridLine, Line, destination};
use firebreak_tests::{nepal, python, seed};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Lines of mountains that nobody mapped: 60 of up to 40 vertices, spans of 50 m to 11 km, up to 150 km from the middle.
fn drawn(random: &mut ChaCha8Rng) -> Result<Vec<Line>> {
    let middle = (300_000_000, 1_030_000_000);
    let mut lines = Vec::new();
    for _line in 0..60 {
        let mut at =
            destination(middle, random.random_range(0.0..360.0), random.random_range(0..150_000_000));
        let mut bearing: f64 = random.random_range(0.0..360.0);
        let mut vertices = vec![at];
        for _vertex in 0..random.random_range(1..40) {
            bearing += random.random_range(-40.0..40.0);
            let longest = if random.random_range(0..20) == 0 { 11_000_000 } else { 900_000 };
            at = destination(at, bearing, random.random_range(50_000..longest));
            vertices.push(at);
        }
        lines.push(Line::new(vertices, &[])?);
    }
    Ok(lines)
}

fn zones(random: &mut ChaCha8Rng) -> Result<Vec<Value>> {
    let mut cases = Vec::new();
    for code in 4491..=4554_u16 {
        let converter = Converter::new(Datum::Epsg(code))?;
        let (first, width) = match code {
            4491..=4501 => (4491, 6.0),
            4502..=4512 => (4502, 6.0),
            4513..=4533 => (4513, 3.0),
            _ => (4534, 3.0),
        };
        let meridian = 75.0 + f64::from(code - first) * width;
        for _point in 0..4 {
            // In the zone, and as far again beyond it.
            let lon = meridian + random.random_range(-width..width);
            let given = Degrees { lat: random.random_range(3.0..54.0), lon };
            let (x, y) = converter.from_wgs84(given)?;
            let back = converter.to_wgs84(x, y)?;
            cases.push(json!({
                "code": code, "lat": given.lat, "lon": given.lon, "x": x, "y": y,
                "back_lat": back.lat, "back_lon": back.lon,
            }));
        }
    }
    Ok(cases)
}

fn shifted(random: &mut ChaCha8Rng) -> Result<Vec<Value>> {
    let mut cases = Vec::new();
    for (name, datum) in [("gcj02", Datum::Gcj02), ("bd09", Datum::Bd09)] {
        let converter = Converter::new(datum)?;
        for _point in 0..200 {
            let given =
                Degrees { lat: random.random_range(25.0..38.0), lon: random.random_range(101.0..118.0) };
            let (x, y) = converter.from_wgs84(given)?;
            let back = converter.to_wgs84(x, y)?;
            cases.push(json!({
                "datum": name, "lat": given.lat, "lon": given.lon, "x": x, "y": y,
                "back_lat": back.lat, "back_lon": back.lon,
            }));
        }
    }
    Ok(cases)
}

/// Positions from 1 m to 100 km off a line.
fn matches(random: &mut ChaCha8Rng, index: &GridIndex) -> Result<Vec<Value>> {
    let mut cases = Vec::new();
    for _point in 0..300 {
        let line = index.line(random.random_range(0..index.len())).context("a line")?;
        let on_line = line.at(random.random_range(0..line.length_mm()));
        let off_mm = 10_i64.pow(random.random_range(3..8)) * random.random_range(1..10);
        let (lat_e7, lon_e7) = destination(on_line, random.random_range(0.0..360.0), off_mm);
        let hit = index.nearest(lat_e7, lon_e7).context("nothing is nearest")?;
        let foot = index.line(hit.line).context("a line")?.at(hit.chainage_mm);
        cases.push(json!({
            "lat_e7": lat_e7, "lon_e7": lon_e7, "offset_mm": hit.offset_mm, "foot": [foot.0, foot.1],
        }));
    }
    Ok(cases)
}

/// What was computed from these lines, held against pyproj: the largest differences.
async fn held_against_pyproj(test: &str, lines: Vec<Line>) -> Result<Value> {
    let mut random = ChaCha8Rng::seed_from_u64(seed(test, 34));
    let as_json = |line: &Line| json!({ "vertices": line.vertices(), "chainages_mm": line.chainages_mm() });
    let written: Vec<Value> = lines.iter().map(as_json).collect();
    let lines = lines.into_iter().map(|line| GridLine { line: Arc::new(line), zone_mm: None });
    let index = GridIndex::new(lines.collect());
    let cases = json!({
        "lines": written,
        "zones": zones(&mut random)?,
        "shifted": shifted(&mut random)?,
        "matches": matches(&mut random, &index)?,
    });
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cases.json");
    std::fs::write(&path, serde_json::to_vec(&cases)?)?;
    let said = python::program("geometry.py", &[path]).await?;
    println!("{test}: {said}");
    Ok(said)
}

fn ensure_right(said: &Value) -> Result<()> {
    for (name, at_most) in [
        // Rounded to whole millimetres.
        ("chainage_mm", 0.51),
        ("zone_forward_mm", 0.01),
        ("zone_backward_mm", 0.01),
        ("shifted_forward_mm", 0.001),
        ("shifted_backward_mm", 0.2),
        // Of 1 m or 0.1 %.
        ("match_share", 1.0),
        // The foot is kept in 1e-7 degrees; 1 cm at 100 km is the error of a straight line in space.
        ("match_foot_mm", 20.0),
    ] {
        let found = said.get(name).and_then(Value::as_f64).with_context(|| format!("{name}: {said}"))?;
        ensure!(found <= at_most, "{name} is {found}, at most {at_most}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn lengths_conversions_and_matches_are_those_of_pyproj() -> Result<()> {
    let test = "lengths_conversions_and_matches_are_those_of_pyproj";
    let lines = drawn(&mut ChaCha8Rng::seed_from_u64(seed(test, 34)))?;
    ensure_right(&held_against_pyproj(test, lines).await?)
}

#[tokio::test]
async fn lengths_and_matches_of_the_real_grid_are_those_of_pyproj() -> Result<()> {
    let Some(folder) = nepal::real_data("nepal-osm-power") else { return Ok(()) };
    let lines = nepal::lines(&folder)?.into_iter().map(|line| line.line).collect();
    ensure_right(
        &held_against_pyproj("lengths_and_matches_of_the_real_grid_are_those_of_pyproj", lines).await?,
    )
}
