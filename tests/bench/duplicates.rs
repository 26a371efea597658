//! `duplicates`: how many twins are proposed, and how many of the proposals are twins.
//!
//! On seeded hazards, whose truth is known; on boston-311, whose office named some twins in words; on nasa-firms, where two
//! passes see one fire. Real sets are named as skipped where they are absent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use firebreak::duplicates::{Candidate, Spot, is_place_known};
use firebreak_tests::twins::{Pair, Twins, found, pair, seeded};
use fixtures::replay::Set;
use fixtures::replay::rows::Row;
use sync_protocol::cbor::Raw;
use sync_protocol::ids::{DeviceId, RecordId, sha256};
use sync_protocol::operation::Position;
use uuid::Uuid;

use crate::figure::{Figures, number};

const SEED: u64 = 20_261_125;
const HAZARDS: u32 = 2_000;
/// What the portal of the city writes where it does not know the place.
const BOSTON_UNKNOWN: &[(i64, i64)] = &[(423_594_000, -710_587_000)];

/// Measures all of it.
pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    Figures::say(&format!("duplicates, seed {SEED}"));
    let Twins { candidates, pairs } = seeded(SEED, HAZARDS);
    let proposed = found(&candidates);
    let right = number(proposed.intersection(&pairs).count());
    share(figures, "duplicates_recall", right, number(pairs.len()), "seeded twins");
    share(figures, "duplicates_precision", right, number(proposed.len()), "proposals of seeded hazards");
    let data = std::env::var_os("FIREBREAK_REAL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let boston = data.join("boston-311/tree_emergencies.csv");
    if boston.exists() {
        of_boston(figures, &Set::Boston.rows(&boston)?);
    } else {
        Figures::say("duplicates: boston-311 is skipped, it is not there");
    }
    let firms: Vec<PathBuf> = ["world_fires_1_day.csv", "week_nepal.csv"]
        .iter()
        .map(|name| data.join("nasa-firms").join(name))
        .collect();
    if firms.iter().all(|path| path.exists()) {
        for path in firms {
            of_firms(figures, &Set::Firms.rows(&path)?);
        }
    } else {
        Figures::say("duplicates: nasa-firms is skipped, it is not there");
    }
    Ok(())
}

fn share(figures: &mut Figures, name: &str, part: f64, whole: f64, of: &str) {
    figures.print(name, part, "of", part / whole, &format!("{whole} {of}").replace(' ', "_"));
}

/// The text of a field.
fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    row.report.fields.get(name).and_then(Raw::as_text).unwrap_or_default()
}

fn candidate(row: &Row, device: &str, unknown: &[(i64, i64)]) -> Candidate {
    let position: Option<Position> = row.report.fields.get("position").and_then(Raw::decode);
    let known = position.filter(|at| is_place_known(at.lat_e7, at.lon_e7, unknown));
    let spot = known.map(|at| Spot { lat_e7: at.lat_e7, lon_e7: at.lon_e7, accuracy_dm: at.accuracy_dm });
    let named = |name: &str| Some(text(row, name).to_owned()).filter(|text| !text.is_empty());
    let hash = sha256(device.as_bytes());
    Candidate {
        record: RecordId(row.id(0, row.report.at_ms)),
        category: named("category"),
        kind: named("type"),
        found_ms: row.report.at_ms,
        spot,
        line: None,
        device: hash.first_chunk::<16>().map(|bytes| DeviceId(Uuid::from_bytes(*bytes))),
        photos: Vec::new(),
        text: named("description").map(|text| sha256(text.as_bytes())),
    }
}

/// What the office wrote when it closed a case.
fn closure(row: &Row) -> &str {
    let mut texts = row.later.iter().filter_map(|draft| draft.fields.get("text").and_then(Raw::as_text));
    texts.next_back().unwrap_or_default()
}

/// The pair that a duplicate label names, where the file has the other case: its number, or the end of it.
fn quoted(row: &Row, cases: &BTreeMap<&str, RecordId>) -> Option<Pair> {
    let own = RecordId(row.id(0, row.report.at_ms));
    let mut numbers = closure(row).split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() >= 6);
    let of = |digits: &str| {
        let named = cases.iter().find(|(case, record)| case.ends_with(digits) && **record != own);
        named.map(|(_, record)| pair(own, *record))
    };
    numbers.find_map(of)
}

fn of_boston(figures: &mut Figures, rows: &[Row]) {
    // Every caller is another one.
    let candidates: Vec<Candidate> =
        rows.iter().map(|row| candidate(row, text(row, "external_id"), BOSTON_UNKNOWN)).collect();
    let proposed = found(&candidates);
    let cases: BTreeMap<&str, RecordId> =
        rows.iter().map(|row| (text(row, "external_id"), RecordId(row.id(0, row.report.at_ms)))).collect();
    let labelled: Vec<&Row> =
        rows.iter().filter(|row| closure(row).to_lowercase().contains("duplicate")).collect();
    let pairs: Vec<Option<Pair>> = labelled.iter().map(|row| quoted(row, &cases)).collect();
    let named: Vec<Pair> = pairs.iter().flatten().copied().collect();
    let hits = number(named.iter().filter(|pair| proposed.contains(pair)).count());
    share(figures, "duplicates_boston_recall", hits, number(named.len()), "labels that name a case");
    let twins: BTreeSet<RecordId> = proposed.iter().flat_map(|(one, two)| [*one, *two]).collect();
    let others: Vec<RecordId> = labelled
        .iter()
        .zip(&pairs)
        .filter(|(_, pair)| pair.is_none())
        .map(|(row, _)| RecordId(row.id(0, row.report.at_ms)))
        .collect();
    let with = number(others.iter().filter(|record| twins.contains(record)).count());
    share(figures, "duplicates_boston_labels", with, number(others.len()), "other labels with a proposal");
    share(figures, "duplicates_boston_proposals", number(proposed.len()), number(rows.len()), "cases");
}

fn of_firms(figures: &mut Figures, rows: &[Row]) {
    // One pass of a satellite is one observer.
    let observer = |row: &Row| format!("{} {}", text(row, "source"), row.report.at_ms);
    let candidates: Vec<Candidate> =
        rows.iter().map(|row| Candidate { text: None, ..candidate(row, &observer(row), &[]) }).collect();
    let proposed = found(&candidates);
    let name = if rows.len() > 1_000 { "duplicates_firms_world" } else { "duplicates_firms_nepal" };
    share(figures, name, number(proposed.len()), number(rows.len()), "detections");
}
