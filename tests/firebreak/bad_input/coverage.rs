//! Every code of the catalogue is received: scenarios are played, the client notes each code that comes back, in an
//! error, a refusal, a receipt or a notice, and none may be left.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use anyhow::{Result, ensure};
use firebreak_tests::http;
use firebreak_tests::server::Backend;
use sync_protocol::codes::Code;

use super::super::idempotency;
use super::{bundles, chains, imports, limits, notices, operations, requests, slots, store};

type Scenario = (&'static str, Pin<Box<dyn Future<Output = Result<()>> + Send>>);

fn scenarios(backend: Backend) -> Vec<Scenario> {
    vec![
        ("operations::encoding", Box::pin(operations::encoding(backend))),
        ("operations::shape_and_values", Box::pin(operations::shape_and_values(backend))),
        ("limits::inside_operations", Box::pin(limits::inside_operations(backend))),
        ("bundles::structure", Box::pin(bundles::structure(backend))),
        ("bundles::runs", Box::pin(bundles::runs(backend))),
        ("limits::of_bundles", Box::pin(limits::of_bundles(backend))),
        ("chains::reused_ids", Box::pin(chains::reused_ids(backend))),
        ("chains::forks", Box::pin(chains::forks(backend))),
        ("chains::odd_values", Box::pin(chains::odd_values(backend))),
        ("chains::revocation", Box::pin(chains::revocation(backend))),
        ("chains::enrolment", Box::pin(chains::enrolment(backend))),
        ("notices::notices", Box::pin(notices::notices(backend))),
        ("requests::faults", Box::pin(requests::faults(backend))),
        ("requests::framing", Box::pin(requests::framing(backend))),
        ("requests::tokens", Box::pin(requests::tokens(backend))),
        ("accounts::codes", Box::pin(crate::accounts::codes(backend))),
        ("requests::office", Box::pin(requests::office(backend))),
        ("idempotency::keys", Box::pin(idempotency::keys(backend))),
        ("idempotency::tags", Box::pin(idempotency::tags(backend))),
        ("slots::at_once", Box::pin(slots::at_once(backend))),
        ("requests::too_slow", Box::pin(requests::too_slow(backend))),
        ("imports::files_and_rows", Box::pin(imports::files_and_rows(backend))),
        ("limits::of_requests", Box::pin(limits::of_requests(backend))),
        ("map::narrowed::refusals", Box::pin(crate::map::narrowed::refusals(backend))),
        ("map::downloads::codes", Box::pin(crate::map::downloads::codes(backend))),
        ("photos::codes", Box::pin(crate::photos::codes::play(backend))),
        ("store::damaged", Box::pin(store::damaged(backend))),
        // Quick on PostgreSQL: on SQLite the server first waits for the lock. Only a file has a bound.
        ("store::unavailable", Box::pin(store::unavailable(Backend::Postgres))),
        ("store::full", Box::pin(store::full(Backend::Sqlite))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_of_the_catalogue_is_received_by_a_client() -> Result<()> {
    let mut by: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, scenario) in scenarios(Backend::Sqlite) {
        let (played, codes) = http::noting(scenario).await;
        played?;
        ensure!(!codes.is_empty(), "{name} received no code");
        for code in codes {
            by.entry(code).or_default().push(name);
        }
    }
    for (code, scenarios) in &by {
        println!("{code}: {}", scenarios.join(", "));
        ensure!(Code::parse(code).is_some(), "{code} is not in the catalogue");
    }
    let received: BTreeSet<Code> = by.keys().filter_map(|code| Code::parse(code)).collect();
    let missing: Vec<&Code> = Code::ALL.iter().filter(|code| !received.contains(code)).collect();
    ensure!(missing.is_empty(), "no client received {missing:?}");
    Ok(())
}
