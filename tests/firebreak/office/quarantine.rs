//! Quarantine: read, released once.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::kind::Kind;

use super::{all, send, text};

#[tokio::test]
async fn a_released_operation_takes_effect_and_is_released_once() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
        let report = phone.report("general");
        let wrong = phone
            .on(report.record, Kind::Observed, [head_of(&report)])
            .with("township", &"青杠镇")
            .with("tree_height_dm", &-5);
        send(&mut phone, &[report.clone(), wrong]).await?;
        let whole = vec![0xff; 30];
        let bundle = phone.seal_bytes(vec![whole]);
        phone.sync(&[bundle]).await?;
        let listed = all(&office, "/v1/quarantine?released=false", "quarantine", 1).await?;
        let codes: BTreeMap<&str, &Value> = listed.iter().map(|item| (text(item, "code"), item)).collect();
        assert_eq!(listed.len(), 2, "{listed:?}");
        let item = codes.get("field-range").context("no field-range")?;
        assert_eq!(text(item, "at"), "tree_height_dm");
        assert!(text(item, "diagnostic").contains("青杠镇"));
        let path = format!("/v1/quarantine/{}", text(item, "identity"));
        assert_eq!(office.json(&path).await?["bytes"], item["bytes"]);
        let release = format!("{path}/release");
        let bogus = office.post(&release, &json!({"bogus": 1})).await?;
        assert_eq!((bogus.status, bogus.code().as_deref()), (400, Some("bad-parameter")), "{}", bogus.text());
        assert_eq!(all(&office, "/v1/quarantine?released=true", "quarantine", 9).await?.len(), 0);
        office.post(&release, &json!({})).await?.json(&release)?;
        let record = office.json(&format!("/v1/hazards/{}", report.record)).await?;
        assert_eq!(text(&record, "township"), "青杠镇");
        let again = office.post(&release, &json!({})).await?;
        assert_eq!((again.status, again.code().as_deref()), (409, Some("not-releasable")));
        // No body at all says as little as an empty one.
        let again = office.post_bytes(&release, Vec::new(), &[]).await?;
        assert_eq!(again.code().as_deref(), Some("not-releasable"));
        let broken = listed.iter().find(|item| text(item, "code") != "field-range").context("one item")?;
        let path = format!("/v1/quarantine/{}/release", text(broken, "identity"));
        assert_eq!(office.post(&path, &json!({})).await?.code().as_deref(), Some("not-releasable"));
        let path = format!("/v1/quarantine/{}/release", "00".repeat(32));
        assert_eq!(office.post(&path, &json!({})).await?.status, 404);
        assert_eq!(all(&office, "/v1/quarantine?released=true", "quarantine", 9).await?.len(), 1);
    }
    Ok(())
}
