//! The reference device behind a network that cuts: it ends with what the server holds, however often it was cut.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::proxy::{Fault, Proxy};
use firebreak_tests::server::{Backend, Server};
use fixtures::builders::Report;
use fixtures::device::clock::SystemClock;
use fixtures::device::http::Http;
use fixtures::device::outbox::OperationStanding;
use fixtures::device::retry::Backoff;
use fixtures::device::sync::{Goal, SyncReport};
use fixtures::device::transport::Encoding;
use fixtures::device::{Device, Options};
use fixtures::office::Office;
use serde_json::json;
use sync_protocol::ids::{RecordId, sha256};

use super::three_hundred;

/// Reports that it records before each start.
const REPORTS: usize = 10;

/// Every phase of a request and of a reply is cut at least once.
fn faults() -> Vec<Fault> {
    let pause = Duration::from_millis(1);
    let requests = [0, 1, 150, 400, 1_500].map(Fault::CutRequest);
    let replies = [1, 120, 400, 1_000, 5_000, 9_000, 20_000].map(Fault::CutReply);
    let others = [
        Fault::Refuse,
        Fault::LoseReply,
        Fault::HalfClose(300),
        Fault::LoseReply,
        Fault::Delay(pause),
        Fault::SlowRequest(700, pause),
        Fault::SlowReply(900, pause),
    ];
    // In turns, so that none is the first of its kind only while much is left to send.
    let mut faults = Vec::new();
    for nth in 0..replies.len() {
        faults.extend(requests.get(nth));
        faults.extend([replies[nth], others[nth]]);
    }
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_whose_network_cuts_ends_with_what_the_server_holds() -> Result<()> {
    for backend in Backend::ALL {
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
            cut_again_and_again(backend, encoding)
                .await
                .with_context(|| format!("{backend:?} {encoding:?}"))?;
        }
    }
    Ok(())
}

async fn cut_again_and_again(backend: Backend, encoding: Encoding) -> Result<()> {
    let server = Server::start(backend).await?;
    let proxy = Proxy::start(server.address()?).await?;
    three_hundred(&server).await?;
    let folder = tempfile::tempdir()?;
    let outbox = folder.path().join("phone.sqlite");
    // Each start of the app makes connections of its own.
    let open = async || -> Result<Device<Http, SystemClock>> {
        let options = Options {
            operations_per_bundle: 4,
            bundles_per_request: 2,
            budget: 24 << 10,
            backoff: Backoff { first_ms: 1, most_ms: 4, attempts: 3 },
            ..Options::default()
        };
        Ok(Device::open(&outbox, Http::new(&proxy.url, encoding)?, SystemClock::new(), options).await?)
    };
    let office = Office::new(&server.url, &server.token)?;
    let person = office.person("巡线员", "inspector").await?;
    let mut device = open().await?;
    device.enrol(&office.enrol_code(person).await?, "巡线员", None).await?;
    device.close().await?;

    proxy.plan(faults());
    let (mut recorded, mut report) = (0, SyncReport::default());
    while proxy.coming() > 0 {
        let mut device = open().await?;
        for _ in 0..REPORTS {
            let at = 299_800_000 + i64::try_from(recorded)? * 1_000;
            let made = Report::new().author(person).stamp(device.stamp()).at(at, 1_030_000_000);
            device.record(&made.build()).await?;
            recorded += 1;
        }
        // Where it gives up, what came whole is stored, and the next start goes on from there.
        let _given_up = device.sync_into(Goal::Everything, &mut report).await;
        device.close().await?;
    }
    let mut device = open().await?;
    device.sync_into(Goal::Everything, &mut report).await?;
    let cuts = proxy.cuts();
    println!("{backend:?} {encoding:?}: {cuts} cuts, {recorded} reports; {report:?}");
    ensure!(cuts >= 10 && report.failures >= 10, "hardly anything was cut: {cuts} cuts, {report:?}");
    ensure!(report.refused.is_empty() && report.new_epochs == 0, "{report:?}");
    assert_eq!(device.outbox().count(OperationStanding::Waiting, 0).await?, 0, "something is left to send");

    let views = device.server_views().await?;
    let held: BTreeMap<RecordId, String> =
        views.into_iter().map(|(record, view)| (record, hex::encode(sha256(&view)))).collect();
    let ledger = office.ledger().await?;
    let ledger: BTreeMap<RecordId, String> =
        ledger.into_iter().map(|listed| (listed.record(), listed.view_sha256)).collect();
    assert_eq!(ledger.len(), 300 + recorded, "each report once");
    ensure!(held == ledger, "the device holds {} of {} records, or others differ", held.len(), ledger.len());
    assert_eq!(server.check().await?["records"], json!(ledger.len()));
    device.close().await?;
    Ok(())
}
