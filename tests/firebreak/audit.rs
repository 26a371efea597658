//! The audit log: what is in it, and that whoever changes it behind the server's back is found.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};

/// A server with a log of some rows, and the head that was kept of it.
async fn with_log(backend: Backend) -> Result<(Server, String)> {
    let server = Server::start(backend).await?;
    let mut phone = Phone::enrol(&server).await?;
    let office = server.client()?;
    for _ in 0..4 {
        let report = phone.report("serious");
        let record = report.record;
        let bundle = phone.seal(&[report]);
        phone.sync(&[&bundle]).await?;
        let grade = json!({"fields": {"severity": "serious"}});
        office.post(&format!("/v1/hazards/{record}/commands/grade"), &grade).await?.json("a command")?;
    }
    office.get("/v1/exports/hazards.geojson").await?;
    let (succeeded, head) = server.command(&["audit", "head"]).await?;
    ensure!(succeeded && head["sequence"].as_u64() >= Some(6), "{head}");
    Ok((server, head["head"].as_str().context("no head")?.to_owned()))
}

async fn verdict(server: &Server, head: Option<&str>) -> Result<(bool, Value)> {
    let mut arguments = vec!["audit", "verify"];
    if let Some(head) = head {
        arguments.extend(["--head", head]);
    }
    server.command(&arguments).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_office_does_is_in_the_log_once_and_in_order() -> Result<()> {
    for backend in Backend::ALL {
        let (server, head) = with_log(backend).await?;
        let office = server.client()?;
        let mut rows: Vec<Value> = Vec::new();
        let mut path = "/v1/audit?limit=2".to_owned();
        loop {
            let page = office.json(&path).await?;
            rows.extend(page["rows"].as_array().context("no rows")?.clone());
            match page["next"].as_str() {
                Some(next) => path = format!("/v1/audit?limit=2&cursor={next}"),
                None => break,
            }
        }
        let sequences: Vec<u64> = rows.iter().filter_map(|row| row["sequence"].as_u64()).collect();
        let last = u64::try_from(rows.len())?;
        assert_eq!(sequences, (1..=last).rev().collect::<Vec<_>>());
        let count = |action: &str| rows.iter().filter(|row| row["action"] == action).count();
        assert_eq!((count("device.enrol"), count("command.grade"), count("export.file")), (1, 4, 1));
        let act = rows.iter().find(|row| row["action"] == "command.grade").context("no act")?;
        assert_eq!(act["actor"], format!("person:{}", server.person));
        ensure!(!act["detail"].to_string().contains("serious"), "values are no part of it: {act}");
        let told = office.json("/v1/audit/head").await?;
        assert_eq!(told["head"], head);
        let (is_good, verdict) = verdict(&server, Some(&head)).await?;
        ensure!(is_good && verdict["ok"] == true, "{verdict}");
        // A refused act leaves no row.
        let nowhere = "/v1/hazards/0198c0de-0000-7000-8000-000000000000/commands/close";
        assert_eq!(office.post(nowhere, &json!({})).await?.status, 404);
        assert_eq!(office.json("/v1/audit/head").await?["head"], head);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_deleted_reordered_or_cut_off_row_is_found() -> Result<()> {
    /// What is done behind the server's back, and the fault that shows it.
    const DEEDS: [(&[&str], &str); 6] = [
        (&["UPDATE audit SET detail = '{}' WHERE sequence = 3"], "edited"),
        (&["UPDATE audit SET at_ms = at_ms + 1 WHERE sequence = 1"], "edited"),
        (&["DELETE FROM audit WHERE sequence = 2"], "missing"),
        (
            &[
                "UPDATE audit SET sequence = 1000 WHERE sequence = 2",
                "UPDATE audit SET sequence = 2 WHERE sequence = 3",
                "UPDATE audit SET sequence = 3 WHERE sequence = 1000",
            ],
            "unlinked",
        ),
        (&["DELETE FROM audit WHERE sequence = (SELECT max(sequence) FROM audit)"], "head_differs"),
        // So thorough that only a head that was kept elsewhere shows it.
        (
            &[
                "DELETE FROM audit WHERE sequence > 3",
                "UPDATE audit_heads SET sequence = 3, hash = (SELECT hash FROM audit WHERE sequence = 3)",
            ],
            "head_unknown",
        ),
    ];
    for backend in Backend::ALL {
        for (deeds, fault) in DEEDS {
            let (mut server, head) = with_log(backend).await?;
            server.stop().await?;
            for deed in deeds {
                server.execute(deed).await?;
            }
            let (is_good, found) = verdict(&server, Some(&head)).await?;
            let faults = found["faults"].as_array().context("no faults")?;
            ensure!(!is_good && faults.iter().any(|found| found["fault"] == fault), "{deeds:?}: {found}");
            if fault == "head_unknown" {
                ensure!(verdict(&server, None).await?.0, "without the kept head it looks whole");
            }
        }
    }
    Ok(())
}
