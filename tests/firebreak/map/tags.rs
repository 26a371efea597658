//! The name of a file names everything that its bytes come from: what changes without a change of the ledger too.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};

use crate::derived::import_county;

/// The bytes of a file and its tag.
async fn file(office: &Client, path: &str) -> Result<(String, String)> {
    let (reply, told) = office.send("GET", &format!("/v1/exports/{path}"), &[], Vec::new()).await?;
    ensure!(reply.status == 200, "{path}: {} {}", reply.status, reply.text());
    let tag = told.get("etag").context("no tag")?.clone();
    Ok((String::from_utf8_lossy(&reply.body).into_owned(), tag))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_is_renamed_makes_other_files() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let unit = office.post("/v1/units", &json!({"name": "青山管护队", "kind": "responsible"})).await?;
        let unit = unit.json("unit")?["unit"].as_str().context("no unit")?.to_owned();
        let mut phone = Phone::enrol(&server).await?;
        let bundle = phone.reports(1);
        phone.sync(&[bundle]).await?;
        let row = office.json("/v1/hazards?limit=1").await?["hazards"][0].clone();
        let path = format!("/v1/hazards/{}/commands", row["id"].as_str().context("no id")?);
        let grade = json!({"fields": {"severity": "general"}});
        office.post(&format!("{path}/grade"), &grade).await?.json("grade")?;
        let deadline_ms = jiff::Timestamp::now().as_millisecond() + 43_200_000;
        let order = json!({"fields": {"responsible_unit": "青山管护队", "responsible_unit_id": unit,
            "measures": "砍伐", "deadline_ms": deadline_ms}});
        office.post(&format!("{path}/order"), &order).await?.json("order")?;
        let paths = ["hazards.csv", "ledger.csv", "hazards.gpkg"];
        let mut before = Vec::new();
        for path in paths {
            before.push(file(&office, path).await?);
            ensure!(before[before.len() - 1].0.contains("青山管护队"), "{path}");
        }
        let renamed = json!({"name": "云顶管护站", "kind": "responsible"});
        let reply = office.call("PUT", &format!("/v1/units/{unit}"), &renamed).await?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        for (path, (_, tag)) in paths.into_iter().zip(before) {
            let (text, new) = file(&office, path).await?;
            ensure!(new != tag, "{path}: two contents have one tag");
            ensure!(text.contains("云顶管护站") && !text.contains("青山管护队"), "{path}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_depends_on_the_day_is_another_file_tomorrow() -> Result<()> {
    let mut server = Server::start(Backend::Sqlite).await?;
    import_county(&server).await?;
    let office = server.client()?;
    let of_days = ["regions.geojson", "regions.csv", "all.gpkg"];
    let mut tags = Vec::new();
    for path in of_days.into_iter().chain(["hazards.geojson"]) {
        tags.push(file(&office, path).await?.1);
    }
    server.stop().await?;
    server.set("FIREBREAK_CLOCK_AHEAD_S", "86400");
    server.resume().await?;
    let office = server.client()?;
    for (path, tag) in of_days.into_iter().zip(&tags) {
        ensure!(&file(&office, path).await?.1 != tag, "{path}: a region may be in force or out of it by now");
    }
    // Hazards have nothing of the day: whoever has half of the file goes on with it.
    assert_eq!(Some(&file(&office, "hazards.geojson").await?.1), tags.last());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_township_that_holds_a_filter_is_another_file_than_the_filter() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    let asked = async |query: &str| -> Result<Value> {
        let reply = office.post(&format!("/v1/exports/hazards.geojson?{query}"), &json!({})).await?;
        ensure!(reply.status == 202, "{query}: {} {}", reply.status, reply.text());
        Ok(serde_json::from_slice::<Value>(&reply.body)?["id"].clone())
    };
    let forged = asked("township=%E5%B2%94%E6%B2%B3%26turn%3Dreviewer").await?;
    let honest = asked("township=%E5%B2%94%E6%B2%B3&turn=reviewer").await?;
    ensure!(forged != honest, "{forged}");
    Ok(())
}
