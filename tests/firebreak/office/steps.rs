//! A hazard goes from report to closure on pages alone; what is not possible says why, on the page.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::browser::Browser;
use firebreak_tests::http::Reply;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::ids::Identity;

use super::send;
use crate::accounts::{PASSWORD, account};
use crate::photos::File;

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

/// Opens the form of a command and sends it, as the form says: with files where it takes some.
async fn gives_with(
    browser: &mut Browser,
    hazard: &str,
    command: &str,
    fields: &[(&str, &str)],
    files: &[&[u8]],
) -> Result<Reply> {
    let path = format!("/hazards/{hazard}/commands/{command}");
    let page = browser.get(&path).await?;
    ensure!(page.status == 200, "{path}: {} {}", page.status, page.text());
    let (heads, csrf) = (heads(&page.text())?, browser.csrf.clone());
    let mut all = vec![("csrf", csrf.as_str()), ("heads", heads.as_str())];
    all.extend(fields);
    if !page.text().contains("enctype=\"multipart/form-data\"") {
        ensure!(files.is_empty(), "{command} takes no files");
        return browser.form(&path, &all).await;
    }
    let named: Vec<(&str, &str, &[u8])> = files.iter().map(|bytes| ("file", "现场.jpg", *bytes)).collect();
    // As a browser does where no file was chosen.
    let nothing: [(&str, &str, &[u8]); 1] = [("file", "", b"")];
    browser.form_with_files(&path, &all, if named.is_empty() { &nothing } else { &named }).await
}

async fn gives(browser: &mut Browser, hazard: &str, command: &str, fields: &[(&str, &str)]) -> Result<Reply> {
    gives_with(browser, hazard, command, fields, &[]).await
}

async fn does(browser: &mut Browser, hazard: &str, command: &str, fields: &[(&str, &str)]) -> Result<String> {
    does_with(browser, hazard, command, fields, &[]).await
}

async fn does_with(
    browser: &mut Browser,
    hazard: &str,
    command: &str,
    fields: &[(&str, &str)],
    files: &[&[u8]],
) -> Result<String> {
    let reply = gives_with(browser, hazard, command, fields, files).await?;
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
        ensure!(page.contains("整改中") && page.contains("/commands/rectify\""), "{page}");
        let cure = File::new(61, 300_000);
        let page = rectifies(&mut chief, &hazard, &cure).await?;
        ensure!(page.contains("待复查") && page.contains("已核验"), "{page}");
        let mut reinspector = signed_in(&server, "reinspector").await?;
        let wrong =
            gives(&mut reinspector, &hazard, "verify", &[("verdict", "合格"), ("measured_dm", "6.44")])
                .await?;
        ensure!(wrong.status == 400 && wrong.text().contains("measured_dm: "), "{}", wrong.text());
        let verdict = [("verdict", "合格"), ("measured_dm", "6.4"), ("verified_at_ms", "")];
        let page = does(&mut reinspector, &hazard, "verify", &verdict).await?;
        ensure!(page.contains("已验收") && page.contains("6.4 米"), "{page}");
        let page = does(&mut reviewer, &hazard, "close", &[("reason", "")]).await?;
        ensure!(page.contains("已销号") && page.contains("销号：最终"), "{page}");
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
    // What is no command has no page.
    let reply = reviewer.get(&format!("/hazards/{}/commands/nonsense", report.record)).await?;
    ensure!(reply.status == 404, "{}", reply.status);
    Ok(())
}

