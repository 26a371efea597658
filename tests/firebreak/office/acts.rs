//! Which role may make which act of the office: every pair, through real HTTP.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::kind::Kind;

use super::{contend, rows, send, text};

/// Acts of the office, and who may: inspector, reviewer, clerk, leader, admin. Every other kind is no act.
const TABLE: &[(&str, &str)] = &[
    ("graded", "-r-la"),
    ("returned", "-r-la"),
    ("void", "-r-la"),
    ("duplicate", "-r-la"),
    ("not_ours", "-r-la"),
    ("ordered", "--cla"),
    ("receipted", "--cla"),
    ("disputed", "--cla"),
    ("extension_asked", "--cla"),
    ("extension_granted", "-r-la"),
    ("extension_refused", "-r-la"),
    ("carried", "---l-"),
    ("closed", "-r-la"),
    ("reopened", "-r-la"),
    ("written_off", "---l-"),
    ("redacted", "---la"),
];

const ROLES: [(&str, char); 5] =
    [("inspector", 'i'), ("reviewer", 'r'), ("clerk", 'c'), ("leader", 'l'), ("admin", 'a')];

fn fields(kind: &str) -> Value {
    match kind {
        "duplicate" => json!({"duplicate_of": uuid::Uuid::from_u128(9)}),
        _ => json!({"reason": "测试"}),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_may_make_the_acts_that_the_table_gives_it_and_no_other() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let report = phone.report("general");
        send(&mut phone, std::slice::from_ref(&report)).await?;
        let path = format!("/v1/hazards/{}/acts", report.record);
        let mut made = 1;
        for (role, mark) in ROLES {
            let person = server.add_person(role).await?;
            let account = server.client_of(&server.create_token(&person).await?)?;
            for kind in Kind::ALL {
                let row = TABLE.iter().find(|(name, _)| *name == kind.as_str());
                let act = json!({"kind": kind.as_str(), "fields": fields(kind.as_str())});
                let reply = account.post(&path, &act).await?;
                let expected = match row {
                    Some((_, may)) if may.contains(mark) => 200,
                    None if mark != 'i' => 400,
                    Some(_) | None => 403,
                };
                ensure!(reply.status == expected, "{role} {kind}: {} {}", reply.status, reply.text());
                made += usize::from(reply.status == 200);
            }
        }
        let record = server.client()?.json(&format!("/v1/hazards/{}", report.record)).await?;
        assert_eq!(rows(&record, "operations")?.len(), made, "{backend:?}");
        server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_is_no_way_around_the_table() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let (report, ..) = contend(&mut one, &mut other).await?;
    let cure = one.on(report.record, Kind::Rectified, [head_of(&report)]);
    send(&mut one, &[cure]).await?;
    let mut accounts = BTreeMap::new();
    for role in ["reviewer", "leader"] {
        let person = server.add_person(role).await?;
        accounts.insert(role, server.client_of(&server.create_token(&person).await?)?);
    }
    let conflicts = server.client()?.json("/v1/conflicts").await?;
    let lifecycle = rows(&conflicts, "conflicts")?.iter().find(|row| text(row, "subject") == "lifecycle");
    let path = format!("/v1/conflicts/{}/resolve", text(lifecycle.unwrap_or(&Value::Null), "id"));
    let act = json!({"act": "carried", "fields": {"reason": "挂账"}});
    assert_eq!(accounts["reviewer"].post(&path, &act).await?.code().as_deref(), Some("forbidden"));
    accounts["leader"].post(&path, &act).await?.json(&path)?;
    Ok(())
}
