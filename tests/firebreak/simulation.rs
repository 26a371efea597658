//! The simulated days of `make run`, in small: the table at their end says what the server holds.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::server::{Backend, Server};
use fixtures::device::trust::Trust;
use fixtures::simulate::{self, Plan};
use serde_json::json;
use sync_protocol::codes::Code;

const SEED: u64 = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_a_simulation_says_what_a_check_of_the_ledger_says() -> Result<()> {
    println!("seed {SEED}");
    let server = Server::start(Backend::Sqlite).await?;
    let folder = tempfile::tempdir()?;
    let plan = Plan {
        server: server.url.clone(),
        trust: Trust::Machine,
        token: server.token.clone(),
        devices: 6,
        days: 2,
        seed: SEED,
        land: SEED,
        state: folder.path().to_owned(),
    };
    let mut told = Vec::new();
    let outcome = simulate::simulate(&plan, |line| told.push(line.to_owned())).await?;
    ensure!(outcome.is_sound(), "{outcome}\n{}", told.join("\n"));
    let checked = server.check().await?;
    assert_eq!(json!(outcome.held.received), checked["received"], "{outcome}");
    assert_eq!(json!(outcome.held.dispositions), checked["dispositions"], "{outcome}");
    // The revoked phone's last bundles came by a colleague: they wait, and the table says so.
    let waiting = outcome.quarantined.get(Code::AfterRevocation.as_str());
    ensure!(waiting.is_some_and(|count| *count > 0), "nothing of the revoked phone waits:\n{outcome}");
    let in_all: u64 = outcome.quarantined.values().sum();
    assert_eq!(Some(&in_all), outcome.held.dispositions.get("quarantined"), "{outcome}");
    let page = server.client()?.json("/v1/conflicts?limit=500").await?;
    let open = page["conflicts"].as_array().context("no conflicts")?.len();
    assert_eq!(outcome.held.conflicts, u64::try_from(open)?, "{outcome}");
    let table = outcome.to_string();
    ensure!(outcome.photos_verified > 0 && outcome.photos_refused == 0, "{outcome}");
    let page = server.client()?.json("/v1/photos?outstanding=true&limit=500").await?;
    let outstanding = page["photos"].as_array().context("no photos")?.len();
    println!(
        "{} photos verified of {}, {outstanding} outstanding",
        outcome.photos_verified, outcome.photos_named
    );
    ensure!(outcome.photos_named <= outcome.photos_verified + u64::try_from(outstanding)?, "{outcome}");
    for row in ["photos verified", "in quarantine, why", "conflicts open", "devices still out"] {
        ensure!(table.contains(row), "no row {row} in\n{table}");
    }
    ensure!(!outcome.still_out.is_empty() && table.contains("(revoked)"), "{table}");
    Ok(())
}
