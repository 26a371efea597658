//! Law 8: no order depends on a clock; an impossible one is flagged, never refused, and changes nothing. Each time is an
//! interval that contacts narrow, and deadlines count from its lower bound.
//!
//! Here the days between two contacts are days: the server is started again with its clock so far ahead.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::district::{Ledger, Team};
use firebreak_tests::http::Client;
use firebreak_tests::phone::{MORNING_MS, Phone};
use firebreak_tests::server::{Backend, Server};
use fixtures::dice::Dice;
use serde_json::{Value, json};
use sync_protocol::codes::Code;
use sync_protocol::ids::{Chain, Head, Identity, OperationId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Stamp};
use sync_protocol::view::View;

const DAY_MS: i64 = 86_400_000;
const DAY_S: u64 = 86_400;
/// 2100-01-01T00:00:00Z.
const YEAR_2100_MS: i64 = 4_102_444_800_000;
/// 2024-01-01T00:00:00Z: no phone ran this software before, so nothing is older.
const EARLIEST_MS: i64 = 1_704_067_200_000;
/// A critical hazard is gone within a day.
const CRITICAL_MS: i64 = 24 * 3_600_000;

/// A report, its observation and its cure, by phones whose clocks show this.
fn story(team: &Team, clocks: [i64; 3]) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(8);
    let record = RecordId(dice.uuid_at(MORNING_MS));
    let mut after: Option<Head> = None;
    let mut story = Vec::new();
    for (lane, kind) in [Kind::Reported, Kind::Observed, Kind::Rectified].into_iter().enumerate() {
        let id = if lane == 0 { record.0 } else { dice.uuid_at(MORNING_MS) };
        let stamp = Stamp { wall_ms: clocks[lane], ..Stamp::default() };
        let operation = Operation::new(OperationId(id), record, kind, team.persons[lane], stamp)
            .with("category", &"corridor")
            .with("severity", &["general", "critical", "serious"][lane])
            .after(after);
        let bytes = operation.encode();
        after = Some(Identity::of(&bytes).head());
        story.push(bytes);
    }
    story
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_in_1970_2017_in_400_days_and_in_2100_are_flagged_and_change_nothing() -> Result<()> {
    let team = Team::new()?;
    let now_ms = fixtures::device::clock::now_ms();
    let wrong = [0, 1_500_000_000_000, now_ms + 400 * DAY_MS, YEAR_2100_MS];
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let ledger = Ledger::open(&server).await?;
        let mut shown = Vec::new();
        let mut tables = vec![[now_ms - 3, now_ms - 2, now_ms - 1]];
        tables.extend(wrong.map(|clock| [clock; 3]));
        // Backwards: the cure says it was before the report.
        tables.push([wrong[3], wrong[1], wrong[0]]);
        for (number, clocks) in tables.into_iter().enumerate() {
            let fresh = ledger.district(&format!("clock{number}"), &team).await?;
            for (lane, operation) in story(&team, clocks).into_iter().enumerate() {
                let bundle = fresh.seal(&team, lane, (1, Chain::START), vec![operation]);
                let reply = fresh.push(lane, &[bundle]).await?;
                let receipt = reply.receipts().into_iter().next().context("no receipt")?;
                ensure!(receipt.exceptions.is_empty(), "clock {}: {receipt:?}", clocks[lane]);
                let flag = receipt.flags.iter().any(|(_, code)| code == Code::FlagClock.as_str());
                ensure!(flag == wrong.contains(&clocks[lane]), "clock {}: {receipt:?}", clocks[lane]);
            }
            let views = fresh.views().await?;
            let view = views.values().next().and_then(|view| View::decode(view)).context("no view")?;
            shown.push((view.state, view.severity.clone(), view.conflicts.len(), view.dangers.len()));
            fresh.check().await?;
        }
        ensure!(shown.iter().all(|view| *view == shown[0]), "a clock changed something: {shown:?}");
    }
    Ok(())
}

/// A report that is stamped like this.
fn report(phone: &mut Phone, at: Stamp) -> Operation {
    phone.clocks = Some(at);
    phone.report("critical").with("forest", &false)
}

/// Hands reports in; `uptime_ms` of `boot` is what the phone shows as it sends. Gives the server's time of receipt.
async fn contact(
    phone: &mut Phone,
    (boot, uptime_ms): ([u8; 16], u64),
    reports: &[Operation],
) -> Result<i64> {
    let bundle = phone.seal(reports);
    phone.clocks = Some(Stamp { boot: Some(boot), uptime_ms: Some(uptime_ms), ..Stamp::default() });
    let reply = phone.sync(&[bundle]).await?;
    let receipts = reply.receipts();
    ensure!(receipts.len() == 1 && receipts[0].exceptions.is_empty(), "{receipts:?}");
    Ok(reply.hello().context("no reply")?.server_ms)
}

