//! Who asks: a browser's session or a token of the office becomes a person of a district, with what they may see and
//! what their token may be used for.
//!
//! Everything is read anew at each request: who is disabled, removed or has lost a role is kept out at once.

use std::sync::Arc;

use sync_protocol::codes::Code;
use sync_protocol::ids::sha256;

use super::sessions::{self, Lasting, Session};
use super::sight::Sight;
use super::{Engine, SyncError, choices};
use crate::accounts::actions::Actions;
use crate::domain::{District, DistrictKey, Person};
use crate::store::{SessionOf, SessionRow, StoreError};

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
    let sight = Sight::of(&mut transaction, district.key, &holder.person).await?;
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
    visitor.session = Some(Session { hash, csrf: sessions::csrf(engine, id), expires_ms, account });
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
            of_token(engine, choices::district(engine, key).await?, token).await?.0
        }
        SessionOf::Account(account) => {
            let (key, person) = choices::standing(&mut transaction, *account, row.district).await?;
            let sight = Sight::of(&mut transaction, key, &person).await?;
            drop(transaction);
            let district = choices::district(engine, key).await?;
            Visitor { district, person, sight, actions: Actions::EVERY, token: None, session: None }
        }
    };
    Ok((visitor, row))
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
