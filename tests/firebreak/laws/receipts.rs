//! Law 1: the same bytes again get the same receipt, byte for byte, by any carrier, after a crash, by any door.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use sync_protocol::cbor::Raw;
use sync_protocol::exchange::Receipt;
use sync_protocol::ids::BundleHash;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_get_the_same_receipt_after_a_crash_by_any_carrier_and_by_its_own_route() -> Result<()>
{
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        let (mut phone, other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        // One with flags, one with a quarantined operation, one that conflicts with what comes later.
        let report = phone.report("serious").with("description", &"甲");
        let mut odd = phone.report("general");
        odd.at.wall_ms = 0;
        let bad = phone.report("general").with("remarks", &"a\0b");
        let bundles = [phone.seal(std::slice::from_ref(&report)), phone.seal(&[odd, bad]), phone.reports(3)];
        let first = phone.sync(&bundles).await?.raw_receipts();
        ensure!(first.len() == 3, "{first:?}");
        // The record changes; the receipt does not.
        let head = firebreak_tests::phone::head_of(&report);
        let edits: Vec<_> = ["乙", "丙"]
            .iter()
            .map(|text| {
                let edit = phone.on(report.record, sync_protocol::kind::Kind::Corrected, [head]);
                edit.with("description", text)
            })
            .collect();
        let edits = phone.seal(&edits);
        phone.sync(&[edits]).await?;
        server.kill().await?;
        server.resume().await?;
        let client = other.client.at(&server.url);
        // In another order, doubled within a request, and by another phone.
        let again = [&bundles[2], &bundles[0], &bundles[1], &bundles[0]];
        let reply = client.sync(other.request(&again)).await?;
        for bundle in &bundles {
            let hash = BundleHash::of(bundle);
            let of = |receipts: &[Raw]| {
                let named = |raw: &&Raw| raw.decode::<Receipt>().is_some_and(|it| it.bundle == hash);
                receipts.iter().find(named).cloned()
            };
            let known = of(&first).context("no first receipt")?;
            ensure!(of(&reply.raw_receipts()) == Some(known.clone()), "the receipt of {hash} changed");
            let fetched = client.get(&format!("/v1/receipts/{hash}")).await?;
            ensure!(fetched.status == 200 && fetched.body == known.as_bytes(), "GET gives another receipt");
        }
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_sent_by_many_at_once_is_taken_once_and_all_get_one_receipt() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let bundle = phone.reports(20);
        let body = phone.request(&[bundle]);
        let requests = (0..8).map(|_| {
            let (client, body) = (phone.client.clone(), body.clone());
            tokio::spawn(async move { client.sync(body).await })
        });
        let mut receipts = Vec::new();
        for request in requests.collect::<Vec<_>>() {
            receipts.extend(request.await??.raw_receipts());
        }
        ensure!(
            receipts.len() == 8 && receipts.iter().all(|receipt| *receipt == receipts[0]),
            "{receipts:?}"
        );
        let checked = server.check().await?;
        ensure!(checked.get("records") == Some(&serde_json::json!(20)), "{checked}");
    }
    Ok(())
}
