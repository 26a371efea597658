//! An order is a document: it shows for ever what it showed when it was issued, says where it stands now, and is corrected
//! by another that takes its place.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};
use sync_protocol::ids::{Head, RecordId};
use sync_protocol::kind::Kind;

use super::{Desk, cure, order, photo, reported, verdict};

const DAY_MS: i64 = 86_400_000;

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name}: {value}"))
}

async fn state(office: &Client, ordered: &Value) -> Result<String> {
    let told = office.json(&format!("/v1/orders/{}", text(ordered, "order")?)).await?;
    Ok(text(&told, "state")?.to_owned())
}

async fn print(office: &Client, ordered: &Value) -> Result<String> {
    Ok(office.get(&format!("/v1/orders/{}/html", text(ordered, "order")?)).await?.text())
}

/// A phone describes a hazard anew, on what it saw.
async fn describe(office: &Client, phone: &mut Phone, record: RecordId, words: &str) -> Result<()> {
    let told = office.json(&format!("/v1/hazards/{record}")).await?;
    let head = hex::decode(told["heads"][0].as_str().context("no head")?)?;
    let head = Head::try_from(head.as_slice()).ok().context("no head")?;
    let corrected = phone.on(record, Kind::Corrected, [head]).with("description", &words);
    let bundle = phone.seal(&[corrected]);
    phone.sync(&[bundle]).await.map(drop)
}

/// A unit, and the account of somebody of it.
async fn unit(server: &Server, name: &str) -> Result<(String, Client)> {
    let body = json!({"name": name, "kind": "responsible"});
    let made = server.client()?.post("/v1/units", &body).await?.json("unit")?;
    let unit = text(&made, "unit")?.to_owned();
    let arguments =
        ["person", "add", "--district", DISTRICT, "--name", "单位的人", "--role", "unit", "--unit", &unit];
    let person = server.command_text(&arguments, "person").await?;
    Ok((unit, server.client_of(&server.create_token(&person).await?)?))
}

