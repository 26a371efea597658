//! The whole life of a hazard, what is refused on its way, and what moves on meanwhile.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::ids::Head;
use sync_protocol::kind::Kind;

use super::{Desk, cure, order, photo, reported, verdict};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hazard_goes_from_report_to_closure_by_commands_of_different_people() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
        let record = reported(&mut phone, "general").await?;
        let nothing = json!({});
        desk.refused("reviewer", record, "grade", &nothing, &["needed"]).await?;
        desk.refused("clerk", record, "order", &order(), &["state"]).await?;
        let graded =
            desk.does("reviewer", record, "grade", &json!({"fields": {"severity": "serious"}})).await?;
        assert_eq!((graded["state"].as_str(), graded["turn"].as_str()), (Some("graded"), Some("clerk")));
        desk.refused("clerk", record, "order", &nothing, &["needed", "needed"]).await?;
        let ordered = desk.does("clerk", record, "order", &order()).await?;
        assert_eq!((ordered["state"].as_str(), ordered["turn"].as_str()), (Some("ordered"), Some("unit")));
        let number = ordered["order_number"].as_str().context("no number")?;
        ensure!(number.contains("整改〔") && number.ends_with("〕1号"), "{number}");
        ensure!(ordered["deadline_ms"].is_i64(), "{ordered}");
        desk.refused("clerk", record, "rectify", &nothing, &["needed", "needed"]).await?;
        assert_eq!(desk.does("clerk", record, "receipt", &nothing).await?["state"], "rectifying");
        assert_eq!(desk.does("clerk", record, "rectify", &cure()).await?["turn"], "reinspector");
        let words = desk.refused("reinspector", record, "verify", &nothing, &["needed", "needed"]).await?;
        assert_eq!(words["refusals"][0]["zh"], "请填写「验收结论」");
        desk.refused("reviewer", record, "close", &nothing, &["state"]).await?;
        assert_eq!(desk.does("reinspector", record, "verify", &verdict()).await?["state"], "verified");
        let closed = desk.does("reviewer", record, "close", &nothing).await?;
        assert_eq!((closed["state"].as_str(), closed["turn"].as_str()), (Some("closed"), None));
        // Closing again is a second signature; everything else is over.
        desk.does("leader", record, "close", &nothing).await?;
        for command in ["grade", "order", "receipt", "rectify", "void", "reopen"] {
            let reply = desk.try_it("leader", record, command, &json!({})).await?;
            ensure!(reply.code().as_deref() == Some("command-refused"), "{command}: {}", reply.text());
        }
        let told = server.client()?.json(&format!("/v1/hazards/{record}")).await?;
        assert_eq!(told["closure"], "pending", "the photo has not come");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_rectified_neither_verifies_nor_closes_and_who_verified_does_not_close() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
        let record = reported(&mut phone, "general").await?;
        desk.does("admin", record, "rectify", &cure()).await?;
        desk.refused("admin", record, "verify", &verdict(), &["same-person"]).await?;
        desk.does("reinspector", record, "verify", &verdict()).await?;
        desk.refused("admin", record, "close", &json!({}), &["same-person"]).await?;
        desk.does("reviewer", record, "close", &json!({})).await?;
        let other = reported(&mut phone, "general").await?;
        desk.does("clerk", other, "rectify", &cure()).await?;
        desk.does("admin", other, "verify", &verdict()).await?;
        desk.refused("admin", other, "close", &json!({}), &["same-person"]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bureau_may_let_who_verified_close_but_never_who_rectified() -> Result<()> {
    let chosen = [("FIREBREAK_CLOSER_IS_NOT_REINSPECTOR", "false")];
    let server = Server::start_with(Backend::Sqlite, &chosen).await?;
    let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
    let record = reported(&mut phone, "general").await?;
    desk.does("clerk", record, "rectify", &cure()).await?;
    desk.does("admin", record, "verify", &verdict()).await?;
    desk.does("admin", record, "close", &json!({})).await?;
    let other = reported(&mut phone, "general").await?;
    desk.does("admin", other, "rectify", &cure()).await?;
    desk.does("reinspector", other, "verify", &verdict()).await?;
    desk.refused("admin", other, "close", &json!({}), &["same-person"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_on_what_has_moved_on_is_refused_or_becomes_a_visible_conflict() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
        let record = reported(&mut phone, "serious").await?;
        let path = format!("/v1/hazards/{record}");
        let seen = server.client()?.json(&path).await?["heads"].clone();
        let head: Head = Head::try_from(hex::decode(seen[0].as_str().context("no head")?)?.as_slice())?;
        let fixed = phone.on(record, Kind::Rectified, [head]).with("measures", &"已伐除");
        let bundle = phone.seal(&[fixed]);
        phone.sync(&[bundle]).await?;
        let void = |beside: bool| json!({"fields": {"reason": "误报"}, "heads": seen, "beside": beside});
        let reply = desk.try_it("reviewer", record, "void", &void(false)).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (412, Some("moved-on")));
        let error: Value = serde_json::from_slice(&reply.body)?;
        assert_eq!(error["since"]["state"], "rectified");
        assert_eq!(error["since"]["changed"][0]["kind"], "rectified");
        // It was judged against what was seen, and both stand.
        let written = desk.does("reviewer", record, "void", &void(true)).await?;
        assert_eq!(written["state"], "rectified");
        assert_eq!(written["conflicts"], json!(["lifecycle"]));
        let record = server.client()?.json(&path).await?;
        assert_eq!(record["conflicts"][0]["reason"], "office-act-waits");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_safe_goes_on_and_what_was_not_found_is_closed_by_the_reviewer() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
    let record = reported(&mut phone, "general").await?;
    desk.does("reviewer", record, "grade", &json!({"fields": {"severity": "general"}})).await?;
    let safe = json!({"fields": {"measures": "拉绳固定"}, "photos": [photo("site", "b")]});
    let made = desk.does("clerk", record, "make-safe", &safe).await?;
    assert_eq!((made["state"].as_str(), made["turn"].as_str()), (Some("made_safe"), Some("clerk")));
    desk.does("clerk", record, "order", &order()).await?;
    desk.does("clerk", record, "receipt", &json!({})).await?;
    let gone = json!({"fields": {"position": {"lat_e7": 299_800_000, "lon_e7": 1_030_100_000}}, "photos": [photo("site", "c")]});
    desk.does("reinspector", record, "not-found", &gone).await?;
    desk.refused("reviewer", record, "close", &json!({}), &["needed"]).await?;
    let closed =
        desk.does("reviewer", record, "close", &json!({"fields": {"reason": "二次核查未见"}})).await?;
    assert_eq!(closed["state"], "closed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_hazards_are_ordered_at_once_without_a_gap_and_each_is_answered() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
        let bundle = phone.reports(199);
        phone.sync(&[bundle]).await?;
        let listed = server.client()?.json("/v1/hazards?limit=500").await?;
        let mut hazards: Vec<String> = listed["hazards"]
            .as_array()
            .context("no list")?
            .iter()
            .filter_map(|row| row["id"].as_str().map(str::to_owned))
            .collect();
        hazards.push(uuid::Uuid::from_u128(9).to_string());
        let graded = json!({"hazards": hazards, "fields": {"severity": "serious"}});
        desk.of("reviewer")?.post("/v1/commands/grade", &graded).await?.json("grade")?;
        // One of them cannot be ordered any more.
        let void = format!("/v1/hazards/{}/commands/void", hazards[7]);
        desk.of("reviewer")?.post(&void, &json!({"fields": {"reason": "误报"}})).await?.json("void")?;
        let body = json!({"hazards": hazards, "fields": order()["fields"]});
        let done = desk.of("clerk")?.post("/v1/commands/order", &body).await?.json("order")?;
        let items = done["items"].as_array().context("no items")?;
        let statuses: Vec<u64> = items.iter().filter_map(|item| item["status"].as_u64()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 198);
        assert_eq!((statuses[7], statuses[199]), (409, 404));
        let mut ordinals: Vec<u64> = items
            .iter()
            .filter_map(|item| item["done"]["order"].as_str()?.split_once('-')?.1.parse().ok())
            .collect();
        ordinals.sort_unstable();
        assert_eq!(ordinals, (1..=198).collect::<Vec<u64>>());
        let many = json!({"hazards": vec![hazards[0].clone(); 201], "fields": {}});
        let reply = desk.of("clerk")?.post("/v1/commands/order", &many).await?;
        assert_eq!(reply.code().as_deref(), Some("bad-parameter"));
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_closes_nothing_by_not_finding_it_twice() -> Result<()> {
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        let (desk, mut phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
        let record = reported(&mut phone, "general").await?;
        let gone = |digit: &str| json!({"fields": {"position": {"lat_e7": 299_800_000, "lon_e7": 1_030_100_000}}, "photos": [photo("site", digit)]});
        let reasoned = json!({"fields": {"reason": "二次核查未见"}});
        desk.does("reviewer", record, "not-found", &gone("b")).await?;
        desk.does("reviewer", record, "not-found", &gone("c")).await?;
        desk.refused("reviewer", record, "close", &json!({}), &["needed", "same-person"]).await?;
        desk.refused("reviewer", record, "close", &reasoned, &["same-person"]).await?;
        // Twice on one day is one visit, whoever closes it.
        desk.refused("leader", record, "close", &json!({}), &["needed"]).await?;
        // Another day, another photo.
        server.stop().await?;
        server.set("FIREBREAK_CLOCK_AHEAD_S", "86400");
        server.resume().await?;
        let desk = desk.at(&server);
        phone.client = phone.client.at(&server.url);
        desk.does("reviewer", record, "not-found", &gone("d")).await?;
        desk.refused("reviewer", record, "close", &json!({}), &["same-person"]).await?;
        assert_eq!(desk.does("leader", record, "close", &json!({})).await?["state"], "closed");
        let other = reported(&mut phone, "general").await?;
        desk.does("reviewer", other, "not-found", &gone("e")).await?;
        desk.does("reinspector", other, "not-found", &gone("e")).await?;
        assert_eq!(desk.does("reviewer", other, "close", &json!({})).await?["state"], "closed");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_after_a_command_sees_the_case_after_it_though_nothing_follows_the_ledger() -> Result<()> {
    for backend in Backend::ALL {
        // Nothing is derived beside commands.
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (office, desk) = (server.client()?, Desk::new(&server).await?);
        let mut phone = Phone::enrol(&server).await?;
        let record = reported(&mut phone, "general").await?;
        for (role, command, body) in [
            ("reviewer", "grade", json!({"fields": {"severity": "serious"}})),
            ("clerk", "order", order()),
            ("clerk", "receipt", json!({})),
            ("clerk", "rectify", cure()),
            ("reinspector", "verify", verdict()),
            ("reviewer", "close", json!({})),
        ] {
            let done = desk.does(role, record, command, &body).await?;
            let told = office.json(&format!("/v1/hazards/{record}")).await?;
            assert_eq!(
                (&told["case"]["turn"], &told["case"]["due_ms"]),
                (&done["turn"], &done["deadline_ms"])
            );
            let turn = done["turn"].as_str().unwrap_or("admin");
            let page = office.json(&format!("/v1/hazards?turn={turn}")).await?;
            let is_listed = page["hazards"].as_array().is_some_and(|rows| !rows.is_empty());
            assert_eq!(is_listed, done["turn"].is_string(), "{command}: {page}");
        }
    }
    Ok(())
}
