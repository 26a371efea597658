//! What was walked: a union along the line, whoever walked, however the pieces came; and what was not.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use fixtures::builders::MORNING_MS;
use serde_json::Value;
use sync_protocol::ids::{OperationId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::Operation;

use super::{at, import, line, number, send};

/// Latitude, longitude, time, accuracy in decimetres.
type Point = (i64, i64, i64, i64);

/// A walk along the line at a metre a second, a fix every ten seconds, from and to in thousandths of a degree.
fn walk(from: i64, to: i64, start_ms: i64) -> Vec<Point> {
    // 0.0001° of longitude are 9.65 m there.
    (from * 10..=to * 10)
        .map(|step| {
            (299_800_000 + step % 3 * 100, 1_030_000_000 + step * 1_000, start_ms + step * 10_000, 40)
        })
        .collect()
}

/// A patrol whose track is these pieces.
fn patrol(phone: &mut Phone, pieces: &[Vec<Point>]) -> Vec<Operation> {
    let id = phone.id();
    let (operation, record) = (OperationId(id), RecordId(id));
    let started = Operation::new(operation, record, Kind::PatrolStarted, phone.person, phone.stamp())
        .with("started_at_ms", &MORNING_MS);
    let head = head_of(&started);
    let mut operations = vec![started];
    for (number, points) in pieces.iter().enumerate() {
        let piece = phone.on(record, Kind::PatrolTrack, [head]).with("points", points).with("piece", &number);
        operations.push(piece);
    }
    operations
}

/// Of the one line: its length and what was not walked of it, metres.
async fn unpatrolled(server: &Server, since: &str) -> Result<(f64, f64)> {
    let told = server.client()?.json(&format!("/v1/grid/unpatrolled?since={since}")).await?;
    let rows = at(&told, "/rows")?.as_array().context("no rows")?;
    let row = rows.first().context("nothing is left of the line")?;
    Ok((number(row, "/length_mm")? / 1e3, number(row, "/unpatrolled_mm")? / 1e3))
}

async fn grid(server: &Server) -> Result<()> {
    import(server, &line(1, "青杠线", "110000", 29.98, 11)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_track_gives_the_same_kilometres_however_its_pieces_come() -> Result<()> {
    for backend in Backend::ALL {
        let whole = walk(2, 12, MORNING_MS);
        let cut: Vec<Vec<Point>> = whole.chunks(30).map(<[Point]>::to_vec).collect();
        let mut shuffled: Vec<Vec<Point>> = whole.chunks(17).rev().map(<[Point]>::to_vec).collect();
        // One piece twice.
        shuffled.push(shuffled.first().cloned().unwrap_or_default());
        let mut found: Vec<Value> = Vec::new();
        for pieces in [vec![whole], cut, shuffled] {
            let server = Server::start(backend).await?;
            grid(&server).await?;
            let mut phone = Phone::enrol(&server).await?;
            let operations = patrol(&mut phone, &pieces);
            // Hours late and last first.
            let (opening, rest) = operations.split_first().context("no operations")?;
            for piece in rest.iter().rev() {
                send(&mut phone, std::slice::from_ref(piece)).await?;
            }
            send(&mut phone, std::slice::from_ref(opening)).await?;
            let (length_m, left_m) = unpatrolled(&server, "2020-01-01").await?;
            // 0.010° of longitude are 965 m of 1,930 m.
            ensure!((length_m - 1_930.0).abs() < 2.0 && (left_m - 965.0).abs() < 10.0, "{length_m} {left_m}");
            let told =
                server.client()?.json("/v1/stretches?kind=patrol&from=2020-01-01&to=2030-12-31").await?;
            found.push(at(&told, "/rows/0/parts")?.clone());
            ensure!(at(&server.check().await?, "/ok")? == true);
        }
        ensure!(found.iter().all(|parts| Some(parts) == found.first()), "{found:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_people_walked_counts_once_and_what_nobody_walked_is_listed() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    grid(&server).await?;
    let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let first = patrol(&mut one, &[walk(0, 10, MORNING_MS)]);
    send(&mut one, &first).await?;
    let (length_m, left_m) = unpatrolled(&server, "2020-01-01").await?;
    ensure!((length_m - left_m - 965.0).abs() < 10.0, "{left_m}");
    // Half of the same way again, by another person, and a bit more.
    let second = patrol(&mut other, &[walk(5, 12, MORNING_MS + 3_600_000)]);
    send(&mut other, &second).await?;
    let (_, left_m) = unpatrolled(&server, "2020-01-01").await?;
    ensure!((length_m - left_m - 1_158.0).abs() < 10.0, "{left_m}");
    // Nobody has been there since.
    let (_, left_m) = unpatrolled(&server, "2099-01-01").await?;
    ensure!((left_m - length_m).abs() < 0.001, "{left_m}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hop_is_no_patrolled_distance() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    grid(&server).await?;
    let mut phone = Phone::enrol(&server).await?;
    // 193 m, a kilometre and a half without a fix, 193 m.
    let track = [walk(0, 2, MORNING_MS), walk(17, 19, MORNING_MS)].concat();
    let operations = patrol(&mut phone, &[track]);
    send(&mut phone, &operations).await?;
    let (length_m, left_m) = unpatrolled(&server, "2020-01-01").await?;
    ensure!((length_m - left_m - 386.0).abs() < 10.0, "{left_m}");
    Ok(())
}
