//! What one reply holds at most, and that the next one goes on with the rest.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::SyncReply;
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, Server};
use sync_protocol::exchange::{Frame, Notice, RequestHeader, encode_request};
use sync_protocol::ids::{Chain, NoticeId};
use sync_protocol::kind::Kind;
use sync_protocol::limits::{
    BUDGET_DEFAULT, BUDGET_MAX, BUDGET_MIN, MISSING_RANGES, NOTICE_BYTES, NOTICES, TEXT_BYTES,
};

use super::on_both;

/// The reply to a phone that holds nothing, with this budget.
async fn within(phone: &Phone, budget: Option<u64>) -> Result<SyncReply> {
    let header = RequestHeader { budget, cursor: None, ..phone.header() };
    let reply = phone.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
    ensure!(reply.status == 200 && reply.end().is_some(), "{reply:?}");
    Ok(reply)
}

async fn budgets(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let mut phone = Phone::enrol(&server).await?;
    // About 4 KiB each: more than the default budget in all.
    let text = "长".repeat(1_300);
    let reports: Vec<_> = (0..400).map(|_| phone.report("general").with("description", &text)).collect();
    let bundle = phone.seal(&reports);
    ensure!(phone.sync(&[bundle]).await?.receipts().len() == 1);
    let mut sizes = Vec::new();
    let item = 8 << 10;
    for budget in [Some(BUDGET_DEFAULT - item), None, Some(BUDGET_DEFAULT), Some(BUDGET_DEFAULT + item)] {
        let reply = within(&phone, budget).await?;
        ensure!(reply.end().is_some_and(|end| end.more), "{budget:?} holds all");
        sizes.push(reply.items().len());
    }
    let [below, none, named, above] = sizes[..] else { anyhow::bail!("{sizes:?}") };
    ensure!(below < none && none == named && named < above, "{backend:?}: {sizes:?}");
    // Out of its range a budget is the nearer bound.
    for (budget, bound) in [(0, BUDGET_MIN), (BUDGET_MIN - 1, BUDGET_MIN), (u64::MAX, BUDGET_MAX)] {
        let (got, expected) = (within(&phone, Some(budget)).await?, within(&phone, Some(bound)).await?);
        ensure!(got.items().len() == expected.items().len(), "a budget of {budget} is not {bound}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_names_no_budget_gets_the_default_and_another_gets_what_it_names() -> Result<()> {
    on_both(budgets).await
}

/// Notices of the next reply, which acknowledges these.
async fn told(phone: &Phone, seen: &[NoticeId]) -> Result<Vec<Notice>> {
    let header = RequestHeader { acknowledged: seen.to_vec(), ..phone.header() };
    let reply = phone.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
    let notice = |frame: &Frame| match frame {
        Frame::Notice(notice) => Some(notice.clone()),
        _ => None,
    };
    Ok(reply.frames.iter().filter_map(notice).collect())
}

fn ids(notices: &[Notice]) -> Vec<NoticeId> {
    notices.iter().map(|notice| notice.id).collect()
}

async fn many_notices(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let mut phone = Phone::enrol(&server).await?;
    let most = usize::try_from(NOTICES)?;
    // Each is told of: it cannot be read.
    let bad = |count: usize, from: usize| -> Vec<Vec<u8>> {
        (from..from + count).map(|nth| [&[0x1c], &nth.to_be_bytes()[..]].concat()).collect()
    };
    let bundle = phone.seal_bytes(bad(most, 0));
    phone.sync(&[bundle]).await?;
    ensure!(told(&phone, &[]).await?.len() == most, "at the limit all are told");
    let bundle = phone.seal_bytes(bad(1, most));
    phone.sync(&[bundle]).await?;
    let first = told(&phone, &[]).await?;
    ensure!(first.len() == most, "{} told", first.len());
    let rest = told(&phone, &ids(&first)).await?;
    ensure!(rest.len() == 1 && !ids(&first).contains(&rest[0].id), "{rest:?}");
    ensure!(told(&phone, &ids(&rest)).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_notice_more_than_a_reply_tells_is_told_once_those_are_acknowledged() -> Result<()> {
    on_both(many_notices).await
}

async fn long_notices(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let (mut one, mut other) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
    let reports: Vec<_> = (0..40).map(|_| one.report("general")).collect();
    let bundle = one.seal(&reports);
    one.sync(&[bundle]).await?;
    // Both describe each hazard at the same time: each is told both texts.
    for (phone, letter) in [(&mut one, "a"), (&mut other, "b")] {
        let text = letter.repeat(TEXT_BYTES);
        let described = |phone: &mut Phone| -> Vec<_> {
            reports
                .iter()
                .map(|report| {
                    let edit = phone.on(report.record, Kind::Corrected, [head_of(report)]);
                    edit.with("description", &text)
                })
                .collect()
        };
        let edits = described(phone);
        let bundle = phone.seal(&edits);
        phone.sync(&[bundle]).await?;
    }
    let bodies: Vec<(Vec<u8>,)> = server.rows("SELECT body FROM notices").await?;
    let length = bodies.first().context("nobody is told")?.0.len();
    ensure!(
        bodies.len() == 80 && bodies.iter().all(|(body,)| body.len() == length),
        "{} bodies",
        bodies.len()
    );
    // The one with which they reach the bound is the last.
    let fitting = usize::try_from(NOTICE_BYTES)?.div_ceil(length);
    ensure!(fitting < 40, "they all fit");
    let (mut seen, mut replies) = (Vec::new(), Vec::new());
    loop {
        let notices = told(&one, &seen).await?;
        if notices.is_empty() {
            break;
        }
        replies.push(notices.len());
        seen = ids(&notices);
    }
    ensure!(replies.iter().sum::<usize>() == 40, "{replies:?}");
    ensure!(replies[..replies.len() - 1].iter().all(|count| *count == fitting), "{replies:?} for {fitting}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_notices_come_up_to_their_bytes_and_the_rest_with_later_replies() -> Result<()> {
    on_both(long_notices).await
}

async fn ranges(backend: Backend) -> Result<()> {
    let server = Server::start(backend).await?;
    let mut phone = Phone::enrol(&server).await?;
    // Every other sequence comes; so many are missing before them.
    let mut skip = |count: usize| -> Vec<Vec<u8>> {
        let one = |_: usize| {
            phone.sequence += 1;
            phone.chain = Chain([7; 32]);
            phone.reports(1)
        };
        (0..count).map(one).collect()
    };
    let (most, one_more) = (skip(MISSING_RANGES), skip(1));
    let reply = phone.sync(&most).await?;
    let expected: Vec<(u64, u64)> =
        (0..).map(|nth| (2 * nth + 1, 2 * nth + 1)).take(MISSING_RANGES).collect();
    ensure!(reply.missing() == expected, "at the limit: {:?}", reply.missing());
    let reply = phone.sync(&one_more).await?;
    ensure!(reply.missing() == expected, "one above it: {:?}", reply.missing());
    server.check().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_names_the_first_missing_ranges_up_to_its_limit() -> Result<()> {
    on_both(ranges).await
}
