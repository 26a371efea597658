//! Ways around the guards that are none: fields that a command does not say, acts beside what was seen, what a phone signs
//! in the office's place, and a second round that nobody else verified.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
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
    // Nobody else verified it, no photo shows it, and the verification says nothing.
    let reasons = ["evidence", "evidence", "evidence"];
    desk.refused("reviewer", record, "close", &json!({}), &reasons).await?;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_and_what_is_major_are_a_leaders_to_settle_and_to_restore() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let desk = Desk::new(&server).await?;
        let (mut one, mut two) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        for (field, values) in [
            ("deadline_ms", [json!(1_795_000_000_000_i64), json!(1_796_000_000_000_i64)]),
            ("major", [json!(true), json!(false)]),
        ] {
            let report = one.report("general").with("forest", &false);
            let bundle = one.seal(std::slice::from_ref(&report));
            one.sync(&[bundle]).await?;
            let mut heads = Vec::new();
            for (phone, value) in [&mut one, &mut two].into_iter().zip(&values) {
                let mut said = phone.on(report.record, Kind::Observed, [head_of(&report)]);
                let raw = firebreak::sync::json::to_raw(field, value).context("a value")?;
                said.fields.insert(field.to_owned(), raw);
                heads.push(head_of(&said).to_string());
                let bundle = phone.seal(&[said]);
                phone.sync(&[bundle]).await?;
            }
            // To choose by the way what a leader must answer for is no reviewer's.
            let restore = json!({"operation": heads[0], "field": field});
            let path = format!("/v1/hazards/{}/restore", report.record);
            let refused = desk.of("reviewer")?.post(&path, &restore).await?;
            assert_eq!((refused.status, refused.code().as_deref()), (403, Some("forbidden")), "{field}");
            let open = server.client()?.json("/v1/conflicts").await?;
            let open = open["conflicts"].as_array().context("no conflicts")?.clone();
            let conflict = open.iter().find(|conflict| conflict["subject"] == field);
            if let Some(conflict) = conflict {
                let path = format!("/v1/conflicts/{}/resolve", conflict["id"].as_str().context("no id")?);
                let refused = desk.of("reviewer")?.post(&path, &json!({"value": values[1]})).await?;
                assert_eq!((refused.status, refused.code().as_deref()), (403, Some("forbidden")), "{field}");
                let settled = desk.of("leader")?.post(&path, &json!({"value": values[1]})).await?;
                ensure!(settled.status == 200, "{field}: {}", settled.text());
            }
            ensure!(conflict.is_some(), "two values of {field} are no conflict: {open:?}");
            let restored = desk.of("leader")?.post(&path, &restore).await?;
            ensure!(restored.status == 200, "{field}: {}", restored.text());
        }
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_that_settles_says_why_and_an_order_goes_to_a_unit_that_is_there() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let desk = Desk::new(&server).await?;
        let (mut one, mut two) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let report = one.report("general").with("forest", &false);
        let other = one.report("general").with("forest", &false);
        let bundle = one.seal(&[report.clone(), other.clone()]);
        one.sync(&[bundle]).await?;
        let cured = one.on(report.record, Kind::Rectified, [head_of(&report)]);
        let seen = two.on(report.record, Kind::Observed, [head_of(&report)]);
        for (phone, said) in [(&mut one, cured), (&mut two, seen)] {
            let bundle = phone.seal(&[said]);
            phone.sync(&[bundle]).await?;
        }
        let path = format!("/v1/conflicts/{}.lifecycle.disputed/resolve", report.record);
        let reviewer = desk.of("reviewer")?;
        let itself = report.record.to_string();
        let nowhere = uuid::Uuid::nil().to_string();
        for (act, fields, what) in [
            ("reopened", json!({}), "reason"),
            ("void", json!({"reason": null}), "reason"),
            ("duplicate", json!({"reason": "同一处"}), "duplicate_of"),
            ("duplicate", json!({"reason": "同一处", "duplicate_of": itself}), "duplicate_of"),
            ("duplicate", json!({"reason": "同一处", "duplicate_of": nowhere}), "duplicate_of"),
        ] {
            let reply = reviewer.post(&path, &json!({"act": act, "fields": fields})).await?;
            assert_eq!(
                (reply.status, reply.code().as_deref()),
                (400, Some("bad-parameter")),
                "{act} {fields}"
            );
            ensure!(reply.text().contains(what), "{act} {fields}: {}", reply.text());
        }
        let why = json!({"act": "reopened", "fields": {"reason": "现场复核仍有隐患"}});
        ensure!(reviewer.post(&path, &why).await?.status == 200);

        desk.does("reviewer", other.record, "grade", &json!({"fields": {"severity": "general"}})).await?;
        let unit = json!({"name": "云顶供电所", "kind": "responsible"});
        let unit = server.client()?.post("/v1/units", &unit).await?.json("unit")?["unit"].clone();
        let to = |unit: &Value| {
            let mut order = order();
            order["fields"]["responsible_unit_id"] = unit.clone();
            order
        };
        desk.refused("clerk", other.record, "order", &to(&json!(nowhere)), &["unknown"]).await?;
        let path = format!("/v1/units/{}", unit.as_str().context("no unit")?);
        server.client()?.call("DELETE", &path, &json!({})).await?.json("retire")?;
        desk.refused("clerk", other.record, "order", &to(&unit), &["unknown"]).await?;
        let name = json!({"name": "云顶供电所", "kind": "responsible"});
        server.client()?.call("PUT", &path, &name).await?.json("return")?;
        desk.does("clerk", other.record, "order", &to(&unit)).await?;
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_leader_confirmed_as_major_only_a_leader_makes_less() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
    let record = reported(&mut phone, "critical").await?;
    let grade = |major: bool| json!({"fields": {"severity": "critical", "major": major}});
    desk.does("reviewer", record, "grade", &grade(true)).await?;
    // Before it is confirmed a reviewer may be wrong, and say so.
    desk.does("reviewer", record, "grade", &grade(false)).await?;
    desk.does("reviewer", record, "grade", &grade(true)).await?;
    let level = json!({"fields": {"supervision_level": "市级"}});
    desk.does("leader", record, "confirm-major", &level).await?;
    for role in ["reviewer", "admin"] {
        desk.refused(role, record, "grade", &grade(false), &["leader-only"]).await?;
    }
    desk.does("reviewer", record, "grade", &grade(true)).await?;
    desk.does("leader", record, "grade", &grade(false)).await?;
    Ok(())
}
