//! Accounts: the first administrator, signing in, lockout, forgotten passwords, sessions, tokens, several districts.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::browser::Browser;
use firebreak_tests::http::{Client, note};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::ids::sha256;

/// A password that the profile takes.
pub(crate) const PASSWORD: &str = "Kx7-青山绿水再来";
pub(crate) const OTHER_PASSWORD: &str = "Vq2-松坪镇的路口";
const FORM: &str = "/link/";

/// The path of a one-time link that a command prints.
async fn link(server: &Server, arguments: &[&str]) -> Result<String> {
    let text = server.command_text(arguments, "link").await?;
    let at = text.find(FORM).context("no link")?;
    Ok(text.get(at..).unwrap_or_default().to_owned())
}

/// An account of a new person of this role, and the person.
pub(crate) async fn account(server: &Server, login: &str, role: &str) -> Result<String> {
    let person = server.add_person(role).await?;
    let link = link(server, &["user", "link", "--district", DISTRICT, "--person", &person]).await?;
    let reply = Browser::new(server)?.form(&link, &[("login", login), ("password", PASSWORD)]).await?;
    ensure!(reply.status == 303, "{} {}", reply.status, reply.text());
    Ok(person)
}

/// The code of a page is noted, since a page tells it in words.
fn told(reply: &firebreak_tests::http::Reply, status: u16, code: Code) -> Result<()> {
    ensure!(reply.status == status && reply.text().contains(code.zh()), "{} {}", reply.status, reply.text());
    note(Some(code.as_str()));
    Ok(())
}

