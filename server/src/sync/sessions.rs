//! Who asks: a browser's session or a token of the office becomes a person of a district, with what they may see and
//! what their token may be used for.
//!
//! Everything is read anew at each request: who is disabled, removed or has lost a role is kept out at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::ids::{PersonId, sha256};
use uuid::Uuid;

use super::audit::{Actor, Entry};
use super::people::token_id;
use super::{Engine, SyncError};
use crate::accounts::actions::Actions;
use crate::accounts::units;
use crate::domain::{AccountId, District, DistrictKey, Person, Role, Roles};
use crate::store::{AccountRow, Membership, SessionOf, SessionRow, StoreError, Transaction};

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// Milliseconds without a request after which it ends.
    pub idle_ms: i64,
    /// Milliseconds after which it ends in any case.
    pub most_ms: i64,
}

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
}

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of its id.
    pub hash: [u8; 32],
    /// What a form or script of ours must say beside the cookie, so that no other site can use it.
    pub csrf: String,
    /// When it ends at the latest.
    pub expires_ms: i64,
    /// Who it is; none: a token of the office.
    pub account: Option<AccountId>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The district that they look at.
    pub district: District,
    /// Who they are there.
    pub person: Person,
    /// What they see of it.
    pub sight: Sight,
    /// What their token may be used for.
    pub actions: Actions,
    /// The token that they came with, itself or by a session that was begun with it.
    pub token: Option<TokenHeld>,
    /// Their browser's session; none: a program with a token.
    pub session: Option<Session>,
}

/// A token that somebody came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHeld {
    /// Its hash.
    pub hash: Vec<u8>,
    /// When it ends.
    pub expires_ms: Option<i64>,
}

/// A session is noted as used once in so many milliseconds: reading writes nothing.
const NOTED_EVERY_MS: i64 = 60_000;

/// Roles that see the whole district.
const SEE_ALL: &[Role] =
    &[Role::Reviewer, Role::Clerk, Role::Reinspector, Role::Leader, Role::Planner, Role::Admin];

/// Whether people of these roles see the hazards of their unit alone.
pub fn sees_units_alone(roles: Roles) -> bool {
    roles.has(Role::Unit) && !roles.has_any(SEE_ALL)
}

fn csrf(engine: &Engine, id: &str) -> String {
    let mac = engine.keys.mac("csrf", id.as_bytes());
    hex::encode(mac.get(..16).unwrap_or(&mac))
}

/// Begins a session of an account; an older one of the same browser ends. Gives its id, which only the browser keeps.
///
/// # Errors
/// The store's.
pub async fn begin(
    engine: &Engine,
    lasting: Lasting,
    account: AccountId,
    before: Option<&str>,
) -> Result<String, SyncError> {
    let id = URL_SAFE_NO_PAD.encode(engine.keys.random::<32>()?);
    let now_ms = engine.clock.now_ms();
    let mut transaction = engine.store.begin().await?;
    replace(&mut transaction, lasting, before, now_ms).await?;
    let of = SessionOf::Account(account);
    transaction.add_session(&sha256(id.as_bytes()), &of, None, now_ms).await?;
    transaction.commit().await?;
    Ok(id)
}

/// A browser that an account is signed in on, as its owner is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionListed {
    /// The beginning of its hash, by which it is ended.
    pub id: String,
    /// When it began.
    pub created_ms: i64,
    /// When it was last used, to the minute.
    pub used_ms: i64,
    /// Whether it is the one that asks.
    pub is_this: bool,
}

/// Bytes of a session's hash that name it.
const SESSION_ID_BYTES: usize = 8;

fn session_id(hash: &[u8]) -> String {
    hex::encode(hash.get(..SESSION_ID_BYTES).unwrap_or(hash))
}

/// Every browser that an account is signed in on, the last used first. `this`: the session that asks.
///
/// # Errors
/// The store's.
pub async fn of_account(
    engine: &Engine,
    lasting: Lasting,
    account: AccountId,
    this: &Session,
) -> Result<Vec<SessionListed>, SyncError> {
    let now_ms = engine.clock.now_ms();
    let (used_ms, created_ms) = (now_ms - lasting.idle_ms, now_ms - lasting.most_ms);
    let rows = engine.store.read().await?.sessions_of(account, used_ms, created_ms).await?;
    let listed = rows.into_iter().map(|(hash, created_ms, used_ms)| SessionListed {
        id: session_id(&hash),
        is_this: hash == this.hash,
        created_ms,
        used_ms,
    });
    Ok(listed.collect())
}

