//! What somebody reads before a text is redacted, and writes after it, does not come back on the map.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::ids::Identity;

use super::beside;

/// Sessions that wait for a lock.
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
/// Tokens that were noted as used, which happens beside the request that uses one first.
const USED: &str = "SELECT count(*) FROM tokens WHERE used_ms IS NOT NULL";

/// Waits until a statement counts so many.
async fn until(server: &Server, counts: &'static str, wanted: i64) -> Result<()> {
    let counting = async {
        while server.rows::<(i64,)>(counts).await?.first() != Some(&(wanted,)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_mins(1), counting).await.context(counts)?
}

/// On PostgreSQL, where whoever waits for a row first has it first: the redaction, then the step that read before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_redacted_while_it_is_derived_does_not_come_back_on_the_map() -> Result<()> {
    let server = Server::start_with(Backend::Postgres, &[("FIREBREAK_DERIVE", "false")]).await?;
    let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
    let report = phone.report("serious").with("description", &"王老五住在三组十二号");
    let (record, identity) = (report.record, Identity::of(&report.encode()).to_string());
    let bundle = phone.seal(&[report]);
    phone.sync(&[bundle]).await?;
    office.json("/v1/danger").await?;
    until(&server, USED, 1).await?;
    let (engine, district) = beside(&server).await?;
    let mut held = engine.store.begin().await?;
    held.take_counter(district.key, 0).await?;
    let redact =
        json!({ "fields": { "operation": identity, "field": "description", "reason": "当事人要求" } });
    let redacting = tokio::spawn(async move {
        office.post(&format!("/v1/hazards/{record}/commands/redact"), &redact).await?.json("redact")
    });
    until(&server, WAITING, 1).await?;
    let deriving = tokio::spawn(async move { engine.follow_until_current(&district).await });
    until(&server, WAITING, 2).await?;
    held.rollback().await?;
    redacting.await??;
    deriving.await??;
    let shown = server.rows::<(String,)>("SELECT coalesce(description, '') FROM map_hazards").await?;
    ensure!(shown.len() == 1 && !shown[0].0.contains("王老五"), "{shown:?}");
    Ok(())
}
