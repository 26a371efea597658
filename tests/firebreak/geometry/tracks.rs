//! Real tracks: every file is read or refused in words, no hop is walked, and no damage makes the reader panic.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use firebreak::geometry::{
    Fix, GpxFault, GridIndex, GridLine, Intervals, LONGEST_HOP_MM, Line, Piece, clean, distance_mm, follow,
    read_gpx,
};
use firebreak_tests::nepal::real_data;
use firebreak_tests::{rounds, seed};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

fn files() -> Result<Vec<PathBuf>> {
    let Some(folder) = real_data("gpx-tracks") else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for part in ["gpxpy", "leuven"] {
        for file in std::fs::read_dir(folder.join(part))? {
            files.push(file?.path());
        }
    }
    files.sort();
    ensure!(files.len() == 30, "{} files", files.len());
    Ok(files)
}

fn walked_mm(pieces: &[Piece]) -> i64 {
    let steps = pieces.iter().flat_map(|piece| piece.fixes.iter().zip(piece.fixes.iter().skip(1)));
    steps.map(|(from, to)| distance_mm(from.vertex(), to.vertex())).sum()
}

fn longest_mm(pieces: &[Piece]) -> i64 {
    let steps = pieces.iter().flat_map(|piece| piece.fixes.iter().zip(piece.fixes.iter().skip(1)));
    steps.map(|(from, to)| distance_mm(from.vertex(), to.vertex())).max().unwrap_or_default()
}

/// Track points, and metres that are left after cleaning; or what the refusal says.
type Expected = Result<(usize, i64), &'static str>;

const EXPECTED: &[(&str, Expected)] = &[
    ("Mojstrovka.gpx", Ok((184, 2699))),
    ("around-visnjan-with-car.gpx", Ok((104, 1774))),
    ("cerknicko-jezero-no-creator.gpx", Ok((296, 4132))),
    ("cerknicko-jezero-with-elevations-zero.gpx", Ok((296, 4132))),
    ("cerknicko-jezero-without-elevations.gpx", Ok((296, 4113))),
    ("cerknicko-jezero.gpx", Ok((296, 4132))),
    ("cerknicko-without-times.gpx", Ok((296, 4263))),
    ("custom_schema_locations.gpx", Err("no track")),
    ("default_schema_locations.gpx", Err("no track")),
    ("first_and_last_elevation.gpx", Ok((10, 0))),
    ("gpx-with-node-with-comments.gpx", Ok((1, 0))),
    ("gpx1.0_with_all_fields.gpx", Ok((1, 0))),
    ("gpx1.1_with_all_fields.gpx", Ok((1, 0))),
    ("gpx1.1_with_extensions.gpx", Err("no track")),
    ("gpx1.1_with_extensions_without_namespaces.gpx", Err("no track")),
    ("gpx_with_garmin_extension.gpx", Err("no track")),
    ("korita-zbevnica.gpx", Ok((871, 14929))),
    ("route.gpx", Ok((65, 4709))),
    ("route.gpx", Err("1 routes are no walk")),
    ("route2.gpx", Ok((8, 713))),
    ("track-with-empty-segment.gpx", Ok((9, 85))),
    ("track-with-extremes.gpx", Ok((25, 2207))),
    ("track-with-less-sec-time.gpx", Ok((2, 1))),
    ("track-with-small-floats.gpx", Ok((3, 0))),
    ("track_with_dilution_errors.gpx", Ok((1, 0))),
    ("track_with_speed.gpx", Ok((3, 18))),
    ("unicode.gpx", Err("6 waypoints")),
    ("unicode2.gpx", Err("no track")),
    ("unicode_with_bom.gpx", Err("no track")),
    ("unicode_with_bom_noencoding.gpx", Err("no track")),
];

