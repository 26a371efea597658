//! What a group wrote: gathered while it is written, told once it is committed. It is told to the log and the metrics, in
//! words, with ids, and without a payload, a position or a name; and to who keeps files of what was redacted.

use std::collections::BTreeMap;

use sync_protocol::ids::{DeviceId, Identity};
use sync_protocol::view::Disposition;

use super::Engine;
use super::office::{Act, ActOutcome};
use crate::domain::disposition_of;
use crate::reconcile::Plan;

/// What is told after a commit.
#[derive(Debug, Default)]
pub(super) struct News(Vec<Item>);

#[derive(Debug)]
enum Item {
    Received(Disposition, u64),
    Quarantined { device: DeviceId, code: &'static str, first: Identity, count: u64 },
    Revoked(DeviceId),
    Lost(DeviceId),
    Forked(DeviceId),
    Released { operation: Identity, by: Option<Identity> },
    WrittenOff(Identity),
    PhotoRedacted,
    TextRedacted,
}

impl News {
    /// How much there is: see [`Self::forget_since`].
    pub(super) const fn mark(&self) -> usize {
        self.0.len()
    }

    /// Forgets what came since: it was undone.
    pub(super) fn forget_since(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    /// Operations that a plan takes in for the first time, each as what it became.
    pub(super) fn received(&mut self, plan: &Plan) {
        let mut counts: BTreeMap<Disposition, u64> = BTreeMap::new();
        let known = |row: &&crate::store::OperationRow| plan.let_out.contains(&row.identity);
        for row in plan.operations.iter().filter(|row| !known(row)) {
            if let Some(disposition) = disposition_of(row.disposition) {
                *counts.entry(disposition).or_default() += 1;
            }
        }
        let quarantined = u64::try_from(plan.quarantine.len()).unwrap_or(u64::MAX);
        *counts.entry(Disposition::Quarantined).or_default() += quarantined;
        self.0.extend(counts.into_iter().map(|(disposition, count)| Item::Received(disposition, count)));
    }

    /// Operations that a plan puts into quarantine, new ones and those of a device that was revoked.
    pub(super) fn quarantined(&mut self, plan: &Plan) {
        let mut found: BTreeMap<(DeviceId, &'static str), (Identity, u64)> = BTreeMap::new();
        for row in &plan.quarantine {
            found.entry((row.device, row.code)).or_insert((row.identity, 0)).1 += 1;
        }
        let items = found.into_iter();
        self.0.extend(items.map(|((device, code), (first, count))| Item::Quarantined {
            device,
            code,
            first,
            count,
        }));
    }

    /// A device that is given up for lost.
    pub(super) fn lost(&mut self, device: DeviceId) {
        self.0.push(Item::Lost(device));
    }

    /// A device whose chain is forked.
    pub(super) fn forked(&mut self, device: DeviceId) {
        self.0.push(Item::Forked(device));
    }

    /// A redaction of a photo: its files are to go.
    pub(super) fn photo_redacted(&mut self) {
        self.0.push(Item::PhotoRedacted);
    }

    /// A redaction of a text: files that were made before may hold it.
    pub(super) fn text_redacted(&mut self) {
        self.0.push(Item::TextRedacted);
    }

    /// An act of the office.
    pub(super) fn acted(&mut self, act: &Act, outcome: &ActOutcome) {
        self.0.extend(match act {
            Act::Revoke { device, .. } => Some(Item::Revoked(*device)),
            Act::Release { identity, .. } => {
                Some(Item::Released { operation: *identity, by: outcome.operation })
            }
            Act::WriteOff { identity, .. } => Some(Item::WrittenOff(*identity)),
            // The first is told where its status was set; each of the others is an operation, a command in the audit log, or too common to be told.
            Act::Lose { .. }
            | Act::Operation { .. }
            | Act::Command(_)
            | Act::GiveUp { .. }
            | Act::HoldPhoto { .. }
            | Act::Enrol { .. } => None,
        });
    }

    /// Counts it, writes it to the log, and lets files go.
    pub(super) fn tell(self, engine: &Engine) {
        for item in self.0 {
            item.tell(engine);
        }
    }
}

impl Item {
    fn tell(self, engine: &Engine) {
        match self {
            Self::PhotoRedacted => engine.photos.sweep_soon(),
            Self::TextRedacted => engine.exports.drop_what_is_done(),
            Self::Received(disposition, count) => {
                metrics::counter!("firebreak_operations_total", "disposition" => disposition.as_str())
                    .increment(count);
            }
            Self::Quarantined { device, code, first, count: 1 } => {
                tracing::info!(device.id = %device, code, "operation {first} of device {device} is quarantined: {code}");
            }
            Self::Quarantined { device, code, first, count } => {
                tracing::info!(
                    device.id = %device, code, count,
                    "{count} operations of device {device} are quarantined, {first} among them: {code}"
                );
            }
            Self::Revoked(device) => tracing::info!(device.id = %device, "device {device} is revoked"),
            Self::Lost(device) => tracing::info!(device.id = %device, "device {device} is given up for lost"),
            Self::Forked(device) => {
                tracing::warn!(device.id = %device, "the chain of device {device} is forked; it is told to enrol again");
            }
            Self::Released { operation, by } => {
                let by = by.map(|by| by.to_string()).unwrap_or_default();
                tracing::info!("quarantined operation {operation} is released, by operation {by}");
            }
            Self::WrittenOff(operation) => tracing::info!("quarantined operation {operation} is written off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::store::QuarantineRow;

    fn row(device: u128, nth: u8, code: &'static str) -> QuarantineRow {
        QuarantineRow {
            identity: Identity([nth; 32]),
            device: DeviceId(Uuid::from_u128(device)),
            sequence: 1,
            record: None,
            author: None,
            code,
            at: String::new(),
            received_ms: 0,
            bytes: Bytes::new(),
        }
    }

    #[test]
    fn what_was_undone_is_not_told_and_the_rest_is_told_by_device_and_code() {
        let mut news = News::default();
        let rows = vec![
            row(1, 1, "text-nul"),
            row(1, 2, "text-nul"),
            row(1, 3, "field-type"),
            row(2, 4, "text-nul"),
        ];
        let plan = Plan { quarantine: rows, ..Plan::default() };
        news.quarantined(&plan);
        let mark = news.mark();
        news.received(&plan);
        let received = |item: &Item| matches!(item, Item::Received(Disposition::Quarantined, 4));
        assert!(news.0.iter().any(received), "{news:?}");
        news.forget_since(mark);
        let told: Vec<(u128, &str, u64)> = news
            .0
            .iter()
            .filter_map(|item| match item {
                Item::Quarantined { device, code, count, .. } => Some((device.0.as_u128(), *code, *count)),
                _ => None,
            })
            .collect();
        assert_eq!(told, [(1, "field-type", 1), (1, "text-nul", 2), (2, "text-nul", 1)]);
        assert_eq!(news.0.len(), 3);
    }
}
