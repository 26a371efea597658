//! Ways around the guards that are none: fields that a command does not say, acts beside what was seen, what a phone signs
//! in the office's place, and a second round that nobody else verified.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::ids::{Head, RecordId};
use sync_protocol::kind::Kind;

use super::{Desk, cure, order, reported, verdict};

async fn told(server: &Server, record: RecordId) -> Result<Value> {
    server.client()?.json(&format!("/v1/hazards/{record}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_says_nothing_but_what_belongs_to_it_in_known_terms() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
    let record = reported(&mut phone, "general").await?;
    for (role, command, fields) in [
        ("reviewer", "grade", json!({"severity": "严重"})),
        ("reviewer", "grade", json!({"severity": "serious", "deadline_ms": 4_000_000_000_000_i64})),
        ("clerk", "rectify", json!({"quantity": 3, "category": "line_body"})),
        ("clerk", "rectify", json!({"quantity": 3, "order_number": "1"})),
        ("clerk", "plan-major", json!({"review_at_ms": 4_000_000_000_000_i64})),
        ("clerk", "receipt", json!({"major": false})),
    ] {
        let reply = desk.try_it(role, record, command, &json!({"fields": fields})).await?;
        ensure!(reply.code().as_deref() == Some("bad-parameter"), "{command} {fields}: {}", reply.text());
    }
    assert_eq!(told(&server, record).await?["state"], "reported");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_seen_lets_nobody_close_what_they_rectified() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
        let record = reported(&mut phone, "general").await?;
        let before = told(&server, record).await?["heads"].clone();
        desk.does("clerk", record, "rectify", &cure()).await?;
        desk.does("reinspector", record, "verify", &verdict()).await?;
        let verified = told(&server, record).await?["heads"].clone();
        let mut beside = cure();
        beside["heads"] = before;
        beside["beside"] = json!(true);
        desk.does("leader", record, "rectify", &beside).await?;
        let close = json!({"heads": verified, "beside": true});
        desk.refused("leader", record, "close", &close, &["same-person"]).await?;
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_round_takes_somebody_else_to_verify_it() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
    let record = reported(&mut phone, "general").await?;
    desk.does("clerk", record, "rectify", &cure()).await?;
    desk.does("reinspector", record, "verify", &verdict()).await?;
    desk.does("reinspector", record, "fail-verification", &verdict()).await?;
    for kind in [Kind::Rectified, Kind::Verified] {
        let heads = told(&server, record).await?["heads"].clone();
        let head = hex::decode(heads[0].as_str().context("no head")?)?;
        let head = Head::try_from(head.as_slice()).ok().context("no head")?;
        let act = phone.on(record, kind, [head]);
        let bundle = phone.seal(&[act]);
        phone.sync(&[bundle]).await?;
    }
    assert_eq!(told(&server, record).await?["state"], "verified");
    desk.refused("reviewer", record, "close", &json!({}), &["evidence"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_office_may_say_is_never_released_for_a_phone() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let record = reported(&mut phone, "general").await?;
    let heads = told(&server, record).await?["heads"].clone();
    let head = hex::decode(heads[0].as_str().context("no head")?)?;
    let head = Head::try_from(head.as_slice()).ok().context("no head")?;
    let acts = [
        phone.on(record, Kind::Closed, [head]).with("closed_at_ms", &1_i64),
        phone.on(record, Kind::ExtensionGranted, [head]).with("deadline_ms", &4_000_000_000_000_i64),
    ];
    let bundle = phone.seal(&acts);
    phone.sync(&[bundle]).await?;
    let office = server.client()?;
    let waiting = office.json("/v1/quarantine").await?;
    let waiting = waiting["quarantine"].as_array().context("no list")?;
    assert_eq!(waiting.len(), acts.len());
    for row in waiting {
        let identity = row["identity"].as_str().context("no identity")?;
        let reply = office.post(&format!("/v1/quarantine/{identity}/release"), &json!({})).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (409, Some("not-releasable")));
    }
    assert_eq!(told(&server, record).await?["state"], "reported");
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_was_redacted_is_not_on_the_order_either() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
        let record = reported(&mut phone, "general").await?;
        desk.does("reviewer", record, "grade", &json!({"fields": {"severity": "serious"}})).await?;
        let mut secret = order();
        secret["fields"]["measures"] = json!("联系王五后伐除");
        let ordered = desk.does("clerk", record, "order", &secret).await?;
        let redact = |field: &str| json!({"fields": {"operation": ordered["operation"], "field": field, "reason": "含个人信息"}});
        let nothing = desk.try_it("leader", record, "redact", &redact("mesures")).await?;
        assert_eq!(nothing.code().as_deref(), Some("bad-parameter"));
        desk.does("leader", record, "redact", &redact("measures")).await?;
        let key = ordered["order"].as_str().context("no order")?;
        for path in ["/v1/orders".to_owned(), format!("/v1/orders/{key}"), format!("/v1/orders/{key}/html")] {
            let text = server.client()?.get(&path).await?.text();
            ensure!(!text.contains("王五") && text.contains("已脱敏"), "{path}: {text}");
        }
        server.check().await?;
    }
    Ok(())
}
