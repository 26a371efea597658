//! Totals of a district, from the tallies that every write keeps: only releases are counted here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sync_protocol::view::{Disposition, State};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{Class, Collection, District, Role, disposition_number};
use crate::reconcile;
use crate::sync::sight::Sight;
use crate::sync::{Engine, SyncError};

/// Totals of a district.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Hazards.
    pub hazards: i64,
    /// Open ones, worst class first.
    pub open: Vec<(Class, i64)>,
    /// Hazards by state, those that have any.
    pub states: Vec<(State, i64)>,
    /// Records whose report has not come.
    pub provisional: i64,
    /// Hazards of which operations are named that the ledger does not hold.
    pub missing: i64,
    /// Open conflicts.
    pub conflicts: i64,
    /// Open hazards by the role whose turn it is, and how many of them are overdue.
    pub turns: Vec<(Role, i64, i64)>,
    /// Operations received.
    pub received: i64,
    /// Operations by disposition, all of them.
    pub dispositions: Vec<(Disposition, i64)>,
}

impl Totals {
    /// Open hazards of every class.
    pub fn open_in_all(&self) -> i64 {
        self.open.iter().map(|(_, amount)| amount).sum()
    }

    /// Hazards in a state.
    pub fn state(&self, state: State) -> i64 {
        self.states.iter().find(|(known, _)| *known == state).map_or(0, |(_, amount)| *amount)
    }

    /// Operations of a disposition.
    pub fn disposition(&self, disposition: Disposition) -> i64 {
        self.dispositions.iter().find(|(known, _)| *known == disposition).map_or(0, |(_, amount)| *amount)
    }
}

/// The totals of what is seen of a district.
///
/// # Errors
/// The store's.
pub async fn totals(engine: &Engine, district: &District, sight: &Sight) -> Result<Totals, SyncError> {
    match sight {
        Sight::District => of_district(engine, district).await,
        Sight::Units(units) => of_units(engine, district, units).await,
    }
}

/// Of the hazards of units, counted: nothing is told of operations and of anybody else's.
async fn of_units(engine: &Engine, district: &District, units: &BTreeSet<Uuid>) -> Result<Totals, SyncError> {
    let units: Vec<Uuid> = units.iter().copied().collect();
    let mut transaction = engine.store.read().await?;
    let mut tallies: BTreeMap<String, i64> = BTreeMap::new();
    for count in transaction.unit_counts(district.key, &units).await? {
        reconcile::tallies(Collection::Records.number(), count.flags, count.state, count.class, |name| {
            *tallies.entry(name.to_owned()).or_default() += count.records;
        });
    }
    let conflicts = transaction.unit_conflicts(district.key, &units).await?;
    let turns = transaction.unit_case_totals(district.key, &units, engine.clock.now_ms()).await?;
    let amount = |name: &str| tallies.get(name).copied().unwrap_or(0);
    Ok(Totals {
        conflicts,
        turns: by_turn(turns),
        dispositions: Disposition::ALL.iter().map(|known| (*known, 0)).collect(),
        ..hazards(amount)
    })
}

/// Counts by the number of a role, by role; what is nobody's turn is left out.
fn by_turn(counts: Vec<(i64, i64, i64)>) -> Vec<(Role, i64, i64)> {
    let of_role = |(role, open, overdue): (i64, i64, i64)| Some((Role::from_number(role)?, open, overdue));
    counts.into_iter().filter_map(of_role).collect()
}

/// What tallies say of hazards.
fn hazards(amount: impl Fn(&str) -> i64) -> Totals {
    Totals {
        hazards: amount("hazards"),
        open: Class::ALL.iter().map(|class| (*class, amount(&format!("open:{}", class.as_str())))).collect(),
        states: State::ALL
            .iter()
            .map(|state| (*state, amount(&format!("state:{}", state.as_str()))))
            .filter(|(_, amount)| *amount != 0)
            .collect(),
        provisional: amount("provisional"),
        missing: amount("missing"),
        ..Totals::default()
    }
}

async fn of_district(engine: &Engine, district: &District) -> Result<Totals, SyncError> {
    let mut transaction = engine.store.read().await?;
    let tallies = transaction.tallies(district.key).await?;
    // What was released has the disposition of its release, whatever becomes of that.
    let released = transaction.released_counts(district.key).await?;
    let turns = transaction.case_totals(district.key, engine.clock.now_ms()).await?;
    let released = |disposition: Disposition| {
        let number = disposition_number(disposition);
        released.iter().find(|(known, _)| *known == number).map_or(0, |(_, count)| *count)
    };
    let amount =
        |name: &str| tallies.iter().find(|(known, _)| known == name).map_or(0, |(_, amount)| *amount);
    Ok(Totals {
        conflicts: amount("conflicts"),
        turns: by_turn(turns),
        received: amount("received"),
        dispositions: Disposition::ALL
            .iter()
            .map(|known| (*known, amount(&format!("disposition:{}", known.as_str())) + released(*known)))
            .collect(),
        ..hazards(amount)
    })
}

/// When devices proved that the ledger was restored from a backup, the last first.
///
/// # Errors
/// The store's.
pub async fn restored_ms(engine: &Engine, district: &District) -> Result<Vec<i64>, SyncError> {
    let restores = engine.store.read().await?.restores(district.key).await?;
    Ok(restores.into_iter().rev().map(|restore| restore.proved_ms).collect())
}

/// Totals as JSON.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotalsTold {
    /// Operations received: the sum of the dispositions.
    pub received: i64,
    /// Operations by disposition, every one of them.
    pub dispositions: BTreeMap<&'static str, i64>,
    /// Hazards.
    pub hazards: i64,
    /// Open ones by class.
    pub open: BTreeMap<&'static str, i64>,
    /// Hazards by state, those that have any.
    pub states: BTreeMap<&'static str, i64>,
    /// Records whose report has not come.
    pub provisional: i64,
    /// Hazards of which operations are named that the ledger does not hold.
    pub missing: i64,
    /// Open conflicts.
    pub conflicts: i64,
    /// Open hazards by the role whose turn it is.
    pub turns: BTreeMap<&'static str, i64>,
    /// Open hazards that are overdue, by the role whose turn it is.
    pub overdue: BTreeMap<&'static str, i64>,
}

impl From<Totals> for TotalsTold {
    fn from(totals: Totals) -> Self {
        Self {
            received: totals.received,
            dispositions: totals.dispositions.iter().map(|(name, amount)| (name.as_str(), *amount)).collect(),
            hazards: totals.hazards,
            open: totals.open.iter().map(|(class, amount)| (class.as_str(), *amount)).collect(),
            states: totals.states.iter().map(|(state, amount)| (state.as_str(), *amount)).collect(),
            provisional: totals.provisional,
            missing: totals.missing,
            conflicts: totals.conflicts,
            turns: totals.turns.iter().map(|(role, open, _)| (role.as_str(), *open)).collect(),
            overdue: totals.turns.iter().map(|(role, _, overdue)| (role.as_str(), *overdue)).collect(),
        }
    }
}