/// Starts the server again, its clock so many seconds ahead, for these phones.
async fn so_much_later(server: &mut Server, ahead_s: u64, phones: &mut [&mut Phone]) -> Result<()> {
    server.stop().await?;
    server.set("FIREBREAK_CLOCK_AHEAD_S", &ahead_s.to_string());
    server.resume().await?;
    for phone in phones {
        phone.client = phone.client.at(&server.url);
    }
    Ok(())
}

/// The only operation behind a report, as the office lists it.
async fn listed(office: &Client, report: &Operation) -> Result<Value> {
    let hazard = office.json(&format!("/v1/hazards/{}", report.record)).await?;
    let operations = hazard["operations"].as_array().context("no operations")?;
    ensure!(operations.len() == 1, "{hazard}");
    Ok(operations[0].clone())
}

fn interval(not_before_ms: i64, not_after_ms: i64, is_clock_suspect: bool) -> Value {
    json!({"not_before_ms": not_before_ms, "not_after_ms": not_after_ms, "clock_suspect": is_clock_suspect})
}

/// A boot of a phone, and the next.
const FIRST: [u8; 16] = [1; 16];
const SECOND: [u8; 16] = [2; 16];
/// The uptimes at which a phone syncs: in the first boot, and in the second.
const BEGAN_MS: u64 = 1_000_000;
const SENT_MS: u64 = 7_200_000;

