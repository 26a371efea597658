//! People who leave, and tokens that end. Adding them is in [`super::admin`].
//!
//! Nothing that a person recorded goes: their operations stay, their name stays on them. What ends is trust: their
//! tokens and enrolment codes are deleted, and phones are bound to them no more. An operation of theirs that a phone
//! hands in later is not lost: it waits in quarantine (`author-not-bound`) until the office releases it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::ids::PersonId;
use utoipa::ToSchema;

use super::admin::{Standing, known, person_row};
use super::audit::{Actor, Entry};
use super::{Engine, SyncError};
use crate::domain::District;
use crate::geometry::GeoBox;
use crate::reconcile::unbound_notice;
use crate::store::TokenRow;

/// A person as the office lists them.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonListed {
    /// Their id.
    pub person: String,
    /// Their name.
    pub name: String,
    /// Their roles.
    pub roles: Vec<&'static str>,
    /// The unit that they belong to.
    pub unit: Option<String>,
    /// When they were removed.
    pub removed_ms: Option<i64>,
}

/// Every person of a district, removed ones too.
///
/// # Errors
/// The store's.
pub async fn list(engine: &Engine, district: &District) -> Result<Vec<PersonListed>, SyncError> {
    let persons = engine.store.read().await?.persons(district.key).await?;
    let listed = persons.into_iter().map(|(person, removed_ms)| PersonListed {
        person: person.id.to_string(),
        name: person.name,
        roles: person.roles.names(),
        unit: person.unit.map(|unit| unit.to_string()),
        removed_ms,
    });
    Ok(listed.collect())
}

/// A person of a district, removed or not.
///
/// # Errors
/// `not-found`.
pub async fn one(engine: &Engine, district: &District, id: PersonId) -> Result<PersonListed, SyncError> {
    let found = list(engine, district).await?.into_iter().find(|listed| listed.person == id.to_string());
    found.ok_or_else(|| SyncError::RefusedFor(Code::NotFound, format!("person {id}")))
}

/// The boxes that a person's phones are sent, as they were last set; none: the whole district.
///
/// # Errors
/// The store's.
pub async fn area(engine: &Engine, district: &District, id: PersonId) -> Result<Vec<GeoBox>, SyncError> {
    let areas = engine.store.read().await?.areas(district.key, &[id]).await?.remove(&id);
    Ok(areas.unwrap_or_default().pop().map(|area| area.boxes).unwrap_or_default())
}

/// Removes a person. Their phones are told at their next sync.
///
/// # Errors
/// `not-found` where there is no such person, or they were removed already.
pub async fn remove(
    engine: &Arc<Engine>,
    district: &District,
    id: PersonId,
    by: Actor,
) -> Result<(), SyncError> {
    let now_ms = engine.clock.now_ms();
    let mut transaction = engine.store.begin().await?;
    let counter = transaction.take_counter(district.key, 1).await?;
    let person = known(transaction.present_person(district.key, id).await?, id)?;
    transaction.remove_person(district.key, id, now_ms).await?;
    transaction.end_links_of(district.key, id).await?;
    let row = person_row(&person, Standing::Removed, counter.last, now_ms);
    transaction.upsert_records(district.key, &[row]).await?;
    let notice = unbound_notice(id, now_ms);
    transaction.add_notice(district.key, id, notice.id, now_ms, &notice.body).await?;
    let entry = Entry::by(by, "person.remove", id.to_string(), json!({}));
    engine.audit(&mut transaction, district, entry).await?;
    engine.commit_admission(transaction).await?;
    tracing::info!(person.id = %id, "person {id} was removed from district {}", district.code);
    Ok(())
}

/// A token as the office lists it: never the token itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenListed {
    /// The beginning of its hash, by which it is revoked.
    pub id: String,
    /// For whom.
    pub person: String,
    /// Their name.
    pub name: String,
    /// Their roles.
    pub roles: Vec<&'static str>,
    /// When it was made.
    pub created_ms: i64,
    /// What it is called.
    pub label: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_ms: Option<i64>,
    /// When it was last used, to the minute.
    pub used_ms: Option<i64>,
}

/// Bytes of a token's hash that name it.
const TOKEN_ID_BYTES: usize = 8;

/// The id of a token: the beginning of its hash.
pub(super) fn token_id(hash: &[u8]) -> String {
    hex::encode(hash.get(..TOKEN_ID_BYTES).unwrap_or(hash))
}

/// Every token of a district.
///
/// # Errors
/// The store's.
pub async fn tokens(engine: &Engine, district: &District) -> Result<Vec<TokenListed>, SyncError> {
    let tokens = engine.store.read().await?.tokens(district.key).await?;
    let listed = tokens.into_iter().map(|token| TokenListed {
        id: token_id(&token.hash),
        person: token.person.id.to_string(),
        name: token.person.name,
        roles: token.person.roles.names(),
        created_ms: token.created_ms,
        label: token.bounds.name,
        scopes: token.bounds.scopes.split_whitespace().map(str::to_owned).collect(),
        expires_ms: token.bounds.expires_ms,
        used_ms: token.used_ms,
    });
    Ok(listed.collect())
}

/// Which tokens to end.
#[derive(Clone, Debug)]
pub enum Tokens {
    /// The one of this id.
    Named(String),
    /// Every one of a person.
    Of(PersonId),
}

/// Ends tokens at once; says how many.
///
/// # Errors
/// `not-found` where there is no such token or person.
pub async fn revoke_tokens(
    engine: &Arc<Engine>,
    district: &District,
    which: &Tokens,
    by: Actor,
) -> Result<u64, SyncError> {
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let tokens = transaction.tokens(district.key).await?;
    let (object, named): (String, BTreeSet<Vec<u8>>) = match which {
        Tokens::Of(person) => {
            known(transaction.person(district.key, *person).await?, *person)?;
            let of = tokens.iter().filter(|token| token.person.id == *person);
            (person.to_string(), of.map(|token| token.hash.clone()).collect())
        }
        Tokens::Named(id) => {
            let of = tokens.iter().filter(|token| token_id(&token.hash) == *id);
            let named: BTreeSet<Vec<u8>> = of.map(|token| token.hash.clone()).collect();
            if named.is_empty() {
                return Err(SyncError::RefusedFor(Code::NotFound, format!("token {id}")));
            }
            (id.clone(), named)
        }
    };
    let mut ended = 0;
    for hash in with_those_made_by(&tokens, named) {
        ended += u64::from(transaction.delete_token(district.key, &hash).await?);
    }
    let detail = json!({ "revoked": ended });
    engine.audit(&mut transaction, district, Entry::by(by, "token.revoke", object, detail)).await?;
    engine.commit_admission(transaction).await?;
    Ok(ended)
}

/// These tokens and every one that was made with one of them: who found a token out has what it made, too.
fn with_those_made_by(tokens: &[TokenRow], mut ended: BTreeSet<Vec<u8>>) -> BTreeSet<Vec<u8>> {
    loop {
        let before = ended.len();
        let made = tokens
            .iter()
            .filter(|token| token.bounds.made_by.as_ref().is_some_and(|maker| ended.contains(maker)));
        let made: Vec<Vec<u8>> = made.map(|token| token.hash.clone()).collect();
        ended.extend(made);
        if ended.len() == before {
            return ended;
        }
    }
}
