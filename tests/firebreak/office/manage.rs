//! The pages of people, units, orders and the audit log: what they say, and what their forms do.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::browser::Browser;
use firebreak_tests::http::Reply;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::json;

use crate::accounts::{OTHER_PASSWORD, PASSWORD, account};

/// A browser of a new account of this role.
pub(super) async fn signed_in(server: &Server, login: &str, role: &str) -> Result<Browser> {
    account(server, login, role).await?;
    let mut browser = Browser::new(server)?;
    browser.sign_in(login, PASSWORD).await?;
    Ok(browser)
}

/// A form of one of our pages, with what it says beside the cookie.
pub(super) async fn sends(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Result<Reply> {
    let csrf = browser.csrf.clone();
    let mut all = vec![("csrf", csrf.as_str())];
    all.extend(fields);
    browser.form(path, &all).await
}

fn says(page: &Reply, words: &[&str]) -> Result<()> {
    let text = page.text();
    for word in words {
        ensure!(text.contains(word), "the page lacks {word}: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_added_given_a_link_a_phone_and_an_area_and_removed_on_pages() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut admin = signed_in(&server, "guanli", "admin").await?;
        let unit =
            server.client()?.post("/v1/units", &json!({"name": "云顶供电所", "kind": "responsible"})).await?;
        let unit = unit.json("unit")?["unit"].as_str().context("no unit")?.to_owned();
        says(
            &admin.get("/people").await?,
            &["人员", "People", "测试员", "管理员", "新增人员", "role-inspector", "云顶供电所"],
        )?;
        // Nobody without a role; what was typed stays.
        let refused = sends(&mut admin, "/people", &[("name", "<李四>"), ("unit", "")]).await?;
        ensure!(refused.status == 400, "{}", refused.status);
        says(&refused, &["参数无效", "must be one of inspector", "value=\"&lt;李四&gt;\""])?;
        let fields = [("name", "李四"), ("unit", unit.as_str()), ("role-unit", "on"), ("role-clerk", "on")];
        let added = sends(&mut admin, "/people", &fields).await?;
        ensure!(
            added.status == 303 && added.location.starts_with("/people/"),
            "{} {}",
            added.status,
            added.text()
        );
        let path = added.location;
        says(
            &admin.get(&path).await?,
            &["李四", "办事员、责任单位", "云顶供电所", "一次性链接", "注册手机", "工作区域"],
        )?;
        // A link, shown once, that opens.
        let link = sends(&mut admin, &path, &[("act", "link")]).await?;
        says(&link, &["只显示这一次", &format!("{}/link/", server.url)])?;
        let text = link.text();
        let secret =
            text.split("/link/").nth(1).and_then(|rest| rest.split('<').next()).context("no link")?;
        ensure!(!admin.get(&path).await?.text().contains(secret), "the link is shown again");
        let mut newcomer = Browser::new(&server)?;
        let set = newcomer
            .form(&format!("/link/{secret}"), &[("login", "lisi"), ("password", OTHER_PASSWORD)])
            .await?;
        ensure!(set.status == 303, "{}", set.text());
        // A code, as a picture, for a phone.
        let person = path.trim_start_matches("/people/").to_owned();
        let code = sends(&mut admin, "/enrol-code", &[("person", &person)]).await?;
        says(&code, &["注册手机", "<svg", "firebreak:enrol?"])?;
        let text = code.text();
        let code = text.split("code=").nth(1).and_then(|rest| rest.split('&').next()).context("no code")?;
        Phone::enrol_with(&server, code).await?;
        // An area in degrees; a bad line is named and nothing is set.
        let bad = sends(&mut admin, &path, &[("act", "area"), ("boxes", "29.9,103.0,30.1")]).await?;
        ensure!(bad.status == 400, "{}", bad.status);
        says(&bad, &["29.9,103.0,30.1"])?;
        let set =
            sends(&mut admin, &path, &[("act", "area"), ("boxes", "29.9,103.0,30.1,103.2\r\n")]).await?;
        ensure!(set.status == 303, "{}", set.text());
        says(&admin.get(&path).await?, &["29.9,103,30.1,103.2"])?;
        let changed = [("act", "change"), ("name", "李四五"), ("unit", ""), ("role-reviewer", "on")];
        ensure!(sends(&mut admin, &path, &changed).await?.status == 303);
        says(&admin.get(&path).await?, &["李四五", "审核员"])?;
        newcomer.sign_in("lisi", OTHER_PASSWORD).await?;
        ensure!(sends(&mut admin, &path, &[("act", "remove")]).await?.status == 303);
        says(&admin.get(&path).await?, &["已移除"])?;
        ensure!(newcomer.get("/").await?.status == 403, "who was removed still comes in");
        // Each of it is a row of the log, under the name of who did it.
        let session = admin.get("/v1/session").await?.json("session")?;
        let own = session["person"].as_str().context("no person")?;
        let log = admin.get(&format!("/audit?action=person.&actor=person:{own}")).await?.text();
        for action in ["person.add", "person.change", "person.link", "person.area", "person.remove"] {
            ensure!(log.matches(&format!("<code>{action}</code>")).count() == 1, "{action}: {log}");
        }
        ensure!(!log.contains("<code>device.enrol-code</code>"), "{log}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_stand_as_a_tree_and_are_added_changed_and_retired_on_pages() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut clerk = signed_in(&server, "banshi", "clerk").await?;
        let top = sends(&mut clerk, "/units", &[("name", "县供电公司"), ("kind", "owner")]).await?;
        ensure!(top.status == 303, "{}", top.text());
        let top = top.location;
        let id = top.trim_start_matches("/units/").to_owned();
        let fields = [
            ("name", "<云顶>所"),
            ("kind", "responsible"),
            ("contact", "王五"),
            ("phone", "0835-1234567"),
            ("parent", id.as_str()),
        ];
        let below = sends(&mut clerk, "/units", &fields).await?.location;
        let page = clerk.get("/units").await?;
        says(&page, &["产权单位", "责任单位", "└ ", "&lt;云顶&gt;所", "王五", "0835-1234567"])?;
        let text = page.text();
        let table = text.split("<tbody>").nth(1).context("no table")?;
        ensure!(table.find("县供电公司") < table.find("&lt;云顶&gt;所"), "{table}");
        // The one above cannot stand below: told on its own page, with what was typed.
        let below_id = below.trim_start_matches("/units/").to_owned();
        let circle =
            [("act", "change"), ("name", "县公司"), ("kind", "owner"), ("parent", below_id.as_str())];
        let refused = sends(&mut clerk, &top, &circle).await?;
        ensure!(refused.status == 409, "{}", refused.status);
        says(&refused, &["value=\"县公司\""])?;
        ensure!(sends(&mut clerk, &below, &[("act", "retire")]).await?.status == 303);
        says(&clerk.get(&below).await?, &["已停用", "保存并恢复使用"])?;
        let again = [("act", "change"), ("name", "云顶所"), ("kind", "operator")];
        ensure!(sends(&mut clerk, &below, &again).await?.status == 303);
        says(&clerk.get(&below).await?, &["运维单位", "云顶所"])?;
        let bad = sends(&mut clerk, "/units", &[("name", "x"), ("kind", "friend")]).await?;
        says(&bad, &["must be one of responsible, owner, operator"])?;
        // A reviewer reads and finds no form.
        let reviewer = signed_in(&server, "shenhe", "reviewer").await?;
        let page = reviewer.get("/units").await?.text();
        ensure!(page.contains("云顶所") && !page.contains("action=\"/units\""), "{page}");
        // Another site's form changes nothing.
        let forged = clerk.form("/units", &[("name", "外来"), ("kind", "owner"), ("csrf", "00")]).await?;
        ensure!(
            forged.status == 403 && !clerk.get("/units").await?.text().contains("外来"),
            "{}",
            forged.status
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_is_read_by_person_and_act_and_its_head_is_a_sheet_of_paper() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let leader = signed_in(&server, "lingdao", "leader").await?;
        let office = server.client()?;
        for name in ["甲所", "乙所"] {
            office.post("/v1/units", &json!({"name": name, "kind": "owner"})).await?.json("unit")?;
        }
        let admin = format!("person:{}", server.person);
        let page = leader.get(&format!("/audit?actor={admin}&action=unit.add")).await?;
        says(&page, &["链头（打印存档）"])?;
        ensure!(page.text().matches("<code>unit.add</code>").count() == 2, "{}", page.text());
        ensure!(!page.text().contains("<code>account."), "{}", page.text());
        let both = office.json("/v1/audit?action=unit.&limit=1").await?;
        let (rows, next) =
            (both["rows"].as_array().context("no rows")?, both["next"].as_str().context("no next")?);
        ensure!(rows.len() == 1, "{both}");
        let rest = office.json(&format!("/v1/audit?action=unit.&limit=1&cursor={next}")).await?;
        ensure!(rest["rows"][0]["action"] == "unit.add" && rest["next"].is_null(), "{rest}");
        ensure!(office.json("/v1/audit?actor=nobody").await?["rows"] == json!([]));
        let bad = office.get("/v1/audit?action=%27%20or%201").await?;
        ensure!(bad.status == 400 && bad.text().contains("action: "), "{}", bad.text());
        // The sheet: the head in groups that together are the head, a square code, how to check it later.
        let head = office.json("/v1/audit/head").await?;
        let hash = head["head"].as_str().context("no head")?;
        let sheet = leader.get("/audit/head").await?;
        let first: Vec<&str> = (0..4).filter_map(|group| hash.get(group * 4..group * 4 + 4)).collect();
        says(&sheet, &[&first.join(" "), "<svg", &format!("--district {DISTRICT} --head {hash}"), "保管人"])?;
        let kept = firebreak::orders::code_svg(&format!(
            "firebreak audit {DISTRICT} {} {hash}",
            head["sequence"].as_u64().context("no sequence")?
        ))?;
        says(&sheet, &[&kept])?;
        let clerk = signed_in(&server, "banshi", "clerk").await?;
        let refused = clerk.get("/audit").await?;
        ensure!(refused.status == 403, "{}", refused.status);
        // Kept out, with the way to what is open.
        says(&refused, &["href=\"/hazards\"", "返回总览"])?;
        ensure!(!refused.text().contains("href=\"/audit\""));
    }
    Ok(())
}