#[test]
fn every_real_track_is_read_or_refused_in_words() -> Result<()> {
    for path in files()? {
        let name = path.file_name().and_then(|name| name.to_str()).context("a name")?;
        let read = read_gpx(&std::fs::read(&path)?);
        let said: Result<(usize, i64), String> = read.map_err(|fault| fault.to_string()).map(|track| {
            let (points, pieces) = (track.fixes.len() + track.damaged, clean(track.fixes));
            assert!(longest_mm(&pieces) <= LONGEST_HOP_MM, "{name}: a hop of {} mm", longest_mm(&pieces));
            (points, walked_mm(&pieces) / 1000)
        });
        let is_expected = EXPECTED.iter().filter(|(known, _)| *known == name).any(|(_, expected)| {
            match (expected, &said) {
                (Ok(expected), Ok(found)) => expected == found,
                (Err(words), Err(found)) => found.contains(words),
                (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
            }
        });
        ensure!(is_expected, "{}: {said:?}", path.display());
    }
    Ok(())
}

/// A line through the first and the last fix of a file, and what of it was walked.
fn hop(name: &str) -> Result<Option<(i64, Vec<Fix>)>> {
    let Some(path) = files()?.into_iter().find(|path| path.ends_with(name)) else { return Ok(None) };
    let fixes = read_gpx(&std::fs::read(path)?)?.fixes;
    let steps = fixes.iter().zip(fixes.iter().skip(1));
    let longest =
        steps.max_by_key(|(from, to)| distance_mm(from.vertex(), to.vertex())).context("two fixes")?;
    // The line is the hop itself: whoever joined its ends would have patrolled all of it.
    let line = Line::new(vec![longest.0.vertex(), longest.1.vertex()], &[])?;
    let index = GridIndex::new(vec![GridLine { line: Arc::new(line), zone_mm: None }]);
    let walked: Intervals =
        follow(&index, &clean(fixes.clone())).iter().map(|part| (part.from_mm, part.to_mm)).collect();
    Ok(Some((walked.total_mm(), fixes)))
}

#[test]
fn a_hop_of_thirteen_kilometres_is_not_patrolled() -> Result<()> {
    let Some((walked_mm, _)) = hop("gpxpy/korita-zbevnica.gpx")? else { return Ok(()) };
    println!("korita-zbevnica: {walked_mm} mm of the line along its 12.7 km hop");
    ensure!(walked_mm < 300_000, "{walked_mm} mm of 12.7 km");
    Ok(())
}

#[test]
fn a_damaged_track_file_is_read_or_refused_and_never_panics() -> Result<()> {
    let seed = seed("a_damaged_track_file_is_read_or_refused_and_never_panics", 11);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut files: Vec<Vec<u8>> = files()?.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    files.retain(|file| file.len() < 60_000);
    files.push(
        b"<?xml version='1.0'?><gpx version='1.1'><trk><trkseg><trkpt lat='1.5' lon='2'><time>2024-01-01T00:00:00Z</time>\
          <hdop>3</hdop></trkpt></trkseg></trk></gpx>"
            .to_vec(),
    );
    let (mut read, mut refused) = (0, 0);
    for _round in 0..rounds(400) {
        let mut file = files[random.random_range(0..files.len())].clone();
        for _change in 0..random.random_range(1..6) {
            let at = random.random_range(0..file.len());
            match random.random_range(0..5) {
                0 => file[at] = random.random(),
                1 => file.truncate(at.max(1)),
                2 => file.insert(at, *b"<>/&'\"-\0\xff9e".get(random.random_range(0..11)).context("a byte")?),
                3 => drop(file.remove(at).min(1)),
                _ => {
                    let end = (at + random.random_range(1..200)).min(file.len());
                    let part = file[at..end].to_vec();
                    file.splice(at..at, part);
                }
            }
            if file.is_empty() {
                break;
            }
        }
        match read_gpx(&file) {
            Ok(track) => {
                read += 1;
                let _pieces = clean(track.fixes);
            }
            Err(GpxFault::TooLarge(_) | GpxFault::TooManyPoints) => anyhow::bail!("no such size"),
            Err(_) => refused += 1,
        }
    }
    println!("{read} read, {refused} refused");
    ensure!(read > 0 && refused > 0, "{read} read, {refused} refused");
    Ok(())
}
