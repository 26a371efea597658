//! Law 6: one bad item blocks nothing; released, it takes effect where it is released.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::ids::{Identity, PhotoHash};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Photo};

fn count(checked: &Value, name: &str) -> u64 {
    checked.pointer(&format!("/dispositions/{name}")).and_then(Value::as_u64).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_cure_blocks_nothing_and_takes_effect_where_it_is_released() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let mut phone = Phone::enrol(&server).await?;
        let report = phone.report("serious");
        let cure = phone.on(report.record, Kind::Rectified, [head_of(&report)]);
        let bad = cure.with("measures", &"已清理").with("remarks", &"坏\0字");
        let identity = Identity::of(&bad.encode());
        let later = phone.on(report.record, Kind::Commented, [head_of(&report)]).with("text", &"已阅");
        let unreadable = vec![0x1c];
        let bundle =
            phone.seal_bytes(vec![report.encode(), bad.encode(), unreadable.clone(), later.encode()]);
        let reply = phone.sync(&[bundle]).await?;
        ensure!(reply.receipts().first().is_some_and(|it| it.exceptions.len() == 2), "{reply:?}");
        let state = |hazard: &Value| hazard.get("state").and_then(Value::as_str).map(str::to_owned);
        let hazard = format!("/v1/hazards/{}", report.record);
        let list = "/v1/hazards?type=all";
        let listed = |page: Value| page.pointer("/hazards/0").and_then(state);
        ensure!(listed(office.json(list).await?).as_deref() == Some("reported"));
        ensure!(count(&server.check().await?, "quarantined") == 2);
        let released = office.post(&format!("/v1/quarantine/{identity}/release"), &json!({})).await?;
        ensure!(released.status == 200, "{}", released.text());
        ensure!(listed(office.json(list).await?).as_deref() == Some("rectified"));
        office.json(&hazard).await?;
        let checked = server.check().await?;
        ensure!(count(&checked, "quarantined") == 1, "{checked}");
        let again = office.post(&format!("/v1/quarantine/{identity}/release"), &json!({})).await?;
        ensure!(again.code().as_deref() == Some(Code::NotReleasable.as_str()), "{}", again.text());
        let unreadable = Identity::of(&unreadable);
        let never = office.post(&format!("/v1/quarantine/{unreadable}/release"), &json!({})).await?;
        ensure!(never.code().as_deref() == Some(Code::NotReleasable.as_str()), "{}", never.text());
        // The author is told of both; what was released keeps its author.
        let reply = phone.sync::<Vec<u8>>(&[]).await?;
        let codes: Vec<String> = reply
            .frames
            .iter()
            .filter_map(|frame| match frame {
                sync_protocol::exchange::Frame::Notice(notice) => Some(notice.code.clone()),
                _ => None,
            })
            .collect();
        for code in [Code::TextNul, Code::NoticeReleased] {
            ensure!(codes.iter().any(|found| found == code.as_str()), "{code}: {codes:?}");
        }
        let items = reply.items();
        let item = items.iter().find(|item| item.record == report.record).context("no view")?;
        let view = sync_protocol::view::View::decode(item.view.as_bytes()).context("no view")?;
        ensure!(view.shown("measures").and_then(|raw| raw.as_text()) == Some("已清理"), "{view:?}");
        ensure!(view.shown("remarks").is_none(), "what was at fault took effect: {view:?}");
        ensure!(view.writers.iter().all(|writer| writer.author == phone.person), "{view:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_number_of_bad_items_blocks_a_phone() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        for round in 0..3_u8 {
            let bad =
                (0..1_000_u16).map(|number| [&[0x1c, round][..], &number.to_be_bytes()].concat()).collect();
            let bad = phone.seal_bytes(bad);
            let good = phone.reports(1);
            ensure!(phone.sync(&[bad, good]).await?.receipts().len() == 2);
        }
        let checked = server.check().await?;
        ensure!(count(&checked, "quarantined") == 3_000 && count(&checked, "applied") == 4, "{checked}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_at_fault_in_a_name_is_left_out_or_written_off_with_a_reason() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let mut phone = Phone::enrol(&server).await?;
        let report = phone.report("serious");
        let cure = phone.on(report.record, Kind::Rectified, [head_of(&report)]).with("measures", &"已清理");
        let field = cure.clone().with("坏\0字", &"甲");
        let mut role = cure.clone();
        role.photos = vec![Photo { role: "前\0".to_owned(), bytes: 9, sha256: PhotoHash([7; 32]) }];
        let mut kind = cure.clone();
        kind.kind = "坏\0类".into();
        let long = cure.clone().with(&"长".repeat(40), &"甲");
        let waiting = [&field, &role, &kind, &long].map(Operation::encode);
        let unreadable = vec![0x1c];
        let mut all = vec![report.encode()];
        all.extend(waiting.iter().cloned().chain([unreadable.clone()]));
        let bundle = phone.seal_bytes(all);
        phone.sync(&[bundle]).await?;
        ensure!(count(&server.check().await?, "quarantined") == 5);
        let [field, role, kind, long] = waiting.map(|bytes| Identity::of(&bytes));
        for identity in [field, role, long] {
            let reply = office.post(&format!("/v1/quarantine/{identity}/release"), &json!({})).await?;
            ensure!(reply.status == 200, "{backend:?}: {}", reply.text());
        }
        for identity in [kind, Identity::of(&unreadable)] {
            let path = format!("/v1/quarantine/{identity}/release");
            let reply = office.post(&path, &json!({})).await?;
            ensure!(reply.code().as_deref() == Some(Code::NotReleasable.as_str()), "{}", reply.text());
            let path = format!("/v1/quarantine/{identity}/write-off");
            let silent = office.post(&path, &json!({"reason": " "})).await?;
            ensure!(silent.status == 400, "{}", silent.text());
            let reply = office.post(&path, &json!({"reason": "类型名损坏，已与填报人核实"})).await?;
            ensure!(reply.status == 200, "{backend:?}: {}", reply.text());
            let again = office.post(&path, &json!({"reason": "再次"})).await?;
            ensure!(again.code().as_deref() == Some(Code::NotReleasable.as_str()), "{}", again.text());
        }
        let waiting = office.json("/v1/quarantine?released=false").await?;
        ensure!(waiting.pointer("/quarantine") == Some(&json!([])), "{waiting}");
        // It is kept, and counted as what it is.
        let checked = server.check().await?;
        ensure!(count(&checked, "quarantined") == 2, "{checked}");
        let whole = office.json("/v1/quarantine").await?;
        ensure!(whole.pointer("/quarantine").and_then(Value::as_array).is_some_and(|all| all.len() == 5));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tallies_of_a_page_follow_what_a_release_becomes() -> Result<()> {
    for backend in Backend::ALL {
        tallies(backend).await?;
    }
    Ok(())
}

async fn tallies(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let office = server.client()?;
    let (mut phone, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let report = phone.report("serious");
    let head = head_of(&report);
    let bad =
        phone.on(report.record, Kind::Corrected, [head]).with("description", &"甲").with("remarks", &"坏\0");
    let bundle = phone.seal(&[report.clone(), bad.clone()]);
    phone.sync(&[bundle]).await?;
    let path = format!("/v1/quarantine/{}/release", Identity::of(&bad.encode()));
    let reply = office.post(&path, &json!({})).await?;
    ensure!(reply.status == 200, "{}", reply.text());
    // A value that had not seen the release: both are in conflict, and so is what was released.
    let theirs = other.on(report.record, Kind::Corrected, [head]).with("description", &"乙");
    let bundle = other.seal(&[theirs]);
    other.sync(&[bundle]).await?;
    let checked = server.check().await?;
    ensure!(count(&checked, "conflict") == 3, "{checked}");
    // `check` reads the tallies that pages show; one that drifted is a fault.
    for name in ["hazards", "open:serious", "state:reported", "conflicts", "disposition:conflict"] {
        let change = |by: i64| format!("UPDATE tallies SET amount = amount + {by} WHERE name = '{name}'");
        server.execute_text(change(1)).await?;
        let (is_good, report) = server.command(&["check"]).await?;
        ensure!(!is_good && report.to_string().contains(name), "{name}: {report}");
        server.execute_text(change(-1)).await?;
    }
    server.check().await?;
    Ok(())
}
