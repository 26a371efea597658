//! Sessions of browsers: how they begin and end, and where else an account is signed in. Who a session is when it asks
//! for something is in `sync::visitors`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::ids::sha256;

use super::audit::{Actor, Entry};
use super::people::token_id;
use super::visitors::Visitor;
use super::{Engine, SyncError, choices};
use crate::domain::AccountId;
use crate::store::{SessionOf, Transaction};

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// Milliseconds without a request after which it ends.
    pub idle_ms: i64,
    /// Milliseconds after which it ends in any case.
    pub most_ms: i64,
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

/// What a form or script of ours must say beside a session's cookie.
pub(super) fn csrf(engine: &Engine, id: &str) -> String {
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
                engine.audit(&mut transaction, &choices::district(engine, key).await?, entry).await?;
            }
        }
        (SessionOf::Token(_), None) => {
            transaction.end_session(&hash).await?;
        }
    }
    engine.commit_admission(transaction).await?;
    Ok(true)
}
