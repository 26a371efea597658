//! What is derived beside the records, seen through the office's routes: where hazards stand, what was walked.

mod clocks;
mod hazards;
mod order;
mod pages;
pub(crate) mod patrols;
mod works;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::Server;
use serde_json::{Value, json};
use sync_protocol::operation::{Operation, Position};

/// A line eastward along 29.98° N, 110 kV, a structure every vertex: 0.002° of longitude are 193 m there.
pub(crate) fn line(id: u64, name: &str, voltage: &str, lat: f64, vertices: u64) -> Vec<Value> {
    let at = |nth: u64| json!([103.0 + 0.002 * f64::from(u32::try_from(nth).unwrap_or(0)), lat]);
    let points: Vec<Value> = (0..vertices).map(at).collect();
    let mut features = vec![json!({
        "type": "Feature", "id": format!("way/{id}"),
        "properties": {"osm_id": id, "power": "line", "voltage": voltage, "name": name},
        "geometry": {"type": "LineString", "coordinates": points},
    })];
    features.extend((0..vertices).map(|nth| {
        json!({
            "type": "Feature",
            "properties": {"osm_node_id": id * 1_000 + nth, "power": "tower", "ref": format!("N{nth:03}")},
            "geometry": {"type": "Point", "coordinates": at(nth)},
        })
    }));
    features
}

pub(crate) async fn import(server: &Server, features: &[Value]) -> Result<()> {
    let file = json!({"type": "FeatureCollection", "features": features}).to_string().into_bytes();
    let headers = [("content-type", "application/geo+json")];
    let reply = server.client()?.post_bytes("/v1/grid/lines", file, &headers).await?;
    ensure!(reply.status == 200, "import: {} {}", reply.status, reply.text());
    Ok(())
}

pub(crate) async fn send(phone: &mut Phone, operations: &[Operation]) -> Result<()> {
    let bundle = phone.seal(operations);
    let reply = phone.sync(&[bundle]).await?;
    ensure!(reply.status == 200 && reply.receipts().len() == 1, "{} {:?}", reply.status, reply.error());
    Ok(())
}

/// A position to a metre or so.
pub(crate) fn position(lat_e7: i64, lon_e7: i64, accuracy_dm: u64) -> Position {
    Position { lat_e7, lon_e7, accuracy_dm: Some(accuracy_dm), ..Position::default() }
}

/// What stands at a path of keys.
fn at<'v>(value: &'v Value, path: &str) -> Result<&'v Value> {
    value.pointer(path).with_context(|| format!("no {path} in {value}"))
}

fn number(value: &Value, path: &str) -> Result<f64> {
    at(value, path)?.as_f64().with_context(|| format!("{path} is no number"))
}

/// Imports the county that the lines of tests lie in, by its corners: a collection of one area.
pub(crate) async fn import_county(server: &Server) -> Result<()> {
    let ring = json!([[102.9, 29.9], [103.2, 29.9], [103.2, 30.1], [102.9, 30.1], [102.9, 29.9]]);
    let county = json!({"type": "FeatureCollection", "features": [{
        "type": "Feature", "properties": {"code": "511800", "name": "名山区"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }]});
    let headers = [("content-type", "application/geo+json")];
    let path = "/v1/grid/regions?level=district";
    let office = server.client()?;
    office.post_bytes(path, county.to_string().into_bytes(), &headers).await?.json("regions").map(drop)
}
