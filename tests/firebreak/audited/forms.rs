//! The forms of the office's pages: each leaves the row of the route whose handler it goes through.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::browser::Browser;
use firebreak_tests::http::Reply;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{DISTRICT, Server};

use super::routes::{Office, PASSWORD, send};

/// A form of one of our pages.
async fn form(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Result<Reply> {
    let csrf = browser.csrf.clone();
    let mut all = vec![("csrf", csrf.as_str())];
    all.extend(fields);
    browser.form(path, &all).await
}

/// The path of the first form of a page that leads to a place.
async fn form_to(browser: &Browser, page: &str, place: &str) -> Result<String> {
    let text = browser.get(page).await?.text();
    let at =
        text.split(&format!("action=\"{place}")).nth(1).with_context(|| format!("no form to {place}"))?;
    Ok(format!("{place}{}", at.split('"').next().unwrap_or_default()))
}

/// Sends every form, as an administrator.
pub(super) async fn sent(server: &Server, office: &mut Office<'_>) -> Result<()> {
    let person = server.add_person("admin").await?;
    let link =
        server.command_text(&["user", "link", "--district", DISTRICT, "--person", &person], "link").await?;
    let link = link.get(link.find("/link/").context("no link")?..).unwrap_or_default().to_owned();
    let (mut here, mut there) = (Browser::new(server)?, Browser::new(server)?);
    here.form(&link, &[("login", "biaodan"), ("password", PASSWORD)]).await?;
    here.sign_in("biaodan", PASSWORD).await?;
    there.sign_in("biaodan", PASSWORD).await?;
    let mut phone = Phone::enrol(server).await?;
    let report = phone.report("general");
    send(&mut phone, std::slice::from_ref(&report)).await?;
    office.watch.new_rows().await?;
    people(office, &mut here).await?;
    let route = "POST /hazards/{record}/commands/{command}";
    let path = format!("/hazards/{}/commands/grade", report.record);
    let reply = form(&mut here, &path, &[("severity", "serious")]).await?;
    office.took(route, &reply, &["command.grade"]).await?;
    let made = form(&mut here, "/account/tokens", &[("name", "报表"), ("scope-read", "on")]).await?;
    office.took("POST /account/tokens", &made, &["token.make"]).await?;
    let path = form_to(&here, "/account", "/account/tokens/").await?;
    let reply = form(&mut here, &path, &[]).await?;
    office.took("POST /account/tokens/{token}", &reply, &["token.revoke"]).await?;
    let path = form_to(&here, "/account", "/account/sessions/").await?;
    let reply = form(&mut here, &path, &[]).await?;
    office.took("POST /account/sessions/{session}", &reply, &["logout.other"]).await?;
    ensure!(there.get("/").await?.status == 401);
    let new = "Vq2-松坪镇的路口";
    let reply =
        form(&mut here, "/password", &[("password", PASSWORD), ("new_password", new), ("again", new)])
            .await?;
    office.took("POST /password", &reply, &["account.password", "login"]).await
}

async fn people(office: &mut Office<'_>, here: &mut Browser) -> Result<()> {
    let added = form(here, "/people", &[("name", "李四"), ("unit", ""), ("role-clerk", "on")]).await?;
    office.took("POST /people", &added, &["person.add"]).await?;
    for (act, more, row) in [
        ("change", vec![("name", "李四五"), ("unit", ""), ("role-clerk", "on")], "person.change"),
        ("area", vec![("boxes", "29.9,103.0,30.1,103.2")], "person.area"),
        ("link", vec![], "person.link"),
        ("remove", vec![], "person.remove"),
    ] {
        let mut fields = vec![("act", act)];
        fields.extend(more);
        let reply = form(here, &added.location, &fields).await?;
        office.took("POST /people/{person}", &reply, &[row]).await?;
    }
    let added = form(here, "/units", &[("name", "供电所"), ("kind", "owner")]).await?;
    office.took("POST /units", &added, &["unit.add"]).await?;
    let change = [("act", "change"), ("name", "供电分所"), ("kind", "owner")];
    for (fields, row) in [(&change[..], "unit.change"), (&[("act", "retire")][..], "unit.retire")] {
        let reply = form(here, &added.location, fields).await?;
        office.took("POST /units/{unit}", &reply, &[row]).await?;
    }
    Ok(())
}
