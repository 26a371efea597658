//! A hazard goes from report to closure on pages alone, but for the photo; what is not possible says why, on the page.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::browser::Browser;
use firebreak_tests::http::Reply;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::json;

use super::send;
use crate::accounts::{PASSWORD, account};

/// An account of this role, signed in; its login is the role.
async fn signed_in(server: &Server, role: &str) -> Result<Browser> {
    account(server, role, role).await?;
    let mut browser = Browser::new(server)?;
    browser.sign_in(role, PASSWORD).await?;
    Ok(browser)
}

/// The heads that the form of a command was made from.
fn heads(page: &str) -> Result<String> {
    let at = page.split("name=\"heads\" value=\"").nth(1).with_context(|| format!("no form: {page}"))?;
    Ok(at.split('"').next().unwrap_or_default().to_owned())
}

/// Opens the form of a command and sends it.
async fn gives(browser: &mut Browser, hazard: &str, command: &str, fields: &[(&str, &str)]) -> Result<Reply> {
    let path = format!("/hazards/{hazard}/commands/{command}");
    let page = browser.get(&path).await?;
    ensure!(page.status == 200, "{path}: {} {}", page.status, page.text());
    let (heads, csrf) = (heads(&page.text())?, browser.csrf.clone());
    let mut all = vec![("csrf", csrf.as_str()), ("heads", heads.as_str())];
    all.extend(fields);
    browser.form(&path, &all).await
}

async fn does(browser: &mut Browser, hazard: &str, command: &str, fields: &[(&str, &str)]) -> Result<String> {
    let reply = gives(browser, hazard, command, fields).await?;
    ensure!(reply.status == 303, "{command}: {} {}", reply.status, reply.text());
    let page = browser.get(&reply.location).await?;
    ensure!(page.status == 200, "{}: {}", reply.location, page.status);
    Ok(page.text())
}

/// What may be done, what it needs, and what may not and why.
async fn before_it_is_graded(reviewer: &mut Browser, clerk: &Browser, hazard: &str) -> Result<()> {
    let page = reviewer.get(&format!("/hazards/{hazard}")).await?.text();
    for wanted in [
        "可执行的操作",
        &format!("/hazards/{hazard}/commands/grade"),
        "须填：隐患等级",
        "现在不能执行的操作",
        "当前为「待审核」，不能销号",
    ] {
        ensure!(page.contains(wanted), "{wanted}: {page}");
    }
    ensure!(!page.contains("/commands/order\""), "another role's command is offered: {page}");
    let early = clerk.get(&format!("/hazards/{hazard}/commands/order")).await?;
    ensure!(
        early.status == 200
            && early.text().contains("须处于：已定级")
            && !early.text().contains("name=\"heads\"")
    );
    // What is missing is said, and what was typed stays.
    let refused = gives(reviewer, hazard, "grade", &[("remarks", "<看过>")]).await?;
    ensure!(refused.status == 409, "{}", refused.status);
    for wanted in ["请填写「隐患等级」", "&lt;看过&gt;"] {
        ensure!(refused.text().contains(wanted), "{wanted}: {}", refused.text());
    }
    Ok(())
}

