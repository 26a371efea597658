//! `match`: the nearest span and the full match against one vectorised call of shapely's tree; `patrol`: fixes of tracks
//! mapped to stretches of lines. One thread each, in the same run.
//!
//! The grid is Nepal's where it is present, else lines drawn by chance of about the same size. Start at [`matches()`].

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use firebreak::geometry::{Fix, GridIndex, GridLine, Line, MatchOptions, Vertex, clean, destination, follow};
use firebreak_tests::{nepal, python};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::figure::{Figures, number, rate};

/// Positions that are matched.
const POINTS: usize = 200_000;
/// Farthest from a line, millimetres.
const FARTHEST_MM: i64 = 500_000;
/// Rounds of each; the quickest of ours and of the rival are held against each other.
const ROUNDS: usize = 5;
/// Fixes of the tracks, at least.
const FIXES: usize = 200_000;
/// Between two fixes: 8 m of a line in as many seconds, up to 25 m beside it.
const STEP_MM: i64 = 8_000;
const BESIDE_MM: i64 = 25_000;

/// Prints how many positions a second are matched, held against the rival.
pub(crate) async fn matches(figures: &mut Figures) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let (lines, index) = grid(&mut random)?;
    let points: Vec<Vertex> = (0..POINTS).map(|_| near_a_line(&mut random, &lines)).collect();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("spans.bin");
    let spans = write(&path, &lines, &points)?;
    Figures::say(&format!("{POINTS} positions, {spans} spans of {} lines", lines.len()));
    let (bare, bare_m) =
        quickest(|| offsets_m(&points, |(lat, lon)| index.nearest(lat, lon).map(|hit| hit.offset_mm)));
    let full = |(lat, lon)| {
        index.locate(lat, lon, Some(50), MatchOptions::default()).map(|located| located.offset_mm)
    };
    let (full, full_m) = quickest(|| offsets_m(&points, full));
    let said = python::program("nearest.py", &[path.into_os_string(), ROUNDS.to_string().into()]).await?;
    let seconds = said.get("seconds").and_then(Value::as_array).context("seconds")?;
    let rival = seconds.iter().filter_map(Value::as_f64).fold(f64::INFINITY, f64::min);
    let rival_m = said.get("metres").and_then(Value::as_f64).context("metres")?;
    // Its plane is off by up to 0.04 % in the middle of its zone and more at the edges.
    for metres in [bare_m, full_m] {
        ensure!((metres / rival_m - 1.0).abs() < 0.005, "another answer: {metres} m, the rival {rival_m} m");
    }
    let of = |took: Duration| rival / took.as_secs_f64();
    figures.print("match_nearest", rate(POINTS, bare), "positions/s", of(bare), "shapely_strtree_nearest");
    figures.print("match_full", rate(POINTS, full), "positions/s", of(full), "shapely_strtree_nearest");
    Ok(())
}

/// Prints how many fixes a second become stretches, held against the fixes that come in where 1,000 patrols walk at once
/// with a fix a second.
pub(crate) fn patrols(figures: &mut Figures) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (lines, index) = grid(&mut random)?;
    let mut tracks: Vec<Vec<Fix>> = Vec::new();
    let mut fixes = 0;
    for line in lines.iter().cycle() {
        let track = patrol(&mut random, line);
        fixes += track.len();
        tracks.push(track);
        if fixes >= FIXES {
            break;
        }
    }
    let (took, walked_m) = quickest(|| {
        let walked = tracks.iter().flat_map(|track| follow(&index, &clean(track.clone())));
        walked.map(|part| metres(part.to_mm - part.from_mm)).sum()
    });
    ensure!(walked_m > 0.8 * number(fixes) * metres(STEP_MM), "{walked_m} m of {fixes} fixes");
    figures.print(
        "patrol",
        rate(fixes, took),
        "fixes/s",
        rate(fixes, took) / 1_000.0,
        "1000_patrols_at_once",
    );
    Ok(())
}