async fn graded(desk: &Desk, phone: &mut Phone, severity: &str) -> Result<RecordId> {
    let record = reported(phone, severity).await?;
    desk.does("reviewer", record, "grade", &json!({"fields": {"severity": severity}})).await?;
    Ok(record)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_shows_for_ever_what_it_showed_when_it_was_issued_but_for_what_is_redacted() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, desk) = (server.client()?, Desk::new(&server).await?);
        let mut phone = Phone::enrol(&server).await?;
        let record = graded(&desk, &mut phone, "general").await?;
        let ordered = desk.does("clerk", record, "order", &order()).await?;
        let before = print(&office, &ordered).await?;
        for words in ["线下树木距导线不足", "一般", "期限依据", "180 日"] {
            ensure!(before.contains(words), "the page lacks {words}: {before}");
        }
        describe(&office, &mut phone, record, "树已倒向另一侧").await?;
        desk.does("reviewer", record, "grade", &json!({"fields": {"severity": "serious"}})).await?;
        assert_eq!(print(&office, &ordered).await?, before, "{backend:?}");
        let key = text(&ordered, "order")?;
        let told = office.json(&format!("/v1/orders/{key}")).await?;
        assert_eq!(told["shown"]["fields"]["description"], "线下树木距导线不足", "{told}");
        // What the report said is redacted: it stands on the order no more, though another text shows by now.
        let report =
            office.json(&format!("/v1/hazards/{record}")).await?["operations"][0]["identity"].clone();
        let redact = json!({"fields": {"operation": report, "field": "description", "reason": "含个人信息"}});
        desk.does("leader", record, "redact", &redact).await?;
        for path in ["/v1/orders".to_owned(), format!("/v1/orders/{key}"), format!("/v1/orders/{key}/html")] {
            let reply = office.get(&path).await?.text();
            ensure!(!reply.contains("线下树木") && reply.contains("已脱敏"), "{path}: {reply}");
        }
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_order_is_issued_anew_with_a_reason_and_the_old_one_says_by_which() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, desk) = (server.client()?, Desk::new(&server).await?);
        let mut phone = Phone::enrol(&server).await?;
        let (first, first_people) = unit(&server, "甲供电所").await?;
        let (second, second_people) = unit(&server, "乙供电所").await?;
        let record = graded(&desk, &mut phone, "general").await?;
        let to = |unit: &str| json!({"fields": {"responsible_unit_id": unit, "measures": "伐除", "responsible_person": "张三"}});
        let ordered = desk.does("clerk", record, "order", &to(&first)).await?;
        assert_eq!(state(&office, &ordered).await?, "in_force");
        desk.does("clerk", record, "receipt", &json!({})).await?;
        assert_eq!(state(&office, &ordered).await?, "received");
        let mut again = json!({"fields": {"responsible_unit_id": second, "measures": "伐除"}});
        desk.refused("clerk", record, "reorder", &again, &["needed"]).await?;
        again["fields"]["reason"] = json!("责任单位有误");
        let told_ms = ordered["deadline_ms"].as_i64().context("no deadline")?;
        let mut later = again.clone();
        later["fields"]["deadline_ms"] = json!(told_ms + 1);
        desk.refused("clerk", record, "reorder", &later, &["too-late"]).await?;
        let anew = desk.does("clerk", record, "reorder", &again).await?;
        assert_eq!((text(&anew, "state")?, text(&anew, "turn")?), ("ordered", "unit"));
        assert_eq!(anew["deadline_ms"], told_ms, "no later than people were told");
        ensure!(text(&anew, "order_number")?.ends_with("〕2号"), "{anew}");
        let old = office.json(&format!("/v1/orders/{}", text(&ordered, "order")?)).await?;
        assert_eq!(
            (text(&old, "state")?, &old["superseded_by"]["number"]),
            ("superseded", &anew["order_number"])
        );
        assert_eq!(state(&office, &anew).await?, "in_force");
        let void = format!("作废，由 {} 替代", text(&anew, "order_number")?);
        ensure!(print(&office, &ordered).await?.contains(&void));
        let page = print(&office, &anew).await?;
        let instead = format!("（{}），原通知书作废，原因：责任单位有误", text(&ordered, "order_number")?);
        ensure!(page.contains(&instead) && !page.contains("class=\"void\""), "{page}");
        // The unit that it went to first sees what it was sent, and the hazard no more.
        let path = format!("/v1/orders/{}", text(&ordered, "order")?);
        ensure!(first_people.json(&path).await?["unit_name"] == "甲供电所");
        for (people, status) in [(&first_people, 404), (&second_people, 200)] {
            assert_eq!(people.get(&format!("/v1/hazards/{record}")).await?.status, status);
            let path = format!("/v1/orders/{}", text(&anew, "order")?);
            assert_eq!(people.get(&path).await?.status, status);
        }
        // Whom to ask for in the first unit is not whom to ask for in the second.
        let told = office.json(&format!("/v1/hazards/{record}")).await?;
        let fields = told["fields"].as_array().into_iter().flatten();
        let person =
            fields.into_iter().find(|field| field["name"] == "responsible_person").context("no field")?;
        ensure!(person["value"].is_null(), "{person}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_stands_as_its_unit_and_its_hazard_say() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (office, desk) = (server.client()?, Desk::new(&server).await?);
    let mut phone = Phone::enrol(&server).await?;
    let record = graded(&desk, &mut phone, "general").await?;
    let first = desk.does("clerk", record, "order", &order()).await?;
    desk.does("clerk", record, "dispute", &json!({"fields": {"reason": "产权不清"}})).await?;
    assert_eq!(state(&office, &first).await?, "disputed");
    let second = desk.does("clerk", record, "order", &order()).await?;
    assert_eq!(
        (state(&office, &first).await?, state(&office, &second).await?),
        ("superseded".into(), "in_force".into())
    );
    desk.does("clerk", record, "receipt", &json!({})).await?;
    desk.does("clerk", record, "rectify", &cure()).await?;
    assert_eq!(state(&office, &second).await?, "received");
    desk.does("reinspector", record, "verify", &verdict()).await?;
    assert_eq!(state(&office, &second).await?, "fulfilled");
    desk.does("reviewer", record, "close", &json!({})).await?;
    assert_eq!(state(&office, &second).await?, "fulfilled");
    let other = graded(&desk, &mut phone, "general").await?;
    let third = desk.does("clerk", other, "order", &order()).await?;
    desk.does("reviewer", other, "void", &json!({"fields": {"reason": "误报"}})).await?;
    assert_eq!(state(&office, &third).await?, "withdrawn");
    ensure!(print(&office, &third).await?.contains("<p class=\"void\">作废</p>"));
    // What was closed since nothing was found was never fulfilled.
    let gone = graded(&desk, &mut phone, "general").await?;
    let fourth = desk.does("clerk", gone, "order", &order()).await?;
    let absent = json!({"fields": {"position": {"lat_e7": 299_800_000, "lon_e7": 1_030_100_000}}, "photos": [photo("site", "c")]});
    desk.does("reinspector", gone, "not-found", &absent).await?;
    assert_eq!(state(&office, &fourth).await?, "in_force");
    desk.does("reviewer", gone, "close", &json!({"fields": {"reason": "已核实"}})).await?;
    assert_eq!(state(&office, &fourth).await?, "withdrawn");
    let states: Vec<Value> = office.json("/v1/orders").await?["orders"]
        .as_array()
        .context("no orders")?
        .iter()
        .map(|order| order["state"].clone())
        .collect();
    assert_eq!(states, ["withdrawn", "withdrawn", "fulfilled", "superseded"]);
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_goes_to_the_unit_that_it_names_and_sets_a_deadline_that_lies_ahead_of_its_issue()
-> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, desk) = (server.client()?, Desk::new(&server).await?);
        let mut phone = Phone::enrol(&server).await?;
        let (unit, _people) = unit(&server, "甲供电所").await?;
        let record = graded(&desk, &mut phone, "general").await?;
        let order = |fields: Value| {
            let mut all = json!({"measures": "伐除", "responsible_unit_id": unit});
            for (name, value) in fields.as_object().into_iter().flatten() {
                all[name] = value.clone();
            }
            json!({"fields": all})
        };
        desk.refused("clerk", record, "order", &order(json!({"responsible_unit": "乙供电所"})), &["differs"])
            .await?;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        for early_ms in [now_ms - 60_000, 1] {
            desk.refused("clerk", record, "order", &order(json!({"deadline_ms": early_ms})), &["too-early"])
                .await?;
        }
        let ahead = order(json!({"ordered_at_ms": now_ms + 2 * DAY_MS}));
        desk.refused("clerk", record, "order", &ahead, &["too-late"]).await?;
        // An order on paper of last year is entered: its deadline has passed, and it is overdue.
        let paper = order(json!({"ordered_at_ms": now_ms - 30 * DAY_MS, "deadline_ms": now_ms - DAY_MS}));
        let entered = desk.does("clerk", record, "order", &paper).await?;
        let told = office.json(&format!("/v1/orders/{}", text(&entered, "order")?)).await?;
        assert_eq!(told["unit_name"], "甲供电所", "the name is the unit's");
        assert_eq!(told["ordered_ms"], now_ms - 30 * DAY_MS);
        ensure!(print(&office, &entered).await?.contains("补录"));
        let case = office.json(&format!("/v1/hazards/{record}")).await?["case"].clone();
        assert_eq!(case["overdue"], true, "{case}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_due_before_it_was_ordered_gets_the_term_of_the_rules_from_the_issue_with_a_reason()
-> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let desk = Desk::new(&server).await?;
    let mut phone = Phone::enrol(&server).await?;
    // Seen two days ago by somebody who was out of reach: its 24 hours are over.
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let report = phone.report("critical").with("found_at_ms", &(now_ms - 2 * DAY_MS));
    let bundle = phone.seal(std::slice::from_ref(&report));
    phone.sync(&[bundle]).await?;
    let record = report.record;
    desk.does("reviewer", record, "grade", &json!({"fields": {"severity": "critical"}})).await?;
    desk.refused("clerk", record, "order", &order(), &["needed"]).await?;
    let mut reasoned = order();
    reasoned["fields"]["reason"] = json!("离线上报，到达时已逾期");
    let ordered = desk.does("clerk", record, "order", &reasoned).await?;
    let deadline_ms = ordered["deadline_ms"].as_i64().context("no deadline")?;
    ensure!((now_ms + DAY_MS..now_ms + DAY_MS + 600_000).contains(&deadline_ms), "{ordered}");
    let page = print(&server.client()?, &ordered).await?;
    ensure!(page.contains("规则期限已过") && page.contains("自签发起重新计算"), "{page}");
    Ok(())
}
