//! What an operator and an administrator do with accounts: add, list, disable, let into districts and provinces, make
//! one-time links.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::ids::PersonId;

use super::accounts::{Link, add, add_link};
use super::admin::{known, named};
use super::audit::{Actor, Entry};
use super::{Engine, SyncError};
use crate::accounts;
use crate::domain::{AccountId, District};
use crate::store::{AccountRow, LinkFor, Membership, Transaction};

/// An account as the operator lists it.
#[derive(Clone, Debug, Serialize)]
pub struct UserListed {
    /// Its id.
    pub account: String,
    /// What its owner types.
    pub login: String,
    /// Its owner's name.
    pub name: String,
    /// The person it is in each district.
    pub districts: Vec<MemberListed>,
    /// The provinces whose districts it sees.
    pub provinces: Vec<String>,
    /// Whether it has a password.
    pub has_password: bool,
    /// When it was disabled.
    pub disabled_ms: Option<i64>,
    /// When it was made.
    pub created_ms: i64,
}

/// A person that an account is.
#[derive(Clone, Debug, Serialize)]
pub struct MemberListed {
    /// The district's code.
    pub district: String,
    /// The person.
    pub person: String,
    /// What they may do there.
    pub roles: Vec<&'static str>,
}

/// Every account, by login.
///
/// # Errors
/// The store's.
pub async fn list(engine: &Engine) -> Result<Vec<UserListed>, SyncError> {
    let districts = engine.stored_districts().await?;
    let mut transaction = engine.store.read().await?;
    let mut listed = Vec::new();
    for account in transaction.accounts().await? {
        let mut members = Vec::new();
        for member in transaction.memberships(account.id).await? {
            let Some(district) = districts.iter().find(|known| known.key == member.district) else {
                continue;
            };
            let person = transaction.person(member.district, member.person).await?;
            members.push(MemberListed {
                district: district.code.clone(),
                person: member.person.to_string(),
                roles: person.map(|person| person.roles.names()).unwrap_or_default(),
            });
        }
        listed.push(UserListed {
            account: account.id.to_string(),
            provinces: transaction.provinces_of(account.id).await?,
            has_password: account.password.is_some(),
            districts: members,
            login: account.login,
            name: account.name,
            disabled_ms: account.disabled_ms,
            created_ms: account.created_ms,
        });
    }
    Ok(listed)
}

/// The account of a login.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn find(engine: &Engine, login: &str) -> Result<AccountRow, SyncError> {
    let plain = accounts::login(login).unwrap_or_default();
    let account = engine.store.read().await?.account_of_login(&plain).await?;
    account.ok_or_else(|| SyncError::RefusedFor(Code::NotFound, format!("account {login}")))
}

/// Adds an account without a password, and the one-time link by which its owner chooses one.
///
/// # Errors
/// [`Code::LoginTaken`], [`Code::LoginInvalid`], [`Code::BadParameter`] of the name.
pub async fn create(engine: &Arc<Engine>, login: &str, name: &str) -> Result<(AccountId, Link), SyncError> {
    named("name", name)?;
    let login = accounts::login(login).ok_or(Code::LoginInvalid)?;
    let mut transaction = engine.store.begin().await?;
    let account = add(engine, &mut transaction, &login, name).await?;
    let link = add_link(engine, &mut transaction, LinkFor::Account(account.id)).await?;
    let detail = json!({ "login": login, "link_expires_ms": link.expires_ms });
    noted(engine, &mut transaction, "account.add", account.id, detail).await?;
    transaction.commit().await?;
    Ok((account.id, link))
}

/// A forgotten password: the account's sessions end, and there is a one-time link to a new one.
///
/// # Errors
/// The store's.
pub async fn reset(engine: &Engine, account: AccountId) -> Result<Link, SyncError> {
    let mut transaction = engine.store.begin().await?;
    transaction.end_sessions_of(account).await?;
    let link = add_link(engine, &mut transaction, LinkFor::Account(account)).await?;
    let detail = json!({ "link_expires_ms": link.expires_ms });
    noted(engine, &mut transaction, "account.reset", account, detail).await?;
    engine.commit_admission(transaction).await?;
    Ok(link)
}

/// Notes in the deployment's log what an operator did to an account.
async fn noted(
    engine: &Engine,
    transaction: &mut Transaction,
    action: &'static str,
    account: AccountId,
    detail: serde_json::Value,
) -> Result<(), SyncError> {
    let entry = Entry::by(Actor::Operator, action, account.to_string(), detail);
    engine.audit_deployment(transaction, entry).await
}

/// Disables an account at once, or lets it in again.
///
/// # Errors
/// The store's.
pub async fn set_disabled(engine: &Engine, account: AccountId, is_disabled: bool) -> Result<(), SyncError> {
    let disabled_ms = is_disabled.then(|| engine.clock.now_ms());
    let mut transaction = engine.store.begin().await?;
    transaction.set_account_disabled(account, disabled_ms).await?;
    transaction.end_sessions_of(account).await?;
    if is_disabled {
        for member in transaction.memberships(account).await? {
            transaction.delete_tokens_of(member.district, member.person).await?;
        }
    }
    let action = if is_disabled { "account.disable" } else { "account.enable" };
    noted(engine, &mut transaction, action, account, json!({ "disabled": is_disabled })).await?;
    engine.commit_admission(transaction).await
}

