//! Laws 5 and 6 for a record that is larger than any frame: it is sent abridged, blocks no other, and nothing of it is lost.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use serde_json::Value;
use sync_protocol::kind::Kind;
use sync_protocol::limits;
use sync_protocol::operation::Operation;
use sync_protocol::view::View;

/// Values that nobody knew of each other, four kilobytes each.
const VALUES: usize = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_too_large_for_a_frame_is_abridged_and_blocks_no_other() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let (mut crowd, mut reader) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let report = crowd.report("critical");
        let head = head_of(&report);
        let mut all: Vec<Operation> = vec![report.clone()];
        for nth in 0..VALUES {
            let text = format!("{nth:04}{}", "满".repeat(1_300));
            all.push(crowd.on(report.record, Kind::Corrected, [head]).with("description", &text));
        }
        let large = crowd.seal(&all);
        let others = crowd.reports(5);
        ensure!(crowd.sync(&[large, others]).await?.receipts().len() == 2);
        let reply = reader.sync::<Vec<u8>>(&[]).await?;
        ensure!(reply.items().len() == 6 && reply.end().is_some(), "{} items", reply.items().len());
        let item = reply.items().into_iter().find(|item| item.record == report.record).context("not sent")?;
        ensure!(item.view.as_bytes().len() <= limits::VIEW_BYTES, "{} bytes", item.view.as_bytes().len());
        let left_out = item.abridged.get("values").copied();
        ensure!(left_out == u64::try_from(VALUES - 1).ok(), "{:?}", item.abridged);
        let view = View::decode(item.view.as_bytes()).context("no view")?;
        ensure!(view.shown("description").is_some() && view.conflicts.len() == 1, "{view:?}");
        ensure!(reply.items().iter().filter(|item| !item.abridged.is_empty()).count() == 1);
        // The office has every value, and an act on what the abridged view showed is taken.
        let whole = server.client()?.json(&format!("/v1/hazards/{}", report.record)).await?;
        let text = whole.to_string();
        let kept = (0..VALUES).filter(|nth| text.contains(&format!("{nth:04}满"))).count();
        ensure!(kept == VALUES, "{kept} values of {VALUES}");
        let cure = reader.on(report.record, Kind::Rectified, view.heads.iter().copied().take(limits::HEADS));
        let bundle = reader.seal(&[cure]);
        let reply = reader.sync(&[bundle]).await?;
        ensure!(reply.receipts().iter().all(|receipt| receipt.exceptions.is_empty()), "{reply:?}");
        let checked = server.check().await?;
        ensure!(checked.get("records").and_then(Value::as_u64) == Some(6), "{checked}");
    }
    Ok(())
}
