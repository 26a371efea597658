//! Conflicts: listed, settled once, opened again.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

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
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let report = phone.report("general");
        // More heads than an operation names: then acts of the office do not all see each other.
        let mut operations = vec![report.clone()];
        for _ in 0..500 {
            operations.push(phone.on(report.record, Kind::Commented, []).with("text", &"已阅"));
        }
        send(&mut phone, &operations).await?;
        // Long, and no compression makes it short enough for an index.
        let noise: Vec<u8> = (0..1_950_u64).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[5]).collect();
        let field = hex::encode(noise);
        let settlings: Vec<Operation> = (0..6)
            .map(|value: u64| {
                let settling = phone.on(report.record, Kind::Resolved, [head_of(&report)]);
                settling.with("field", &field).with("value", &value)
            })
            .collect();
        send(&mut phone, &settlings).await?;
        for settling in &settlings {
            let identity = sync_protocol::ids::Identity::of(&settling.encode());
            let reply = office.post(&format!("/v1/quarantine/{identity}/release"), &json!({})).await?;
            ensure!(
                reply.status == 200 || reply.status == 409,
                "{backend:?}: {} {}",
                reply.status,
                reply.text()
            );
        }
        let conflicts = office.json("/v1/conflicts").await?;
        let subjects = rows(&conflicts, "conflicts")?;
        ensure!(subjects.iter().all(|row| text(row, "subject").len() <= 64), "{conflicts}");
        server.check().await?;
    }
    Ok(())
}
