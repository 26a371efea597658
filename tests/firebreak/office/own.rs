//! What an account has of its own, on pages: password, browsers, tokens.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::browser::Browser;
use firebreak_tests::http::Reply;
use firebreak_tests::server::{Backend, Server};

use crate::accounts::{OTHER_PASSWORD, PASSWORD, account};

async fn sends(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Result<Reply> {
    let csrf = browser.csrf.clone();
    let mut all = vec![("csrf", csrf.as_str())];
    all.extend(fields);
    browser.form(path, &all).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_changed_by_who_knows_it_and_every_other_browser_is_signed_out() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        account(&server, "zhanghua", "clerk").await?;
        let (mut here, mut there) = (Browser::new(&server)?, Browser::new(&server)?);
        here.sign_in("zhanghua", PASSWORD).await?;
        there.sign_in("zhanghua", PASSWORD).await?;
        ensure!(here.get("/account").await?.text().contains("href=\"/password\""));
        ensure!(here.get("/password").await?.text().contains("至少 10 个字符"));
        let form = |now: &'static str, new: &'static str, again: &'static str| {
            [("password", now), ("new_password", new), ("again", again)]
        };
        let wrong =
            sends(&mut here, "/password", &form("wrong-Password-1", OTHER_PASSWORD, OTHER_PASSWORD)).await?;
        ensure!(wrong.status == 401, "{}", wrong.status);
        let apart = sends(&mut here, "/password", &form(PASSWORD, OTHER_PASSWORD, PASSWORD)).await?;
        ensure!(apart.status == 400 && apart.text().contains("两次输入不一致"), "{}", apart.text());
        let weak = sends(&mut here, "/password", &form(PASSWORD, "short", "short")).await?;
        ensure!(weak.status == 400 && !weak.text().contains("short\""), "{}", weak.text());
        ensure!(there.get("/").await?.status == 200, "signed out before anything changed");
        let set = sends(&mut here, "/password", &form(PASSWORD, OTHER_PASSWORD, OTHER_PASSWORD)).await?;
        ensure!(set.status == 303 && set.location == "/account", "{} {}", set.status, set.text());
        ensure!(here.get("/account").await?.status == 200, "signed out of one's own browser");
        ensure!(there.get("/").await?.status == 401, "the other browser is still signed in");
        ensure!(Browser::new(&server)?.try_sign_in("zhanghua", PASSWORD).await?.status == 401);
        there.sign_in("zhanghua", OTHER_PASSWORD).await?;
    }
    Ok(())
}

/// The path of the first form that leads to a place.
fn form_to(page: &str, place: &str) -> Result<String> {
    let at = page
        .split(&format!("action=\"{place}"))
        .nth(1)
        .with_context(|| format!("no form to {place}: {page}"))?;
    Ok(format!("{place}{}", at.split('"').next().unwrap_or_default()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_browsers_are_signed_out_and_tokens_made_and_revoked_on_ones_own_page() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        account(&server, "zhanghua", "admin").await?;
        account(&server, "lisi", "clerk").await?;
        let (mut here, mut there, mut other) =
            (Browser::new(&server)?, Browser::new(&server)?, Browser::new(&server)?);
        here.sign_in("zhanghua", PASSWORD).await?;
        there.sign_in("zhanghua", PASSWORD).await?;
        other.sign_in("lisi", PASSWORD).await?;
        let page = here.get("/account").await?.text();
        ensure!(page.contains("本机 This one") && page.matches("退出该浏览器").count() == 1, "{page}");
        let end = form_to(&page, "/account/sessions/")?;
        // Nobody ends a session of somebody else.
        ensure!(sends(&mut other, &end, &[]).await?.status == 404);
        ensure!(there.get("/").await?.status == 200);
        ensure!(sends(&mut here, &end, &[]).await?.status == 303);
        ensure!(there.get("/").await?.status == 401 && here.get("/").await?.status == 200);
        // A token of one's own, shown once.
        let none = sends(&mut here, "/account/tokens", &[("name", "报表程序"), ("expires", "")]).await?;
        ensure!(
            none.status == 400 && none.text().contains("must be one of read, export, write, admin"),
            "{}",
            none.text()
        );
        let past = [("name", "x"), ("scope-read", "on"), ("expires", "2020-01-01")];
        ensure!(sends(&mut here, "/account/tokens", &past).await?.status == 400);
        let made = [("name", "报表程序"), ("scope-read", "on"), ("expires", "")];
        let made = sends(&mut here, "/account/tokens", &made).await?.text();
        let token = made.split("<code class=\"secret\">").nth(1).and_then(|rest| rest.split('<').next());
        let token = token.with_context(|| made.clone())?;
        let program = server.client_of(token)?;
        ensure!(program.get("/v1/hazards").await?.status == 200);
        ensure!(
            program.get("/v1/exports/hazards.geojson").await?.status == 403,
            "it has more than it was given"
        );
        let page = here.get("/account").await?.text();
        ensure!(page.contains("报表程序") && !page.contains(token), "{page}");
        // Only one's own tokens are on the page, whoever manages everybody's.
        ensure!(page.matches("action=\"/account/tokens/").count() == 1, "{page}");
        let revoke = form_to(&page, "/account/tokens/")?;
        ensure!(sends(&mut other, &revoke, &[]).await?.status == 404);
        ensure!(sends(&mut here, &revoke, &[]).await?.status == 303);
        ensure!(program.get("/v1/hazards").await?.status == 401);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inspector_who_signs_in_is_told_no_and_shown_the_way_to_their_account() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    account(&server, "xunxian", "inspector").await?;
    let mut browser = Browser::new(&server)?;
    browser.sign_in("xunxian", PASSWORD).await?;
    let first = browser.get("/").await?;
    ensure!(first.status == 403 && first.text().contains("href=\"/account\""), "{}", first.text());
    ensure!(!first.text().contains("href=\"/hazards\""));
    ensure!(browser.get("/account").await?.status == 200);
    Ok(())
}
