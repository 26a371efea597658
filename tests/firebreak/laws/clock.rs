//! Law 8: no order depends on a clock; an impossible one is flagged, never refused, and changes nothing.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::district::{Ledger, Team};
use firebreak_tests::phone::MORNING_MS;
use firebreak_tests::server::{Backend, Server};
use fixtures::dice::Dice;
use sync_protocol::codes::Code;
use sync_protocol::ids::{Chain, Head, Identity, OperationId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Stamp};
use sync_protocol::view::View;

const DAY_MS: i64 = 86_400_000;

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
    let wrong = [0, 1_500_000_000_000, now_ms + 400 * DAY_MS, 4_102_444_800_000];
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
