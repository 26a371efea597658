//! Everything that a step derives of a window of records, and its writing. All but the writing is pure.

use std::collections::BTreeMap;

use sync_protocol::ids::RecordId;
use sync_protocol::kind::RecordType;
use sync_protocol::view::View;

use super::facts::{amounts, fact, fact_in, fact_type, is_supervised, is_withdrawn, opener, subtype, text};
use super::pairs::Pairs;
use super::stretches::Walk;
use super::{Context, Seen, cases, guarded, map, states, stretches};
use crate::domain::DistrictKey;
use crate::layers::Layer;
use crate::store::{
    CaseRow, FactRow, FactType, MapHazardRow, MapStateRow, PastOperation, PlacementRow, RecordRow,
    StoreError, StretchRow, Transaction,
};
use crate::tiles::counts::Deltas;

/// Everything derived of a window of records.
#[derive(Debug, Default)]
pub(super) struct Derived {
    placements: Vec<PlacementRow>,
    cases: Vec<CaseRow>,
    map: Vec<MapHazardRow>,
    map_states: Vec<MapStateRow>,
    facts: Vec<FactRow>,
    stretches: Vec<StretchRow>,
    /// Records whose stretches are made anew. Whatever they seemed to be before, they are no hazards.
    walked: Vec<RecordId>,
    /// Hazards: they have no stretches.
    no_walks: Vec<RecordId>,
    pairs: Pairs,
    gone: Vec<RecordId>,
}

impl Derived {
    /// Derives a window.
    pub(super) fn of(
        context: &Context,
        rows: Vec<Seen>,
        mut walks: BTreeMap<RecordId, Walk>,
        mut behind: BTreeMap<RecordId, Vec<PastOperation>>,
        pairs: Pairs,
    ) -> Self {
        let mut derived = Self { pairs, ..Self::default() };
        for Seen { row, view, placement } in rows {
            if row.is_gone() {
                derived.gone.push(row.record);
                continue;
            }
            let Some(view) = view else { continue };
            let walk = walks.remove(&row.record);
            let is_walked = view.record_type != Some(RecordType::Patrol) || walk.is_some();
            let behind = behind.remove(&row.record).unwrap_or_default();
            let whole = || {
                let walk = walk.unwrap_or_default();
                Self::of_record(context, (&row, &view, placement), walk, &behind)
            };
            // What cannot be placed still counts.
            let unplaced = || Self::unplaced(context, &row, &view, &behind);
            let one = if is_walked { guarded(row.record, whole).flatten() } else { None };
            derived.append(one.or_else(|| guarded(row.record, unplaced)).unwrap_or_default());
        }
        derived
    }

    /// Derives one record; of a patrol, with what it walked. None of a hazard of which nobody could tell where it stands.
    fn of_record(
        context: &Context,
        (row, view, placement): (&RecordRow, &View, Option<PlacementRow>),
        walk: Walk,
        behind: &[PastOperation],
    ) -> Option<Self> {
        let mut derived = Self::default();
        let Some(fact_type) = fact_type(view.record_type) else {
            // What was said of it before it was known to be one made it look like a hazard.
            derived.gone.push(row.record);
            return Some(derived);
        };
        let walk = match fact_type {
            FactType::Hazard => {
                derived.hazard(context, row, view, placement?, behind);
                return Some(derived);
            }
            // The office has no act on these: what its author took back counts nowhere.
            _ if is_withdrawn(view) => {
                derived.gone.push(row.record);
                return Some(derived);
            }
            FactType::Patrol => walk,
            FactType::Work => stretches::work(context, row, view),
            FactType::Inspection | FactType::Activity => Walk::default(),
        };
        derived.walk(context, row, view, fact_type, walk);
        Some(derived)
    }

    /// Where on the grid it is cannot be told.
    fn unplaced(context: &Context, row: &RecordRow, view: &View, behind: &[PastOperation]) -> Self {
        let mut derived = Self::default();
        let Some(fact_type) = fact_type(view.record_type) else { return derived };
        let amounts = if fact_type == FactType::Hazard { "{}".to_owned() } else { amounts(view, false) };
        derived.facts.push(FactRow {
            subtype: subtype(view, fact_type),
            is_supervised: is_supervised(view, fact_type),
            amounts,
            ..fact_in(context, row, view, fact_type, text(view, "township"))
        });
        if fact_type == FactType::Hazard {
            let township = text(view, "township");
            let beside = map::Beside { township: &township, ..map::Beside::default() };
            derived.show(row, view, map::row(context, row, view, beside, behind), behind);
        }
        derived
    }

