//! Conflicts: listed, settled once, opened again.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::district::{Ledger, OFFICE, Team};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::ids::Chain;
use sync_protocol::kind::Kind;
use sync_protocol::limits::NAME_BYTES;

use super::{contend, rows, send, text};

#[tokio::test]
async fn a_conflict_is_listed_settled_once_and_opened_again_by_a_later_value() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let (report, mine, theirs) = contend(&mut one, &mut other).await?;
        let listed = office.json("/v1/conflicts").await?;
        let conflict = &rows(&listed, "conflicts")?[0];
        assert_eq!(text(conflict, "id"), format!("{}.township.values", report.record));
        assert_eq!(conflict["base"], "青杠镇");
        let values: BTreeSet<&str> =
            rows(conflict, "values")?.iter().map(|side| text(side, "value")).collect();
        assert_eq!(values, BTreeSet::from(["白果镇", "松坪镇"]));
        let path = format!("/v1/conflicts/{}/resolve", text(conflict, "id"));
        for wrong in
            [json!({}), json!({"value": 7}), json!({"act": "closed"}), json!({"value": "a", "act": "void"})]
        {
            assert_eq!(office.post(&path, &wrong).await?.code().as_deref(), Some("bad-parameter"), "{wrong}");
        }
        let stale = json!({"value": "白果镇", "heads": [head_of(&report).to_string()]});
        assert_eq!(office.post(&path, &stale).await?.code().as_deref(), Some("conflict-closed"));
        let settled =
            office.post(&path, &json!({"value": "白果镇", "heads": conflict["heads"]})).await?.json(&path)?;
        assert_eq!(settled["open"], false);
        assert!(rows(&office.json("/v1/conflicts").await?, "conflicts")?.is_empty());
        let again = office.post(&path, &json!({"value": "白果镇"})).await?;
        assert_eq!((again.status, again.code().as_deref()), (409, Some("conflict-closed")));
        // A later value by someone who did not know of the decision.
        let late = other.on(report.record, Kind::Corrected, [head_of(&theirs)]).with("township", &"马鞍乡");
        send(&mut other, &[late]).await?;
        assert_eq!(rows(&office.json("/v1/conflicts").await?, "conflicts")?.len(), 1);
        let record = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        let field = rows(&record, "fields")?.iter().find(|field| text(field, "name") == "township");
        let values = rows(field.context("no township")?, "values")?;
        assert_eq!(
            values.len(),
            5,
            "report, two observations, the decision, the late correction: {values:?}"
        );
        assert!(
            values.iter().any(|value| text(value, "value") == "青杠镇" && text(value, "why") == "replaced")
        );
        // Restored in one step.
        let restore = json!({"operation": head_of(&mine).to_string(), "field": "township"});
        let path = format!("/v1/hazards/{}/restore", report.record);
        office.post(&path, &restore).await?.json(&path)?;
        let record = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        let field = rows(&record, "fields")?.iter().find(|field| text(field, "name") == "township");
        assert_eq!(field.context("no township")?["value"], "白果镇");
        assert!(rows(&record, "conflicts")?.is_empty());
        let absent = json!({"operation": head_of(&mine).to_string(), "field": "county"});
        assert_eq!(office.post(&path, &absent).await?.code().as_deref(), Some("bad-parameter"));
        server.check().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_dispute_is_settled_by_an_act_of_the_office() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let report = one.report("serious");
        send(&mut one, std::slice::from_ref(&report)).await?;
        let cure = one.on(report.record, Kind::Rectified, [head_of(&report)]);
        let danger = other.on(report.record, Kind::Observed, [head_of(&report)]);
        send(&mut one, &[cure]).await?;
        send(&mut other, &[danger]).await?;
        let conflicts = office.json("/v1/conflicts").await?;
        let id = text(&rows(&conflicts, "conflicts")?[0], "id").to_owned();
        assert_eq!(id, format!("{}.lifecycle.disputed", report.record));
        let path = format!("/v1/conflicts/{id}/resolve");
        for wrong in [json!({"value": 1}), json!({"act": "verified"}), json!({"act": "released"})] {
            assert_eq!(office.post(&path, &wrong).await?.code().as_deref(), Some("bad-parameter"), "{wrong}");
        }
        let act = json!({"act": "reopened", "fields": {"reason": "现场复核仍有隐患"}});
        assert_eq!(office.post(&path, &act).await?.json(&path)?["open"], false);
        let record = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        assert_eq!(text(&record, "state"), "rectifying");
        assert_eq!(rows(&record, "operations")?.len(), 4);
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_of_a_conflict_is_no_longer_than_a_name() -> Result<()> {
    // As long as a name, a byte longer, and so long that no compression makes it short enough for an index.
    let noise: Vec<u8> = (0..1_950_u64).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[5]).collect();
    let noise = hex::encode(noise);
    let lengths = [(NAME_BYTES, true), (NAME_BYTES + 1, false), (noise.len(), false)];
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let team = Team::new()?;
        let fresh = Ledger::open(&server).await?.district("signed", &team).await?;
        let mut first = 0;
        for (length, is_named) in lengths {
            let mut report = phone.report("general");
            report.author = team.persons[0];
            first += 1_000;
            let bundle = fresh.seal(&team, 0, (first, Chain([7; 32])), vec![report.encode()]);
            fresh.push(0, &[bundle]).await?;
            // Settled twice, by two who had not seen each other: signed by the server, as after a restore.
            let field = &noise[..length];
            for value in [1_u64, 2] {
                first += 1_000;
                let settling = phone.on(report.record, Kind::Resolved, [head_of(&report)]);
                let settling = settling.with("field", &field).with("value", &value);
                let bundle = fresh.seal(&team, OFFICE, (first, Chain([7; 32])), vec![settling.encode()]);
                let receipts = fresh.push(0, &[bundle]).await?.receipts();
                let mut codes = receipts.iter().flat_map(|receipt| &receipt.exceptions);
                let is_taken = receipts.len() == 1 && codes.all(|(.., code)| code.is_none());
                ensure!(is_taken == is_named, "{backend:?}, {length}: {receipts:?}");
            }
            let conflicts = fresh.office.json("/v1/conflicts").await?;
            let subjects = rows(&conflicts, "conflicts")?;
            let is_open = subjects.iter().any(|row| text(row, "subject") == field);
            ensure!(is_open == is_named, "{backend:?}, {length}: {conflicts}");
            ensure!(subjects.iter().all(|row| text(row, "subject").len() <= NAME_BYTES), "{conflicts}");
        }
        server.check().await?;
    }
    Ok(())
}