/// What is wrong with a file is said, what came stays, and then it is taken.
async fn rectifies(chief: &mut Browser, hazard: &str, cure: &File) -> Result<String> {
    let filled = [("quantity", "3"), ("measures", "伐除<三株>"), ("completed_at_ms", "")];
    let refused = gives(chief, hazard, "rectify", &filled).await?;
    ensure!(refused.status == 409 && refused.text().contains("整改后"), "{}", refused.text());
    let broken = gives_with(chief, hazard, "rectify", &filled, &[b"%PDF-1.7 no photo"]).await?;
    let told = broken.text();
    ensure!(broken.status == 415 && told.contains(Code::PhotoNotImage.zh()), "{} {told}", broken.status);
    ensure!(told.contains("伐除&lt;三株&gt;"), "{told}");
    // The photo came, and something else is missing: it need not come again.
    let without = gives_with(chief, hazard, "rectify", &[("measures", "伐除")], &[&cure.bytes]).await?;
    let (told, chosen) = (without.text(), format!("photo.{}", cure.hash));
    ensure!(without.status == 409 && told.contains("请填写「工程量」"), "{} {told}", without.status);
    ensure!(told.contains(&format!("name=\"{chosen}\"")) && told.contains("刚上传"), "{told}");
    let bytes = cure.bytes.len().to_string();
    let mut all = filled.to_vec();
    all.push((&chosen, &bytes));
    does(chief, hazard, "rectify", &all).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_a_form_is_taken_from_nobody_but_its_page() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let report = phone.report("general");
    send(&mut phone, std::slice::from_ref(&report)).await?;
    let path = format!("/hazards/{}/commands/rectify", report.record);
    let mut clerk = signed_in(&server, "clerk").await?;
    let file = File::new(62, 20_000);
    let files: [(&str, &str, &[u8]); 1] = [("file", "a.jpg", &file.bytes)];
    let csrf = clerk.csrf.clone();
    // Another site's form, and one that says who it is behind its file.
    for fields in [vec![], vec![("csrf", "nonsense")], vec![("quantity", "3"), ("csrf", csrf.as_str())]] {
        let reply = clerk.form_with_files(&path, &fields, &files).await?;
        ensure!(reply.status == 403 && reply.text().contains(Code::CsrfMissing.zh()), "{}", reply.text());
    }
    // A reviewer may not rectify, and is told so; a reader gives no commands.
    let mut planner = signed_in(&server, "planner").await?;
    let csrf = planner.csrf.clone();
    let reply = planner.form_with_files(&path, &[("csrf", csrf.as_str())], &files).await?;
    ensure!(reply.status == 403, "{}", reply.status);
    let held = file.head(&server.client()?).await?;
    ensure!(held.offset == 0 && !held.complete, "{held:?}");
    // More photos than a form takes.
    let many: Vec<File> = (0..9).map(|seed| File::new(700 + seed, 3_000)).collect();
    let files: Vec<&[u8]> = many.iter().map(|file| file.bytes.as_slice()).collect();
    let reply =
        gives_with(&mut clerk, &report.record.to_string(), "rectify", &[("quantity", "1")], &files).await?;
    ensure!(reply.status == 400 && reply.text().contains("至多 8 张"), "{} {}", reply.status, reply.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_field_saw_is_entered_written_off_and_redacted_on_pages() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let (never, shown) = (File::new(63, 9_000), File::new(64, 9_000));
        let mut report = phone.report("general").with("forest", &false).with("remarks", &"户主王老五");
        report.photos = vec![never.named("before"), shown.named("site")];
        send(&mut phone, std::slice::from_ref(&report)).await?;
        shown.upload(&phone.client).await?;
        let hazard = report.record.to_string();
        let (mut reviewer, mut leader) =
            (signed_in(&server, "reviewer").await?, signed_in(&server, "leader").await?);
        // Sent back, and sent in again with a second photo.
        does(&mut reviewer, &hazard, "return", &[("reason", "照片不清")]).await?;
        let second = File::new(65, 9_000);
        let again =
            [("photo_role", "before"), ("description", "树冠距导线约两米"), ("position", "29.98, 103.01")];
        let page = does_with(&mut reviewer, &hazard, "resubmit", &again, &[&second.bytes]).await?;
        ensure!(page.contains("待审核") && page.contains(&second.hash.to_string()), "{page}");
        // Made safe with a photo that the hazard has; not found with a new one, at a place.
        let bytes = shown.bytes.len().to_string();
        let chosen = format!("photo.{}", shown.hash);
        let page =
            does(&mut reviewer, &hazard, "make-safe", &[("measures", "拉绳固定"), (&chosen, &bytes)]).await?;
        ensure!(page.contains("已临时处置"), "{page}");
        let nowhere = gives_with(&mut reviewer, &hazard, "not-found", &[("position", "东边")], &[]).await?;
        ensure!(nowhere.status == 400 && nowhere.text().contains("纬度, 经度"), "{}", nowhere.text());
        let gone = File::new(66, 9_000);
        let page =
            does_with(&mut reviewer, &hazard, "not-found", &[("position", "29.98，103.01")], &[&gone.bytes])
                .await?;
        ensure!(page.contains("现场未发现"), "{page}");
        // What does not come is listed, with whom it is waited for.
        let waited = leader.get("/photos").await?.text();
        for wanted in [&never.hash.to_string()[..8], "测试员", &format!("/hazards/{hazard}")] {
            ensure!(waited.contains(wanted), "{wanted}: {waited}");
        }
        // The leader writes off what does not come, and the page offers no other photo to be.
        let form = leader.get(&format!("/hazards/{hazard}/commands/write-off")).await?.text();
        ensure!(form.contains(&never.hash.to_string()) && !form.contains(&shown.hash.to_string()), "{form}");
        let off = [("photo", never.hash.to_string()), ("reason", "手机损毁".to_owned())];
        let off: Vec<(&str, &str)> = off.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let page = does(&mut leader, &hazard, "write-off", &off).await?;
        ensure!(page.contains("已核销"), "{page}");
        ensure!(!leader.get("/photos").await?.text().contains(&never.hash.to_string()[..8]));
        // A text and a photo are redacted.
        let said = format!("{}.remarks", Identity::of(&report.encode()));
        let form = leader.get(&format!("/hazards/{hazard}/commands/redact")).await?.text();
        ensure!(form.contains(&said) && form.contains("户主王老五"), "{form}");
        let page =
            does(&mut leader, &hazard, "redact", &[("operation", &said), ("reason", "当事人要求")]).await?;
        ensure!(!page.contains("户主王老五") && page.contains("〔已脱敏〕"), "{page}");
        let hash = shown.hash.to_string();
        let page = does(&mut leader, &hazard, "redact", &[("photo", &hash), ("reason", "拍到行人")]).await?;
        ensure!(page.contains("已脱敏"), "{page}");
        ensure!(!page.contains(&format!("/v1/photos/{hash}?thumbnail")), "{page}");
        let form = leader.get(&format!("/hazards/{hazard}/commands/redact")).await?.text();
        ensure!(!form.contains(&said) && !form.contains(&hash), "{form}");
        server.check().await?;
    }
    Ok(())
}
