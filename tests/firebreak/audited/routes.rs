//! Every route that changes or exports something: it leaves its rows. What leaves none says why.

use anyhow::{Context as _, Result, ensure};
use firebreak::http::policy::{Action, TABLE};
use firebreak_tests::browser::Browser;
use firebreak_tests::http::{Client, Reply};
use firebreak_tests::phone::{MORNING_MS, Phone, head_of};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};
use sync_protocol::ids::Identity;
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

use super::{Watch, forms};
use crate::photos::File;

/// Routes that change something and leave no row, and why that is so.
const WITHOUT_ROWS: &[(&str, &str)] = &[
    ("POST /v1/sync", "what a phone hands in are signed operations, which are kept as they came"),
    ("HEAD /v1/photos/{sha256}", "it reads how far an upload is"),
    ("POST /v1/exports/{export}", "nothing leaves the server before the file is fetched, which leaves a row"),
    ("POST /maps", "as with `POST /v1/exports/{export}`"),
    ("POST /v1/session/district", "it changes what is looked at, and nothing of the ledger"),
    ("POST /district", "it changes what is looked at, and nothing of the ledger"),
];

pub(super) const PASSWORD: &str = "Kx7-青山绿水再来";

pub(super) struct Office<'s> {
    client: Client,
    pub(super) watch: Watch<'s>,
}

impl Office<'_> {
    /// Asks a route as an administrator; it must succeed and leave these rows.
    async fn does(&mut self, route: &str, path: &str, body: &Value, rows: &[&str]) -> Result<Value> {
        let method = route.split_once(' ').context("no method")?.0;
        let reply = self.client.call(method, path, body).await?;
        self.took(route, &reply, rows).await?;
        Ok(serde_json::from_slice(&reply.body).unwrap_or_default())
    }

    /// A route was asked: it succeeded, and these rows came.
    pub(super) async fn took(&mut self, route: &str, reply: &Reply, rows: &[&str]) -> Result<()> {
        ensure!((200..400).contains(&reply.status), "{route}: {} {}", reply.status, reply.text());
        self.watch.noted(route, rows).await
    }
}

pub(super) fn text(value: &Value, key: &str) -> Result<String> {
    Ok(value[key].as_str().with_context(|| format!("no {key} in {value}"))?.to_owned())
}

pub(super) async fn send(phone: &mut Phone, operations: &[Operation]) -> Result<()> {
    let bundle = phone.seal(operations);
    ensure!(phone.sync(&[bundle]).await?.receipts().len() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_that_changes_or_exports_something_leaves_its_row() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut office = Office { client: server.client()?, watch: Watch::new(&server).await? };
        people(&server, &mut office).await?;
        hazards(&server, &mut office).await?;
        decisions(&server, &mut office).await?;
        records(&mut office).await?;
        photos(&server, &mut office).await?;
        pages(&server, &mut office).await?;
        forms::sent(&server, &mut office).await?;
        for row in TABLE {
            let route = format!("{} {}", row.method, row.path);
            let is_told = row.method != "GET" || row.action == Action::Export;
            let is_done = office.watch.done.contains(&route);
            let is_exempt = WITHOUT_ROWS.iter().any(|(known, _)| *known == route);
            ensure!(!is_told || is_done != is_exempt, "{route}: say what rows it leaves");
        }
        for chain in [&["--district", DISTRICT][..], &["--deployment"]] {
            let (is_good, verdict) = server.command(&[&["audit", "verify"], chain].concat()).await?;
            ensure!(is_good, "{verdict}");
        }
        server.check().await?;
    }
    Ok(())
}

