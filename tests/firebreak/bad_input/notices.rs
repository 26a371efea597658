//! Notices: what a person is told of what became of their values and operations, each kind once.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::exchange::Frame;
use sync_protocol::kind::Kind;

use super::on_both;

async fn is_told(phone: &mut Phone, code: Code) -> Result<()> {
    let reply = phone.sync::<Vec<u8>>(&[]).await?;
    let told = reply
        .frames
        .iter()
        .any(|frame| matches!(frame, Frame::Notice(notice) if notice.code == code.as_str()));
    ensure!(told, "{code} is not told: {reply:?}");
    Ok(())
}

pub(super) async fn notices(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let office = server.client()?;
    let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let report = one.report("general");
    let mine = one.on(report.record, Kind::Observed, [head_of(&report)]);
    let mine = mine.with("severity", &"general").with("description", &"甲");
    let theirs = other.on(report.record, Kind::Observed, [head_of(&report)]);
    let theirs = theirs.with("severity", &"critical").with("description", &"乙");
    let bad = one.on(report.record, Kind::Commented, [head_of(&report)]).with("text", &"坏\0字");
    let bundles = [one.seal(&[report.clone(), mine, bad.with("remarks", &"可")]), other.seal(&[theirs])];
    one.sync(&bundles[..1]).await?;
    other.sync(&bundles[1..]).await?;
    is_told(&mut one, Code::NoticeOverridden).await?;
    is_told(&mut one, Code::NoticeConflict).await?;
    let resolve = format!("/v1/conflicts/{}.description.values/resolve", report.record);
    office.post(&resolve, &json!({"value": "甲"})).await?.json(&resolve)?;
    is_told(&mut other, Code::NoticeSettled).await?;
    let wrong = one.on(report.record, Kind::Observed, [head_of(&report)]).with("tree_height_dm", &-5);
    let bundle = one.seal(&[wrong]);
    one.sync(&[bundle]).await?;
    let waiting = office.json("/v1/quarantine").await?;
    let waiting = waiting["quarantine"].as_array().context("no quarantine")?;
    let wrong = waiting.iter().find(|item| item["code"] == Code::FieldRange.as_str()).context("not there")?;
    let release = format!("/v1/quarantine/{}/release", wrong["identity"].as_str().unwrap_or_default());
    office.post(&release, &json!({})).await?.json(&release)?;
    is_told(&mut one, Code::NoticeReleased).await?;
    let again = office.post(&release, &json!({})).await?;
    ensure!(again.code().as_deref() == Some(Code::NotReleasable.as_str()), "{}", again.text());
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_notice_reaches_its_person() -> Result<()> {
    on_both(notices).await
}
