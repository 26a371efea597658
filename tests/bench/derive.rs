//! What stands beside the records: what matching on arrival costs the way in, and how fast it follows.

use std::time::Instant;

use anyhow::{Result, ensure};
use firebreak_tests::server::{Backend, Server};
use fixtures::generator::District;

use crate::crew;
use crate::figure::{Figures, number, rate};

/// Phones, bundles of each and operations of a bundle: as many as `ingest_http` has.
const LOAD: (usize, usize, usize) = (16, 5, 1_000);
/// A list that waits until everything is derived.
const FOLLOWED: &str = "/v1/stretches?kind=patrol&from=2026-01-01&to=2026-01-02";

/// How often it is asked for.
const PATIENCE: usize = 8;

/// `ingest_matched`, `derived`: the load of `ingest_http` with a grid and a follower against the same without either.
/// Twice each, in turns, since the machine is not quiet; once until everything is derived, which takes a minute.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    Figures::say("derive: the way in without and with matching");
    let (mut plain, mut matched, mut derived) = (0.0, 0.0, 0.0);
    for (turn, is_matched) in [false, true, true, false].into_iter().enumerate() {
        let run = Run { is_matched, is_followed: turn == 1 };
        let (arrived, followed) = run.rates(1 + 100 * u64::try_from(turn)?).await?;
        *if is_matched { &mut matched } else { &mut plain } += arrived / 2.0;
        derived += followed.unwrap_or(0.0);
    }
    figures.print("ingest_matched", matched, "operations/s", matched / plain, "without_matching");
    figures.print("derived", derived, "records/s", derived / matched, "ingest_matched");
    Ok(())
}

/// A load of its own server.
struct Run {
    /// With a grid, and with what follows the ledger.
    is_matched: bool,
    /// Until everything is derived.
    is_followed: bool,
}

impl Run {
    /// Operations a second until every receipt, and records a second until everything is derived.
    async fn rates(self, seed: u64) -> Result<(f64, Option<f64>)> {
        let (phones, bundles, operations) = LOAD;
        let derive = if self.is_matched { "true" } else { "false" };
        let server = Server::start_with(Backend::Sqlite, &[("FIREBREAK_DERIVE", derive)]).await?;
        if self.is_matched {
            import(&server, seed, phones).await?;
        }
        let mut senders = crew::enrol(&server, phones).await?;
        let senders = crew::prepare(&mut senders, seed, bundles, operations)?;
        let began = Instant::now();
        let sent = crew::send(&senders).await?;
        let count = phones * bundles * operations;
        let arrived = rate(count, sent.took);
        if !self.is_followed {
            return Ok((arrived, None));
        }
        // It answers when everything is derived, or its time is up.
        let mut left = PATIENCE;
        while let Err(error) = server.client()?.json(FOLLOWED).await {
            left -= 1;
            ensure!(left > 0, "it is not derived yet: {error}");
        }
        Ok((arrived, Some(number(count) / began.elapsed().as_secs_f64())))
    }
}

/// The lines on which the reports of these seeds stand, in one table.
async fn import(server: &Server, seed: u64, districts: usize) -> Result<()> {
    let mut table = String::new();
    for seed in (seed..).take(districts) {
        for (number, row) in District::generate(seed).line_table().lines().enumerate() {
            if number > 0 {
                // Districts use the same names.
                table.extend([seed.to_string().as_str(), "-"]);
            } else if !table.is_empty() {
                continue;
            }
            table.push_str(row);
            table.push('\n');
        }
    }
    let headers = [("content-type", "text/csv")];
    let reply = server.client()?.post_bytes("/v1/grid/lines", table.into_bytes(), &headers).await?;
    ensure!(reply.status == 200, "import: {} {}", reply.status, reply.text());
    Ok(())
}