/// People, units, tokens, codes, phones that come and go.
async fn people(server: &Server, office: &mut Office<'_>) -> Result<()> {
    let body = json!({"name": "甲", "roles": ["clerk"]});
    let person = office.does("POST /v1/people", "/v1/people", &body, &["person.add"]).await?;
    let path = format!("/v1/people/{}", text(&person, "person")?);
    let body = json!({"name": "甲", "roles": ["inspector"]});
    office.does("PUT /v1/people/{person}", &path, &body, &["person.change"]).await?;
    let area = format!("{path}/area");
    let none = json!({"boxes": []});
    office.does("PUT /v1/people/{person}/area", &area, &none, &["person.area"]).await?;
    let link = format!("{path}/link");
    office.does("POST /v1/people/{person}/link", &link, &json!({}), &["person.link"]).await?;
    let body = json!({"person": person["person"]});
    let code = office.does("POST /v1/enrol-codes", "/v1/enrol-codes", &body, &["device.enrol-code"]).await?;
    let mut phone = Phone::enrol_with(server, &text(&code, "code")?).await?;
    office.watch.noted("POST /v1/enrol", &["device.enrol"]).await?;
    let device = format!("/v1/devices/{}", phone.device);
    let name = json!({"name": "一号机"});
    office.does("PUT /v1/devices/{device}", &device, &name, &["device.rename"]).await?;
    let _lost = phone.reports(2);
    let later = phone.reports(1);
    phone.sync(&[later]).await?;
    office.watch.new_rows().await?;
    let (give_up, through) = (format!("{device}/give-up"), json!({"through": 2, "reason": "应用损坏"}));
    office.does("POST /v1/devices/{device}/give-up", &give_up, &through, &["device.give-up"]).await?;
    let lose = format!("{device}/lose");
    office.does("POST /v1/devices/{device}/lose", &lose, &json!({}), &["device.lose"]).await?;
    let revoke = format!("{device}/revoke");
    office.does("POST /v1/devices/{device}/revoke", &revoke, &json!({}), &["device.revoke"]).await?;
    office.does("DELETE /v1/people/{person}", &path, &json!({}), &["person.remove"]).await?;
    let body = json!({"name": "供电所", "kind": "operator"});
    let unit = office.does("POST /v1/units", "/v1/units", &body, &["unit.add"]).await?;
    let path = format!("/v1/units/{}", text(&unit, "unit")?);
    office.does("PUT /v1/units/{unit}", &path, &body, &["unit.change"]).await?;
    office.does("DELETE /v1/units/{unit}", &path, &json!({}), &["unit.retire"]).await?;
    let body = json!({"name": "报表程序", "scopes": ["read"]});
    office.does("POST /v1/tokens", "/v1/tokens", &body, &["token.make"]).await?;
    let tokens = office.client.json("/v1/tokens").await?;
    let tokens = tokens["tokens"].as_array().context("no tokens")?;
    let made = tokens.iter().find(|token| token["label"] == "报表程序").context("no such token")?;
    let path = format!("/v1/tokens/{}", text(made, "id")?);
    office.does("DELETE /v1/tokens/{token}", &path, &json!({}), &["token.revoke"]).await?;
    let rules =
        firebreak::rules::DEFAULT.replacen("days = 30\nmark = \"R\"", "days = 20\nmark = \"ours\"", 1);
    let rules = json!({"source": rules});
    office.does("PUT /v1/rules", "/v1/rules", &rules, &["rules.set"]).await?;
    office.does("PUT /v1/danger", "/v1/danger", &json!({"level": 3}), &["danger.set"]).await?;
    Ok(())
}

/// A hazard on its way, and what is exported of it.
async fn hazards(server: &Server, office: &mut Office<'_>) -> Result<()> {
    let mut phone = Phone::enrol(server).await?;
    let report = phone.report("serious").with("township", &"青杠镇").with("forest", &false);
    let other = phone.report("serious").with("forest", &false);
    let again = phone.on(report.record, Kind::Corrected, [head_of(&report)]).with("township", &"白果镇");
    send(&mut phone, &[report.clone(), again, other.clone()]).await?;
    office.watch.new_rows().await?;
    let path = format!("/v1/hazards/{}", report.record);
    let restore = json!({"operation": head_of(&report).to_string(), "field": "township"});
    let route = "POST /v1/hazards/{record}/restore";
    office.does(route, &format!("{path}/restore"), &restore, &["act.restored"]).await?;
    let route = "POST /v1/hazards/{record}/commands/{command}";
    let grade = json!({"fields": {"severity": "serious"}});
    office.does(route, &format!("{path}/commands/grade"), &grade, &["command.grade"]).await?;
    let bulk = json!({"hazards": [other.record.to_string()], "fields": {"severity": "serious"}});
    office.does("POST /v1/commands/{command}", "/v1/commands/grade", &bulk, &["command.grade"]).await?;
    let order = json!({"fields": {"responsible_unit": "云顶供电所", "measures": "伐除"}});
    let ordered = office.does(route, &format!("{path}/commands/order"), &order, &["command.order"]).await?;
    let path = format!("/v1/orders/{}", text(&ordered, "order")?);
    let (nothing, row) = (json!({}), ["export.order"]);
    office.does("GET /v1/orders/{order}/html", &format!("{path}/html"), &nothing, &row).await?;
    office.does("GET /v1/orders/{order}/docx", &format!("{path}/docx"), &nothing, &row).await?;
    let (path, row) = ("/v1/exports/hazards.geojson", ["export.file"]);
    office.does("GET /v1/exports/{export}", path, &nothing, &row).await?;
    let short = "/v1/hazards.geojson?severity=general";
    office.does("GET /v1/hazards.geojson", short, &nothing, &row).await?;
    let asked = office.does("POST /v1/exports/{export}", "/v1/exports/hazards.csv", &nothing, &[]).await?;
    let path = format!("/v1/exports/{}/file", text(&asked, "id")?);
    office.does("GET /v1/exports/{export}/file", &path, &nothing, &row).await?;
    Ok(())
}