/// A person of a unit, signed in.
async fn chief(server: &Server, unit: &str) -> Result<Browser> {
    let arguments =
        ["person", "add", "--district", DISTRICT, "--name", "所长", "--role", "unit", "--unit", unit];
    let person = server.command_text(&arguments, "person").await?;
    let link =
        server.command_text(&["user", "link", "--district", DISTRICT, "--person", &person], "link").await?;
    let at = link.find("/link/").context("no link")?;
    let mut chief = Browser::new(server)?;
    chief.form(link.get(at..).unwrap_or_default(), &[("login", "suozhang"), ("password", PASSWORD)]).await?;
    chief.sign_in("suozhang", PASSWORD).await?;
    Ok(chief)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hazard_is_graded_ordered_receipted_verified_and_closed_on_its_page() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let unit = office
            .post("/v1/units", &json!({"name": "云顶供电所", "kind": "responsible"}))
            .await?
            .json("unit")?;
        let unit = unit["unit"].as_str().context("no unit")?.to_owned();
        let mut phone = Phone::enrol(&server).await?;
        let report = phone.report("general").with("forest", &false);
        send(&mut phone, std::slice::from_ref(&report)).await?;
        let hazard = report.record.to_string();
        let (mut reviewer, mut clerk) =
            (signed_in(&server, "reviewer").await?, signed_in(&server, "clerk").await?);
        before_it_is_graded(&mut reviewer, &clerk, &hazard).await?;
        let page = does(&mut reviewer, &hazard, "grade", &[("severity", "serious"), ("major", "")]).await?;
        ensure!(page.contains("已执行：定级"), "{page}");
        let fields = [
            ("responsible_unit_id", unit.as_str()),
            ("responsible_unit", ""),
            ("measures", "伐除超高树木"),
            ("deadline_ms", ""),
            ("funds_fen", "1200.50"),
        ];
        let page = does(&mut clerk, &hazard, "order", &fields).await?;
        let number = format!("{DISTRICT}整改〔");
        for wanted in [number.as_str(), "云顶供电所", "/html", "/docx", "1200.50 元"] {
            ensure!(page.contains(wanted), "{wanted}: {page}");
        }
        let listed = clerk.get("/orders").await?.text();
        ensure!(
            listed.contains(&number) && listed.contains("伐除超高树木") && listed.contains(&hazard),
            "{listed}"
        );
        ensure!(!clerk.get("/orders?year=2001").await?.text().contains(&number));
        let bad = clerk.get("/orders?year=all").await?;
        ensure!(bad.status == 400, "{}", bad.status);
        // The unit itself takes it.
        let mut chief = chief(&server, &unit).await?;
        let page = does(&mut chief, &hazard, "receipt", &[("responsible_person", "所长")]).await?;
        ensure!(
            page.contains("整改中") && page.contains("报整改完成") && page.contains("由手机或接口提交"),
            "{page}"
        );
        let photo = json!({"sha256": "a".repeat(64), "bytes": 1_904_331, "role": "after"});
        let cure = json!({"fields": {"quantity": 3, "measures": "伐除"}, "photos": [photo]});
        let path = format!("/v1/hazards/{hazard}/commands/rectify");
        chief.call("POST", &path, &cure).await?.json("rectify")?;
        let mut reinspector = signed_in(&server, "reinspector").await?;
        let wrong =
            gives(&mut reinspector, &hazard, "verify", &[("verdict", "合格"), ("measured_dm", "6.44")])
                .await?;
        ensure!(wrong.status == 400 && wrong.text().contains("measured_dm: "), "{}", wrong.text());
        let verdict = [("verdict", "合格"), ("measured_dm", "6.4"), ("verified_at_ms", "")];
        let page = does(&mut reinspector, &hazard, "verify", &verdict).await?;
        ensure!(page.contains("已验收") && page.contains("6.4 米"), "{page}");
        let page = does(&mut reviewer, &hazard, "close", &[("reason", "")]).await?;
        ensure!(page.contains("已销号"), "{page}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_was_opened_before_the_hazard_moved_on_is_not_taken_and_shows_it_anew() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let report = phone.report("general");
    send(&mut phone, std::slice::from_ref(&report)).await?;
    let path = format!("/hazards/{}/commands/void", report.record);
    let mut reviewer = signed_in(&server, "reviewer").await?;
    let before = heads(&reviewer.get(&path).await?.text())?;
    let grade = json!({"fields": {"severity": "serious"}});
    server
        .client()?
        .post(&format!("/v1/hazards/{}/commands/grade", report.record), &grade)
        .await?
        .json("grade")?;
    let csrf = reviewer.csrf.clone();
    let stale = [("csrf", csrf.as_str()), ("heads", before.as_str()), ("reason", "误报")];
    let reply = reviewer.form(&path, &stale).await?;
    ensure!(reply.status == 412, "{}", reply.status);
    let page = reply.text();
    ensure!(page.contains("记录已有新的变化") && page.contains("误报") && page.contains("已定级"), "{page}");
    ensure!(heads(&page)? != before, "the form still holds the old heads");
    // Seen again, it is taken.
    let page = does(&mut reviewer, &report.record.to_string(), "void", &[("reason", "误报")]).await?;
    ensure!(page.contains("作废"), "{page}");
    // What needs a photo has no form, and what is no command no page.
    for name in ["rectify", "redact", "nonsense"] {
        let reply = reviewer.get(&format!("/hazards/{}/commands/{name}", report.record)).await?;
        ensure!(reply.status == 404, "{name}: {}", reply.status);
    }
    Ok(())
}
