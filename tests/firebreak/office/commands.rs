//! Which role may give which command: every pair, through real HTTP.

use anyhow::{Context as _, Result, ensure};
use firebreak::lifecycle::{Command, table};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::kind::Kind;

use super::{contend, rows, send, text};

/// Commands and who may give them: reviewer, clerk, leader, admin, unit, re-inspector. Inspectors are let into no route.
const TABLE: &[(&str, &str)] = &[
    ("grade", "r-la--"),
    ("return", "r-la--"),
    ("resubmit", "rcla--"),
    ("void", "r-la--"),
    ("duplicate", "r-la--"),
    ("not-ours", "r-la--"),
    ("confirm-major", "--l---"),
    ("plan-major", "-clau-"),
    ("order", "-cla--"),
    ("reorder", "-cla--"),
    ("receipt", "-clau-"),
    ("dispute", "-clau-"),
    ("ask-extension", "-clau-"),
    ("grant-extension", "r-la--"),
    ("refuse-extension", "r-la--"),
    ("carry", "--l---"),
    ("review-carried", "--l---"),
    ("make-safe", "rclaui"),
    ("not-found", "rcla-i"),
    ("rectify", "-clau-"),
    ("verify", "---a-i"),
    ("uphold", "r-la--"),
    ("fail-verification", "---a-i"),
    ("close", "r-la--"),
    ("reopen", "r-la--"),
    ("write-off", "--l---"),
    ("redact", "--la--"),
];

const ROLES: [(&str, char); 6] =
    [("reviewer", 'r'), ("clerk", 'c'), ("leader", 'l'), ("admin", 'a'), ("unit", 'u'), ("reinspector", 'i')];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_may_give_the_commands_that_the_table_gives_it_and_no_other() -> Result<()> {
    assert_eq!(TABLE.len(), Command::ALL.len());
    let server = Server::start(Backend::Sqlite).await?;
    let mut phone = Phone::enrol(&server).await?;
    let report = phone.report("general");
    send(&mut phone, std::slice::from_ref(&report)).await?;
    let record = format!("/v1/hazards/{}", report.record);
    for (role, mark) in ROLES {
        let person = server.add_person(role).await?;
        let account = server.client_of(&server.create_token(&person).await?)?;
        for (command, may) in TABLE {
            // Nothing is said: who may is told what is missing, who may not is told that.
            let reply = account.post(&format!("{record}/commands/{command}"), &json!({})).await?;
            // A unit's people are told of the hazards of their unit alone.
            if role == "unit" {
                assert_eq!(reply.code().as_deref(), Some("not-found"), "{command}");
                continue;
            }
            let is_let_in = reply.code().as_deref() != Some("forbidden");
            ensure!(is_let_in == may.contains(mark), "{role} {command}: {} {}", reply.status, reply.text());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_offered_says_what_each_command_needs_and_what_stands_against_it() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (office, mut phone) = (server.client()?, Phone::enrol(&server).await?);
    let report = phone.report("general");
    send(&mut phone, std::slice::from_ref(&report)).await?;
    let page = office.json(&format!("/v1/hazards/{}/commands", report.record)).await?;
    let offered = rows(&page, "commands")?;
    assert_eq!(offered.len(), Command::ALL.len());
    for row in offered {
        let command = Command::parse(text(row, "command")).context("no command")?;
        let rule = table::rule(command);
        let expected = rule.from.contains(&sync_protocol::view::State::Reported)
            && rule.who.contains(&firebreak::domain::Role::Admin);
        ensure!(row["allowed"] == expected, "{row}");
        ensure!(expected == rows(row, "refusals")?.is_empty(), "{row}");
    }
    let grade = offered.iter().find(|row| text(row, "command") == "grade").context("no grade")?;
    assert_eq!(
        grade["needs"],
        json!([{"field": "severity", "photo": null, "zh": "隐患等级", "en": "severity"}])
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_is_no_way_around_the_table() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let (report, ..) = contend(&mut one, &mut other).await?;
    let cure = one.on(report.record, Kind::Rectified, [head_of(&report)]);
    send(&mut one, &[cure]).await?;
    let person = server.add_person("leader").await?;
    let leader = server.client_of(&server.create_token(&person).await?)?;
    let conflicts = server.client()?.json("/v1/conflicts").await?;
    let lifecycle = rows(&conflicts, "conflicts")?.iter().find(|row| text(row, "subject") == "lifecycle");
    let path = format!("/v1/conflicts/{}/resolve", text(lifecycle.unwrap_or(&Value::Null), "id"));
    // Neither a cure nor a step of the office's progress answers one: those are commands with their guards.
    for kind in ["closed", "verified", "ordered", "carried", "extension_granted", "graded"] {
        let act = json!({"act": kind, "fields": {"reason": "测试"}});
        assert_eq!(leader.post(&path, &act).await?.code().as_deref(), Some("bad-parameter"), "{kind}");
    }
    let act = json!({"act": "reopened", "fields": {"reason": "现场仍在"}});
    leader.post(&path, &act).await?.json(&path)?;
    Ok(())
}
