//! What the phones of a group hear first, read once for those that stand near each other in the feed.
//!
//! Phones that sync at once mostly do: they begin alike, or were here a moment ago. A stretch of the feed that
//! several of them ask for is read by one statement; each takes what lies behind its cursor and reads on by itself
//! behind that. A stretch is a little older than what the phone would have read: a record that changes meanwhile is
//! told as it was, and comes again with the next reply, as its change lies behind the reply's last. A phone that
//! keeps a reply waiting is told what is newest from then on.

use std::cmp::Reverse;
use std::sync::Arc;

use super::cursor::CLASSES;
use super::feed::{PAGE_ROWS, PAGE_ROWS_LEAST, rows_within};
use crate::domain::{Class, DistrictKey};
use crate::store::{FeedRow, Lineage, Page, StoreError, Transaction};

/// Stretches read for one group, those that most phones ask for: everybody's answer waits for them.
const STRETCHES: usize = 8;
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
    /// The last change of the reply that it is for.
    through: u64,
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
        Ok(Self { class, after, through, rows, is_last })
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

    /// Whether it tells what comes behind a change of a class, in a reply that goes up to `through`.
    fn tells(&self, class: usize, change: u64, through: u64) -> bool {
        (self.class, self.through) == (class, through)
            && self.after <= change
            && (self.is_last || self.rows.last().is_some_and(|row| row.change > change))
    }
}

/// Stretches of the feed that were read for several phones.
#[derive(Clone, Debug, Default)]
pub struct Ahead(Vec<Arc<Stretch>>);

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
        let mut ahead = Self::default();
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
            let mut crowds = crowds(hungry.get_mut(..waiting).unwrap_or_default(), at);
            crowds.sort_by_key(|crowd| Reverse(crowd.len()));
            for crowd in crowds {
                let after = crowd.first().map_or(newest, at);
                let wanted = crowd.iter().map(|phone| u64::from(phone.rows) + at(phone) - after).max();
                if crowd.len() < 2 || ahead.0.len() == STRETCHES {
                    // Each of them reads by itself from here on.
                    for phone in crowd {
                        phone.rows = 0;
                    }
                    continue;
                }
                let limit =
                    wanted.and_then(|rows| u32::try_from(rows).ok()).unwrap_or(PAGE_ROWS).min(PAGE_ROWS);
                let stretch = Stretch::read(reading, district, class, (after, through), limit).await?;
                for phone in crowd {
                    let told = u32::try_from(stretch.behind(at(phone)).len()).unwrap_or(u32::MAX);
                    phone.rows = if stretch.is_last { phone.rows.saturating_sub(told) } else { 0 };
                }
                ahead.0.push(Arc::new(stretch));
            }
            hungry.retain(|phone| phone.rows > 0);
        }
        Ok(ahead)
    }

    /// What of it tells a phone something.
    pub(super) fn of(&self, asked: &Asked) -> Self {
        let tells = |stretch: &&Arc<Stretch>| {
            let change = asked.changes.get(stretch.class).copied();
            change.is_some_and(|change| stretch.tells(stretch.class, change, stretch.through))
        };
        Self(self.0.iter().filter(tells).map(Arc::clone).collect())
    }

    /// What comes behind a change of a class, in a reply that goes up to `through`, where it was read.
    pub fn stretch(&self, class: usize, after: u64, through: u64) -> Option<Arc<Stretch>> {
        self.0.iter().find(|stretch| stretch.tells(class, after, through)).map(Arc::clone)
    }
}

/// Phones in the order of where they stand, parted where one is not near the first any more.
fn crowds<'h, 'c>(
    mut phones: &'h mut [Hungry<'c>],
    at: impl Fn(&Hungry<'c>) -> u64,
) -> Vec<&'h mut [Hungry<'c>]> {
    let mut crowds = Vec::new();
    while let Some(first) = phones.first().map(&at) {
        let near = phones.partition_point(|phone| at(phone) - first <= NEAR);
        let (crowd, others) = phones.split_at_mut(near);
        crowds.push(crowd);
        phones = others;
    }
    crowds
}
