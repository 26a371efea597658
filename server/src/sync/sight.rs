//! What of a district a person sees: everything, or the hazards of their units alone.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::SyncError;
use crate::accounts::units;
use crate::domain::{DistrictKey, Person, Role, Roles};
use crate::store::Transaction;

/// What of a district a person sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Everything.
    District,
    /// The hazards of these units, and nothing else.
    Units(BTreeSet<Uuid>),
}

impl Sight {
    /// Whether what this unit answers for is seen.
    pub fn sees(&self, unit: Option<Uuid>) -> bool {
        match self {
            Self::District => true,
            Self::Units(units) => unit.is_some_and(|unit| units.contains(&unit)),
        }
    }

    /// What a person of a district sees of it.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn of(
        transaction: &mut Transaction,
        district: DistrictKey,
        person: &Person,
    ) -> Result<Self, SyncError> {
        if !sees_units_alone(person.roles) {
            return Ok(Self::District);
        }
        let Some(unit) = person.unit else { return Ok(Self::Units(BTreeSet::new())) };
        let units = transaction.units(district).await?;
        let parents = units.into_iter().map(|unit| (unit.id.0, unit.parent.map(|parent| parent.0))).collect();
        Ok(Self::Units(units::with_those_below(unit.0, &parents)))
    }
}

/// Roles that see the whole district.
const SEE_ALL: &[Role] =
    &[Role::Reviewer, Role::Clerk, Role::Reinspector, Role::Leader, Role::Planner, Role::Admin];

/// Whether people of these roles see the hazards of their unit alone.
pub fn sees_units_alone(roles: Roles) -> bool {
    roles.has(Role::Unit) && !roles.has_any(SEE_ALL)
}
