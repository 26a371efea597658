//! Refused bundles are kept as far as space allows: each up to so many bytes, so many of a district.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use firebreak::store::REFUSED_KEPT;
use firebreak::sync::delivery::REFUSED_BYTES;
use firebreak_tests::server::Backend;
use sync_protocol::codes::Code;
use sync_protocol::ids::BundleHash;
use sync_protocol::limits::BUNDLES_PER_REQUEST;

use super::{Yard, on_both};

/// What is kept: by its hash, how many bytes of it.
async fn kept(yard: &Yard) -> Result<BTreeMap<Vec<u8>, usize>> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = yard.server.rows("SELECT bundle, bytes FROM refused").await?;
    Ok(rows.into_iter().map(|(bundle, bytes)| (bundle, bytes.len())).collect())
}

fn name(bundle: &[u8]) -> Vec<u8> {
    BundleHash::of(bundle).0.to_vec()
}

async fn bytes(backend: Backend) -> Result<()> {
    let mut yard = Yard::new(backend).await?;
    let rows = [REFUSED_BYTES, REFUSED_BYTES + 1].map(|length| ("depth bomb", vec![0x81; length]));
    yard.refuses(&rows.clone().map(|(what, bundle)| (what, bundle, Code::CborTooDeep))).await?;
    // One above is kept without its last byte, under the name of the whole.
    let expected = rows.iter().map(|(_, bundle)| (name(bundle), REFUSED_BYTES)).collect();
    let kept = kept(&yard).await?;
    ensure!(kept == expected, "{kept:?}");
    yard.server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_bundle_is_kept_whole_at_the_limit_and_cut_above_it() -> Result<()> {
    on_both(bytes).await
}

async fn number(backend: Backend) -> Result<()> {
    let yard = Yard::new(backend).await?;
    let most = usize::try_from(REFUSED_KEPT)?;
    let bad: Vec<Vec<u8>> =
        (0..=u32::try_from(most)?).map(|nth| [&[0x1c], &nth.to_be_bytes()[..]].concat()).collect();
    let (first, others) = bad.split_at(1);
    let (others, last) = others.split_at(most - 1);
    // The first comes alone, so that it is the oldest.
    for bundles in std::iter::once(first).chain(others.chunks(BUNDLES_PER_REQUEST)) {
        let reply = yard.good.client.sync(yard.good.request(bundles)).await?;
        ensure!(reply.refused().len() == bundles.len(), "{reply:?}");
    }
    let at_the_limit = kept(&yard).await?;
    ensure!(
        at_the_limit.len() == most && at_the_limit.contains_key(&name(&bad[0])),
        "{}",
        at_the_limit.len()
    );
    yard.good.client.sync(yard.good.request(last)).await?;
    let above_it = kept(&yard).await?;
    ensure!(above_it.len() == most && !above_it.contains_key(&name(&bad[0])), "{}", above_it.len());
    ensure!(above_it.contains_key(&name(&last[0])), "the newest is kept");
    yard.server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refused_bundle_more_than_are_kept_drives_out_the_oldest() -> Result<()> {
    on_both(number).await
}
