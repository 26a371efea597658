//! The districts that an account may look at, who it is in each, and which of them a session looks at.

use sync_protocol::codes::Code;
use sync_protocol::ids::PersonId;

use super::sessions::Session;
use super::sight::Sight;
use super::{Engine, SyncError};
use crate::domain::{AccountId, District, DistrictKey, Person, Role, Roles};
use crate::store::{AccountRow, Membership, Transaction};

/// A district that an account may look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The district.
    pub district: District,
    /// Who the account is there.
    pub person: Person,
}

impl Choice {
    /// What the account sees of it.
    ///
    /// # Errors
    /// The store's.
    pub async fn sight(&self, engine: &Engine) -> Result<Sight, SyncError> {
        let mut transaction = engine.store.read().await?;
        Sight::of(&mut transaction, self.district.key, &self.person).await
    }
}

/// Every district that an account may look at, by code.
///
/// # Errors
/// The store's.
pub async fn choices(engine: &Engine, account: AccountId) -> Result<Vec<Choice>, SyncError> {
    let mut transaction = engine.store.read().await?;
    let Some(row) = transaction.account(account).await? else { return Ok(Vec::new()) };
    let mut found: Vec<(DistrictKey, Person)> = Vec::new();
    for Membership { district, person } in transaction.memberships(account).await? {
        if let Some(person) = transaction.present_person(district, person).await? {
            found.push((district, person));
        }
    }
    for key in transaction.overseen(account).await? {
        if !found.iter().any(|(known, _)| *known == key) {
            found.push((key, overseer(&row)));
        }
    }
    drop(transaction);
    let mut choices = Vec::with_capacity(found.len());
    for (key, person) in found {
        choices.push(Choice { district: district(engine, key).await?, person });
    }
    choices.sort_by(|left, right| left.district.code.cmp(&right.district.code));
    Ok(choices)
}

/// Lets a session look at another of its account's districts.
///
/// # Errors
/// [`Code::NotFound`] where it may not, or there is none.
pub async fn choose(engine: &Engine, session: &Session, code_or_id: &str) -> Result<District, SyncError> {
    let unknown = || SyncError::RefusedFor(Code::NotFound, format!("district {code_or_id}"));
    let choices = match session.account {
        Some(account) => choices(engine, account).await?,
        None => Vec::new(),
    };
    let mut districts = choices.into_iter().map(|choice| choice.district);
    let is_meant = |district: &District| district.code == code_or_id || district.id.to_string() == code_or_id;
    let district = districts.find(is_meant).ok_or_else(unknown)?;
    let mut transaction = engine.store.begin().await?;
    transaction.choose_district(&session.hash, district.key).await?;
    transaction.commit().await?;
    Ok(district)
}

/// Who an account is in the district it chose, else in the first of its districts.
pub(super) async fn standing(
    transaction: &mut Transaction,
    account: AccountId,
    chosen: Option<DistrictKey>,
) -> Result<(DistrictKey, Person), SyncError> {
    let row = transaction.account(account).await?;
    let row = row.filter(|row| row.disabled_ms.is_none()).ok_or(Code::Unauthenticated)?;
    let mut members = transaction.memberships(account).await?;
    members.sort_by_key(|member| Some(member.district) != chosen);
    let is_chosen = |key: DistrictKey| chosen.is_none_or(|chosen| chosen == key);
    let mut first: Option<(DistrictKey, Person)> = None;
    for Membership { district, person } in members {
        let Some(person) = transaction.present_person(district, person).await? else { continue };
        if is_chosen(district) {
            return Ok((district, person));
        }
        first = first.or(Some((district, person)));
    }
    // A province reads and exports what is in its districts.
    let seen = transaction.overseen(account).await?;
    let seen = seen.iter().find(|key| is_chosen(**key)).or(seen.first().filter(|_| first.is_none()));
    seen.map(|key| (*key, overseer(&row))).or(first).ok_or(SyncError::Refused(Code::Forbidden))
}

/// Who an account is in the districts of its province.
fn overseer(account: &AccountRow) -> Person {
    let (id, roles) = (PersonId(account.id.0), Roles::from(Role::Planner));
    Person { id, name: account.name.clone(), roles, unit: None }
}

/// A district that is surely stored.
pub(super) async fn district(engine: &Engine, key: DistrictKey) -> Result<District, SyncError> {
    let is_it = |district: &District| district.key == key;
    if let Some(known) = engine.districts().await.into_iter().find(is_it) {
        return Ok(known);
    }
    let stored = engine.stored_districts().await?;
    stored.into_iter().find(is_it).ok_or(SyncError::Refused(Code::Unauthenticated))
}