/// Conflicts, the quarantine, probable duplicates.
async fn decisions(server: &Server, office: &mut Office<'_>) -> Result<()> {
    let (mut one, mut two) = (Phone::enrol(server).await?, Phone::enrol(server).await?);
    let far = |report: Operation, hours: i64| report.with("found_at_ms", &(MORNING_MS + hours * 3_600_000));
    let (early, late) = (far(one.report("general"), 0), far(two.report("general"), 2));
    send(&mut one, std::slice::from_ref(&early)).await?;
    send(&mut two, std::slice::from_ref(&late)).await?;
    let mine = one.on(early.record, Kind::Observed, [head_of(&early)]).with("township", &"白果镇");
    let theirs = two.on(early.record, Kind::Observed, [head_of(&early)]).with("township", &"松坪镇");
    let wrong: Vec<Operation> = (0..3)
        .map(|nth| {
            one.on(early.record, Kind::Observed, [head_of(&early)]).with("tree_height_dm", &(-5 - nth))
        })
        .collect();
    send(&mut one, &[&[mine][..], &wrong].concat()).await?;
    send(&mut two, &[theirs]).await?;
    office.watch.new_rows().await?;
    let path = format!("/v1/conflicts/{}.township.values/resolve", early.record);
    let route = "POST /v1/conflicts/{conflict}/resolve";
    office.does(route, &path, &json!({"value": "白果镇"}), &["act.resolved"]).await?;
    let at = |nth: usize, what: &str| -> Result<String> {
        let operation = wrong.get(nth).context("no operation")?;
        Ok(format!("/v1/quarantine/{}/{what}", Identity::of(&operation.encode())))
    };
    let route = "POST /v1/quarantine/{operation}/release";
    office.does(route, &at(0, "release")?, &json!({}), &["quarantine.release"]).await?;
    let reason = json!({"reason": "无法辨认"});
    let route = "POST /v1/quarantine/{operation}/write-off";
    office.does(route, &at(1, "write-off")?, &reason, &["quarantine.write_off"]).await?;
    let path = format!("/v1/devices/{}/review", one.device);
    let review = json!({"decision": "write-off", "reason": "无法辨认"});
    let route = "POST /v1/devices/{device}/review";
    office.does(route, &path, &review, &["quarantine.write_off"]).await?;

    let pair = format!("/v1/proposals/{}/{}", early.record, late.record);
    let listed = office.client.json("/v1/proposals").await?;
    ensure!(listed.to_string().contains(&late.record.to_string()), "no proposal: {listed}");
    let route = |what: &str| format!("POST /v1/proposals/{{record}}/{{other}}/{what}");
    let undo = route("undo");
    let (dismiss, nothing) = (json!({"reason": "两棵树"}), json!({}));
    office.does(&route("dismiss"), &format!("{pair}/dismiss"), &dismiss, &["proposal.dismiss"]).await?;
    office.does(&undo, &format!("{pair}/undo"), &nothing, &["proposal.undo"]).await?;
    office.does(&route("accept"), &format!("{pair}/accept"), &nothing, &["act.duplicate"]).await?;
    office.does(&undo, &format!("{pair}/undo"), &nothing, &["act.retracted"]).await?;
    Ok(())
}

