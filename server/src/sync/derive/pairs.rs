//! Hazards that are probably one: each compared with what stands near it. Pure, but for [`of_window`], which reads the
//! neighbourhood of one hazard at a time so that no more than that is held.
//!
//! How a pair is weighed is in `duplicates`. A pair is weighed anew whenever either of the two changes, so what is
//! proposed in the end does not depend on the order in which they came.

use std::collections::{BTreeMap, HashMap};

use sync_protocol::ids::{DeviceId, RecordId, sha256};
use sync_protocol::kind::RecordType;
use sync_protocol::view::View;

use super::facts::{days_since_1970, found_ms, local_day, text};
use super::hazards;
use super::{Context, guarded};
use crate::domain::{Collection, DistrictKey};
use crate::duplicates::{self, Candidate, Spot};
use crate::geometry::{Certainty, place};
use crate::store::{Near, ProposalRow, RecordRow, StoreError, Transaction};
use crate::sync::SyncError;

/// Hazards near one that are compared with it, at most. In a heap of more at one place and in one month it is not
/// every pair that is found, and which are may depend on the order of arrival.
const NEIGHBOURS: u32 = 1_000;
/// Neighbours remembered within a window.
const KNOWN: usize = 20_000;

/// The proposals of every hazard of a window, and which hazards were compared.
pub(super) async fn of_window(
    transaction: &mut Transaction,
    district: DistrictKey,
    context: &Context,
    rows: &[RecordRow],
) -> Result<(Vec<RecordId>, Vec<ProposalRow>), SyncError> {
    let ids: Vec<RecordId> = rows.iter().map(|row| row.record).collect();
    let devices = transaction.openers(district, &ids).await?;
    let window: Vec<Candidate> =
        rows.iter().filter_map(|row| candidate(context, row, devices.get(&row.record).copied())).collect();
    let mut proposals = BTreeMap::new();
    // Hazards of a window stand near the same others: each is read once.
    let mut known = HashMap::new();
    for one in &window {
        if known.len() > KNOWN {
            known.clear();
        }
        for row in near(transaction, district, context, (one, &window), &mut known).await? {
            proposals.insert((row.record, row.other), row);
        }
    }
    let compared = window.iter().map(|candidate| candidate.record).collect();
    Ok((compared, proposals.into_values().collect()))
}

/// The proposals of one hazard with what is stored near it and what is in its window.
async fn near(
    transaction: &mut Transaction,
    district: DistrictKey,
    context: &Context,
    (one, window): (&Candidate, &[Candidate]),
    known: &mut HashMap<RecordId, Option<Candidate>>,
) -> Result<Vec<ProposalRow>, StoreError> {
    let Some(block) = duplicates::block(one) else { return Ok(Vec::new()) };
    let day = |at_ms: i64| days_since_1970(local_day(at_ms, &context.zone));
    let stored = Near {
        places: &block.places,
        subtype: one.category.as_deref().unwrap_or_default(),
        days: (day(block.from_ms), day(block.to_ms)),
        limit: NEIGHBOURS,
    };
    let stored = transaction.records_near(district, &stored).await?;
    let mut others: BTreeMap<RecordId, Candidate> = stored
        .iter()
        .filter_map(|(row, device)| {
            known.entry(row.record).or_insert_with(|| candidate(context, row, *device)).clone()
        })
        .map(|other| (other.record, other))
        .collect();
    let is_near = |other: &Candidate| {
        let key = other.spot.map(|spot| place(spot.lat_e7, spot.lon_e7));
        key.is_some_and(|key| block.places.iter().any(|(low, high)| (*low..=*high).contains(&key)))
    };
    // What came with it has no rows yet, and is newer than those that it may have.
    others.extend(window.iter().filter(|other| is_near(other)).map(|it| (it.record, it.clone())));
    let others: Vec<Candidate> = others.into_values().collect();
    Ok(duplicates::propose(one, &others).iter().map(proposal_row).collect())
}

fn proposal_row(proposal: &duplicates::Proposal) -> ProposalRow {
    ProposalRow {
        record: proposal.record,
        other: proposal.other,
        score: i64::from(proposal.score),
        distance_mm: proposal.distance_mm,
        reasons: serde_json::to_string(&proposal.reasons).unwrap_or_default(),
    }
}

/// What is compared of a hazard; none of what is no hazard or gone.
fn candidate(context: &Context, row: &RecordRow, device: Option<DeviceId>) -> Option<Candidate> {
    guarded(row.record, || read(context, row, device)).flatten()
}

fn read(context: &Context, row: &RecordRow, device: Option<DeviceId>) -> Option<Candidate> {
    if row.collection != Collection::Records.number() {
        return None;
    }
    let view = View::decode(&row.view)?;
    if !matches!(view.record_type, None | Some(RecordType::Hazard)) {
        return None;
    }
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let position = hazards::position(context, &view);
    let is_known = |at: &&sync_protocol::operation::Position| {
        duplicates::is_place_known(at.lat_e7, at.lon_e7, &context.default_positions)
    };
    let spot = position.as_ref().filter(is_known).map(|at| Spot {
        lat_e7: at.lat_e7,
        lon_e7: at.lon_e7,
        accuracy_dm: at.accuracy_dm,
    });
    let line = hazards::placement(context, row, &view)
        .on_line
        .filter(|at| at.certainty >= Certainty::Probable.number())
        .map(|at| (at.line, at.chainage_mm));
    let (kind, description) = (text(&view, "type"), text(&view, "description"));
    let says_more = !description.trim().is_empty() && description != kind;
    Some(Candidate {
        record: row.record,
        category: some(text(&view, "category")),
        kind: some(kind),
        found_ms: found_ms(&view, row.received_ms),
        spot,
        line,
        device,
        photos: view.photos.keys().copied().collect(),
        text: says_more.then(|| sha256(description.trim().as_bytes())),
    })
}