/// Of several contacts of a boot the closest counts, whenever it was; those of another boot or phone say nothing.
///
/// `report` was made a minute after the second boot, of which the server's clock is `difference_ms` ahead as far as it knows.
async fn narrow(
    office: &Client,
    (phone, other): (&mut Phone, &mut Phone),
    report: &Operation,
    difference_ms: i64,
) -> Result<()> {
    let contacts: [(bool, [u8; 16], u64); 4] = [
        (true, SECOND, SENT_MS + 90_000),
        (true, SECOND, SENT_MS + 1),
        (true, FIRST, BEGAN_MS + 5 * DAY_MS.unsigned_abs()),
        (false, SECOND, SENT_MS + 900_000),
    ];
    let mut closest_ms = difference_ms;
    for (is_own, boot, uptime_ms) in contacts {
        let by = if is_own { &mut *phone } else { &mut *other };
        let more = by.report("general");
        let met_ms = contact(by, (boot, uptime_ms), &[more]).await?;
        if is_own && boot == SECOND {
            closest_ms = closest_ms.min(met_ms - i64::try_from(uptime_ms)?);
        }
        let told = listed(office, report).await?;
        assert_eq!(told["interval"]["not_after_ms"], closest_ms + 60_000, "{boot:?} {uptime_ms}: {told}");
    }
    ensure!(closest_ms < difference_ms, "no contact narrowed anything");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_offline_has_an_interval_that_every_contact_of_its_boot_narrows() -> Result<()> {
    let day_ms = DAY_MS.unsigned_abs();
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        let (mut phone, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let before = report(&mut phone, Stamp { wall_ms: MORNING_MS, ..Stamp::default() });
        let met_ms = contact(&mut phone, (FIRST, BEGAN_MS), &[before]).await?;
        // Its reply was there 40 ms after the request was sent. Then it was out for three days.
        let heard = Stamp {
            boot: Some(FIRST),
            after_ms: Some(met_ms),
            after_uptime_ms: Some(BEGAN_MS + 40),
            ..Stamp::default()
        };
        let of_first = |wall_ms, uptime_ms| Stamp { wall_ms, uptime_ms: Some(uptime_ms), ..heard };
        let of_second = |uptime_ms| Stamp {
            boot: Some(SECOND),
            uptime_ms: Some(uptime_ms),
            after_uptime_ms: None,
            wall_ms: met_ms + DAY_MS,
            ..heard
        };
        let unstamped = Stamp { wall_ms: met_ms, ..Stamp::default() };
        let reports = [
            of_first(0, BEGAN_MS + day_ms),
            of_first(YEAR_2100_MS, BEGAN_MS + 2 * day_ms),
            of_first(met_ms + 2 * DAY_MS, BEGAN_MS + 2 * day_ms),
            // The phone was started again: what it heard before says nothing of this uptime.
            of_second(60_000),
            // An uptime that cannot be: it would be after it came.
            Stamp { after_uptime_ms: Some(0), ..of_second(u64::from(u32::MAX)) },
            // A server time that was never told.
            Stamp { after_ms: Some(met_ms + 30 * DAY_MS), uptime_ms: None, ..of_second(0) },
            unstamped,
        ]
        .map(|at| report(&mut phone, at));
        so_much_later(&mut server, 3 * DAY_S, &mut [&mut phone, &mut other]).await?;
        let came_ms = contact(&mut phone, (SECOND, SENT_MS), &reports).await?;
        ensure!(came_ms >= met_ms + 3 * DAY_MS, "three days passed: {met_ms} {came_ms}");

        let office = server.client()?;
        let received = listed(&office, &reports[0]).await?["received_ms"].as_i64().context("no receipt")?;
        ensure!(received >= came_ms, "{received} {came_ms}");
        // Of a boot nothing is later than its uptime after the smallest difference of the clocks.
        let first = |days: i64| (met_ms + days * DAY_MS - 40, met_ms + days * DAY_MS);
        let expected = [
            interval(first(1).0, first(1).1, true),
            interval(first(2).0, first(2).1, true),
            interval(first(2).0, first(2).1, false),
            interval(met_ms, came_ms - 7_200_000 + 60_000, false),
            interval(met_ms, received, false),
            interval(received, received, true),
            interval(EARLIEST_MS, received, false),
        ];
        for (report, expected) in reports.iter().zip(&expected) {
            let told = listed(&office, report).await?;
            ensure!(told["interval"] == *expected, "{backend:?}: {expected}, not {told}");
            let mut at = serde_json::to_value(report.at)?;
            if let Some(boot) = report.at.boot {
                at["boot"] = json!(hex::encode(boot));
            }
            assert_eq!(told["at"], at, "the stamp is told as it was made");
        }

        narrow(&office, (&mut phone, &mut other), &reports[3], came_ms - 7_200_000).await?;
        // Those of the first boot met the server later than it can have been: two days less are left.
        let told = listed(&office, &reports[0]).await?;
        assert_eq!(told["interval"], interval(met_ms, received, true), "bounds that cross are not believed");
        server.check().await?;
    }
    Ok(())
}

/// When a hazard is due, once that is derived.
async fn due_ms(office: &Client, record: RecordId) -> Result<i64> {
    // A draft waits for what is derived.
    office.derived().await?;
    let hazard = office.json(&format!("/v1/hazards/{record}")).await?;
    hazard["case"]["due_ms"].as_i64().with_context(|| format!("no deadline: {}", hazard["case"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_counts_from_the_lower_bound_whatever_the_phones_clock_says() -> Result<()> {
    const BOOT: [u8; 16] = [3; 16];
    let day_ms = DAY_MS.unsigned_abs();
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        let mut phone = Phone::enrol(&server).await?;
        let before = report(&mut phone, Stamp { wall_ms: MORNING_MS, ..Stamp::default() });
        let met_ms = contact(&mut phone, (BOOT, 1_000), &[before]).await?;
        let heard = Stamp { boot: Some(BOOT), after_ms: Some(met_ms), ..Stamp::default() };
        let in_boot = Stamp { uptime_ms: Some(2_000 + day_ms), after_uptime_ms: Some(2_000), ..heard };
        // What the phone's clock says, and from when the deadline counts; none: from the receipt.
        let table = [
            (Stamp { wall_ms: 0, ..heard }, Some(met_ms)),
            (Stamp { wall_ms: YEAR_2100_MS, ..heard }, Some(met_ms)),
            (Stamp { wall_ms: met_ms + DAY_MS, ..heard }, Some(met_ms)),
            (Stamp { wall_ms: 0, ..in_boot }, Some(met_ms + DAY_MS)),
            (Stamp { wall_ms: YEAR_2100_MS, ..in_boot }, Some(met_ms + DAY_MS)),
            (Stamp { wall_ms: met_ms, ..Stamp::default() }, None),
        ];
        let reports = table.map(|(at, _)| report(&mut phone, at));
        so_much_later(&mut server, 3 * DAY_S, &mut [&mut phone]).await?;
        contact(&mut phone, (BOOT, 3 * day_ms), &reports).await?;
        let office = server.client()?;
        for (report, (at, from_ms)) in reports.iter().zip(table) {
            let received_ms = listed(&office, report).await?["received_ms"].as_i64().context("no receipt")?;
            let expected = from_ms.unwrap_or(received_ms) + CRITICAL_MS;
            let told = due_ms(&office, report.record).await?;
            assert_eq!(told, expected, "{backend:?}: as reported, {at:?}");
            let grade = format!("/v1/hazards/{}/commands/grade", report.record);
            office.post(&grade, &json!({"fields": {"severity": "critical"}})).await?.json(&grade)?;
            let told = due_ms(&office, report.record).await?;
            assert_eq!(told, expected, "{backend:?}: graded, {at:?}");
        }
        // Whatever was out for longer than its term is overdue from the moment it comes; the one before is since two days.
        let overdue = office.json("/v1/hazards?overdue=true").await?;
        let overdue = overdue["hazards"].as_array().context("no list")?.len();
        assert_eq!(overdue, table.len(), "{backend:?}");
    }
    Ok(())
}
