//! Files that the office imports: one that is bad is refused whole and changes nothing, a bad row is left out.

use anyhow::{Context as _, Result, ensure};
use firebreak::grid::FILE_BYTES;
use firebreak_tests::http;
use firebreak_tests::server::Backend;
use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::limits;

use super::{Yard, checked, on_both};

const LINES: &str = "/v1/grid/lines";
const REGIONS: &str = "/v1/grid/regions?level=township";
const GOOD: &str = "osm_id,power,wkt\n1,line,\"LINESTRING (103 29, 103.1 29)\"\n";

/// A file that is refused whole, with its status and code.
async fn refused(yard: &Yard, (path, kind, file): (&str, &str, Vec<u8>), code: Code) -> Result<()> {
    let before = grid(yard).await?;
    let reply = yard.server.client()?.post_bytes(path, file, &[("content-type", kind)]).await?;
    ensure!(reply.code().as_deref() == Some(code.as_str()), "{path}: {} {}", reply.status, reply.text());
    ensure!(reply.status == firebreak::http::status_of(code).as_u16(), "{code}: another status");
    ensure!(grid(yard).await? == before, "{code}: something was changed");
    Ok(())
}

async fn grid(yard: &Yard) -> Result<Value> {
    yard.server.client()?.json("/v1/grid").await
}

/// A file that is taken but for one row, which is left out with this code.
async fn left_out(yard: &Yard, (path, kind, file): (&str, &str, Vec<u8>), code: Code) -> Result<()> {
    let reply = yard.server.client()?.post_bytes(path, file, &[("content-type", kind)]).await?;
    ensure!(reply.status == 200, "{code}: {} {}", reply.status, reply.text());
    let report = reply.json(path)?;
    let row =
        report["refused_rows"].get(0).with_context(|| format!("{code}: nothing is refused: {report}"))?;
    ensure!(report["refused"] == json!(1), "{code}: {report}");
    let found = row["code"].as_str();
    http::note(found);
    ensure!(found == Some(code.as_str()), "{code}: {row}");
    ensure!(row["zh"] == json!(code.zh()) && row["en"] == json!(code.en()), "{row}");
    Ok(())
}

fn csv(text: &str) -> (&'static str, &'static str, Vec<u8>) {
    (LINES, "text/csv", text.as_bytes().to_vec())
}

fn with_good(row: &str) -> (&'static str, &'static str, Vec<u8>) {
    csv(&format!("{GOOD}{row}\n"))
}

fn region(properties: &Value) -> Value {
    let ring = json!([[[103.0, 29.0], [103.1, 29.0], [103.1, 29.1], [103.0, 29.0]]]);
    json!({"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": ring}})
}

fn regions(features: &[Value]) -> (&'static str, &'static str, Vec<u8>) {
    let collection = json!({"type": "FeatureCollection", "features": features});
    (REGIONS, "application/geo+json", collection.to_string().into_bytes())
}

/// Files that are refused whole, and rows that are left out.
pub(super) async fn files_and_rows(backend: Backend) -> Result<()> {
    let yard = Yard::new(backend).await?;
    let json = "application/geo+json";
    left_out(&yard, with_good("2,line,"), Code::ImportGeometry).await?;
    for file in ["", "[]", "{\"type\": \"FeatureCollection\", \"features\": [{}"] {
        refused(&yard, (LINES, json, file.into()), Code::ImportUnreadable).await?;
    }
    refused(&yard, (LINES, "application/geopackage+sqlite3", b"GPKG".to_vec()), Code::ImportUnreadable)
        .await?;
    let foreign = "{\"crs\": {\"properties\": {\"name\": \"EPSG:2056\"}}, \"features\": []}";
    refused(&yard, (LINES, json, foreign.into()), Code::ImportUnreadable).await?;
    refused(&yard, (LINES, json, vec![b' '; FILE_BYTES + 1]), Code::ImportTooLarge).await?;
    refused(&yard, csv("a,b\n1,2\n"), Code::ImportEmpty).await?;
    refused(&yard, csv("power,lon,lat\ntower,103,29\n"), Code::ImportEmpty).await?;
    refused(&yard, (REGIONS, "text/csv", b"a,b\n1,2\n".to_vec()), Code::ImportEmpty).await?;
    for (query, at) in
        [("datum=mars", "datum"), ("map=lyne%3Dx", "map"), ("format=shp", "format"), ("x=1", "x")]
    {
        let path = format!("{LINES}?{query}");
        refused(&yard, (&path, "text/csv", GOOD.into()), Code::BadParameter).await.context(at)?;
    }
    refused(&yard, (LINES, "image/png", GOOD.into()), Code::BadParameter).await?;
    let long = "x".repeat(limits::REFERENCE_TEXT_BYTES + 1);
    let zigzag = |n: usize| if n.is_multiple_of(2) { "103 29" } else { "103.001 29" };
    let zigzag: Vec<&str> = (0..=limits::LINE_VERTICES).map(zigzag).collect();
    let rows = [
        ("2,line,\"LINESTRING (103 29, 103.1 29)\",x".to_owned(), Code::ImportRowUnreadable),
        (format!("2,line,{}", "x".repeat(firebreak::grid::FEATURE_BYTES + 1)), Code::ImportRowTooLarge),
        ("2,line,\"LINESTRING (103 29, 103 29)\"".to_owned(), Code::ImportGeometry),
        ("2,line,\"LINESTRING (103 91, 103.1 29)\"".to_owned(), Code::ImportPosition),
        (format!("2,line,\"LINESTRING ({})\"", zigzag.join(", ")), Code::ImportTooManyVertices),
        (format!("{long},line,\"LINESTRING (103 29, 103.1 29)\""), Code::ImportText),
        (",line,\"LINESTRING (103 29, 103.1 29)\"".to_owned(), Code::ImportNoId),
        ("1,line,\"LINESTRING (103 29, 103.1 29)\"".to_owned(), Code::ImportIdReused),
    ];
    for (row, code) in rows {
        left_out(&yard, with_good(&row), code).await?;
    }
    let odd = region(&json!({"code": "2", "name": "乡", "level": "省"}));
    let file = regions(&[region(&json!({"code": "1", "name": "镇"})), odd]);
    left_out(&yard, file, Code::ImportRegion).await?;
    // The line and the township that were good are there.
    let held = grid(&yard).await?;
    ensure!((&held["lines"], &held["regions"]) == (&json!(1), &json!(1)), "{held}");
    ensure!(checked(&yard.engine).await?.ok);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_files_are_refused_whole_and_bad_rows_left_out() -> Result<()> {
    on_both(files_and_rows).await
}
