//! `report_bytes`: what one report costs on the way up, gzipped, alone and among a thousand.

use anyhow::Result;
use firebreak_tests::server::{Backend, Server};
use hyper::body::Bytes;

use crate::crew;
use crate::figure::{Figures, number};

/// Requests of one report.
const ALONE: usize = 500;
/// Requests of a thousand.
const TOGETHER: usize = 10;

/// Measures whole request bodies, header and signature included.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let mut phones = crew::enrol(&server, 1).await?;
    let mut each = |seed, bundles, operations| -> Result<f64> {
        let senders = crew::prepare(&mut phones, seed, bundles, operations)?;
        let bytes: usize = senders.iter().flat_map(|sender| sender.requests.iter()).map(Bytes::len).sum();
        Ok(number(bytes) / number(bundles * operations))
    };
    let together = each(1, TOGETHER, 1_000)?;
    let alone = each(2, ALONE, 1)?;
    figures.print("report_bytes_1", alone, "bytes/report", alone / together, "report_bytes_1000");
    figures.print("report_bytes_1000", together, "bytes/report", together / alone, "report_bytes_1");
    Ok(())
}