fn grid(random: &mut ChaCha8Rng) -> Result<(Vec<Line>, GridIndex)> {
    let lines: Vec<Line> = match nepal::real_data("nepal-osm-power") {
        Some(folder) => nepal::lines(&folder)?.into_iter().map(|line| line.line).collect(),
        None => (0..471).map(|_| drawn(random)).collect::<Result<_>>()?,
    };
    let shared = lines.iter().map(|line| GridLine { line: Arc::new(line.clone()), zone_mm: Some(15_000) });
    let index = GridIndex::new(shared.collect());
    Ok((lines, index))
}

/// 22 spans of 100 to 700 m, somewhere in 100 by 100 km.
fn drawn(random: &mut ChaCha8Rng) -> Result<Line> {
    let east = destination((300_000_000, 1_030_000_000), 90.0, random.random_range(0..100_000_000));
    let mut at = destination(east, 0.0, random.random_range(0..100_000_000));
    let mut bearing: f64 = random.random_range(0.0..360.0);
    let mut vertices = vec![at];
    for _span in 0..22 {
        bearing += random.random_range(-25.0..25.0);
        at = destination(at, bearing, random.random_range(100_000..700_000));
        vertices.push(at);
    }
    let all: Vec<usize> = (0..vertices.len()).collect();
    Ok(Line::new(vertices, &all)?)
}

fn near_a_line(random: &mut ChaCha8Rng, lines: &[Line]) -> Vertex {
    let line = lines.get(random.random_range(0..lines.len()));
    let on_line = line.map_or((0, 0), |line| line.at(random.random_range(0..line.length_mm())));
    destination(on_line, random.random_range(0.0..360.0), random.random_range(0..FARTHEST_MM))
}

/// A walk along a line, the fixes some way beside it.
fn patrol(random: &mut ChaCha8Rng, line: &Line) -> Vec<Fix> {
    let steps = 1..line.length_mm() / STEP_MM;
    let fix = |step: i64| {
        let bearing = random.random_range(0.0..360.0);
        let (lat_e7, lon_e7) =
            destination(line.at(step * STEP_MM), bearing, random.random_range(0..BESIDE_MM));
        Fix { time_ms: Some(step * STEP_MM), accuracy_dm: Some(50), lat_e7, lon_e7, segment: 0 }
    };
    steps.map(fix).collect()
}

/// Writes spans and positions as `tests/python/nearest.py` reads them; how many spans.
fn write(path: &Path, lines: &[Line], points: &[Vertex]) -> Result<usize> {
    let pairs = lines.iter().flat_map(|line| line.vertices().iter().zip(line.vertices().iter().skip(1)));
    let mut numbers: Vec<i64> = pairs.flat_map(|(from, to)| [from.0, from.1, to.0, to.1]).collect();
    let spans = numbers.len() / 4;
    numbers.splice(0..0, [i64::try_from(spans)?, i64::try_from(points.len())?]);
    numbers.extend(points.iter().flat_map(|(lat, lon)| [lat, lon]));
    let bytes: Vec<u8> = numbers.into_iter().flat_map(i64::to_le_bytes).collect();
    std::fs::write(path, bytes)?;
    Ok(spans)
}

fn offsets_m(points: &[Vertex], offset_mm: impl Fn(Vertex) -> Option<i64>) -> f64 {
    points.iter().filter_map(|point| offset_mm(*point)).map(metres).sum()
}

fn metres(mm: i64) -> f64 {
    number(u32::try_from(mm).unwrap_or(u32::MAX)) / 1e3
}

/// The shortest time of some rounds, and what they gave.
fn quickest(work: impl Fn() -> f64) -> (Duration, f64) {
    let mut best = (Duration::MAX, 0.0);
    for _round in 0..ROUNDS {
        let start = Instant::now();
        let gave = work();
        best = (best.0.min(start.elapsed()), gave);
    }
    best
}
