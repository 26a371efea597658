//! Deadlines by the rules, extensions, what is carried forward, tightening, lists and events. The clock is the server's
//! setting: it is started again so many days ahead.

use anyhow::{Context as _, Result, ensure};
use firebreak::sync::deadlines;
use firebreak::sync::office::Act;
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::cbor::Raw;
use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;

use super::{Desk, cure, order, reported};

const DAY_MS: i64 = 86_400_000;
const DAY_S: i64 = 86_400;

/// A hazard that was graded, ordered and receipted, and its deadline.
async fn rectifying(desk: &Desk, phone: &mut Phone, severity: &str) -> Result<(RecordId, i64)> {
    let record = reported(phone, severity).await?;
    on_its_way(desk, record, severity).await
}

async fn on_its_way(desk: &Desk, record: RecordId, severity: &str) -> Result<(RecordId, i64)> {
    desk.does("reviewer", record, "grade", &json!({"fields": {"severity": severity}})).await?;
    let ordered = desk.does("clerk", record, "order", &order()).await?;
    desk.does("clerk", record, "receipt", &json!({})).await?;
    Ok((record, ordered["deadline_ms"].as_i64().context("no deadline")?))
}

/// The case of a hazard, once everything is derived.
async fn case(office: &Client, record: RecordId) -> Result<Value> {
    // A draft waits for what is derived.
    office.derived().await?;
    Ok(office.json(&format!("/v1/hazards/{record}")).await?["case"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_does_not_move_a_deadline_and_granting_does() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (office, desk) = (server.client()?, Desk::new(&server).await?);
        let mut phone = Phone::enrol(&server).await?;
        let (record, deadline_ms) = rectifying(&desk, &mut phone, "general").await?;
        let asked = |at_ms: i64| json!({"fields": {"deadline_ms": at_ms, "reason": "连续降雨"}});
        desk.refused("clerk", record, "ask-extension", &asked(deadline_ms), &["too-early"]).await?;
        desk.refused("reviewer", record, "grant-extension", &json!({}), &["needed", "extension"]).await?;
        let later_ms = deadline_ms + 10 * DAY_MS;
        let waiting = desk.does("clerk", record, "ask-extension", &asked(later_ms)).await?;
        assert_eq!(waiting["deadline_ms"], deadline_ms, "asking does not move it");
        assert_eq!(waiting["turn"], "reviewer");
        let shown = office.json(&format!("/v1/hazards/{record}")).await?;
        let field = shown["fields"].as_array().context("no fields")?;
        let field = field.iter().find(|field| field["name"] == "deadline_ms").context("no deadline")?;
        assert_eq!(field["value"], deadline_ms);
        let refused = desk
            .does("reviewer", record, "refuse-extension", &json!({"fields": {"reason": "处于防火期"}}))
            .await?;
        assert_eq!((&refused["deadline_ms"], &refused["turn"]), (&json!(deadline_ms), &json!("unit")));
        desk.does("clerk", record, "ask-extension", &asked(later_ms)).await?;
        let more = json!({"fields": {"deadline_ms": later_ms + DAY_MS}});
        desk.refused("reviewer", record, "grant-extension", &more, &["too-late"]).await?;
        let granted = desk.does("reviewer", record, "grant-extension", &json!({})).await?;
        assert_eq!(granted["deadline_ms"], later_ms);
        let told = office.json(&format!("/v1/hazards/{record}")).await?;
        let kinds: Vec<&str> = told["deadlines"]
            .as_array()
            .context("no history")?
            .iter()
            .filter_map(|it| it["kind"].as_str())
            .collect();
        assert_eq!(
            kinds,
            ["ordered", "extension_asked", "extension_refused", "extension_asked", "extension_granted"]
        );
        let case = case(&office, record).await?;
        assert_eq!((&case["due_ms"], &case["extensions"]), (&json!(later_ms), &json!(1)));
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_no_later_than_the_rules_and_what_is_carried_comes_back_at_its_review() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (office, desk) = (server.client()?, Desk::new(&server).await?);
    let mut phone = Phone::enrol(&server).await?;
    let record = reported(&mut phone, "general").await?;
    desk.does("reviewer", record, "grade", &json!({"fields": {"severity": "general"}})).await?;
    let at = |at_ms: i64| json!({"fields": {"responsible_unit": "云顶供电所", "measures": "伐除", "deadline_ms": at_ms}});
    let rule_ms = case(&office, record).await?["due_ms"].as_i64().context("no due moment")?;
    desk.refused("clerk", record, "order", &at(rule_ms + 1), &["too-late"]).await?;
    let early_ms = rule_ms - DAY_MS;
    assert_eq!(desk.does("clerk", record, "order", &at(early_ms)).await?["deadline_ms"], early_ms);
    desk.does("clerk", record, "receipt", &json!({})).await?;
    let carried = json!({"fields": {"plan": "每周测距一次", "review_at_ms": rule_ms}});
    let past = json!({"fields": {"plan": "每周测距一次", "review_at_ms": 1}});
    desk.refused("leader", record, "carry", &past, &["too-early"]).await?;
    let held = desk.does("leader", record, "carry", &carried).await?;
    assert_eq!(
        (&held["state"], &held["turn"], &held["deadline_ms"]),
        (&json!("carried"), &json!("leader"), &json!(rule_ms))
    );
    let back =
        desk.does("leader", record, "review-carried", &json!({"fields": {"reason": "已停电"}})).await?;
    assert_eq!((&back["state"], &back["deadline_ms"]), (&json!("rectifying"), &json!(early_ms)));
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_major_hazard_needs_its_leader_its_plan_and_its_term() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let desk = Desk::new(&server).await?;
    let mut phone = Phone::enrol(&server).await?;
    let record = reported(&mut phone, "general").await?;
    let major = json!({"fields": {"severity": "general", "major": true}});
    assert_eq!(desk.does("reviewer", record, "grade", &major).await?["turn"], "leader");
    desk.refused("clerk", record, "order", &order(), &["major-unconfirmed"]).await?;
    desk.does("leader", record, "confirm-major", &json!({"fields": {"supervision_level": "市级"}})).await?;
    let ordered = desk.does("clerk", record, "order", &order()).await?;
    let deadline_ms = ordered["deadline_ms"].as_i64().context("no deadline")?;
    desk.does("clerk", record, "receipt", &json!({})).await?;
    let beyond = json!({"fields": {"deadline_ms": deadline_ms + 31 * DAY_MS, "reason": "工程量大"}});
    desk.refused("clerk", record, "ask-extension", &beyond, &["too-late"]).await?;
    let refused = desk.try_it("clerk", record, "rectify", &cure()).await?;
    let refused: Value = serde_json::from_slice(&refused.body)?;
    assert_eq!(
        refused["refusals"].as_array().map(Vec::len),
        Some(10),
        "five texts and five dates: {refused}"
    );
    let mut fields = serde_json::Map::new();
    for name in ["responsibility", "measures", "funds", "time_limit", "contingency"] {
        fields.insert(format!("{name}_text"), json!("已落实"));
        fields.insert(format!("{name}_at_ms"), json!(deadline_ms));
    }
    desk.does("clerk", record, "plan-major", &json!({"fields": fields})).await?;
    desk.does("clerk", record, "rectify", &cure()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raised_danger_level_tightens_what_people_were_told_once_and_never_lengthens_it() -> Result<()> {
    for backend in Backend::ALL {
        // Nobody else looks at deadlines meanwhile; who asks derives what is missing.
        let server = Server::start_with(backend, &[("FIREBREAK_DERIVE", "false")]).await?;
        let (office, desk) = (server.client()?, Desk::new(&server).await?);
        let mut phone = Phone::enrol(&server).await?;
        // In forest.
        let report = phone.report("general").with("forest", &true);
        let bundle = phone.seal(std::slice::from_ref(&report));
        phone.sync(&[bundle]).await?;
        let (record, deadline_ms) = on_its_way(&desk, report.record, "general").await?;
        case(&office, record).await?;
        let put = |level: i64| json!({"level": level});
        for (level, expected) in [(3, 0), (5, 1), (5, 0), (1, 0)] {
            let done = office.call("PUT", "/v1/danger", &put(level)).await?.json("danger")?;
            assert_eq!(done["tightened"], expected, "{backend:?} level {level}");
            case(&office, record).await?;
        }
        let told = office.json(&format!("/v1/hazards/{record}")).await?;
        let steps = told["deadlines"].as_array().context("no history")?;
        assert_eq!(steps.len(), 2, "{steps:?}");
        let tightened_ms = steps[1]["at_ms"].as_i64().context("no deadline")?;
        assert_eq!(steps[1]["kind"], "deadline_tightened");
        ensure!(tightened_ms < deadline_ms, "{tightened_ms} {deadline_ms}");
        let by = told["operations"].as_array().context("no operations")?;
        let by = by.iter().find(|it| it["kind"] == "deadline_tightened").context("no operation")?;
        ensure!(by["fields"]["rule_version"].as_str().is_some_and(|version| version.len() == 64), "{by}");
        assert_eq!(office.json("/v1/danger").await?["dangers"].as_array().map(Vec::len), Some(4));
        // An area is one that is known: by a region, or by the hazards that lie in it.
        let here = phone.report("general").with("township", &"青杠镇");
        let bundle = phone.seal(std::slice::from_ref(&here));
        phone.sync(&[bundle]).await?;
        case(&office, here.record).await?;
        let unknown = office.call("PUT", "/v1/danger", &json!({"level": 3, "area": "青杠"})).await?;
        assert_eq!(unknown.code().as_deref(), Some("bad-parameter"));
        ensure!(unknown.text().contains("青杠镇"), "the known ones are not named: {}", unknown.text());
        let known = office.call("PUT", "/v1/danger", &json!({"level": 1, "area": "青杠镇"})).await?;
        ensure!(known.status == 200, "{}", known.text());
        for wrong in [json!({"level": 0}), json!({"level": 6}), json!({"level": 3, "area": "乡".repeat(101)})]
        {
            let reply = office.call("PUT", "/v1/danger", &wrong).await?;
            assert_eq!(reply.code().as_deref(), Some("bad-parameter"), "{wrong}");
        }
        server.check().await?;
    }
    Ok(())
}

/// Reads a stream of events until one of each of these kinds came, from after a number; gives all of them.
pub(super) async fn events(office: &Client, after: u64, kinds: &[&str]) -> Result<Vec<(u64, String)>> {
    let mut response = office.stream("/v1/events", &[("last-event-id", &after.to_string())]).await?;
    let mut text = String::new();
    let mut found: Vec<(u64, String)> = Vec::new();
    while !kinds.iter().all(|kind| found.iter().any(|(_, known)| known == kind)) {
        let part = response.chunk().await?.context("the stream ended")?;
        text.push_str(std::str::from_utf8(&part)?);
        found.clear();
        for block in text.split("\n\n") {
            let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(id), Some(kind)) = (line("id: "), line("event: ")) {
                found.push((id.parse()?, kind.to_owned()));
            }
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_nears_passes_and_is_ignored_is_told_once_each_and_lists_show_it() -> Result<()> {
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        let desk = Desk::new(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        let (record, deadline_ms) = rectifying(&desk, &mut phone, "general").await?;
        let now_ms = server.client()?.json(&format!("/v1/hazards/{record}")).await?["received_ms"]
            .as_i64()
            .context("no time")?;
        let until_s = (deadline_ms - now_ms) / 1_000;
        let mut seen = Vec::new();
        for (ahead_s, kind) in [
            (until_s - DAY_S, "deadline-nears"),
            (until_s + 60, "deadline-passed"),
            (until_s + 4 * DAY_S, "deadline-ignored"),
        ] {
            server.stop().await?;
            server.set("FIREBREAK_CLOCK_AHEAD_S", &ahead_s.to_string());
            server.resume().await?;
            let after = seen.last().map_or(0, |(id, _)| *id);
            seen.extend(events(&server.client()?, after, &[kind]).await?);
        }
        let told: Vec<&str> =
            seen.iter().map(|(_, kind)| kind.as_str()).filter(|kind| kind.starts_with("deadline")).collect();
        assert_eq!(told, ["deadline-nears", "deadline-passed", "deadline-ignored"], "{backend:?}");
        ensure!(seen.iter().any(|(_, kind)| kind == "device-silent"), "{seen:?}");
        let ids: Vec<u64> = seen.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, (1..=u64::try_from(ids.len())?).collect::<Vec<_>>());
        let office = server.client()?;
        for (query, expected) in [
            ("overdue=true", 1),
            ("overdue=false", 0),
            ("turn=unit", 1),
            ("turn=clerk", 0),
            ("overdue=true&turn=unit&major=false", 1),
            ("major=true", 0),
            (&format!("due_before={}", deadline_ms + 1), 1),
            (&format!("due_before={deadline_ms}"), 0),
            (&format!("unit={}", uuid::Uuid::from_u128(9)), 0),
        ] {
            let page = office.json(&format!("/v1/hazards?{query}")).await?;
            assert_eq!(page["hazards"].as_array().map(Vec::len), Some(expected), "{query}");
        }
        let totals = office.json("/v1/totals").await?;
        assert_eq!((&totals["turns"]["unit"], &totals["overdue"]["unit"]), (&json!(1), &json!(1)));
        let ask = json!({"fields": {"deadline_ms": deadline_ms + 90 * DAY_MS, "reason": "太晚"}});
        desk_of(&server, "clerk")
            .await?
            .post(&format!("/v1/hazards/{record}/commands/ask-extension"), &ask)
            .await
            .map(|reply| {
                assert_eq!(reply.status, 409, "{}", reply.text());
            })?;
        for bad in ["turn=nobody", "unit=x", "overdue=perhaps"] {
            let reply = office.get(&format!("/v1/hazards?{bad}")).await?;
            assert_eq!(reply.code().as_deref(), Some("bad-parameter"), "{bad}");
        }
        server.check().await?;
    }
    Ok(())
}

async fn desk_of(server: &Server, role: &str) -> Result<Client> {
    let person = server.add_person(role).await?;
    server.client_of(&server.create_token(&person).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_was_told_of_a_fire_sighting_is_not_tightened_for_what_was_always_so() -> Result<()> {
    let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", "false")]).await?;
    let mut phone = Phone::enrol(&server).await?;
    let smoke = phone.report("general").with("category", &"fire_sighting").with("type", &"smoke");
    let tree = phone.report("general");
    let bundle = phone.seal(&[smoke.clone(), tree.clone()]);
    phone.sync(&[bundle]).await?;
    let engine = firebreak::app::open(&server.settings()).await?;
    let district = engine.district(&server.district).await?;
    let says = async |kind: Kind, record: RecordId, fields: Fields| -> Result<()> {
        let (photos, author, made_from) = (Vec::new(), server.person.parse()?, None);
        let act = Act::Operation { kind, record, fields, photos, author, made_from };
        engine.act(&district, act).await?;
        Ok(())
    };
    // As an office did that took the sighting for what was said of it: no guard of a command looks at these.
    let later_ms = engine.clock.now_ms() + 100 * DAY_MS;
    for (nth, record) in [smoke.record, tree.record].into_iter().enumerate() {
        says(Kind::Graded, record, Fields::from([("severity", Raw::of(&"general"))])).await?;
        let number = format!("2026-{nth}");
        let ordered = Fields::from([
            ("order_number", Raw::of(&number)),
            ("responsible_unit", Raw::of(&"云顶供电所")),
            ("measures", Raw::of(&"伐除")),
            ("deadline_ms", Raw::of(&later_ms)),
        ]);
        says(Kind::Ordered, record, ordered).await?;
    }
    engine.follow_until_current(&district).await?;
    assert_eq!(deadlines::scan(&engine, &district).await?, 0);
    // What is graded worse afterwards is tightened all the same.
    says(Kind::Graded, tree.record, Fields::from([("severity", Raw::of(&"critical"))])).await?;
    engine.follow_until_current(&district).await?;
    assert_eq!(deadlines::scan(&engine, &district).await?, 1);
    let office = server.client()?;
    let told = async |record: RecordId| -> Result<Value> {
        Ok(office.json(&format!("/v1/hazards/{record}")).await?["case"]["notified_ms"].clone())
    };
    engine.follow_until_current(&district).await?;
    assert_eq!(told(smoke.record).await?, json!(later_ms));
    ensure!(told(tree.record).await?.as_i64().is_some_and(|told_ms| told_ms < later_ms));
    Ok(())
}
