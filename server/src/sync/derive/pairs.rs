//! Hazards that are probably one: each compared with what stands near it. Pure, but for [`of_window`], which reads the
//! neighbourhood of one hazard at a time so that no more than that is held.
//!
//! What is compared of a hazard is kept in a row of its own (`store::traits`), so that no view is read for a neighbour.
//! How a pair is weighed is in `duplicates`. A pair is weighed anew whenever either of the two changes, so what is
//! proposed in the end does not depend on the order in which they came.

use std::collections::{BTreeMap, HashSet};

use sync_protocol::ids::{DeviceId, PhotoHash, RecordId, sha256};

use super::facts::{found_ms, text};
use super::hazards;
use super::{Context, Seen, guarded};
use crate::domain::DistrictKey;
use crate::duplicates::{self, Block, Candidate, Spot};
use crate::geometry::{Certainty, place};
use crate::store::{Near, ProposalRow, StoreError, TraitRow, Transaction};
use crate::sync::SyncError;

/// Hazards near one that are compared with it, at most. In a heap of more at one place and in one month it is not
/// every pair that is found, and which are may depend on the order of arrival.
const NEIGHBOURS: u32 = 1_000;
/// Ranges of places that one statement looks through: a block has as many at most.
const RANGES: usize = duplicates::RANGES;
/// A range that holds nothing.
const NOWHERE: (i64, i64) = (1, 0);

/// What comparing the hazards of a window came to.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// Records whose proposals are made anew.
    pub(super) compared: Vec<RecordId>,
    /// Those of them that are compared with none.
    pub(super) bare: Vec<RecordId>,
    /// What is compared of those that are hazards at known places.
    pub(super) traits: Vec<TraitRow>,
    /// Pairs that are probably one.
    pub(super) proposals: Vec<ProposalRow>,
}

/// Compares the hazards of a window with each other and with what is stored.
pub(super) async fn of_window(
    transaction: &mut Transaction,
    district: DistrictKey,
    context: &Context,
    rows: &[Seen],
) -> Result<Pairs, SyncError> {
    let compared: Vec<RecordId> = rows.iter().map(|seen| seen.row.record).collect();
    let devices = transaction.openers(district, &compared).await?;
    let read = |seen: &Seen| candidate(context, seen, devices.get(&seen.row.record).copied());
    // Without a category and a place a hazard is compared with none.
    let window: Vec<(Candidate, Block, TraitRow)> = rows
        .iter()
        .filter_map(read)
        .filter_map(|one| {
            let (block, row) = (duplicates::block(&one)?, trait_row(&one)?);
            Some((one, block, row))
        })
        .collect();
    // What is stored of these is older than what is in the window.
    let known: HashSet<RecordId> = compared.iter().copied().collect();
    let mut proposals = BTreeMap::new();
    for (one, block, row) in &window {
        let stored = stored(transaction, district, block, row.category.as_str()).await?;
        let stored = stored.into_iter().filter(|other| !known.contains(&other.record)).map(from_row);
        let is_near = |place| block.places.iter().any(|(low, high)| (*low..=*high).contains(&place));
        let beside = window.iter().filter(|(_, _, other)| is_near(other.place)).map(|(it, _, _)| it.clone());
        let others: Vec<Candidate> = stored.chain(beside).collect();
        for proposal in duplicates::propose(one, &others) {
            let row = proposal_row(&proposal);
            proposals.insert((row.record, row.other), row);
        }
    }
    let traits: Vec<TraitRow> = window.into_iter().map(|(_, _, row)| row).collect();
    let placed: HashSet<RecordId> = traits.iter().map(|row| row.record).collect();
    let bare = compared.iter().filter(|record| !placed.contains(record)).copied().collect();
    Ok(Pairs { compared, bare, traits, proposals: proposals.into_values().collect() })
}

/// What is stored in a block.
async fn stored(
    transaction: &mut Transaction,
    district: DistrictKey,
    block: &Block,
    category: &str,
) -> Result<Vec<TraitRow>, StoreError> {
    let mut places = block.places.clone();
    places.resize(places.len().max(RANGES), NOWHERE);
    let found_ms = (block.from_ms, block.to_ms);
    let near = Near { places: &places, category, found_ms, limit: NEIGHBOURS };
    transaction.traits_near(district, &near).await
}

/// What is kept of a hazard to be compared.
fn trait_row(one: &Candidate) -> Option<TraitRow> {
    let spot = one.spot?;
    Some(TraitRow {
        record: one.record,
        category: one.category.clone()?,
        place: place(spot.lat_e7, spot.lon_e7),
        lat_e7: spot.lat_e7,
        lon_e7: spot.lon_e7,
        accuracy_dm: spot.accuracy_dm.map(|accuracy| i64::try_from(accuracy).unwrap_or(i64::MAX)),
        found_ms: one.found_ms,
        kind: one.kind.clone(),
        line: one.line.map(|(line, _)| line),
        chainage_mm: one.line.map(|(_, chainage_mm)| chainage_mm),
        device: one.device.map(|device| device.0),
        words: one.text.map(Vec::from),
        photos: one.photos.iter().flat_map(|photo| photo.0).collect(),
    })
}

fn from_row(row: TraitRow) -> Candidate {
    let (photos, _) = row.photos.as_chunks();
    Candidate {
        record: row.record,
        category: Some(row.category),
        kind: row.kind,
        found_ms: row.found_ms,
        spot: Some(Spot {
            lat_e7: row.lat_e7,
            lon_e7: row.lon_e7,
            accuracy_dm: row.accuracy_dm.and_then(|accuracy| u64::try_from(accuracy).ok()),
        }),
        line: row.line.zip(row.chainage_mm),
        device: row.device.map(DeviceId),
        photos: photos.iter().copied().map(PhotoHash).collect(),
        text: row.words.and_then(|words| words.try_into().ok()),
    }
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

/// What is compared of a hazard; none of what is no hazard or gone, or where nobody could tell where it stands.
fn candidate(context: &Context, seen: &Seen, device: Option<DeviceId>) -> Option<Candidate> {
    guarded(seen.row.record, || read(context, seen, device)).flatten()
}

fn read(context: &Context, seen: &Seen, device: Option<DeviceId>) -> Option<Candidate> {
    let Seen { row, view: Some(view), placement: Some(placement) } = seen else { return None };
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let position = hazards::position(context, view);
    let is_known = |at: &&sync_protocol::operation::Position| {
        duplicates::is_place_known(at.lat_e7, at.lon_e7, &context.default_positions)
    };
    let spot = position.as_ref().filter(is_known).map(|at| Spot {
        lat_e7: at.lat_e7,
        lon_e7: at.lon_e7,
        accuracy_dm: at.accuracy_dm,
    });
    let line = placement
        .on_line
        .as_ref()
        .filter(|at| at.certainty >= Certainty::Probable.number())
        .map(|at| (at.line, at.chainage_mm));
    let (kind, description) = (text(view, "type"), text(view, "description"));
    let says_more = !description.trim().is_empty() && description != kind;
    Some(Candidate {
        record: row.record,
        category: some(text(view, "category")),
        kind: some(kind),
        found_ms: found_ms(view, row.received_ms),
        spot,
        line,
        device,
        photos: view.photos.keys().copied().collect(),
        text: says_more.then(|| sha256(description.trim().as_bytes())),
    })
}
