//! Where works were done: by structures, by chainage or by a drawing, from the office and from phones; each kind its
//! own union.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};
use sync_protocol::ids::{OperationId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

use super::{at, import, line, number, send};

/// 2026-03-02T08:00+08:00.
const DONE_MS: i64 = 1_772_409_600_000;

async fn felled(server: &Server, kind: &str) -> Result<f64> {
    let path = format!("/v1/stretches?kind={kind}&from=2026-03-01&to=2026-03-31");
    let told = server.client()?.json(&path).await?;
    let rows = at(&told, "/rows")?.as_array().context("no rows")?;
    rows.first().map_or(Ok(0.0), |row| Ok(number(row, "/length_mm")? / 1e3))
}

async fn enter(server: &Server, mut fields: Value) -> Result<()> {
    let map = fields.as_object_mut().context("fields are a map")?;
    map.insert("completed_at_ms".to_owned(), DONE_MS.into());
    let reply = server.client()?.post("/v1/works", &json!({"fields": fields})).await?;
    ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_work_stands_where_its_structures_chainages_or_drawing_say() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        import(&server, &line(1, "青杠线", "110000", 29.98, 11)).await?;
        // A span is 193.0 m.
        let by_structures = json!({"work_type": "corridor_felling", "line_name": "青杠线",
            "structure_from": "N002", "structure_to": "004#"});
        enter(&server, by_structures).await?;
        ensure!((felled(&server, "corridor_felling").await? - 386.0).abs() < 0.5);
        // From 750 m to 900 m, of which 22 m stand in the two spans already.
        let by_chainage = json!({"work_type": "corridor_felling", "line_id": "1",
            "chainage_from_dm": 7_500, "chainage_to_dm": 9_000});
        enter(&server, by_chainage).await?;
        let both = felled(&server, "corridor_felling").await?;
        ensure!((both - 386.0 - 128.0).abs() < 0.5, "{both}");
        // Drawn beside the line by a phone, over the first two spans: another kind of work.
        let mut phone = Phone::enrol(&server).await?;
        let id = phone.id();
        let (operation, record) = (OperationId(id), RecordId(id));
        let drawing = [[299_800_300, 1_030_000_000], [299_800_300, 1_030_040_000]];
        let work = Operation::new(operation, record, Kind::WorkDone, phone.person, phone.stamp())
            .with("work_type", &"fuel_clearance")
            .with("drawing", &drawing)
            .with("completed_at_ms", &DONE_MS);
        send(&mut phone, &[work]).await?;
        let drawn = felled(&server, "fuel_clearance").await?;
        ensure!((drawn - 386.0).abs() < 1.0, "{drawn}");
        ensure!((felled(&server, "corridor_felling").await? - both).abs() < 0.001);
        ensure!(at(&server.check().await?, "/ok")? == true);
    }
    Ok(())
}
