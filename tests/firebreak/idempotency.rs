//! Idempotency keys and entity tags, against the real server on both databases: what is sent twice is done once, and
//! what was read before is not sent again.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::{Client, Reply};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::kind::Kind;

use super::bad_input::on_both;

const KEY: &str = "a-key-of-a-client";

async fn post(client: &Client, path: &str, key: &str, body: &Value) -> Result<Reply> {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    client.post_bytes(path, body.to_string().into_bytes(), &headers).await
}

fn refused(reply: &Reply, status: u16, code: Code) -> Result<()> {
    let is_so = reply.status == status && reply.code().as_deref() == Some(code.as_str());
    ensure!(is_so, "{} {}", reply.status, reply.text());
    Ok(())
}

async fn people(office: &Client) -> Result<usize> {
    let people = office.json("/v1/people").await?;
    Ok(people["people"].as_array().context("no people")?.len())
}

/// The same key and request, another request, and what is found of a request that was not finished.
pub(crate) async fn keys(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let office = server.client()?;
    let new = json!({"fields": {"unit": "供电所"}});
    let first = post(&office, "/v1/inspections", KEY, &new).await?;
    ensure!(first.status == 200, "{}", first.text());
    let again = post(&office, "/v1/inspections", KEY, &new).await?;
    ensure!((again.status, &again.body) == (200, &first.body), "{} {}", again.status, again.text());
    ensure!(again.content_type == first.content_type, "{}", again.content_type);
    refused(
        &post(&office, "/v1/inspections", KEY, &json!({"fields": {}})).await?,
        422,
        Code::IdempotencyKeyReused,
    )?;
    refused(&post(&office, "/v1/works", KEY, &new).await?, 422, Code::IdempotencyKeyReused)?;
    // A key of another person is another key.
    let clerk = server.add_person("clerk").await?;
    let clerk = office.with_token(&server.create_token(&clerk).await?);
    let other = post(&clerk, "/v1/inspections", KEY, &new).await?;
    ensure!(other.status == 200 && other.body != first.body, "{}", other.text());
    // As a request that is being worked on leaves it, and then as a server that was killed meanwhile does.
    server.execute("UPDATE idempotency SET status = NULL").await?;
    refused(&post(&office, "/v1/inspections", KEY, &new).await?, 409, Code::IdempotencyInProgress)?;
    let mut server = server;
    server.kill().await?;
    server.resume().await?;
    let office = server.client()?;
    refused(&post(&office, "/v1/inspections", KEY, &new).await?, 409, Code::IdempotencyUnsettled)?;
    let rows = office.json("/v1/inspections").await?;
    ensure!(rows["rows"].as_array().map(Vec::len) == Some(2), "one of the admin, one of the clerk: {rows}");
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_and_request_are_answered_alike_and_done_once() -> Result<()> {
    on_both(keys).await
}

async fn refusals(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let office = server.client()?;
    let new = json!({"name": "测试员", "roles": ["inspector"]});
    for key in ["short", "with space", &"x".repeat(129), ""] {
        refused(&post(&office, "/v1/people", key, &new).await?, 400, Code::BadParameter)?;
    }
    for key in ["exactly8", &"x".repeat(128)] {
        let reply = post(&office, "/v1/people", key, &new).await?;
        ensure!(reply.status == 200, "{key}: {}", reply.text());
    }
    // What was refused is refused again by the same words, and who may not is not let in by a key.
    let wrong = json!({"name": "测试员", "roles": ["nobody"]});
    let first = post(&office, "/v1/people", "a-wrong-role", &wrong).await?;
    refused(&first, 400, Code::BadParameter)?;
    ensure!(post(&office, "/v1/people", "a-wrong-role", &wrong).await?.body == first.body);
    refused(
        &post(&office.with_token(""), "/v1/people", "exactly8", &new).await?,
        401,
        Code::Unauthenticated,
    )?;
    let clerk = server.add_person("clerk").await?;
    let clerk = office.with_token(&server.create_token(&clerk).await?);
    let before = people(&office).await?;
    for _ in 0..2 {
        refused(&post(&clerk, "/v1/people", "a-clerk-s-key", &new).await?, 403, Code::Forbidden)?;
    }
    ensure!(people(&office).await? == before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_checked_and_lets_nobody_in() -> Result<()> {
    on_both(refusals).await
}

async fn at_once(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let office = server.client()?;
    let before = people(&office).await?;
    let new = json!({"name": "测试员", "roles": ["inspector"]});
    let all = futures::future::join_all((0..8).map(|_| post(&office, "/v1/people", KEY, &new))).await;
    let mut answers = std::collections::BTreeSet::new();
    for reply in all {
        let reply = reply?;
        match reply.status {
            200 => drop(answers.insert(reply.body)),
            _ => refused(&reply, 409, Code::IdempotencyInProgress)?,
        }
    }
    ensure!(answers.len() == 1, "{} answers", answers.len());
    ensure!(people(&office).await? == before + 1, "more than one was added");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_equal_requests_at_once_one_acts() -> Result<()> {
    on_both(at_once).await
}

async fn get(client: &Client, path: &str, known: &str) -> Result<(u16, String, usize)> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let request = http.get(format!("{}{path}", client.base())).bearer_auth(client.token());
    let response = request.header("if-none-match", known).send().await?;
    let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned();
    Ok((response.status().as_u16(), tag, response.bytes().await?.len()))
}

/// Tags of a record and of a list; a command that names a version which is past.
pub(crate) async fn tags(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let office = server.client()?;
    let mut phone = Phone::enrol(&server).await?;
    let report = phone.report("general").with("township", &"青杠镇");
    let bundle = phone.seal(std::slice::from_ref(&report));
    phone.sync(&[bundle]).await?;
    // What is derived of a hazard stands in its reply.
    office.derived().await?;
    let path = format!("/v1/hazards/{}", report.record);
    let (status, tag, bytes) = get(&office, &path, "").await?;
    ensure!(
        status == 200 && bytes > 0 && tag.starts_with(&format!("\"{}.", head_of(&report))),
        "{status} {tag}"
    );
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        ensure!(get(&office, &path, &known).await? == (304, tag.clone(), 0), "{known}");
    }
    let (_, list, _) = get(&office, "/v1/hazards", "").await?;
    ensure!(get(&office, "/v1/hazards", &list).await?.0 == 304);
    // Somebody else sees it again: the record has moved on.
    let seen = phone.on(report.record, Kind::Observed, [head_of(&report)]).with("township", &"白果镇");
    let bundle = phone.seal(std::slice::from_ref(&seen));
    phone.sync(&[bundle]).await?;
    let (status, newer, _) = get(&office, &path, &tag).await?;
    ensure!(status == 200 && newer != tag, "{status}");
    ensure!(get(&office, "/v1/hazards", &list).await?.0 == 200);
    let restore = json!({"operation": head_of(&report).to_string(), "field": "township"}).to_string();
    let send = async |tag: &str| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        office.post_bytes(&format!("{path}/restore"), restore.clone().into_bytes(), &headers).await
    };
    for past in [tag.as_str(), "\"never-given\"", "\"\""] {
        refused(&send(past).await?, 412, Code::MovedOn)?;
    }
    let restored = send(&newer).await?;
    ensure!(restored.status == 200, "{}", restored.text());
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_not_sent_again_what_it_has_and_a_command_names_the_version_it_is_made_from() -> Result<()>
{
    on_both(tags).await
}
