//! Conflicts: listed, settled once, opened again.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::kind::Kind;

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
