//! Real records, replayed by the reference device against a real server: each row is one report, a second replay
//! writes nothing new. The data is read in place; where it is absent a test says so and ends.

use std::path::{Path, PathBuf};

use anyhow::Result;
use firebreak_tests::server::{Backend, Server};
use fixtures::device::trust::Trust;
use fixtures::replay::{self, Set};
use serde_json::Value;
use sync_protocol::codes::Code;

/// Where Boston puts a report whose place nobody knows (PROVENANCE.md of the set: 36 of its 795 rows).
const BOSTON_UNKNOWN: &str = "42.3594,-71.0587";

/// The folder of a set, or none and a line that says so.
pub(crate) fn folder(set: Set) -> Option<PathBuf> {
    let given = std::env::var_os("FIREBREAK_REAL_DATA").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = given.unwrap_or_else(|| root.join("../shared/data")).join(set.name());
    let is_there = folder.is_dir();
    if !is_there {
        fixtures::skipped(&format!("the real records {} are not at {}", set.name(), folder.display()));
    }
    is_there.then_some(folder)
}

/// What a set gives: its files, its rows, the positions that stand for "place unknown" in it, and how many of its
/// reports must have which flag.
struct Expected {
    files: &'static [&'static str],
    rows: u64,
    default_positions: &'static str,
    flags: &'static [(Code, u64)],
}

async fn replays(set: Set, expected: Expected, backend: Backend) -> Result<()> {
    let Expected { files, rows, default_positions, flags } = expected;
    let Some(folder) = folder(set) else { return Ok(()) };
    let settings = [("FIREBREAK_DEFAULT_POSITIONS", default_positions)];
    let server = Server::start_with(backend, &settings).await?;
    let state = tempfile::tempdir()?;
    let plan = replay::Plan {
        set,
        files: files.iter().map(|file| folder.join(file)).collect(),
        server: server.url.clone(),
        trust: Trust::Machine,
        token: server.token.clone(),
        devices: 4,
        seed: 1,
        state: state.path().to_owned(),
    };
    let first = replay::replay(&plan, |_| {}).await?;
    println!("{} on {backend:?}: {}", set.name(), serde_json::to_string(&first)?);
    assert_eq!((first.rows, first.reports, first.unreceived), (rows, rows, 0));
    assert_eq!(first.new, first.reports + first.later);
    for (code, count) in flags {
        assert_eq!(first.flags.get(code.as_str()).copied().unwrap_or(0), *count, "{code}: {:?}", first.flags);
    }
    let checked = server.check().await?;
    assert_eq!(checked.get("records").and_then(Value::as_u64), Some(rows), "{checked}");
    let again = replay::replay(&plan, |_| {}).await?;
    assert_eq!(again.new, 0, "the second replay recorded something new");
    assert_eq!((again.reports, again.later), (first.reports, first.later));
    let unchanged = server.check().await?;
    assert_eq!(unchanged, checked, "the second replay changed the ledger");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_both_files_of_boston_311_becomes_one_record() -> Result<()> {
    let expected = Expected {
        files: &["tree_emergencies.csv", "downed_wire.csv"],
        rows: 795,
        default_positions: BOSTON_UNKNOWN,
        flags: &[(Code::FlagDefaultPosition, 36), (Code::FlagNoPhoto, 795)],
    };
    replays(Set::Boston, expected, Backend::Sqlite).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_alberta_wildfire_becomes_one_record_on_postgres() -> Result<()> {
    let expected = Expected {
        files: &["powerline_2006_2018.csv"],
        rows: 923,
        default_positions: "",
        flags: &[(Code::FlagDefaultPosition, 0), (Code::FlagNoPhoto, 923)],
    };
    replays(Set::Alberta, expected, Backend::Postgres).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_both_files_of_nasa_firms_becomes_one_record() -> Result<()> {
    let expected = Expected {
        files: &["world_fires_1_day.csv", "week_nepal.csv"],
        rows: 3_166,
        default_positions: "",
        flags: &[(Code::FlagDefaultPosition, 0), (Code::FlagNoPhoto, 3_166)],
    };
    replays(Set::Firms, expected, Backend::Sqlite).await
}
