//! The grid of Nepal against its answer keys: every length, and the nearest line of every satellite fire detection.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use firebreak::geometry::{Certainty, GridIndex, GridLine, Line, MatchOptions};
use firebreak_tests::nepal::{NepalLine, e7, lines, real_data, rows};

fn number(row: &[String], column: usize) -> Result<f64> {
    row.get(column).context("a column")?.parse::<f64>().with_context(|| format!("{row:?}"))
}

fn millimetres(metres: f64) -> i64 {
    e7(metres / 1e4)
}

#[test]
fn every_line_of_nepal_is_as_long_as_its_answer_key_says() -> Result<()> {
    let Some(folder) = real_data("nepal-osm-power") else { return Ok(()) };
    let lines: BTreeMap<u64, Line> =
        lines(&folder)?.into_iter().map(|line| (line.osm_id, line.line)).collect();
    let expected = rows(&folder.join("expected_lengths.csv"))?;
    ensure!(expected.len() == 471 && lines.len() == 471, "{} {}", expected.len(), lines.len());
    let mut worst_mm = 0;
    for row in &expected {
        let osm_id: u64 = row.first().context("an id")?.parse()?;
        let line = lines.get(&osm_id).with_context(|| format!("no line {osm_id}"))?;
        let all: Vec<usize> = (0..line.vertices().len()).collect();
        let by_vertex = Line::new(line.vertices().to_vec(), &all)?;
        for (column, found_mm) in [(3, line.length_mm()), (4, by_vertex.longest_span_mm())] {
            let off_mm = (found_mm - millimetres(number(row, column)?)).abs();
            worst_mm = worst_mm.max(off_mm);
            ensure!(off_mm * 1000 <= found_mm, "{osm_id}: {found_mm} mm, the key says {row:?}");
        }
        let spans_mm: i64 = line.spans().map(|span| span.length_mm()).sum();
        ensure!(spans_mm == line.length_mm(), "{osm_id}: the spans are not the line");
    }
    let untraced = lines.values().filter(|line| line.is_untraced()).count();
    println!(
        "nepal: 471 lengths, off by at most {worst_mm} mm; {untraced} lines with a span of more than 3 km"
    );
    ensure!(worst_mm <= 10, "the key has two decimals: {worst_mm} mm");
    Ok(())
}

fn index(lines: Vec<NepalLine>) -> (Vec<u64>, GridIndex) {
    let ids = lines.iter().map(|line| line.osm_id).collect();
    let lines = lines.into_iter().map(|line| GridLine { line: Arc::new(line.line), zone_mm: None });
    (ids, GridIndex::new(lines.collect()))
}

fn detections_agree(folder: &Path, ids: &[u64], index: &GridIndex) -> Result<usize> {
    let (mut worst_mm, mut far, mut in_reach) = (0, 0, 0);
    let expected = rows(&folder.join("expected_nearest_firms.csv"))?;
    ensure!(expected.len() == 41, "{} rows", expected.len());
    for row in &expected {
        let (lat_e7, lon_e7) = (e7(number(row, 1)?), e7(number(row, 2)?));
        let hit = index.nearest(lat_e7, lon_e7).context("nothing is nearest")?;
        let osm_id: u64 = row.get(6).context("an id")?.parse()?;
        ensure!(ids.get(hit.line) == Some(&osm_id), "{:?}, the key says {row:?}", ids.get(hit.line));
        let located = index.locate(lat_e7, lon_e7, None, MatchOptions::default());
        ensure!(located.is_some() == (hit.offset_mm <= 1_000_000), "{located:?}");
        in_reach += usize::from(located.is_some_and(|located| located.certainty >= Certainty::Doubtful));
        let distance_mm = millimetres(number(row, 10)?);
        if distance_mm > 100_000_000 {
            far += 1;
            continue;
        }
        let allowed_mm = 1_000.max(distance_mm / 1000);
        let segment: usize = row.get(8).context("a segment")?.parse()?;
        let line = index.line(hit.line).context("a line")?;
        let ends = line.chainages_mm().get(segment..segment + 2).context("a segment of the line")?;
        let &[from_mm, to_mm] = ends else { continue };
        let along = number(row, 9)? * f64::from(u32::try_from(to_mm - from_mm)?);
        let chainage_mm = from_mm + millimetres(along / 1e3);
        let (off_mm, along_mm) = ((hit.offset_mm - distance_mm).abs(), (hit.chainage_mm - chainage_mm).abs());
        worst_mm = worst_mm.max(off_mm).max(along_mm);
        ensure!(off_mm <= allowed_mm && along_mm <= allowed_mm, "{hit:?}, the key says {row:?}");
    }
    println!(
        "nepal: 41 detections, {far} beyond 100 km, {in_reach} within 1 km, the others off by at most {worst_mm} mm"
    );
    Ok(in_reach)
}

#[test]
fn every_detection_of_nepal_finds_the_line_the_distance_and_the_place_of_its_answer_key() -> Result<()> {
    let Some(folder) = real_data("nepal-osm-power") else { return Ok(()) };
    let (ids, index) = index(lines(&folder)?);
    let in_reach = detections_agree(&folder, &ids, &index)?;
    ensure!(in_reach == 2, "2 of the 41 lie within 1 km of a line, found {in_reach}");
    Ok(())
}
