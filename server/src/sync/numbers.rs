//! Numbers of orders and of work reports that are left out, with a reason: the one exception to "without gaps".
//!
//! A number that an order or a report on paper has must never be given twice. After a backup was put back, the database does not know
//! which numbers were given since; the numbers that may have been are left out, once, and named in the audit log and in
//! `firebreak check`. Start at `leave_out`; where a restore is found out is [`super::rollback`].

use std::sync::Arc;

use serde_json::json;
use sync_protocol::codes::Code;

use super::audit::{Actor, Entry};
use super::listing::Calendar;
use super::{Engine, SyncError};
use crate::domain::District;
use crate::store::{NumberGap, StoreError, Transaction};

/// Orders' numbers that are left out where a restore is found out and nobody said how many were given since the backup.
pub const AFTER_RESTORE: i64 = 100;
/// The same of work reports, of which a district issues a few a month.
pub const REPORTS_AFTER_RESTORE: i64 = 20;
/// An operator who named the next number so recently has settled it.
const SETTLED_MS: i64 = 24 * 3_600_000;
/// Numbers that one command leaves out, at most.
pub const AT_MOST: i64 = 100_000;
/// Characters of a reason.
const REASON_CHARACTERS: usize = 200;

/// What is numbered by year without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// Rectification orders.
    Orders,
    /// Work reports.
    Reports,
}

impl Series {
    /// Every one.
    const ALL: [Self; 2] = [Self::Orders, Self::Reports];

    /// Numbers that a restore leaves out.
    const fn after_restore(self) -> i64 {
        match self {
            Self::Orders => AFTER_RESTORE,
            Self::Reports => REPORTS_AFTER_RESTORE,
        }
    }

    /// What the audit log calls a gap.
    const fn action(self) -> &'static str {
        match self {
            Self::Orders => "order.gap",
            Self::Reports => "report.gap",
        }
    }

    async fn last(
        self,
        transaction: &mut Transaction,
        district: &District,
        year: i64,
    ) -> Result<i64, StoreError> {
        match self {
            Self::Orders => transaction.last_order(district.key, year).await,
            Self::Reports => transaction.last_report(district.key, year).await,
        }
    }

    async fn gaps(
        self,
        transaction: &mut Transaction,
        district: &District,
    ) -> Result<Vec<NumberGap>, StoreError> {
        match self {
            Self::Orders => transaction.order_gaps(district.key).await,
            Self::Reports => transaction.report_gaps(district.key).await,
        }
    }

    async fn add(
        self,
        transaction: &mut Transaction,
        district: &District,
        gap: &NumberGap,
    ) -> Result<(), StoreError> {
        match self {
            Self::Orders => transaction.add_order_gap(district.key, gap).await,
            Self::Reports => transaction.add_report_gap(district.key, gap).await,
        }
    }
}

fn bad(what: impl Into<String>) -> SyncError {
    SyncError::RefusedFor(Code::BadParameter, what.into())
}

/// The next order or report of this local year gets this number; what lies before it is left out. Gives the gap; none where that
/// number is the next one anyway.
///
/// # Errors
/// [`Code::BadParameter`] where the number was given already, would leave out more than [`AT_MOST`], or the reason is none.
pub async fn set_next(
    engine: &Arc<Engine>,
    district: &District,
    series: Series,
    (year, next): (Option<i64>, i64),
    reason: &str,
) -> Result<Option<NumberGap>, SyncError> {
    let reason = reason.trim();
    let is_good = !reason.is_empty() && reason.chars().count() <= REASON_CHARACTERS;
    if !is_good || reason.chars().any(char::is_control) {
        return Err(bad("reason"));
    }
    let year = year.unwrap_or_else(|| this_year(engine, district));
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let last = series.last(&mut transaction, district, year).await?;
    if next <= last {
        return Err(bad(format!("number: {year} has numbers up to {last} already")));
    }
    if next - last > AT_MOST {
        return Err(bad(format!("number: at most {AT_MOST} are left out at a time")));
    }
    let gap = (last + 1, next - 1);
    let by = (reason, Actor::Operator);
    let gap = leave_out(engine, &mut transaction, district, (series, year, gap), by).await?;
    transaction.commit().await?;
    Ok(gap)
}

fn this_year(engine: &Engine, district: &District) -> i64 {
    Calendar::of(district).year(engine.clock.now_ms())
}

/// What follows for orders and reports where a restore is found out. The transaction holds the counter row.
pub(super) async fn after_restore(
    engine: &Engine,
    transaction: &mut Transaction,
    district: &District,
) -> Result<(), SyncError> {
    let (year, now_ms) = (this_year(engine, district), engine.clock.now_ms());
    for series in Series::ALL {
        let gaps = series.gaps(transaction, district).await?;
        if gaps.iter().any(|gap| gap.year == year && now_ms - gap.at_ms < SETTLED_MS) {
            continue;
        }
        let last = series.last(transaction, district, year).await?;
        let gap = (last + 1, last + series.after_restore());
        let why = ("restored from a backup: these may have been given since it", Actor::Server);
        leave_out(engine, transaction, district, (series, year, gap), why).await?;
    }
    Ok(())
}

async fn leave_out(
    engine: &Engine,
    transaction: &mut Transaction,
    district: &District,
    (series, year, (first, last)): (Series, i64, (i64, i64)),
    (reason, by): (&str, Actor),
) -> Result<Option<NumberGap>, SyncError> {
    if last < first {
        return Ok(None);
    }
    let gap = NumberGap { year, first, last, reason: reason.to_owned(), at_ms: engine.clock.now_ms() };
    series.add(transaction, district, &gap).await?;
    let detail = json!({ "first": first, "last": last, "reason": reason });
    let entry = Entry::by(by, series.action(), format!("{year}-{first}"), detail);
    engine.audit(transaction, district, entry).await?;
    Ok(Some(gap))
}