/// Ends another browser's session of an account, by its id.
///
/// # Errors
/// [`Code::NotFound`] where the account has no such session.
pub async fn end_other(engine: &Engine, account: AccountId, id: &str) -> Result<(), SyncError> {
    let mut transaction = engine.store.begin().await?;
    let rows = transaction.sessions_of(account, i64::MIN, i64::MIN).await?;
    let found = rows.into_iter().find(|(hash, ..)| session_id(hash) == id);
    let (hash, ..) = found.ok_or_else(|| SyncError::RefusedFor(Code::NotFound, format!("session {id}")))?;
    transaction.end_session(&hash).await?;
    let entry = Entry::by(Actor::Account(account.0), "logout.other", account.to_string(), json!({}));
    engine.audit_deployment(&mut transaction, entry).await?;
    engine.commit_admission(transaction).await
}

/// Begins a session with a token of the office: it ends with the token.
///
/// # Errors
/// The store's.
pub async fn begin_with_token(
    engine: &Engine,
    lasting: Lasting,
    (visitor, hash): (&Visitor, &[u8]),
    before: Option<&str>,
) -> Result<String, SyncError> {
    let id = URL_SAFE_NO_PAD.encode(engine.keys.random::<32>()?);
    let (key, now_ms) = (visitor.district.key, engine.clock.now_ms());
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(key, 0).await?;
    replace(&mut transaction, lasting, before, now_ms).await?;
    let of = SessionOf::Token(hash.to_vec());
    transaction.add_session(&sha256(id.as_bytes()), &of, Some(key), now_ms).await?;
    let detail = json!({ "token": token_id(hash) });
    let entry =
        Entry::by(Actor::Person(visitor.person.id), "login.token", visitor.person.id.to_string(), detail);
    engine.audit(&mut transaction, &visitor.district, entry).await?;
    transaction.commit().await?;
    Ok(id)
}

/// The session that a browser had ends, and so do those that are over.
async fn replace(
    transaction: &mut Transaction,
    lasting: Lasting,
    before: Option<&str>,
    now_ms: i64,
) -> Result<(), SyncError> {
    if let Some(before) = before {
        transaction.end_session(&sha256(before.as_bytes())).await?;
    }
    transaction.forget_sessions(now_ms - lasting.idle_ms, now_ms - lasting.most_ms).await?;
    Ok(())
}

/// Ends a session; says whether there was one.
///
/// # Errors
/// The store's.
pub async fn end(engine: &Engine, id: &str) -> Result<bool, SyncError> {
    let hash = sha256(id.as_bytes());
    let mut transaction = engine.store.begin().await?;
    let Some(row) = transaction.session(&hash).await? else { return Ok(false) };
    match (&row.of, row.district) {
        (SessionOf::Account(account), _) => {
            transaction.end_session(&hash).await?;
            let entry = Entry::by(Actor::Account(account.0), "logout", account.to_string(), json!({}));
            engine.audit_deployment(&mut transaction, entry).await?;
        }
        (SessionOf::Token(token), Some(key)) => {
            transaction.take_counter(key, 0).await?;
            transaction.end_session(&hash).await?;
            if let Some(holder) = transaction.token_holder(key, token).await? {
                let (id, detail) = (holder.person.id, json!({ "token": token_id(token) }));
                let entry = Entry::by(Actor::Person(id), "logout", id.to_string(), detail);
                engine.audit(&mut transaction, &district(engine, key).await?, entry).await?;
            }
        }
        (SessionOf::Token(_), None) => {
            transaction.end_session(&hash).await?;
        }
    }
    engine.commit_admission(transaction).await?;
    Ok(true)
}

/// Who a token of the office is.
///
/// # Errors
/// [`Code::Unauthenticated`].
pub async fn by_token(
    engine: &Arc<Engine>,
    district: District,
    token_hash: &[u8],
) -> Result<Visitor, SyncError> {
    let now_ms = engine.clock.now_ms();
    let key = district.key;
    let (visitor, used_ms) = of_token(engine, district, token_hash).await?;
    if used_ms.is_none_or(|used_ms| now_ms - used_ms > NOTED_EVERY_MS) {
        note(engine, Used::Token(key, token_hash.to_vec()), now_ms);
    }
    Ok(visitor)
}

/// Who a token is, and when it was last noted as used.
async fn of_token(
    engine: &Engine,
    district: District,
    token_hash: &[u8],
) -> Result<(Visitor, Option<i64>), SyncError> {
    let now_ms = engine.clock.now_ms();
    // Each of what is read stands by itself, and every request waits for it: a transaction would take two turns more.
    let mut transaction = engine.store.glance().await?;
    let holder = transaction.token_holder(district.key, token_hash).await?;
    let holder = holder
        .filter(|holder| holder.expires_ms.is_none_or(|at_ms| at_ms > now_ms))
        .ok_or(Code::Unauthenticated)?;
    let sight = sight(&mut transaction, district.key, &holder.person).await?;
    drop(transaction);
    let actions = Actions::named(holder.scopes.split_whitespace()).ok_or(Code::Unauthenticated)?;
    let token = Some(TokenHeld { hash: token_hash.to_vec(), expires_ms: holder.expires_ms });
    Ok((Visitor { district, person: holder.person, sight, actions, token, session: None }, holder.used_ms))
}

