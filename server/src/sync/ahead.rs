//! What the phones of a group hear first, read once for those that stand near each other in the feed.
//!
//! Phones that sync at once mostly do: they begin alike, or were here a moment ago. A stretch of the feed that
//! several of them ask for is read by one statement; each takes what lies behind its cursor and reads on by itself
//! behind that. A stretch is a little older than what the phone would have read: a record that changes meanwhile is
//! told as it was, and comes again with the next reply, as its change lies behind the reply's last.

use std::sync::Arc;

use super::cursor::CLASSES;
use super::feed::{PAGE_ROWS, PAGE_ROWS_LEAST, rows_within};
use crate::domain::{Class, DistrictKey};
use crate::store::{FeedRow, Lineage, Page, StoreError, Transaction};

/// Phones are near each other where so many changes at most lie between them.
const NEAR: u64 = 100;

/// What a phone asks of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The last change that it holds of each class, worst first.
    pub changes: [u64; CLASSES],
    /// Bytes wanted.
    pub budget: u64,
}

/// Rows of one class of the feed that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    class: usize,
    /// The change behind which it begins.
    after: u64,
    rows: Vec<FeedRow>,
    /// Nothing of the class follows.
    is_last: bool,
}

impl Stretch {
    /// Reads at most `limit` rows behind a change.
    pub(super) async fn read(
        reading: &mut Transaction,
        district: DistrictKey,
        class: usize,
        (after, through): (u64, u64),
        limit: u32,
    ) -> Result<Self, StoreError> {
        let number = Class::ALL.get(class).map_or(0, |class| class.number());
        let rows = reading.feed(district, Page { class: number, after, through, limit }).await?;
        let is_last = rows.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Self { class, after, rows, is_last })
    }

    /// The rows behind a change.
    pub fn behind(&self, change: u64) -> &[FeedRow] {
        let first = self.rows.partition_point(|row| row.change <= change);
        self.rows.get(first..).unwrap_or_default()
    }

    /// Whether nothing of its class follows its rows.
    pub const fn is_last(&self) -> bool {
        self.is_last
    }

    /// Whether it tells what comes behind a change.
    fn tells(&self, change: u64) -> bool {
        self.after <= change && (self.is_last || self.rows.last().is_some_and(|row| row.change > change))
    }
}

/// Stretches of the feed up to a change.
#[derive(Debug, Default)]
pub struct Ahead {
    through: u64,
    stretches: Vec<Arc<Stretch>>,
}

/// A phone that has not its fill yet: where it stands and how many rows it has room for.
struct Hungry<'a> {
    changes: &'a [u64; CLASSES],
    rows: u32,
}

impl Ahead {
    /// Reads what several of those who ask have in common, worst class first.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(
        reading: &mut Transaction,
        district: DistrictKey,
        lineage: &Lineage,
        asked: &[&Asked],
    ) -> Result<Self, StoreError> {
        let through = lineage.change;
        let mut ahead = Self { through, stretches: Vec::new() };
        let mut hungry: Vec<Hungry<'_>> = asked
            .iter()
            // Rows may be smaller than is thought: some more of them spare each a page of its own.
            .map(|asked| Hungry {
                changes: &asked.changes,
                rows: rows_within(asked.budget) + PAGE_ROWS_LEAST,
            })
            .collect();
        for class in 0..CLASSES {
            let newest = lineage.newest.get(class).copied().unwrap_or(through).min(through);
            let at = |phone: &Hungry<'_>| phone.changes.get(class).copied().unwrap_or(newest);
            hungry.sort_by_key(at);
            let waiting = hungry.partition_point(|phone| at(phone) < newest);
            let mut rest = hungry.get_mut(..waiting).unwrap_or_default();
            while let Some(first) = rest.first().map(at) {
                let near = rest.partition_point(|phone| at(phone) - first <= NEAR);
                let (near, others) = rest.split_at_mut(near);
                rest = others;
                if near.len() < 2 {
                    near.iter_mut().for_each(|alone| alone.rows = 0);
                    continue;
                }
                let wanted =
                    near.iter().map(|phone| u64::from(phone.rows) + at(phone) - first).max().unwrap_or(0);
                let limit = u32::try_from(wanted).unwrap_or(PAGE_ROWS).min(PAGE_ROWS);
                let stretch = Stretch::read(reading, district, class, (first, through), limit).await?;
                for phone in near {
                    let told = u32::try_from(stretch.behind(at(phone)).len()).unwrap_or(u32::MAX);
                    phone.rows = if stretch.is_last { phone.rows.saturating_sub(told) } else { 0 };
                }
                ahead.stretches.push(Arc::new(stretch));
            }
            hungry.retain(|phone| phone.rows > 0);
        }
        Ok(ahead)
    }

    /// What comes behind a change of a class, in a reply that goes up to `through`, where it was read.
    pub fn stretch(&self, class: usize, after: u64, through: u64) -> Option<Arc<Stretch>> {
        let is_told = |stretch: &&Arc<Stretch>| stretch.class == class && stretch.tells(after);
        self.stretches.iter().find(is_told).filter(|_| self.through == through).map(Arc::clone)
    }
}