/// What the office enters and imports, and its reports.
async fn records(office: &mut Office<'_>) -> Result<()> {
    for (route, fields, row) in [
        ("POST /v1/hazards", json!({"category": "corridor", "type": "tree"}), "act.reported"),
        ("POST /v1/works", json!({"work_type": "pole_breaker", "quantity": 2}), "act.work"),
        ("POST /v1/inspections", json!({"unit": "供电所"}), "act.inspection"),
        ("POST /v1/activities", json!({"activity_type": "宣传"}), "act.activity"),
    ] {
        let path = route.split_once(' ').context("no path")?.1;
        office.does(route, path, &json!({"fields": fields}), &[row]).await?;
    }
    let person = office.client.json("/v1/session").await?;
    let path = format!("/v1/patrols?person={}", text(&person, "person")?);
    let reply = office.client.post_bytes(&path, super::commands::GPX.as_bytes().to_vec(), &[]).await?;
    let rows = ["act.patrol_started", "act.patrol_track", "act.patrol_finished", "import.gpx"];
    office.took("POST /v1/patrols", &reply, &rows).await?;
    let table = "线路名称,杆号,经度,纬度\n青杠线,N1,103.01,29.98\n青杠线,N2,103.02,29.99\n";
    let csv = [("content-type", "text/csv")];
    let reply = office.client.post_bytes("/v1/grid/lines", table.as_bytes().to_vec(), &csv).await?;
    office.took("POST /v1/grid/lines", &reply, &["grid.import"]).await?;
    let regions = super::commands::REGION.as_bytes().to_vec();
    let geojson = [("content-type", "application/geo+json")];
    let reply = office.client.post_bytes("/v1/grid/regions?level=township", regions, &geojson).await?;
    office.took("POST /v1/grid/regions", &reply, &["grid.import"]).await?;
    let (nothing, export) = (json!({}), ["export.report"]);
    let path = "/v1/reports/work?from=2026-11-01&to=2026-11-30";
    office.does("GET /v1/reports/work", path, &nothing, &export).await?;
    let days = json!({"from": "2026-11-01", "to": "2026-11-30"});
    let issued = office.does("POST /v1/reports/work", "/v1/reports/work", &days, &["report.issue"]).await?;
    let path = format!("/v1/reports/{}", text(&issued, "number")?);
    office.does("GET /v1/reports/{number}", &path, &nothing, &export).await?;
    Ok(())
}

/// Photos that the office brings and takes.
async fn photos(server: &Server, office: &mut Office<'_>) -> Result<()> {
    let mut phone = Phone::enrol(server).await?;
    let (put, patched) = (File::new(1, 4_000), File::new(2, 4_000));
    crate::photos::report(&mut phone, &[put.named("before"), patched.named("before")]).await?;
    office.watch.new_rows().await?;
    let client = office.client.clone();
    let (reply, _) = put.put(&client).await?;
    office.took("PUT /v1/photos/{sha256}", &reply, &["photo.upload"]).await?;
    let (reply, _) = patched.patch(&client, 0..patched.bytes.len()).await?;
    office.took("PATCH /v1/photos/{sha256}", &reply, &["photo.upload"]).await?;
    office.does("GET /v1/photos/{sha256}", &put.path(), &json!({}), &["export.photo"]).await?;
    Ok(())
}