/// Who somebody who is in already is by now. It counts as no use: what stays open by itself keeps no session alive.
///
/// # Errors
/// As [`by_token`] and [`by_session`].
pub async fn again(
    engine: &Engine,
    lasting: Lasting,
    visitor: (&District, Option<&TokenHeld>, Option<&Session>),
) -> Result<Visitor, SyncError> {
    match visitor {
        (_, _, Some(session)) => Ok(of_session(engine, lasting, &session.hash).await?.0),
        (district, Some(token), None) => Ok(of_token(engine, district.clone(), &token.hash).await?.0),
        (_, None, None) => Err(Code::Unauthenticated.into()),
    }
}

/// Who a browser's session is.
///
/// # Errors
/// [`Code::Unauthenticated`]; [`Code::Forbidden`] where the account is a person of no district.
pub async fn by_session(engine: &Arc<Engine>, lasting: Lasting, id: &str) -> Result<Visitor, SyncError> {
    let hash = sha256(id.as_bytes());
    let now_ms = engine.clock.now_ms();
    let (mut visitor, row) = of_session(engine, lasting, &hash).await?;
    if now_ms - row.used_ms > NOTED_EVERY_MS {
        note(engine, Used::Session(hash), now_ms);
    }
    let account = if let SessionOf::Account(account) = row.of { Some(account) } else { None };
    let expires_ms = row.created_ms + lasting.most_ms;
    visitor.session = Some(Session { hash, csrf: csrf(engine, id), expires_ms, account });
    Ok(visitor)
}

/// Who a session is, by the hash of its id.
async fn of_session(
    engine: &Engine,
    lasting: Lasting,
    hash: &[u8; 32],
) -> Result<(Visitor, SessionRow), SyncError> {
    let now_ms = engine.clock.now_ms();
    let mut transaction = engine.store.read().await?;
    let is_on = |row: &SessionRow| {
        now_ms - row.used_ms <= lasting.idle_ms && now_ms - row.created_ms <= lasting.most_ms
    };
    let row = transaction.session(hash).await?.filter(is_on).ok_or(Code::Unauthenticated)?;
    let visitor = match &row.of {
        SessionOf::Token(token) => {
            drop(transaction);
            let key = row.district.ok_or(Code::Unauthenticated)?;
            of_token(engine, district(engine, key).await?, token).await?.0
        }
        SessionOf::Account(account) => {
            let (key, person) = standing(&mut transaction, *account, row.district).await?;
            let sight = sight(&mut transaction, key, &person).await?;
            drop(transaction);
            let district = district(engine, key).await?;
            Visitor { district, person, sight, actions: Actions::EVERY, token: None, session: None }
        }
    };
    Ok((visitor, row))
}

/// Who an account is in the district it chose, else in the first of its districts.
async fn standing(
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

async fn sight(
    transaction: &mut Transaction,
    district: DistrictKey,
    person: &Person,
) -> Result<Sight, SyncError> {
    if !sees_units_alone(person.roles) {
        return Ok(Sight::District);
    }
    let Some(unit) = person.unit else { return Ok(Sight::Units(BTreeSet::new())) };
    let units = transaction.units(district).await?;
    let parents = units.into_iter().map(|unit| (unit.id.0, unit.parent.map(|parent| parent.0))).collect();
    Ok(Sight::Units(units::with_those_below(unit.0, &parents)))
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
        sight(&mut transaction, self.district.key, &self.person).await
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

enum Used {
    Session([u8; 32]),
    Token(DistrictKey, Vec<u8>),
}

/// Notes a use, beside the request: a full disk keeps nobody from reading, and a busy writer nobody waiting.
fn note(engine: &Arc<Engine>, used: Used, now_ms: i64) {
    let engine = Arc::clone(engine);
    tokio::spawn(async move {
        if let Err(error) = write_use(&engine, used, now_ms).await {
            tracing::warn!(error = %error, "that somebody was here could not be noted: {error}");
        }
    });
}

async fn write_use(engine: &Engine, used: Used, now_ms: i64) -> Result<(), StoreError> {
    let mut transaction = engine.store.begin().await?;
    match used {
        Used::Session(hash) => transaction.touch_session(&hash, now_ms).await?,
        Used::Token(district, hash) => {
            transaction.take_counter(district, 0).await?;
            transaction.touch_token(district, &hash, now_ms).await?;
        }
    }
    transaction.commit().await
}
