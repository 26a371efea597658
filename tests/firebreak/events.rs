//! Who reads events, how many at a time, and that a stream ends when its reader is let in no more.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::browser::Browser;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use reqwest::Response;
use serde_json::{Value, json};

const PASSWORD: &str = "Kx7-青山绿水再来";
/// What this server changes ends a stream at once: well before the look that comes every 15 seconds.
const AT_ONCE: Duration = Duration::from_secs(12);
/// What another process changes ends it by that look.
const IN_TIME: Duration = Duration::from_secs(25);

/// Reads a stream to its end, which must come within this time; gives how long that took.
async fn ends(mut stream: Response, within: Duration) -> Result<Duration> {
    let started = Instant::now();
    let reading = async {
        while stream.chunk().await?.is_some() {}
        anyhow::Ok(())
    };
    tokio::time::timeout(within, reading).await.context("the stream goes on")??;
    Ok(started.elapsed())
}

/// A client with a token of a new person of this role, and the person.
async fn reader(server: &Server, role: &str) -> Result<(firebreak_tests::http::Client, String)> {
    let person = server.add_person(role).await?;
    Ok((server.client_of(&server.create_token(&person).await?)?, person))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_at_once_when_its_reader_is_let_in_no_more() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        // Somebody whom nothing happens to reads on.
        let (bystander, _) = reader(&server, "planner").await?;
        let mut calm = bystander.stream("/v1/events", &[]).await?;

        let (client, _) = reader(&server, "reviewer").await?;
        let stream = client.stream("/v1/events", &[]).await?;
        let own = client.json("/v1/tokens").await?;
        let path = format!("/v1/tokens/{}", own["tokens"][0]["id"].as_str().context("no id")?);
        office.call("DELETE", &path, &json!({})).await?.json("revoke")?;
        println!("{backend:?}: its token was revoked: {:?}", ends(stream, AT_ONCE).await?);

        let (client, person) = reader(&server, "reviewer").await?;
        let stream = client.stream("/v1/events", &[]).await?;
        let path = format!("/v1/people/{person}");
        let role = json!({"name": "甲", "roles": ["inspector"]});
        office.call("PUT", &path, &role).await?.json("change")?;
        println!("{backend:?}: it lost its role: {:?}", ends(stream, AT_ONCE).await?);

        let (client, person) = reader(&server, "clerk").await?;
        let stream = client.stream("/v1/events", &[]).await?;
        office.call("DELETE", &format!("/v1/people/{person}"), &json!({})).await?.json("remove")?;
        println!("{backend:?}: its person left: {:?}", ends(stream, AT_ONCE).await?);

        let person = server.add_person("clerk").await?;
        let link = ["user", "link", "--district", DISTRICT, "--person", &person];
        let link = server.command_text(&link, "link").await?;
        let link = link.get(link.find("/link/").context("no link")?..).unwrap_or_default().to_owned();
        let mut browser = Browser::new(&server)?;
        browser.form(&link, &[("login", "zhanghua"), ("password", PASSWORD)]).await?;
        browser.sign_in("zhanghua", PASSWORD).await?;
        let nobody = office.with_token("");
        let stream = nobody.stream("/v1/events", &[("cookie", &browser.cookie)]).await?;
        ensure!(browser.call("DELETE", "/v1/session", &json!({})).await?.status == 200);
        println!("{backend:?}: it signed out: {:?}", ends(stream, AT_ONCE).await?);

        // Nothing came for the bystander, and nothing ended.
        let part = tokio::time::timeout(Duration::from_millis(1), calm.chunk()).await;
        ensure!(!matches!(part, Ok(Ok(None))), "the bystander's stream ended");
        if backend == Backend::Sqlite {
            browser.sign_in("zhanghua", PASSWORD).await?;
            let stream = nobody.stream("/v1/events", &[("cookie", &browser.cookie)]).await?;
            server.command(&["user", "disable", "--login", "zhanghua"]).await?;
            println!("disabled by the shell: {:?}", ends(stream, IN_TIME).await?);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_has_a_few_streams_and_takes_none_of_anothers() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (greedy, person) = reader(&server, "reviewer").await?;
    // By several tokens they count together.
    let other_token = server.client_of(&server.create_token(&person).await?)?;
    let mut streams = Vec::new();
    for client in [&greedy, &other_token, &greedy, &other_token] {
        streams.push(client.stream("/v1/events", &[]).await?);
    }
    let refused = greedy.get("/v1/events").await?;
    let code: Value = serde_json::from_slice(&refused.body)?;
    assert_eq!((refused.status, &code["code"]), (429, &json!("too-many-requests")));
    let (modest, _) = reader(&server, "reviewer").await?;
    ensure!(modest.status("/v1/events").await? == 200);
    // One that goes makes room.
    streams.pop();
    let deadline = Instant::now() + AT_ONCE;
    while greedy.status("/v1/events?once=true").await? != 200 {
        ensure!(Instant::now() < deadline, "the place stays taken");
    }
    Ok(())
}
