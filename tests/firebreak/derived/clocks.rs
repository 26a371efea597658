//! Phones whose clocks stand wrong, and values that no phone should send: what was walked still counts, on a day that can
//! be true, and nothing stops what follows the ledger.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use fixtures::builders::MORNING_MS;
use serde_json::Value;

use super::patrols::{Point, patrol, walk};
use super::{at, import, line, number, position, send};

const MARCH: &str = "/v1/stretches?kind=patrol&from=2026-03-01&to=2026-03-31";

async fn parts(server: &Server, path: &str) -> Result<Value> {
    let told = server.client()?.json(path).await?;
    Ok(told.pointer("/rows/0/parts").cloned().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_walked_by_a_wrong_clock_counts_on_the_day_of_its_patrol() -> Result<()> {
    for backend in Backend::ALL {
        for start_ms in [0, 4_102_444_800_000, -8_000_000_000_000_000, i64::MAX - 10_000_000] {
            let server = Server::start(backend).await?;
            import(&server, &line(1, "青杠线", "110000", 29.98, 11)).await?;
            let mut phone = Phone::enrol(&server).await?;
            let operations = patrol(&mut phone, &[walk(2, 12, start_ms)]);
            send(&mut phone, &operations).await?;
            let told = server.client()?.json(MARCH).await?;
            let walked_m = number(&told, "/rows/0/length_mm").context(start_ms)? / 1e3;
            ensure!((walked_m - 965.0).abs() < 10.0, "{start_ms}: {walked_m}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_track_by_a_clock_that_stands_still_is_put_in_order_by_its_pieces() -> Result<()> {
    for backend in Backend::ALL {
        let mut found = Vec::new();
        for order in [[0, 1, 2, 3, 4, 5], [5, 2, 0, 4, 1, 3]] {
            let server = Server::start(backend).await?;
            import(&server, &line(1, "青杠线", "110000", 29.98, 11)).await?;
            let mut phone = Phone::enrol(&server).await?;
            let stopped: Vec<Point> =
                walk(2, 18, MORNING_MS).iter().map(|it| (it.0, it.1, MORNING_MS, it.3)).collect();
            let pieces: Vec<Vec<Point>> = stopped.chunks(27).map(<[Point]>::to_vec).collect();
            let operations = patrol(&mut phone, &pieces);
            send(&mut phone, &operations[..1]).await?;
            for piece in order {
                send(&mut phone, std::slice::from_ref(&operations[1 + piece])).await?;
            }
            found.push(parts(&server, MARCH).await?);
        }
        ensure!(found[0].as_array().is_some_and(|parts| parts.len() == 1), "{backend:?}: {found:?}");
        ensure!(found[0] == found[1], "{backend:?}: {found:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fix_of_absurd_accuracy_stops_nothing() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let grid = [line(1, "青杠线", "110000", 29.98, 6), line(2, "松坪线", "35000", 29.99, 6)].concat();
        import(&server, &grid).await?;
        let mut phone = Phone::enrol(&server).await?;
        for accuracy_dm in [u64::MAX, u64::MAX / 2, 92_233_720_368_547_758, 0] {
            let report = phone
                .report("general")
                .with("found_at_ms", &MORNING_MS)
                .with("position", &position(299_800_500, 1_030_030_000, accuracy_dm))
                .with("line_name", &"松坪线")
                .with("structure_from", &"N001")
                .with("structure_to", &"N002");
            send(&mut phone, std::slice::from_ref(&report)).await?;
            let told = server.client()?.json(&format!("/v1/hazards/{}", report.record)).await?;
            ensure!(at(&told, "/placement/line/name")? == "松坪线", "{accuracy_dm}: {told}");
            ensure!(at(&told, "/placement/line/structure_from")? == "N001", "{accuracy_dm}: {told}");
        }
        let told = server.client()?.json("/v1/reports/work?from=2026-03-01&to=2026-03-31").await?;
        ensure!(told.to_string().contains("共排查出隐患 4 处"), "{told}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_structure_that_was_named_is_an_end_of_either_span_beside_it() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    import(&server, &line(1, "青杠线", "110000", 29.98, 6)).await?;
    let mut phone = Phone::enrol(&server).await?;
    // The middle of the second span, 96 m from both of its structures; 15 m before the third.
    for (lon_e7, named, span, notes) in [
        (1_030_030_000, ("N001", None), ("N001", "N002"), 0),
        (1_030_030_000, ("N002", None), ("N001", "N002"), 0),
        (1_030_030_000, ("N004", None), ("N003", "N004"), 1),
        (1_030_038_500, ("N002", Some("N003")), ("N002", "N003"), 0),
    ] {
        let report = phone
            .report("general")
            .with("position", &position(299_800_500, lon_e7, 300))
            .with("line_id", &"1")
            .with("structure_from", &named.0);
        let report = match named.1 {
            Some(to) => report.with("structure_to", &to),
            None => report,
        };
        send(&mut phone, std::slice::from_ref(&report)).await?;
        let told = server.client()?.json(&format!("/v1/hazards/{}", report.record)).await?;
        let found = (
            at(&told, "/placement/line/structure_from")?.as_str().unwrap_or_default(),
            at(&told, "/placement/line/structure_to")?.as_str().unwrap_or_default(),
        );
        ensure!(found == span, "{named:?}: {found:?}");
        let told = at(&told, "/placement/notes")?.as_array().map_or(0, Vec::len);
        ensure!(told == notes, "{named:?}: {told} notes");
    }
    Ok(())
}
