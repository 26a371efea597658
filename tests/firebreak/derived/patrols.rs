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
pub(crate) type Point = (i64, i64, i64, i64);

/// A walk along the line at a metre a second, a fix every ten seconds, from and to in thousandths of a degree.
pub(crate) fn walk(from: i64, to: i64, start_ms: i64) -> Vec<Point> {
    // 0.0001° of longitude are 9.65 m there.
    (from * 10..=to * 10)
        .map(|step| {
            (299_800_000 + step % 3 * 100, 1_030_000_000 + step * 1_000, start_ms + step * 10_000, 40)
        })
        .collect()
}

/// A patrol whose track is these pieces.
pub(crate) fn patrol(phone: &mut Phone, pieces: &[Vec<Point>]) -> Vec<Operation> {
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

/// Of the one line: what was walked and what was not from a day on, metres.
async fn walked(server: &Server, since: &str) -> Result<(f64, f64)> {
    let mut lengths = [0.0, 0.0];
    for (length, done) in lengths.iter_mut().zip(["true", "false"]) {
        let path = format!("/v1/stretches?kind=patrol&from={since}&to=2029-12-30&done={done}");
        let told = server.client()?.json(&path).await?;
        let rows = at(&told, "/rows")?.as_array().context("no rows")?;
        *length = rows.first().map_or(Ok(0.0), |row| number(row, "/length_mm"))? / 1e3;
    }
    Ok((lengths[0], lengths[1]))
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
            let (walked_m, left_m) = walked(&server, "2020-01-01").await?;
            // 0.010° of longitude are 965 m of 1,930 m.
            ensure!((walked_m - 965.0).abs() < 10.0, "{walked_m}");
            ensure!((walked_m + left_m - 1_930.0).abs() < 2.0, "{walked_m} {left_m}");
            let told =
                server.client()?.json("/v1/stretches?kind=patrol&from=2020-01-01&to=2029-12-30").await?;
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
    let (walked_m, _) = walked(&server, "2020-01-01").await?;
    ensure!((walked_m - 965.0).abs() < 10.0, "{walked_m}");
    // Half of the same way again, by another person, and a bit more.
    let second = patrol(&mut other, &[walk(5, 12, MORNING_MS + 3_600_000)]);
    send(&mut other, &second).await?;
    let (walked_m, left_m) = walked(&server, "2020-01-01").await?;
    ensure!((walked_m - 1_158.0).abs() < 10.0, "{walked_m}");
    // Of the other person alone.
    let of_other = format!("/v1/stretches?kind=patrol&from=2020-01-01&to=2029-12-30&person={}", other.person);
    let told = server.client()?.json(&of_other).await?;
    let own_m = number(&told, "/rows/0/length_mm")? / 1e3;
    ensure!((own_m - 676.0).abs() < 10.0, "{own_m}");
    // Nobody has been there since.
    let (walked_since_m, left_since_m) = walked(&server, "2029-12-01").await?;
    ensure!(walked_since_m == 0.0 && (left_since_m - walked_m - left_m).abs() < 0.01, "{left_since_m}");
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
    let (walked_m, _) = walked(&server, "2020-01-01").await?;
    ensure!((walked_m - 386.0).abs() < 10.0, "{walked_m}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_past_midnight_is_of_both_days_whichever_way_it_went() -> Result<()> {
    // Local midnight (Asia/Shanghai), a quarter of the walk before it and three quarters after.
    let midnight_ms = MORNING_MS - MORNING_MS.rem_euclid(86_400_000) + 16 * 3_600_000;
    // The times of a walk count from the line's beginning.
    let up = walk(2, 14, midnight_ms - 500_000);
    let ways = up.iter().map(|(lat, lon, _, _)| (*lat, *lon)).rev();
    let down: Vec<Point> =
        ways.zip(&up).map(|((lat, lon), (_, _, at, accuracy))| (lat, lon, *at, *accuracy)).collect();
    for (track, first) in [(up, (193.0, 483.0)), (down, (1_061.0, 1_351.0))] {
        let server = Server::start(Backend::Sqlite).await?;
        grid(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        let operations = patrol(&mut phone, &[track]);
        send(&mut phone, &operations).await?;
        let day = jiff::Timestamp::from_millisecond(midnight_ms - 1)?.in_tz("Asia/Shanghai")?.date();
        let path = format!("/v1/stretches?kind=patrol&from={day}&to={day}");
        let told = server.client()?.json(&path).await?;
        let ends = [number(&told, "/rows/0/parts/0/0")? / 1e3, number(&told, "/rows/0/parts/0/1")? / 1e3];
        ensure!((ends[0] - first.0).abs() < 15.0 && (ends[1] - first.1).abs() < 15.0, "{ends:?} {first:?}");
    }
    Ok(())
}