fn refused(reply: &firebreak_tests::http::Reply, status: u16, code: Code) -> Result<()> {
    ensure!(
        reply.status == status && reply.code().as_deref() == Some(code.as_str()),
        "{code}: {} {}",
        reply.status,
        reply.text()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_administrator_comes_in_by_a_link_that_works_once() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let arguments = ["user", "link", "--admin", "--district", DISTRICT, "--address", &server.url];
        let link = link(&server, &arguments).await?;
        let mut browser = Browser::new(&server)?;
        let page = browser.get(&link).await?;
        ensure!(page.status == 200 && page.text().contains("name=\"password\""), "{}", page.text());
        let weak = browser.form(&link, &[("login", "guanli"), ("password", "P@ssw0rd2026")]).await?;
        told(&weak, 400, Code::PasswordWeak)?;
        ensure!(weak.text().contains("过于常见或有规律"), "{}", weak.text());
        let set = browser.form(&link, &[("login", "Guanli"), ("password", PASSWORD)]).await?;
        assert_eq!((set.status, set.location.as_str()), (303, "/login"));
        told(
            &browser.form(&link, &[("login", "guanli2"), ("password", PASSWORD)]).await?,
            410,
            Code::LinkInvalid,
        )?;
        told(&browser.get(&link).await?, 410, Code::LinkInvalid)?;
        let told = browser.sign_in("guanli", PASSWORD).await?;
        assert_eq!((&told["roles"], &told["district"]), (&json!(["admin"]), &json!(DISTRICT)));
        let person = json!({"name": "新来的", "roles": ["clerk", "reviewer"]});
        ensure!(browser.call("POST", "/v1/people", &person).await?.status == 200);
        let listed = server.command_lines(&["user", "list"]).await?;
        assert_eq!(listed.len(), 1);
        ensure!(!listed[0].to_string().contains("argon2"), "a hash is shown: {listed:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_of_its_browser_alone_and_another_site_cannot_use_it() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    account(&server, "zhanghua", "admin").await?;
    let mut browser = Browser::new(&server)?;
    let form = browser.form("/login", &[("login", "zhanghua"), ("password", PASSWORD)]).await?;
    assert_eq!((form.status, form.location.as_str()), (303, "/"));
    ensure!(form.cookie.contains("HttpOnly") && form.cookie.contains("SameSite=Strict"), "{}", form.cookie);
    ensure!(browser.get("/").await?.status == 200);
    let first = browser.cookie.clone();
    browser.sign_in("zhanghua", PASSWORD).await?;
    ensure!(browser.cookie != first, "the session was not made anew");
    let mut old = Browser::new(&server)?;
    old.cookie = first;
    ensure!(old.get("/v1/session").await?.status == 401, "the session before still works");
    // The cookie alone reads and changes nothing.
    ensure!(browser.get("/v1/totals").await?.status == 200);
    let new = json!({"name": "外人", "roles": ["admin"]});
    refused(&browser.call_from_elsewhere("POST", "/v1/people", &new).await?, 403, Code::CsrfMissing)?;
    let forged = browser.form("/district", &[("district", DISTRICT), ("csrf", "00")]).await?;
    ensure!(forged.status == 403, "{}", forged.status);
    let people = browser.get("/v1/people").await?.text();
    ensure!(!people.contains("外人"));
    // Signed out, the cookie is nothing.
    ensure!(browser.call("DELETE", "/v1/session", &json!({})).await?.status == 200);
    ensure!(browser.get("/v1/session").await?.status == 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_when_it_is_not_used_and_when_it_is_old() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        account(&server, "zhanghua", "admin").await?;
        let engine = firebreak::app::open(&server.settings()).await?;
        for (used_hours, begun_hours) in [(3, 3), (0, 13)] {
            let mut browser = Browser::new(&server)?;
            browser.sign_in("zhanghua", PASSWORD).await?;
            ensure!(browser.get("/v1/session").await?.status == 200);
            let id = browser.cookie.split_once('=').context("no cookie")?.1.to_owned();
            let now_ms = engine.clock.now_ms();
            let hash = sha256(id.as_bytes());
            let mut transaction = engine.store.begin().await?;
            let row = transaction.session(&hash).await?.context("no session")?;
            transaction.end_session(&hash).await?;
            transaction.add_session(&hash, &row.of, row.district, now_ms - begun_hours * 3_600_000).await?;
            transaction.touch_session(&hash, now_ms - used_hours * 3_600_000).await?;
            transaction.commit().await?;
            ensure!(browser.get("/v1/session").await?.status == 401, "{used_hours} h, {begun_hours} h");
        }
        engine.store.close().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_lock_a_login_whether_it_is_anybodys_or_not_and_a_link_unlocks_it() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        account(&server, "zhanghua", "reviewer").await?;
        let mut browser = Browser::new(&server)?;
        for nth in 0..5 {
            let known = browser.try_sign_in("zhanghua", "wrong-Password-1").await?;
            let unknown = browser.try_sign_in("nobody-here", "wrong-Password-1").await?;
            refused(&known, 401, Code::SignInFailed)?;
            assert_eq!((known.status, &known.body), (unknown.status, &unknown.body), "attempt {nth}");
        }
        // The right password opens nothing now, and nothing says that it is right.
        let known = browser.try_sign_in("ZhangHua ", PASSWORD).await?;
        let unknown = browser.try_sign_in("nobody-here", PASSWORD).await?;
        refused(&known, 429, Code::SignInLocked)?;
        refused(&unknown, 429, Code::SignInLocked)?;
        // Another login of the same address goes on.
        refused(&browser.try_sign_in("somebody-else", PASSWORD).await?, 401, Code::SignInFailed)?;
        let link = link(&server, &["user", "reset", "--login", "zhanghua"]).await?;
        let again = browser.form(&link, &[("login", "x"), ("password", PASSWORD)]).await?;
        told(&again, 400, Code::PasswordWeak)?;
        let set = browser.form(&link, &[("login", "zhanghua"), ("password", OTHER_PASSWORD)]).await?;
        assert_eq!(set.status, 303, "{}", set.text());
        refused(&browser.try_sign_in("zhanghua", PASSWORD).await?, 401, Code::SignInFailed)?;
        browser.sign_in("zhanghua", OTHER_PASSWORD).await?;
        // Disabled: out at once, and told no more than a stranger.
        server.command(&["user", "disable", "--login", "zhanghua"]).await?;
        ensure!(browser.get("/v1/session").await?.status == 401);
        refused(&browser.try_sign_in("zhanghua", OTHER_PASSWORD).await?, 401, Code::SignInFailed)?;
        server.command(&["user", "enable", "--login", "zhanghua"]).await?;
        browser.sign_in("zhanghua", OTHER_PASSWORD).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_does_what_its_scopes_say_and_no_more_than_its_maker_could() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        account(&server, "shenhe", "reviewer").await?;
        let mut browser = Browser::new(&server)?;
        browser.sign_in("shenhe", PASSWORD).await?;
        let wanted = json!({"name": "报表程序", "scopes": ["read"]});
        let made = browser.call("POST", "/v1/tokens", &wanted).await?.json("token")?;
        let token = made["token"].as_str().context("no token")?.to_owned();
        let program = server.client_of(&token)?;
        let status = async |method: &str, path: &str| -> Result<u16> {
            Ok(program.call(method, path, &json!({})).await?.status)
        };
        assert_eq!(status("GET", "/v1/hazards").await?, 200);
        assert_eq!(status("GET", "/v1/exports/hazards.geojson").await?, 403, "it may not export");
        assert_eq!(status("POST", "/v1/works").await?, 403, "it may not write");
        assert_eq!(status("POST", "/v1/tokens").await?, 403, "it makes no other token");
        let past = json!({"name": "x", "scopes": ["read"], "expires_ms": 1});
        refused(&browser.call("POST", "/v1/tokens", &past).await?, 400, Code::BadParameter)?;
        // Others' tokens are not there for whoever manages nobody.
        let own = browser.get("/v1/tokens").await?.json("tokens")?;
        let own = own["tokens"].as_array().context("no tokens")?.clone();
        assert_eq!(own.len(), 1, "{own:?}");
        assert_eq!((&own[0]["label"], &own[0]["scopes"]), (&json!("报表程序"), &json!(["read"])));
        let everybodys = server.client()?.json("/v1/tokens").await?;
        let all = everybodys["tokens"].as_array().context("no tokens")?;
        assert_eq!(all.len(), 2, "{all:?}");
        let of_admin = all.iter().find(|token| token["id"] != own[0]["id"]).context("no other")?;
        let foreign = format!("/v1/tokens/{}", of_admin["id"].as_str().context("no id")?);
        refused(&browser.call("DELETE", &foreign, &json!({})).await?, 404, Code::NotFound)?;
        let mine = format!("/v1/tokens/{}", own[0]["id"].as_str().context("no id")?);
        assert_eq!(browser.call("DELETE", &mine, &json!({})).await?.json("revoke")?, json!({"revoked": 1}));
        assert_eq!(status("GET", "/v1/hazards").await?, 401);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_makes_none_that_outlives_it_or_may_more_and_ends_with_what_it_made() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let made = async |by: &Client, body: Value| -> Result<Client> {
            let token = by.post("/v1/tokens", &body).await?.json("token")?;
            server.client_of(token["token"].as_str().context("no token")?)
        };
        let in_an_hour = jiff::Timestamp::now().as_millisecond() + 3_600_000;
        let body = json!({"name": "母", "scopes": ["read", "admin"], "expires_ms": in_an_hour});
        let mother = made(&office, body).await?;
        for (wrong, what) in [
            (json!({"name": "x", "scopes": ["read", "write"]}), "scopes"),
            (json!({"name": "x", "scopes": ["read"], "expires_ms": in_an_hour + 1}), "expires_ms"),
        ] {
            let reply = mother.post("/v1/tokens", &wrong).await?;
            refused(&reply, 403, Code::Forbidden)?;
            ensure!(reply.text().contains(what), "{}", reply.text());
        }
        // Without an end it has its mother's; so has one that a session of hers makes.
        let daughter = made(&mother, json!({"name": "女", "scopes": ["read", "admin"]})).await?;
        let granddaughter = made(&daughter, json!({"name": "孙", "scopes": ["read"]})).await?;
        let mut browser = Browser::new(&server)?;
        browser.form("/login", &[("token", mother.token())]).await?;
        browser.csrf =
            browser.get("/v1/session").await?.json("session")?["csrf"].as_str().context("none")?.to_owned();
        let late = json!({"name": "x", "scopes": ["read"], "expires_ms": in_an_hour + 1});
        refused(&browser.call("POST", "/v1/tokens", &late).await?, 403, Code::Forbidden)?;
        let listed = office.json("/v1/tokens").await?;
        let tokens = listed["tokens"].as_array().context("no tokens")?;
        let of = |label: &str| tokens.iter().find(|token| token["label"] == label).context("no such token");
        for label in ["母", "女", "孙"] {
            assert_eq!(of(label)?["expires_ms"], json!(in_an_hour), "{label}");
        }
        let path = format!("/v1/tokens/{}", of("母")?["id"].as_str().context("no id")?);
        assert_eq!(office.call("DELETE", &path, &json!({})).await?.json("revoke")?, json!({"revoked": 3}));
        for ended in [&mother, &daughter, &granddaughter] {
            assert_eq!(ended.get("/v1/session").await?.status, 401);
        }
        ensure!(
            browser.get("/v1/session").await?.status == 401 && office.get("/v1/session").await?.status == 200
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_and_tokens_end_with_what_they_were_for() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let person = account(&server, "zhanghua", "clerk").await?;
        let token = server.client_of(&server.create_token(&person).await?)?;
        ensure!(token.get("/v1/session").await?.status == 200);
        server.command(&["user", "disable", "--login", "zhanghua"]).await?;
        assert_eq!(token.get("/v1/session").await?.status, 401, "a disabled account's token");
        server.command(&["user", "enable", "--login", "zhanghua"]).await?;
        assert_eq!(token.get("/v1/session").await?.status, 401, "it is not let in again");
        // A link that was made for a person before another account became that person.
        let other = server.add_person("reviewer").await?;
        let made = link(&server, &["user", "link", "--district", DISTRICT, "--person", &other]).await?;
        let grant = ["user", "grant", "--login", "zhanghua", "--district", DISTRICT, "--person", &other];
        server.command(&grant).await?;
        told(&Browser::new(&server)?.get(&made).await?, 410, Code::LinkInvalid)?;
        // The one before, where a new one was made; and those of somebody who left.
        let leaves = server.add_person("reviewer").await?;
        let link_of = ["user", "link", "--district", DISTRICT, "--person", &leaves];
        let (first, second) = (link(&server, &link_of).await?, link(&server, &link_of).await?);
        told(&Browser::new(&server)?.get(&first).await?, 410, Code::LinkInvalid)?;
        ensure!(Browser::new(&server)?.get(&second).await?.status == 200);
        server.command(&["person", "remove", "--district", DISTRICT, "--person", &leaves]).await?;
        told(&Browser::new(&server)?.get(&second).await?, 410, Code::LinkInvalid)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_units_person_is_of_a_unit_or_is_not_made() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let without = json!({"name": "甲", "roles": ["unit"]});
        let reply = office.post("/v1/people", &without).await?;
        refused(&reply, 400, Code::BadParameter)?;
        ensure!(reply.text().contains("\"field\":\"unit\""), "{}", reply.text());
        // Who sees the whole district anyway needs none.
        let both = json!({"name": "乙", "roles": ["unit", "reviewer"]});
        let person = office.post("/v1/people", &both).await?.json("person")?;
        let path = format!("/v1/people/{}", person["person"].as_str().context("no person")?);
        refused(&office.call("PUT", &path, &without).await?, 400, Code::BadParameter)?;
        let add = ["person", "add", "--district", DISTRICT, "--name", "丙", "--role", "unit"];
        ensure!(server.command_lines(&add).await.is_err(), "the shell made one");
        let absent = json!({"name": "甲", "roles": ["unit"], "unit": uuid::Uuid::nil()});
        refused(&office.post("/v1/people", &absent).await?, 404, Code::NotFound)?;
    }
    Ok(())
}

/// A district that is not [`DISTRICT`].
async fn other_district(server: &Server) -> Result<String> {
    server.add_district("other").await?;
    let arguments = ["person", "add", "--district", "other", "--name", "乙", "--role", "clerk"];
    server.command_text(&arguments, "person").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_chooses_among_its_districts_and_a_province_sees_its_own() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let person = account(&server, "liangqu", "admin").await?;
        let there = other_district(&server).await?;
        server.add_district("third").await?;
        let mut browser = Browser::new(&server)?;
        browser.sign_in("liangqu", PASSWORD).await?;
        let to_other = json!({"district": "other"});
        refused(&browser.call("POST", "/v1/session/district", &to_other).await?, 404, Code::NotFound)?;
        let grant = ["user", "grant", "--login", "liangqu", "--district", "other", "--person", &there];
        server.command(&grant).await?;
        let told = browser.call("POST", "/v1/session/district", &to_other).await?.json("choose")?;
        assert_eq!((&told["district"], &told["roles"]), (&json!("other"), &json!(["clerk"])));
        // An administrator there is a clerk here.
        let new = json!({"name": "某", "roles": ["clerk"]});
        refused(&browser.call("POST", "/v1/people", &new).await?, 403, Code::Forbidden)?;
        // An administrator of one district gets nobody's account of another.
        let path = format!("/v1/people/{person}/link");
        refused(&server.client()?.post(&path, &json!({})).await?, 403, Code::AccountElsewhere)?;
        for district in [DISTRICT, "other"] {
            server.command(&["district", "province", "--district", district, "--province", "51"]).await?;
        }
        let link = link(&server, &["user", "add", "--login", "shengting", "--name", "省厅"]).await?;
        let mut province = Browser::new(&server)?;
        let set = province.form(&link, &[("login", "shengting"), ("password", PASSWORD)]).await?;
        assert_eq!(set.status, 303, "{}", set.text());
        ensure!(province.try_sign_in("shengting", PASSWORD).await?.status == 403, "it is of no district yet");
        server.command(&["user", "grant", "--login", "shengting", "--province", "51"]).await?;
        province.sign_in("shengting", PASSWORD).await?;
        let seen = province.get("/v1/districts").await?.json("districts")?;
        let codes: Vec<&Value> =
            seen["districts"].as_array().context("none")?.iter().map(|known| &known["code"]).collect();
        assert_eq!(codes, ["other", DISTRICT], "the third is of no province");
        ensure!(province.get("/districts").await?.text().contains("切换"));
        province.call("POST", "/v1/session/district", &to_other).await?.json("choose")?;
        ensure!(province.get("/v1/hazards").await?.status == 200);
        refused(&province.call("POST", "/v1/works", &json!({})).await?, 403, Code::Forbidden)?;
        server.command(&["user", "revoke", "--login", "shengting", "--province", "51"]).await?;
        refused(&province.get("/v1/hazards").await?, 403, Code::Forbidden)?;
    }
    Ok(())
}

/// Every code of accounts that is told nowhere else.
pub(crate) async fn codes(backend: Backend) -> Result<()> {
    let server = Server::start_with(backend, &[("FIREBREAK_PASSWORDS", "{most_days=1}")]).await?;
    let person = account(&server, "zhanghua", "admin").await?;
    let mut browser = Browser::new(&server)?;
    refused(&browser.try_sign_in("zhanghua", "x").await?, 401, Code::SignInFailed)?;
    browser.sign_in("zhanghua", PASSWORD).await?;
    refused(&browser.call_from_elsewhere("POST", "/v1/people", &json!({})).await?, 403, Code::CsrfMissing)?;
    let other = server.add_person("clerk").await?;
    let path = format!("/v1/people/{other}/link");
    let made = browser.call("POST", &path, &json!({})).await?.json("link")?;
    let link = made["path"].as_str().context("no path")?.to_owned();
    let odd = browser.form(&link, &[("login", "zhang hua"), ("password", PASSWORD)]).await?;
    told(&odd, 400, Code::LoginInvalid)?;
    let taken = browser.form(&link, &[("login", "zhanghua"), ("password", PASSWORD)]).await?;
    told(&taken, 409, Code::LoginTaken)?;
    told(&browser.get("/link/nothing").await?, 410, Code::LinkInvalid)?;
    let there = other_district(&server).await?;
    let grant = ["user", "grant", "--login", "zhanghua", "--district", "other", "--person", &there];
    server.command(&grant).await?;
    let path = format!("/v1/people/{person}/link");
    refused(&server.client()?.post(&path, &json!({})).await?, 403, Code::AccountElsewhere)?;
    let office = server.client()?;
    let unit =
        office.post("/v1/units", &json!({"name": "供电所", "kind": "operator"})).await?.json("unit")?;
    let below = json!({"name": "供电所", "kind": "operator", "parent": unit["unit"]});
    let path = format!("/v1/units/{}", unit["unit"].as_str().context("no unit")?);
    refused(&office.call("PUT", &path, &below).await?, 409, Code::UnitCircle)?;
    // A password of the day before yesterday.
    let engine = firebreak::app::open(&server.settings()).await?;
    let mut transaction = engine.store.begin().await?;
    let account = transaction.account_of_login("zhanghua").await?.context("no account")?;
    let two_days_ago = engine.clock.now_ms() - 2 * 86_400_000;
    let hash = account.password.context("no password")?;
    transaction.set_password(account.id, &hash, &[], two_days_ago).await?;
    transaction.commit().await?;
    engine.store.close().await;
    refused(&browser.try_sign_in("zhanghua", PASSWORD).await?, 403, Code::PasswordStale)?;
    let body = json!({"login": "zhanghua", "password": PASSWORD, "new_password": "short"});
    refused(&office.with_token("").post("/v1/session", &body).await?, 400, Code::PasswordWeak)?;
    let body = json!({"login": "zhanghua", "password": PASSWORD, "new_password": OTHER_PASSWORD});
    ensure!(office.with_token("").post("/v1/session", &body).await?.status == 200);
    for _attempt in 0..5 {
        browser.try_sign_in("zhanghua", "x").await?;
    }
    refused(&browser.try_sign_in("zhanghua", "x").await?, 429, Code::SignInLocked)?;
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_an_account_is_told_by_its_code() -> Result<()> {
    for backend in Backend::ALL {
        codes(backend).await?;
    }
    Ok(())
}
