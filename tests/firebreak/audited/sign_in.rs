//! Sign-ins in the log of the deployment: those that succeeded, those that failed, those that locked a login; who reads
//! of them, and that no name that was typed stands in it.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::browser::Browser;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};

const PASSWORD: &str = "Kx7-青山绿水再来";

/// An account of a new person of this role.
async fn account(server: &Server, district: &str, login: &str, role: &str) -> Result<()> {
    let add = ["person", "add", "--district", district, "--name", login, "--role", role];
    let person = server.command_text(&add, "person").await?;
    let link = ["user", "link", "--district", district, "--person", &person];
    let link = server.command_text(&link, "link").await?;
    let path = link.get(link.find("/link/").context("no link")?..).unwrap_or_default().to_owned();
    let reply = Browser::new(server)?.form(&path, &[("login", login), ("password", PASSWORD)]).await?;
    ensure!(reply.status == 303, "{} {}", reply.status, reply.text());
    Ok(())
}

/// Every row of the deployment's log that a browser is told, page by page.
async fn told(browser: &Browser) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    let mut path = "/v1/audit?chain=deployment&limit=2".to_owned();
    loop {
        let page = browser.get(&path).await?.json(&path)?;
        rows.extend(page["rows"].as_array().context("no rows")?.clone());
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/audit?chain=deployment&limit=2&cursor={next}"),
            None => return Ok(rows),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_sign_ins_and_lockouts_are_in_the_log_without_what_was_typed() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        server.add_district("other").await?;
        account(&server, DISTRICT, "guanli", "admin").await?;
        account(&server, DISTRICT, "lingdao", "leader").await?;
        account(&server, "other", "waiqu", "clerk").await?;
        let mut browser = Browser::new(&server)?;
        for _ in 0..5 {
            browser.try_sign_in("waiqu", "wrong-Password-1").await?;
            browser.try_sign_in("Kx7-typed-here", "wrong-Password-1").await?;
        }
        // Locked: the right password opens nothing, says when to come back, and is no further failure.
        let body = json!({"login": "waiqu", "password": PASSWORD}).to_string().into_bytes();
        let json_type = [("content-type", "application/json".to_owned())];
        let (locked, headers) = server.client_of("")?.send("POST", "/v1/session", &json_type, body).await?;
        assert_eq!((locked.status, locked.code().as_deref()), (429, Some("sign-in-locked")));
        let after: u64 = headers.get("retry-after").context("no Retry-After")?.parse()?;
        ensure!((1..=31).contains(&after) && locked.text().contains(&format!("{after} s")), "{after}");
        let form = browser.form("/login", &[("login", "waiqu"), ("password", PASSWORD)]).await?;
        assert_eq!(form.status, 429);
        browser.try_sign_in("guanli", "wrong-Password-1").await?;
        browser.sign_in("guanli", PASSWORD).await?;

        let listed = server.command_lines(&["audit", "list", "--deployment", "--limit", "100"]).await?;
        let count = |action: &str, object: &str| {
            listed
                .iter()
                .filter(|row| {
                    row["action"] == action && row["object"].as_str().is_some_and(|it| it.starts_with(object))
                })
                .count()
        };
        let of_waiqu = server.command_lines(&["user", "list"]).await?;
        let of_waiqu = of_waiqu.iter().find(|user| user["login"] == "waiqu").context("no account")?;
        let waiqu = of_waiqu["account"].as_str().context("no id")?;
        assert_eq!((count("login.failed", waiqu), count("login.locked", waiqu)), (4, 1), "{backend:?}");
        assert_eq!((count("login.failed", "login:"), count("login.locked", "login:")), (4, 1), "{backend:?}");
        let text = serde_json::to_string(&listed)?;
        ensure!(!text.contains("typed-here") && !text.contains("wrong-Password"), "{text}");

        // An administrator is told of the accounts of their district, and of no others.
        let rows = told(&browser).await?;
        let actions: Vec<&str> = rows.iter().filter_map(|row| row["action"].as_str()).collect();
        ensure!(actions.contains(&"login") && actions.contains(&"login.failed"), "{actions:?}");
        ensure!(actions.contains(&"account.link-used"), "{actions:?}");
        let text = serde_json::to_string(&rows)?;
        ensure!(!text.contains(waiqu) && !text.contains("waiqu") && !text.contains("login:"), "{text}");
        ensure!(rows.iter().any(|row| row["actor_name"] == "guanli"), "{rows:?}");
        let head = browser.get("/v1/audit/head?chain=deployment").await?.json("head")?;
        let kept = head["head"].as_str().context("no head")?;
        let (is_good, verdict) = server.command(&["audit", "verify", "--deployment", "--head", kept]).await?;
        ensure!(is_good, "{verdict}");
        let mut leader = Browser::new(&server)?;
        leader.sign_in("lingdao", PASSWORD).await?;
        for path in ["/v1/audit?chain=deployment", "/v1/audit/head?chain=deployment"] {
            assert_eq!(leader.get(path).await?.code().as_deref(), Some("forbidden"), "{path}");
        }
        assert_eq!(leader.get("/v1/audit?chain=x").await?.code().as_deref(), Some("bad-parameter"));
        ensure!(leader.get("/v1/audit").await?.status == 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_made_at_once_count_as_many() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        account(&server, DISTRICT, "guanli", "admin").await?;
        let attempt = async || -> Result<String> {
            let reply = Browser::new(&server)?.try_sign_in("guanli", "wrong-Password-1").await?;
            Ok(reply.code().unwrap_or_default())
        };
        let codes = futures::future::try_join_all((0..12).map(|_| attempt())).await?;
        let count = |code: &str| codes.iter().filter(|known| *known == code).count();
        let counted = (count("sign-in-failed"), count("sign-in-locked"));
        let rows = server.rows::<(i64,)>("SELECT failures FROM sign_in_failures").await?;
        assert_eq!((counted, rows), ((5, 7), vec![(5,)]), "{backend:?}: {codes:?}");
    }
    Ok(())
}