/// What an account is let into.
#[derive(Clone, Debug)]
pub enum Place {
    /// A district, as this person.
    District(District, PersonId),
    /// Every district of a province, to see.
    Province(String),
}

/// Lets an account into a district or province.
///
/// # Errors
/// [`Code::NotFound`] of the person; [`Code::BadParameter`] where another account is that person.
pub async fn grant(engine: &Arc<Engine>, account: AccountId, place: &Place) -> Result<(), SyncError> {
    let mut transaction = engine.store.begin().await?;
    match place {
        Place::District(district, person) => {
            transaction.take_counter(district.key, 0).await?;
            known(transaction.present_person(district.key, *person).await?, *person)?;
            let owner = transaction.account_of_person(district.key, *person).await?;
            if owner.is_some_and(|owner| owner != account) {
                let taken = format!("person {person} has another account");
                return Err(SyncError::RefusedFor(Code::BadParameter, taken));
            }
            // A link made for them before would open an account that is no longer of this district alone.
            transaction.end_links_of(district.key, *person).await?;
            let member = Membership { district: district.key, person: *person };
            transaction.set_membership(account, member).await?;
        }
        Place::Province(province) => {
            named("province", province)?;
            transaction.add_province_member(province, account).await?;
        }
    }
    let place = match place {
        Place::District(district, person) => json!({"district": district.code, "person": person.to_string()}),
        Place::Province(province) => json!({ "province": province }),
    };
    noted(engine, &mut transaction, "account.grant", account, place).await?;
    engine.commit_admission(transaction).await
}

/// Takes an account out of a district or province, at once.
///
/// # Errors
/// [`Code::NotFound`] where it was not in it.
pub async fn revoke(
    engine: &Arc<Engine>,
    account: AccountId,
    district: Option<&District>,
    province: Option<&str>,
) -> Result<(), SyncError> {
    let mut transaction = engine.store.begin().await?;
    let mut was_in = false;
    if let Some(district) = district {
        transaction.take_counter(district.key, 0).await?;
        was_in |= transaction.remove_membership(district.key, account).await?;
    }
    if let Some(province) = province {
        was_in |= transaction.remove_province_member(province, account).await?;
    }
    if !was_in {
        return Err(SyncError::RefusedFor(Code::NotFound, "membership".to_owned()));
    }
    let place = json!({"district": district.map(|district| &district.code), "province": province});
    noted(engine, &mut transaction, "account.revoke", account, place).await?;
    engine.commit_admission(transaction).await
}

/// Puts a district into a province; none: into no province.
///
/// # Errors
/// The store's.
pub async fn set_province(
    engine: &Arc<Engine>,
    district: &District,
    province: Option<&str>,
) -> Result<(), SyncError> {
    if let Some(province) = province {
        named("province", province)?;
    }
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    transaction.set_province(district.key, province).await?;
    let detail = json!({ "province": province });
    let entry = Entry::by(Actor::Operator, "district.province", district.code.as_str(), detail);
    engine.audit(&mut transaction, district, entry).await?;
    engine.commit_admission(transaction).await
}

/// A one-time link for a person of a district: to an account of their own, or to a new password.
///
/// An administrator of one district gets nobody's account of another: where the person's account is of other districts
/// or provinces too, only the operator makes the link.
///
/// # Errors
/// [`Code::NotFound`] of the person, [`Code::AccountElsewhere`].
pub async fn link_of_person(
    engine: &Arc<Engine>,
    district: &District,
    person: PersonId,
    by: Actor,
) -> Result<Link, SyncError> {
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    if by != Actor::Operator {
        require_here_alone(&mut transaction, district, person).await?;
    }
    known(transaction.present_person(district.key, person).await?, person)?;
    let member = Membership { district: district.key, person };
    let link = add_link(engine, &mut transaction, LinkFor::Person(member)).await?;
    let detail = json!({ "expires_ms": link.expires_ms });
    engine
        .audit(&mut transaction, district, Entry::by(by, "person.link", person.to_string(), detail))
        .await?;
    transaction.commit().await?;
    Ok(link)
}

/// An account of other districts or provinces too is the operator's alone to open.
async fn require_here_alone(
    transaction: &mut Transaction,
    district: &District,
    person: PersonId,
) -> Result<(), SyncError> {
    let Some(account) = transaction.account_of_person(district.key, person).await? else { return Ok(()) };
    let is_here_alone = transaction.memberships(account).await?.len() == 1
        && transaction.provinces_of(account).await?.is_empty();
    if is_here_alone { Ok(()) } else { Err(Code::AccountElsewhere.into()) }
}