/// A form of a page that must lead on and leave these rows; gives where it leads.
async fn fills(
    (browser, office): (&mut Browser, &mut Office<'_>),
    (route, path): (&str, &str),
    fields: &[(&str, &str)],
    rows: &[&str],
) -> Result<Reply> {
    let csrf = browser.csrf.clone();
    let form = [&[("csrf", csrf.as_str())][..], fields].concat();
    let reply = browser.form(path, &form).await?;
    office.took(route, &reply, rows).await?;
    Ok(reply)
}

/// A browser of an administrator who has just come in, and out, and in.
async fn signed_in(server: &Server, office: &mut Office<'_>) -> Result<Browser> {
    let person = server.add_person("admin").await?;
    let link = ["user", "link", "--district", DISTRICT, "--person", &person];
    let link = server.command_text(&link, "link").await?;
    let link = link.get(link.find("/link/").context("no link")?..).unwrap_or_default().to_owned();
    office.watch.new_rows().await?;
    let mut browser = Browser::new(server)?;
    let reply = browser.form(&link, &[("login", "guanli"), ("password", PASSWORD)]).await?;
    office.took("POST /link/{link}", &reply, &["account.link-used"]).await?;
    let reply = browser.form("/login", &[("login", "guanli"), ("password", PASSWORD)]).await?;
    office.took("POST /login", &reply, &["login"]).await?;
    let reply = browser.form("/logout", &[]).await?;
    office.took("POST /logout", &reply, &["logout"]).await?;
    let reply = browser.form("/login", &[("token", server.token.as_str())]).await?;
    office.took("POST /login", &reply, &["login.token"]).await?;
    let reply = browser.form("/logout", &[]).await?;
    office.took("POST /logout", &reply, &["logout"]).await?;
    let reply = browser.try_sign_in("guanli", PASSWORD).await?;
    office.took("POST /v1/session", &reply, &["login"]).await?;
    Ok(browser)
}

/// Forms of pages, signing in and out.
async fn pages(server: &Server, office: &mut Office<'_>) -> Result<()> {
    let mut phone = Phone::enrol(server).await?;
    let report = phone.report("general").with("forest", &false);
    send(&mut phone, std::slice::from_ref(&report)).await?;
    let mut browser = signed_in(server, office).await?;
    let (device, person) = (format!("/devices/{}", phone.device), phone.person.to_string());
    let renamed = [("act", "rename"), ("name", "二号机")];
    let at = ("POST /devices/{device}", device.as_str());
    fills((&mut browser, office), at, &renamed, &["device.rename"]).await?;
    let at = ("POST /enrol-code", "/enrol-code");
    fills((&mut browser, office), at, &[("person", &person)], &["device.enrol-code"]).await?;

    let filled = [("name", "甲"), ("role-clerk", "on")];
    let reply = fills((&mut browser, office), ("POST /people", "/people"), &filled, &["person.add"]).await?;
    let changed = [("act", "change"), ("name", "乙"), ("role-clerk", "on")];
    let at = ("POST /people/{person}", reply.location.as_str());
    fills((&mut browser, office), at, &changed, &["person.change"]).await?;
    fills((&mut browser, office), at, &[("act", "link")], &["person.link"]).await?;
    fills((&mut browser, office), at, &[("act", "remove")], &["person.remove"]).await?;
    let filled = [("name", "供电所"), ("kind", "owner")];
    let reply = fills((&mut browser, office), ("POST /units", "/units"), &filled, &["unit.add"]).await?;
    let at = ("POST /units/{unit}", reply.location.as_str());
    fills((&mut browser, office), at, &[("act", "retire")], &["unit.retire"]).await?;
    let filled = [("layer", "lines"), ("format", "csv"), ("datum", "gcj02")];
    fills((&mut browser, office), ("POST /maps", "/maps"), &filled, &[]).await?;
    let grade = format!("/hazards/{}/commands/grade", report.record);
    let at = ("POST /hazards/{record}/commands/{command}", grade.as_str());
    fills((&mut browser, office), at, &[("severity", "general")], &["command.grade"]).await?;

    let at = ("POST /account/tokens", "/account/tokens");
    fills((&mut browser, office), at, &[("name", "程序"), ("scope-read", "on")], &["token.make"]).await?;
    let tokens = browser.get("/v1/tokens").await?.json("tokens")?;
    let tokens = tokens["tokens"].as_array().context("no tokens")?;
    let made = tokens.iter().find(|token| token["label"] == "程序").context("no such token")?;
    let path = format!("/account/tokens/{}", text(made, "id")?);
    let at = ("POST /account/tokens/{token}", path.as_str());
    fills((&mut browser, office), at, &[], &["token.revoke"]).await?;
    Browser::new(server)?.sign_in("guanli", PASSWORD).await?;
    office.watch.new_rows().await?;
    let shown = browser.get("/account").await?.text();
    let path = shown.split('"').find(|part| part.starts_with("/account/sessions/")).context("no session")?;
    let at = ("POST /account/sessions/{session}", path);
    fills((&mut browser, office), at, &[], &["logout.other"]).await?;
    let again = "Vq2-松坪镇的路口";
    let form = [("password", PASSWORD), ("new_password", again), ("again", again)];
    let rows = ["account.password", "login"];
    fills((&mut browser, office), ("POST /password", "/password"), &form, &rows).await?;
    browser.sign_in("guanli", again).await?;
    office.watch.new_rows().await?;
    let reply = browser.call("DELETE", "/v1/session", &json!({})).await?;
    office.took("DELETE /v1/session", &reply, &["logout"]).await
}
