//! Every operation of the office's document is asked what it takes and what it refuses, by Schemathesis, as two roles;
//! every answer must be as the document says, none a failure of the server.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::python;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::kind::Kind;

/// Requests are made from it: the same seed makes the same ones.
const SEED: &str = "20261126";
/// Seconds of asking, at most, as each role.
const SECONDS: &str = "75";
/// Requests of each phase and operation, at most.
const EXAMPLES: &str = "8";

async fn asked_as(role: &str) -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let report = one.report("general").with("township", &"青杠镇");
    let wrong = one.on(report.record, Kind::Observed, [head_of(&report)]).with("tree_height_dm", &-5);
    let twin = other.report("general");
    let bundles = [one.seal(&[report.clone(), wrong]), other.seal(std::slice::from_ref(&twin))];
    one.sync(&bundles[..1]).await?;
    other.sync(&bundles[1..]).await?;
    let quarantine = office.json("/v1/quarantine").await?;
    let waiting = quarantine["quarantine"][0]["identity"].as_str().context("nothing waits")?;
    let there = json!({
        "path.record": report.record.to_string(),
        "path.other": twin.record.to_string(),
        "path.operation": waiting,
        "path.device": other.device.to_string(),
    });
    let person = server.add_person(role).await?;
    let token = server.create_token(&person).await?;
    println!("seed {SEED}, as {role}");
    let arguments = [
        "--url",
        &server.url,
        "--token",
        &token,
        "--seed",
        SEED,
        "--seconds",
        SECONDS,
        "--examples",
        EXAMPLES,
        "--parameters",
        &there.to_string(),
    ];
    let said: Value = python::program("fuzz_api.py", &arguments).await?;
    println!("{said}");
    let (selected, tested) = (&said["operations"]["selected"], &said["operations"]["tested"]);
    ensure!(selected == tested && selected.as_u64() > Some(40), "{said}");
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_answers_a_reviewer_as_its_document_says() -> Result<()> {
    asked_as("reviewer").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_answers_an_administrator_as_its_document_says() -> Result<()> {
    asked_as("admin").await
}
