//! What the office reads and decides, against the real server on both databases; a module a noun. Here is what they
//! share: reading lists page by page, and two inspectors who say two things.

mod chromium;
mod commands;
mod conflicts;
mod devices;
mod hazards;
mod manage;
mod maps;
mod own;
mod pages;
mod proposals;
mod public_url;
mod quarantine;
mod rules;
mod steps;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::{Phone, head_of};
use serde_json::Value;
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

fn rows<'a>(page: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    page.get(key).and_then(Value::as_array).with_context(|| format!("no {key} in {page}"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Every row of a list, page by page.
async fn all(office: &Client, path: &str, key: &str, limit: usize) -> Result<Vec<Value>> {
    after(office, path, key, limit, None).await
}

/// Every row of a list after a cursor, page by page.
async fn after(
    office: &Client,
    path: &str,
    key: &str,
    limit: usize,
    mut next: Option<String>,
) -> Result<Vec<Value>> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let mut found = Vec::new();
    loop {
        let cursor = next.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page = office.json(&format!("{path}{joint}limit={limit}{cursor}")).await?;
        let read = rows(&page, key)?;
        ensure!(read.len() <= limit, "a page of {} rows", read.len());
        found.extend(read.iter().cloned());
        next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

async fn send(phone: &mut Phone, operations: &[Operation]) -> Result<()> {
    let bundle = phone.seal(operations);
    let reply = phone.sync(&[bundle]).await?;
    ensure!(reply.status == 200 && reply.receipts().len() == 1, "{} {:?}", reply.status, reply.error());
    Ok(())
}

/// Two inspectors who did not know of each other say two things about one field of a new hazard.
async fn contend(one: &mut Phone, other: &mut Phone) -> Result<(Operation, Operation, Operation)> {
    let report = one.report("general").with("township", &"青杠镇");
    send(one, std::slice::from_ref(&report)).await?;
    let head = head_of(&report);
    let mine = one.on(report.record, Kind::Observed, [head]).with("township", &"白果镇");
    let theirs = other.on(report.record, Kind::Observed, [head]).with("township", &"松坪镇");
    send(one, std::slice::from_ref(&mine)).await?;
    send(other, std::slice::from_ref(&theirs)).await?;
    Ok((report, mine, theirs))
}