    fn append(&mut self, one: Self) {
        self.placements.extend(one.placements);
        self.cases.extend(one.cases);
        self.map.extend(one.map);
        self.map_states.extend(one.map_states);
        self.facts.extend(one.facts);
        self.stretches.extend(one.stretches);
        self.walked.extend(one.walked);
        self.no_walks.extend(one.no_walks);
        self.gone.extend(one.gone);
    }

    fn hazard(
        &mut self,
        context: &Context,
        row: &RecordRow,
        view: &View,
        placement: PlacementRow,
        behind: &[PastOperation],
    ) {
        let fact = FactRow {
            line: placement.on_line.as_ref().map(|at| at.line),
            subtype: subtype(view, FactType::Hazard),
            is_supervised: is_supervised(view, FactType::Hazard),
            amounts: "{}".to_owned(),
            ..fact(context, row, view, FactType::Hazard)
        };
        let past = cases::past(context.own, behind.to_vec());
        let (case, _) = cases::case_of(context, row, view, &past, context.as_of_ms);
        let case = cases::row_of(row, view, &case);
        // Of a report alone its view says what the map shows.
        let behind = if map::has_several(view) { behind } else { &[] };
        let beside = map::Beside { township: &fact.township, placement: Some(&placement), case: Some(&case) };
        self.show(row, view, map::row(context, row, view, beside, behind), behind);
        self.facts.push(fact);
        self.placements.push(placement);
        self.cases.push(case);
        self.no_walks.push(row.record);
    }

    /// What the map shows of a hazard.
    fn show(&mut self, row: &RecordRow, view: &View, shown: MapHazardRow, behind: &[PastOperation]) {
        self.map_states.extend(states::states(row, view, &shown, behind));
        self.map.push(shown);
    }

    fn walk(&mut self, context: &Context, row: &RecordRow, view: &View, fact_type: FactType, walk: Walk) {
        self.walked.push(row.record);
        let person = walk.person.or_else(|| opener(view));
        self.stretches.extend(walk.rows.into_iter().map(|stretch| StretchRow { person, ..stretch }));
        self.facts.push(FactRow {
            line: walk.line,
            subtype: subtype(view, fact_type),
            person,
            amounts: amounts(view, walk.is_located),
            ..fact(context, row, view, fact_type)
        });
    }

    /// Writes everything.
    pub(super) async fn write(
        &self,
        transaction: &mut Transaction,
        district: DistrictKey,
    ) -> Result<(), StoreError> {
        transaction.delete_derived(district, &self.gone).await?;
        self.write_map(transaction, district).await?;
        transaction.upsert_placements(district, &self.placements).await?;
        transaction.upsert_cases(district, &self.cases).await?;
        transaction.upsert_facts(district, &self.facts).await?;
        transaction.delete_cases(district, &self.walked).await?;
        transaction.delete_placements(district, &self.walked).await?;
        transaction.delete_stretches(district, &self.walked).await?;
        transaction.delete_stretches(district, &self.no_walks).await?;
        transaction.insert_stretches(district, &self.stretches).await?;
        let Pairs { compared, bare, traits, proposals } = &self.pairs;
        transaction.delete_traits(district, bare).await?;
        transaction.upsert_traits(district, traits).await?;
        transaction.delete_proposals(district, compared).await?;
        transaction.upsert_proposals(district, proposals).await
    }

    /// Writes what the map shows, and counts it.
    async fn write_map(
        &self,
        transaction: &mut Transaction,
        district: DistrictKey,
    ) -> Result<(), StoreError> {
        let no_hazards: Vec<RecordId> = self.gone.iter().chain(&self.walked).copied().collect();
        let mut changed = transaction.remove_map_hazards(district, &no_hazards).await?;
        changed.extend(transaction.replace_map_hazards(district, &self.map).await?);
        if !changed.is_empty() {
            transaction.keep_tile_counts(district, &Deltas::from(changed.as_slice())).await?;
        }
        let one = |is_there: bool| i64::from(is_there);
        let by = changed.iter().map(|it| one(it.new.is_some()) - one(it.old.is_some())).sum();
        transaction.add_to_map_total(district, Layer::Hazards, by).await?;
        let records: Vec<RecordId> =
            no_hazards.into_iter().chain(self.map.iter().map(|row| row.record)).collect();
        transaction.replace_map_states(district, &records, &self.map_states).await
    }
}
