//! Numbers of orders that are left out, with a reason: the one exception to "without gaps".
//!
//! A number that an order on paper has must never be given twice. After a backup was put back, the database does not know
//! which numbers were given since; the numbers that may have been are left out, once, and named in the audit log and in
//! `firebreak check`. Start at `leave_out`; where a restore is found out is [`super::rollback`].

use std::sync::Arc;

use serde_json::json;
use sync_protocol::codes::Code;

use super::audit::{Actor, Entry};
use super::listing::Calendar;
use super::{Engine, SyncError};
use crate::domain::District;
use crate::store::{OrderGap, Transaction};

/// Numbers that are left out where a restore is found out and nobody said how many were given since the backup.
pub const AFTER_RESTORE: i64 = 100;
/// An operator who named the next number so recently has settled it.
const SETTLED_MS: i64 = 24 * 3_600_000;
/// Numbers that one command leaves out, at most.
pub const AT_MOST: i64 = 100_000;
/// Characters of a reason.
const REASON_CHARACTERS: usize = 200;

fn bad(what: impl Into<String>) -> SyncError {
    SyncError::RefusedFor(Code::BadParameter, what.into())
}

/// The next order of this local year gets this number; what lies before it is left out. Gives the gap; none where that
/// number is the next one anyway.
///
/// # Errors
/// [`Code::BadParameter`] where the number was given already, would leave out more than [`AT_MOST`], or the reason is none.
pub async fn set_next(
    engine: &Arc<Engine>,
    district: &District,
    (year, next): (Option<i64>, i64),
    reason: &str,
) -> Result<Option<OrderGap>, SyncError> {
    let reason = reason.trim();
    let is_good = !reason.is_empty() && reason.chars().count() <= REASON_CHARACTERS;
    if !is_good || reason.chars().any(char::is_control) {
        return Err(bad("reason"));
    }
    let year = year.unwrap_or_else(|| this_year(engine, district));
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let last = transaction.last_order(district.key, year).await?;
    if next <= last {
        return Err(bad(format!("number: {year} has numbers up to {last} already")));
    }
    if next - last > AT_MOST {
        return Err(bad(format!("number: at most {AT_MOST} are left out at a time")));
    }
    let gap = (last + 1, next - 1);
    let gap = leave_out(engine, &mut transaction, district, (year, gap), (reason, Actor::Operator)).await?;
    transaction.commit().await?;
    Ok(gap)
}

fn this_year(engine: &Engine, district: &District) -> i64 {
    Calendar::of(district).year(engine.clock.now_ms())
}

/// What follows for orders where a restore is found out. The transaction holds the counter row.
pub(super) async fn after_restore(
    engine: &Engine,
    transaction: &mut Transaction,
    district: &District,
) -> Result<(), SyncError> {
    let (year, now_ms) = (this_year(engine, district), engine.clock.now_ms());
    let gaps = transaction.order_gaps(district.key).await?;
    if gaps.iter().any(|gap| gap.year == year && now_ms - gap.at_ms < SETTLED_MS) {
        return Ok(());
    }
    let last = transaction.last_order(district.key, year).await?;
    let gap = (last + 1, last + AFTER_RESTORE);
    let why = ("restored from a backup: these may have been given since it", Actor::Server);
    leave_out(engine, transaction, district, (year, gap), why).await.map(drop)
}

async fn leave_out(
    engine: &Engine,
    transaction: &mut Transaction,
    district: &District,
    (year, (first, last)): (i64, (i64, i64)),
    (reason, by): (&str, Actor),
) -> Result<Option<OrderGap>, SyncError> {
    if last < first {
        return Ok(None);
    }
    let gap = OrderGap { year, first, last, reason: reason.to_owned(), at_ms: engine.clock.now_ms() };
    transaction.add_order_gap(district.key, &gap).await?;
    let detail = json!({ "first": first, "last": last, "reason": reason });
    let entry = Entry::by(by, "order.gap", format!("{year}-{first}"), detail);
    engine.audit(transaction, district, entry).await?;
    Ok(Some(gap))
}
