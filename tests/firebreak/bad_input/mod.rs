//! What bad input gets: every row of the table in `docs/protocol.md`, from a phone with a real key.
//!
//! [`Yard`] sends each bad thing together with a good bundle, and holds that the good one was taken, that the
//! ledger checks, and that nothing but what the row says has changed. A scenario is played on both databases;
//! [`coverage`] holds that every code of the catalogue is received in one, [`page`] that every row has its tests.

#[cfg(test)]
mod bundles;
#[cfg(test)]
mod chains;
mod coverage;
#[cfg(test)]
mod days;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod operations;
mod page;
#[cfg(test)]
mod replies;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod slots;
mod store;
#[cfg(test)]
mod uploads;

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use firebreak::sync::Engine;
use firebreak::sync::check::{self, Report};
use firebreak_tests::http::SyncReply;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use sync_protocol::codes::Code;
use sync_protocol::exchange::Receipt;
use sync_protocol::ids::BundleHash;

/// A server, the phone that misbehaves and the one that carries and does not.
struct Yard {
    server: Server,
    engine: Arc<Engine>,
    bad: Phone,
    good: Phone,
    before: Report,
}

impl Yard {
    async fn new(backend: Backend) -> Result<Self> {
        let server = Server::start(backend).await?;
        let (bad, good) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let engine = firebreak::app::open(&server.settings()).await?;
        let before = checked(&engine).await?;
        Ok(Self { server, engine, bad, good, before })
    }

    /// Sends bad bundles and, after them, a good one of another phone in the same request.
    async fn send(&mut self, bad: &[Vec<u8>]) -> Result<SyncReply> {
        let mut bundles = bad.to_vec();
        let good = self.good.reports(1);
        bundles.push(good.clone());
        let reply = self.good.sync(&bundles).await?;
        ensure!(reply.status == 200 && reply.end().is_some(), "{reply:?}");
        let receipts = reply.receipts();
        let taken = receipts.iter().find(|receipt| receipt.bundle == BundleHash::of(&good));
        let taken = taken.context("the good bundle beside was not taken")?;
        ensure!(taken.exceptions.is_empty(), "the good report beside was not applied: {taken:?}");
        Ok(reply)
    }

    /// After a step: so many operations of the bad phone were folded and quarantined, and one good one.
    async fn settled(&mut self, folded: u64, quarantined: u64, records: u64) -> Result<()> {
        let now = checked(&self.engine).await?;
        let count = |report: &Report, name: &str| report.dispositions.get(name).copied().unwrap_or(0);
        ensure!(
            now.received == self.before.received + folded + quarantined + 1,
            "received: {} before, {} now, {folded} folded and {quarantined} quarantined expected",
            self.before.received,
            now.received
        );
        let waiting = count(&now, "quarantined") - count(&self.before, "quarantined");
        ensure!(waiting == quarantined, "{waiting} quarantined, {quarantined} expected");
        ensure!(now.records == self.before.records + records + 1, "{} records", now.records);
        self.before = now;
        Ok(())
    }

    /// Bundles that must be refused with their codes; nothing of them is taken.
    async fn refuses(&mut self, rows: &[(&str, Vec<u8>, Code)]) -> Result<()> {
        let bundles: Vec<Vec<u8>> = rows.iter().map(|(_, bundle, _)| bundle.clone()).collect();
        let reply = self.send(&bundles).await?;
        let refused = reply.refused();
        for (what, bundle, code) in rows {
            let hash = BundleHash::of(bundle);
            let found = refused.iter().find(|refused| refused.bundle == hash);
            let found = found.with_context(|| format!("{what}: it was not refused: {reply:?}"))?;
            ensure!(found.code == code.as_str(), "{what}: {} for {code}", found.code);
            ensure!(found.zh == code.zh() && found.en == code.en(), "{what}: other words: {found:?}");
        }
        ensure!(reply.receipts().len() == 1, "a bad bundle has a receipt: {reply:?}");
        self.settled(0, 0, 0).await
    }

    /// Operations of one bundle, each with the code it is quarantined with; none: it is folded.
    async fn quarantines(&mut self, rows: &[(&str, Vec<u8>, Option<Code>)]) -> Result<Receipt> {
        let operations: Vec<Vec<u8>> = rows.iter().map(|(_, bytes, _)| bytes.clone()).collect();
        let bundle = self.bad.seal_bytes(operations);
        let reply = self.send(std::slice::from_ref(&bundle)).await?;
        let receipts = reply.receipts();
        let receipt = receipts.iter().find(|receipt| receipt.bundle == BundleHash::of(&bundle));
        let receipt = receipt.with_context(|| format!("no receipt: {reply:?}"))?;
        for (offset, (what, _, code)) in (0_u64..).zip(rows) {
            let exception = receipt.exceptions.iter().find(|(at, ..)| *at == offset);
            let found = exception.and_then(|(_, _, code)| code.as_deref());
            ensure!(found == code.map(Code::as_str), "{what}: {exception:?} for {code:?}");
        }
        Ok(receipt.clone())
    }

    /// Quarantines, where every operation that is not is a report of its own.
    async fn reports(&mut self, rows: &[(&str, Vec<u8>, Option<Code>)]) -> Result<Receipt> {
        let receipt = self.quarantines(rows).await?;
        let bad = u64::try_from(rows.iter().filter(|(_, _, code)| code.is_some()).count())?;
        let folded = u64::try_from(rows.len())? - bad;
        self.settled(folded, bad, folded).await?;
        Ok(receipt)
    }

    /// Seals without moving the phone on: what is refused was never sent, as far as its chain goes.
    fn seal_aside(&mut self, seal: impl FnOnce(&mut Phone) -> Vec<u8>) -> Vec<u8> {
        let (chain, sequence) = (self.bad.chain, self.bad.sequence);
        let bundle = seal(&mut self.bad);
        (self.bad.chain, self.bad.sequence) = (chain, sequence);
        bundle
    }
}

/// Plays a scenario on each database.
pub(crate) async fn on_both(scenario: impl AsyncFn(Backend) -> Result<()>) -> Result<()> {
    for backend in Backend::ALL {
        scenario(backend).await.with_context(|| format!("on {backend:?}"))?;
    }
    Ok(())
}

async fn checked(engine: &Arc<Engine>) -> Result<Report> {
    let districts = engine.districts().await;
    let report = check::check(engine, districts.first().context("no district")?).await?;
    ensure!(report.ok, "{:?}", report.faults);
    Ok(report)
}
