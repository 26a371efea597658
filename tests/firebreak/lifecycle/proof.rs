//! What a hazard that was closed, or put aside for another one, rests on: photos and verifications of its last round, a
//! hazard that stands for both, and nothing that vanishes without a trace.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use fixtures::builders::MORNING_MS;
use serde_json::{Value, json};
use sync_protocol::ids::{Head, PhotoHash, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Photo;

use super::{Desk, cure, order, photo, reported, verdict};

const DAY_MS: i64 = 86_400_000;

async fn told(server: &Server, record: RecordId) -> Result<Value> {
    server.client()?.json(&format!("/v1/hazards/{record}")).await
}

async fn head(server: &Server, record: RecordId) -> Result<Head> {
    let told = told(server, record).await?;
    let head = hex::decode(told["heads"][0].as_str().context("no head")?)?;
    Head::try_from(head.as_slice()).ok().context("no head")
}

fn duplicate_of(other: RecordId) -> Value {
    json!({"fields": {"duplicate_of": other.to_string(), "reason": "同一棵树"}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_is_one_of_a_hazard_that_stands_for_both() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
    let one = reported(&mut phone, "general").await?;
    let other = reported(&mut phone, "general").await?;
    desk.does("reviewer", one, "duplicate", &duplicate_of(other)).await?;
    desk.refused("reviewer", other, "duplicate", &duplicate_of(one), &["state"]).await?;
    let void = reported(&mut phone, "general").await?;
    desk.does("reviewer", void, "void", &json!({"fields": {"reason": "误报"}})).await?;
    desk.refused("reviewer", other, "duplicate", &duplicate_of(void), &["state"]).await?;
    let closed = reported(&mut phone, "general").await?;
    desk.does("clerk", closed, "rectify", &cure()).await?;
    desk.does("reinspector", closed, "verify", &verdict()).await?;
    desk.does("reviewer", closed, "close", &json!({})).await?;
    desk.refused("reviewer", other, "duplicate", &duplicate_of(closed), &["state"]).await?;
    ensure!(told(&server, other).await?["open"] == true, "it stands for both");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stays_keeps_the_earlier_find_the_earlier_deadline_and_the_worse_severity() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
        let found_ms = MORNING_MS - 9 * DAY_MS;
        let early = phone.report("critical").with("forest", &false).with("found_at_ms", &found_ms);
        let late = phone.report("general").with("forest", &false).with("found_at_ms", &MORNING_MS);
        let bundle = phone.seal(&[early.clone(), late.clone()]);
        phone.sync(&[bundle]).await?;
        for (record, severity) in [(early.record, "critical"), (late.record, "general")] {
            desk.does("reviewer", record, "grade", &json!({"fields": {"severity": severity}})).await?;
            let mut order = order();
            order["fields"]["reason"] = json!("补办");
            desk.does("leader", record, "order", &order).await?;
        }
        let due = |told: &Value| told["case"]["due_ms"].as_i64().context("no deadline");
        let before = due(&told(&server, early.record).await?)?;
        ensure!(due(&told(&server, late.record).await?)? > before, "the one that stays has more time");
        desk.does("reviewer", early.record, "duplicate", &duplicate_of(late.record)).await?;
        let stays = told(&server, late.record).await?;
        assert_eq!((stays["severity"].as_str(), due(&stays)?), (Some("critical"), before));
        assert_eq!(stays["found_at_ms"], found_ms);
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photo_of_before_or_of_a_round_that_failed_shows_no_cure() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
    let mut report = phone.report("general").with("forest", &false);
    let before = PhotoHash([0xBB; 32]);
    report.photos = vec![Photo { role: "before".to_owned(), bytes: 1_000, sha256: before }];
    let bundle = phone.seal(std::slice::from_ref(&report));
    phone.sync(&[bundle]).await?;
    let record = report.record;
    let mut again = cure();
    again["photos"] = json!([photo("after", "b")]);
    desk.refused("clerk", record, "rectify", &again, &["evidence"]).await?;
    desk.does("clerk", record, "rectify", &cure()).await?;
    desk.does("reinspector", record, "fail-verification", &verdict()).await?;
    desk.refused("clerk", record, "rectify", &cure(), &["evidence"]).await?;
    // A phone is never refused; what it left out is asked for before the hazard is closed.
    let rectified = phone.on(record, Kind::Rectified, [head(&server, record).await?]);
    let bundle = phone.seal(&[rectified]);
    phone.sync(&[bundle]).await?;
    desk.does("reinspector", record, "verify", &verdict()).await?;
    desk.refused("reviewer", record, "close", &json!({}), &["evidence"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verification_without_its_record_is_made_again_before_the_hazard_is_closed() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
    let record = reported(&mut phone, "general").await?;
    desk.does("clerk", record, "rectify", &cure()).await?;
    let verified = phone.on(record, Kind::Verified, [head(&server, record).await?]);
    let bundle = phone.seal(&[verified]);
    phone.sync(&[bundle]).await?;
    assert_eq!(told(&server, record).await?["state"], "verified");
    desk.refused("reviewer", record, "close", &json!({}), &["evidence"]).await?;
    desk.does("reinspector", record, "verify", &verdict()).await?;
    let closed = desk.does("reviewer", record, "close", &json!({})).await?;
    assert_eq!(closed["state"], "closed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_up_again_without_an_order_waits_for_the_office() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
    let record = reported(&mut phone, "general").await?;
    let reason = json!({"fields": {"reason": "误判"}});
    desk.does("reviewer", record, "void", &reason).await?;
    let reopened = desk.does("reviewer", record, "reopen", &reason).await?;
    assert_eq!(reopened["turn"], "reviewer");
    let graded = desk.does("reviewer", record, "grade", &json!({"fields": {"severity": "general"}})).await?;
    assert_eq!(graded["turn"], "clerk");
    let ordered = desk.does("clerk", record, "order", &order()).await?;
    assert_eq!(ordered["turn"], "unit");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_would_vanish_beside_what_came_since_is_refused_and_spends_no_number() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
        let record = reported(&mut phone, "general").await?;
        desk.does("reviewer", record, "grade", &json!({"fields": {"severity": "general"}})).await?;
        let heads = told(&server, record).await?["heads"].clone();
        desk.does("reviewer", record, "void", &json!({"fields": {"reason": "误报"}})).await?;
        let mut beside = order();
        beside["heads"] = heads;
        beside["beside"] = json!(true);
        let reply = desk.try_it("clerk", record, "order", &beside).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (412, Some("moved-on")));
        assert_eq!(told(&server, record).await?["state"], "void");
        let orders = server.client()?.json("/v1/orders").await?;
        assert_eq!(orders["orders"].as_array().map(Vec::len), Some(0), "{orders}");
        let next = reported(&mut phone, "general").await?;
        let graded = json!({"fields": {"severity": "general"}});
        let graded = desk.does("reviewer", next, "grade", &graded).await?;
        let ordered = desk.does("clerk", next, "order", &order()).await?;
        ensure!(ordered["order"].as_str().is_some_and(|key| key.ends_with("-1")), "{ordered}");
        // Nor does one that might be given now take back in silence what its sender had not seen.
        let void = json!({"fields": {"reason": "误报"}, "heads": graded["heads"], "beside": true});
        let reply = desk.try_it("reviewer", next, "void", &void).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (412, Some("moved-on")), "{}", reply.text());
        assert_eq!(told(&server, next).await?["state"], "ordered");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_that_do_not_follow_one_another_are_taken_with_a_warning() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
    let report = phone.report("general").with("forest", &false).with("found_at_ms", &MORNING_MS);
    let bundle = phone.seal(std::slice::from_ref(&report));
    phone.sync(&[bundle]).await?;
    let mut early = cure();
    early["fields"]["completed_at_ms"] = json!(MORNING_MS - 30 * DAY_MS);
    let rectified = desk.does("clerk", report.record, "rectify", &early).await?;
    let codes = |told: &Value| -> Vec<String> {
        let warnings = told["warnings"].as_array().into_iter().flatten();
        warnings.filter_map(|it| it["code"].as_str().map(str::to_owned)).collect()
    };
    ensure!(codes(&rectified).contains(&"dates-order".to_owned()), "{rectified}");
    let mut verified = verdict();
    verified["fields"]["verified_at_ms"] = json!(MORNING_MS + DAY_MS);
    let verified = desk.does("reinspector", report.record, "verify", &verified).await?;
    ensure!(
        codes(&verified).contains(&"dates-order".to_owned()),
        "it was rectified before it was found: {verified}"
    );
    let plain = reported(&mut phone, "general").await?;
    let rectified = desk.does("clerk", plain, "rectify", &cure()).await?;
    ensure!(!codes(&rectified).contains(&"dates-order".to_owned()), "{rectified}");
    Ok(())
}
