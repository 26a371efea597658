//! Lines, structures and regions: imported from files, pulled by phones, shown to the office.

#[cfg(test)]
mod delivery;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod mutations;
#[cfg(test)]
pub(crate) mod real;
#[cfg(test)]
mod regions;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::server::Server;
use serde_json::{Value, json};

/// A feature collection.
fn collection(features: &[Value]) -> Vec<u8> {
    json!({"type": "FeatureCollection", "features": features}).to_string().into_bytes()
}

/// A line as OpenStreetMap has it.
fn line(id: u64, voltage: &str, points: &[(f64, f64)]) -> Value {
    let points: Vec<Value> = points.iter().map(|(lon, lat)| json!([lon, lat])).collect();
    json!({
        "type": "Feature", "id": format!("way/{id}"),
        "properties": {"osm_id": id, "power": "line", "voltage": voltage},
        "geometry": {"type": "LineString", "coordinates": points},
    })
}

/// A structure as OpenStreetMap has it.
fn tower(id: u64, number: &str, (lon, lat): (f64, f64)) -> Value {
    json!({
        "type": "Feature",
        "properties": {"osm_node_id": id, "power": "tower", "ref": number},
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
    })
}

/// Imports a file through HTTP; gives the report of an import that must succeed.
async fn import(server: &Server, path: &str, content_type: &str, file: Vec<u8>) -> Result<Value> {
    let reply = server.client()?.post_bytes(path, file, &[("content-type", content_type)]).await?;
    ensure!(reply.status == 200, "{path}: {} {}", reply.status, reply.text());
    reply.json(path)
}

async fn import_geojson(server: &Server, features: &[Value]) -> Result<Value> {
    import(server, "/v1/grid/lines", "application/geo+json", collection(features)).await
}

fn count(report: &Value, key: &str) -> Result<u64> {
    report.get(key).and_then(Value::as_u64).with_context(|| format!("no {key} in {report}"))
}

/// Asserts added, changed, retired and unchanged of a report.
fn assert_changes(report: &Value, expected: [u64; 4]) -> Result<()> {
    let keys = ["added", "changed", "retired", "unchanged"];
    let found = keys.map(|key| count(report, key).unwrap_or(u64::MAX));
    ensure!(found == expected, "{keys:?}: {found:?} instead of {expected:?}: {report}");
    Ok(())
}
