//! Redaction through HTTP: what was redacted is in no answer of any kind, and the ledger is whole.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::ids::Identity;

use super::{File, state};

const SECRET: &str = "王老五住在三组十二号";

/// Whether any answer to a reader of the office or to a phone holds the text.
async fn shows(server: &Server, record: &str, text: &str) -> Result<Vec<String>> {
    let office = server.client()?;
    let mut showing = Vec::new();
    for path in [
        format!("/v1/hazards/{record}"),
        format!("/hazards/{record}"),
        "/v1/hazards".to_owned(),
        "/v1/exports/hazards.geojson".to_owned(),
        "/v1/conflicts".to_owned(),
        "/v1/quarantine".to_owned(),
        "/v1/proposals".to_owned(),
        "/v1/audit".to_owned(),
        "/".to_owned(),
    ] {
        let reply = office.get(&path).await?;
        ensure!(reply.status == 200, "{path}: {}", reply.status);
        if reply.text().contains(text) {
            showing.push(path);
        }
    }
    let mut newcomer = Phone::enrol(server).await?;
    let nothing: [&[u8]; 0] = [];
    let reply = newcomer.sync(&nothing).await?;
    let frames = format!("{:?}", reply.items().iter().map(|item| item.view.as_bytes()).collect::<Vec<_>>());
    if frames.contains(&format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned()) {
        showing.push("a phone's feed".to_owned());
    }
    Ok(showing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redacted_text_and_photo_are_in_no_answer_and_the_ledger_is_whole() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let file = File::new(41, 40_000);
        let mut report = phone.report("serious").with("remarks", &SECRET);
        report.photos = vec![file.named("before")];
        // The same text, said again by a correction.
        let mut again = phone.on(report.record, sync_protocol::kind::Kind::Corrected, [head_of(&report)]);
        again = again.with("remarks", &format!("{SECRET}。")).with("township", &"青杠镇");
        let bundle = phone.seal(&[report.clone(), again.clone()]);
        phone.sync(&[&bundle]).await?;
        file.upload(&phone.client).await?;
        let record = report.record.to_string();
        let before = shows(&server, &record, SECRET).await?;
        ensure!(before.contains(&"a phone's feed".to_owned()) && before.len() >= 3, "{before:?}");

        let office = server.client()?;
        let redact = format!("/v1/hazards/{record}/commands/redact");
        let identity =
            |operation: &sync_protocol::operation::Operation| Identity::of(&operation.encode()).to_string();
        for operation in [&report, &again] {
            let body = json!({"fields": {"operation": identity(operation), "field": "remarks", "reason": "当事人要求"}});
            office.post(&redact, &body).await?.json("redact")?;
        }
        let body = json!({"fields": {"photo": file.hash.to_string(), "reason": "拍到行人"}});
        office.post(&redact, &body).await?.json("redact a photo")?;
        // What would hide nothing is refused.
        for nothing in [
            json!({"reason": "x"}),
            json!({"reason": "x", "operation": identity(&report), "field": "severity"}),
            json!({"reason": "x", "operation": "00".repeat(32), "field": "remarks"}),
            json!({"reason": "x", "photo": "00".repeat(32)}),
        ] {
            let reply = office.post(&redact, &json!({"fields": nothing})).await?;
            assert_eq!(
                (reply.status, reply.code().as_deref()),
                (400, Some("bad-parameter")),
                "{}",
                reply.text()
            );
        }

        assert_eq!(shows(&server, &record, SECRET).await?, Vec::<String>::new());
        let shown = office.json(&format!("/v1/hazards/{record}")).await?;
        let remarks =
            shown["fields"].as_array().context("no fields")?.iter().find(|field| field["name"] == "remarks");
        assert_eq!(remarks.map(|field| &field["value"]), Some(&json!("〔已脱敏〕")));
        // It cannot be brought back.
        let restore = json!({"operation": identity(&report), "field": "remarks"});
        let _restored = office.post(&format!("/v1/hazards/{record}/restore"), &restore).await?;
        assert_eq!(shows(&server, &record, SECRET).await?, Vec::<String>::new());
        // The photo: no original, no thumbnail, no upload, no file.
        assert_eq!(state(&server, report.record, &file).await?.as_deref(), Some("redacted"));
        for form in ["", "?thumbnail=160"] {
            let reply = office.get(&format!("{}{form}", file.path())).await?;
            assert_eq!((reply.status, reply.code().as_deref()), (410, Some("photo-redacted")));
        }
        assert_eq!(file.head(&phone.client).await?.status, 410);
        assert_eq!(file.put(&phone.client).await?.0.status, 410);
        let name = file.hash.to_string();
        let lies = server.data().join("photos").join(&server.district).join(&name[..2]).join(&name);
        let gone = async {
            while lies.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), gone).await.context("the file stays")?;
        let check: Value = server.check().await?;
        ensure!(check["ok"] == true);
    }
    Ok(())
}
