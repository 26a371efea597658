//! What an import changes: the rows it adds, changes and retires, and the version that this makes. Pure.

use std::collections::BTreeMap;

use sync_protocol::ids::{DistrictId, RecordId, sha256};
use sync_protocol::reference::{LineView, Reference, RegionView, StructureView};
use uuid::Uuid;

use super::assemble::NO_VERSION;

/// What an import changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Rows to write, with their version.
    pub rows: Vec<(RecordId, Reference)>,
    /// How many of them are new.
    pub added: u64,
    /// How many are another than before, the returned ones too.
    pub changed: u64,
    /// How many of the changed had been retired.
    pub returned: u64,
    /// How many are retired by it.
    pub retired: u64,
    /// Rows that stay as they are.
    pub unchanged: u64,
    /// SHA-256 of all that is in force after it.
    pub version: [u8; 32],
}

/// The record of a line, a structure or a region: the same wherever and whenever it is imported into this district.
pub fn record_of(district: DistrictId, reference: &Reference) -> RecordId {
    let (record_type, id) = match reference {
        Reference::Line(line) => (LineView::RECORD_TYPE, line.external_id.clone()),
        Reference::Structure(structure) => (StructureView::RECORD_TYPE, structure.external_id.clone()),
        Reference::Region(region) => {
            let from = region.from_day.map(|day| format!("@{day}")).unwrap_or_default();
            (RegionView::RECORD_TYPE, format!("{}{from}", region.code))
        }
    };
    named_record(district, record_type, &id)
}

/// A record of this name in a district.
pub fn named_record(district: DistrictId, kind: &str, name: &str) -> RecordId {
    let mut text = district.0.as_bytes().to_vec();
    for part in [kind.as_bytes(), b"\0", name.as_bytes()] {
        text.extend_from_slice(part);
    }
    let hash = sha256(&text);
    let bytes = hash.first_chunk::<16>().copied().unwrap_or_default();
    RecordId(Uuid::new_v8(bytes))
}

/// Compares what is held with what an import gave.
pub fn plan(district: DistrictId, held: &BTreeMap<RecordId, Reference>, new: Vec<Reference>) -> Plan {
    let new: BTreeMap<RecordId, Reference> =
        new.into_iter().map(|it| (record_of(district, &it), it.standing(false, NO_VERSION))).collect();
    let version = version(&new);
    let mut plan = Plan { version, ..Plan::default() };
    for (record, reference) in held {
        if !new.contains_key(record) {
            if reference.is_retired() {
                plan.unchanged += 1;
            } else {
                plan.retired += 1;
                plan.rows.push((*record, reference.clone().standing(true, version)));
            }
        }
    }
    for (record, reference) in new {
        match held.get(&record) {
            Some(known) if known.clone().standing(known.is_retired(), NO_VERSION) == reference => {
                plan.unchanged += 1;
                continue;
            }
            Some(known) => {
                plan.changed += 1;
                plan.returned += u64::from(known.is_retired());
            }
            None => plan.added += 1,
        }
        plan.rows.push((record, reference.standing(false, version)));
    }
    plan
}

fn version(all: &BTreeMap<RecordId, Reference>) -> [u8; 32] {
    let mut hashes = Vec::with_capacity(all.len() * 48);
    for (record, reference) in all {
        hashes.extend_from_slice(record.0.as_bytes());
        hashes.extend_from_slice(&sha256(&reference.encode()));
    }
    sha256(&hashes)
}
