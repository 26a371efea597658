//! What a group of bundles costs when one part of it cannot be written: that part, and nothing else.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak::telemetry::{COUNTERS, HISTOGRAMS};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::Value;
use sync_protocol::ids::{BundleHash, Chain, Identity};
use sync_protocol::operation::Operation;

/// Lets the database refuse the rows of a table, or those of one operation.
async fn refuse(server: &Server, table: &str, operation: Option<Identity>) -> Result<()> {
    let trigger = format!("CREATE TRIGGER refuse_{table} BEFORE INSERT ON {table}");
    if server.database().is_none() {
        let condition = operation.map_or("1 = 1".to_owned(), |it| format!("NEW.identity = x'{it}'"));
        let body = "BEGIN SELECT RAISE(ABORT, 'refused by a test'); END";
        return server.execute_text(format!("{trigger} WHEN {condition} {body}")).await;
    }
    let condition = operation.map_or("true".to_owned(), |it| format!("NEW.identity = '\\x{it}'"));
    let body = "BEGIN RAISE EXCEPTION 'refused by a test'; END";
    let function =
        format!("CREATE FUNCTION refuse_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$");
    server.execute_text(function).await?;
    server
        .execute_text(format!("{trigger} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse_{table}()"))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_that_cannot_be_written_costs_itself_and_no_number_twice() -> Result<()> {
    for backend in Backend::ALL {
        one_bundle(backend).await.with_context(|| format!("on {backend:?}"))?;
    }
    Ok(())
}

async fn one_bundle(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let (mut revoked, mut carrier) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let own: Vec<Operation> = (0..3).map(|_| revoked.report("general")).collect();
    let [first, second, third] = [0, 1, 2].map(|nth: usize| revoked.seal(std::slice::from_ref(&own[nth])));
    let (sequence, chain) = ("3".to_owned(), revoked.chain.to_string());
    let device = revoked.device.to_string();
    let revoke =
        ["device", "revoke", "--device", &device, "--last-sequence", &sequence, "--last-chain", &chain];
    server.command_text(&revoke, "status").await?;
    // The first waits: nothing connects it to the trusted point until the second comes.
    carrier.sync(&[first, third]).await?;
    let bad = carrier.report("serious");
    refuse(&server, "operations", Some(Identity::of(&bad.encode()))).await?;
    let bad = carrier.seal(&[bad]);
    let good = carrier.reports(2);
    let reply = carrier.sync(&[&bad, &second, &good]).await?;
    ensure!(reply.status == 200 && reply.receipts().len() == 2, "{} {:?}", reply.status, reply.receipts());
    let hazards = server.client()?.json("/v1/hazards?type=all").await?;
    let hazards = hazards.pointer("/hazards").and_then(Value::as_array).context("no list")?;
    let numbers: BTreeSet<&str> = hazards.iter().filter_map(|row| row.get("number")?.as_str()).collect();
    ensure!(hazards.len() == 5 && numbers.len() == 5, "{numbers:?} for {} hazards", hazards.len());
    server.check().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_noted_beside_a_bundle_costs_no_bundle() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        refuse(&server, "refused", None).await?;
        let good = phone.reports(2);
        let reply = phone.sync(&[good.as_slice(), b"no bundle"]).await?;
        ensure!(reply.receipts().len() == 1 && reply.refused().len() == 1, "{backend:?}: {reply:?}");
        let kept: Vec<(Vec<u8>,)> = server.rows("SELECT bundle FROM refused").await?;
        ensure!(kept.is_empty(), "{backend:?}: it was noted");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_signed_again_and_again_is_read_once() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let operations: Vec<Vec<u8>> = (0..20).map(|_| phone.report("general").encode()).collect();
        for _ in 0..12 {
            (phone.sequence, phone.chain) = (0, Chain::START);
            let bundle = phone.seal_bytes(operations.clone());
            ensure!(phone.sync(&[bundle]).await?.receipts().len() == 1);
        }
        let engine = firebreak::app::open(&server.settings()).await?;
        let district = engine.district(&server.district).await?;
        let mut transaction = engine.store.read().await?;
        let spans = transaction.run_spans(district.key, phone.device, (0, u64::MAX)).await?;
        ensure!(
            spans.len() == 1 && spans.iter().all(|span| span.members.len() == 20),
            "{} runs",
            spans.len()
        );
        // Each signature is kept all the same.
        let mut kept = transaction.runs_after(district.key, BundleHash([0; 32]), 100).await?;
        kept.retain(|run| run.device == phone.device);
        ensure!(kept.len() == 12, "{} kept", kept.len());
        server.check().await?;
    }
    Ok(())
}

/// The samples of a metric, each with its labels; of a histogram, its counts.
fn samples(text: &str, name: &str) -> Vec<(String, u64)> {
    let of = |line: &str| -> Option<(String, u64)> {
        let rest = line.strip_prefix(name)?;
        let rest = rest.strip_prefix("_count").unwrap_or(rest);
        let (labels, value) = rest.rsplit_once(' ')?;
        (labels.is_empty() || labels.starts_with('{')).then_some((labels.to_owned(), value.parse().ok()?))
    };
    text.lines().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_that_is_described_is_there_after_a_sync_and_counts_what_was_new() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let office = server.client()?;
        let received = async || -> Result<[u64; 2]> {
            let text = office.get("/metrics").await?.text();
            let samples = samples(&text, "firebreak_operations_total");
            Ok(["applied", "quarantined"].map(|disposition| {
                let labels = format!("{{disposition=\"{disposition}\"}}");
                samples.iter().find(|(found, _)| *found == labels).map_or(0, |(_, value)| *value)
            }))
        };
        let before = received().await?;
        let good = phone.reports(3);
        let bad = phone.seal_bytes(vec![vec![0xff; 30]]);
        for _ in 0..2 {
            phone.sync(&[&good, &bad, &b"no bundle".to_vec()]).await?;
        }
        let after = received().await?;
        let new = [after[0] - before[0], after[1] - before[1]];
        ensure!(new == [3, 1], "{backend:?}: {new:?} of {before:?} and {after:?}");
        let text = office.get("/metrics").await?.text();
        for (name, words) in COUNTERS.iter().chain(HISTOGRAMS) {
            ensure!(text.contains(&format!("# HELP {name} {words}")), "{name} is not described: {text}");
            ensure!(!samples(&text, name).is_empty(), "{name} is not there: {text}");
        }
        // And none is there that is not described.
        let described = |name: &str| COUNTERS.iter().chain(HISTOGRAMS).any(|(known, _)| *known == name);
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        for name in types {
            ensure!(described(name), "{name} has no words");
        }
    }
    Ok(())
}
