//! Signing in, passwords and one-time links. Who a session or token is then is in [`super::sessions`]; the rules are in
//! [`crate::accounts`].
//!
//! A wrong password is noted before it is looked at, so that many at once count as many. Whether a login is known
//! makes no difference to what is answered, nor to how long that takes.

use std::sync::{Arc, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sync_protocol::codes::Code;
use sync_protocol::ids::sha256;
use tokio::sync::Semaphore;

use super::audit::{Actor, Entry};
use super::{Engine, SyncError, office};
use crate::accounts;
use crate::accounts::lockout::{self, Strangers};
use crate::accounts::password::{self, Fault, Profile};
use crate::domain::AccountId;
use crate::store::{AccountRow, LinkFor, LinkRow, Transaction};

/// Milliseconds that a one-time link is valid: half an hour.
pub const LINK_MS: i64 = 1_800_000;
/// Passwords hashed at a time: each takes 19 MiB and a core.
static HASHING: Semaphore = Semaphore::const_new(2);
/// A password's hash that no password has, for logins that nobody has.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LW5vYm9keQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes a password: Argon2id, 19 MiB, two passes, one lane.
async fn hash(password: &str) -> Result<String, SyncError> {
    let password = password.to_owned();
    let _permit = HASHING.acquire().await.map_err(|_closed| SyncError::Gone)?;
    let hashed = tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
    });
    hashed.await.ok().and_then(Result::ok).ok_or(SyncError::Gone)
}

/// Whether a password has this hash; damaged hashes have no password.
async fn is_password(hash: &str, password: &str) -> Result<bool, SyncError> {
    let (hash, password) = (hash.to_owned(), password.to_owned());
    let _permit = HASHING.acquire().await.map_err(|_closed| SyncError::Gone)?;
    let verified = tokio::task::spawn_blocking(move || {
        let hash = PasswordHash::new(&hash).ok()?;
        Argon2::default().verify_password(password.as_bytes(), &hash).ok()
    });
    Ok(verified.await.map_err(|_panicked| SyncError::Gone)?.is_some())
}

/// Somebody who signs in.
#[derive(Clone, Debug)]
pub struct Credentials<'a> {
    /// As it was typed.
    pub login: &'a str,
    /// The password.
    pub password: &'a str,
    /// The password from now on, where it is to be changed.
    pub new_password: Option<&'a str>,
}

/// The account whose login and password these are.
///
/// # Errors
/// [`Code::SignInFailed`], [`Code::SignInLocked`], [`Code::PasswordStale`], [`Code::PasswordWeak`].
pub async fn sign_in(
    engine: &Arc<Engine>,
    profile: &Profile,
    credentials: &Credentials<'_>,
) -> Result<AccountRow, SyncError> {
    let login = accounts::login(credentials.login).unwrap_or_default();
    let login_hash = engine.keys.mac("login", login.as_bytes());
    let attempt = attempt(engine, &login, &login_hash).await?;
    let known = attempt.account.as_ref().filter(|account| account.disabled_ms.is_none());
    let stored = known.and_then(|account| account.password.as_deref()).unwrap_or(NOBODY);
    let is_right = credentials.password.chars().count() <= password::MOST_CHARACTERS
        && is_password(stored, credentials.password).await?;
    let account = match attempt.account {
        Some(account) if is_right => account,
        account => {
            note_failure(engine, account.as_ref(), &login_hash, attempt.failures).await?;
            return Err(Code::SignInFailed.into());
        }
    };
    if let Some(new) = credentials.new_password {
        set_password(engine, profile, &account, new).await?;
    } else if profile.is_stale(account.password_ms.unwrap_or(0), engine.clock.now_ms()) {
        return Err(Code::PasswordStale.into());
    }
    let mut transaction = engine.store.begin().await?;
    transaction.forget_sign_in_failures(&login_hash).await?;
    engine.audit_deployment(&mut transaction, by(&account, "login")).await?;
    transaction.commit().await?;
    Ok(account)
}

/// What the owner of an account types.
///
/// # Errors
/// [`Code::Unauthenticated`] where there is no such account.
pub async fn login_of(engine: &Engine, account: AccountId) -> Result<String, SyncError> {
    let row = engine.store.read().await?.account(account).await?;
    Ok(row.ok_or(Code::Unauthenticated)?.login)
}

/// An attempt to sign in, counted as failed until it turns out right.
struct Attempt {
    /// The account of the login.
    account: Option<AccountRow>,
    /// Failures in a row, with this one.
    failures: u32,
}

/// Counts an attempt.
///
/// # Errors
/// [`Code::SignInLocked`], with how long it stays so.
async fn attempt(engine: &Engine, login: &str, login_hash: &[u8]) -> Result<Attempt, SyncError> {
    let mut transaction = engine.store.begin().await?;
    let (failures, last_ms) = transaction.sign_in_failures(login_hash).await?;
    // Now that those who were before it are counted: it may have waited for them.
    let now_ms = engine.clock.now_ms();
    let failures = lockout::counted(failures, last_ms, now_ms);
    let locked_ms = lockout::locked_for_ms(failures, last_ms, now_ms);
    if locked_ms > 0 {
        let seconds = u64::try_from(locked_ms / 1_000 + 1).unwrap_or(1);
        return Err(SyncError::Wait(Code::SignInLocked, seconds));
    }
    let forgotten_ms = now_ms.saturating_sub(lockout::FORGOTTEN_AFTER_MS);
    let failures = failures.saturating_add(1);
    transaction.note_sign_in_failures(login_hash, failures, now_ms, forgotten_ms).await?;
    let account = transaction.account_of_login(login).await?;
    transaction.commit().await?;
    Ok(Attempt { account, failures })
}

/// Bytes of a login's keyed hash by which the log names one that nobody has: people type their password there.
const LOGIN_HASH_BYTES: usize = 8;

/// Notes a sign-in that failed, and that its login is locked where it is now. A login that nobody has is named by its
/// keyed hash; of those only so many a minute have rows, and the next row says how many had none.
async fn note_failure(
    engine: &Engine,
    account: Option<&AccountRow>,
    login_hash: &[u8],
    failures: u32,
) -> Result<(), SyncError> {
    let now_ms = engine.clock.now_ms();
    let locked_ms = lockout::locked_for_ms(failures, now_ms, now_ms);
    let action = if locked_ms > 0 { "login.locked" } else { "login.failed" };
    let (object, row) = if let Some(account) = account {
        (account.id.to_string(), Strangers::NOTED)
    } else {
        let shown = login_hash.get(..LOGIN_HASH_BYTES).unwrap_or(login_hash);
        let mut strangers = engine.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        (format!("login:{}", hex::encode(shown)), strangers.take(now_ms))
    };
    let mut transaction = engine.store.begin().await?;
    if let Some(left_out) = row {
        let detail = if left_out > 0 {
            json!({ "failures": failures, "locked_ms": locked_ms, "left_out": left_out })
        } else {
            json!({ "failures": failures, "locked_ms": locked_ms })
        };
        let entry = Entry::by(Actor::Nobody, action, object, detail);
        engine.audit_deployment(&mut transaction, entry).await?;
    } else {
        // It takes as long as if there were a row: how long an answer takes says nothing of a login.
        engine.touch_deployment_audit(&mut transaction).await?;
    }
    Ok(transaction.commit().await?)
}

/// Sets a new password; every session of the account ends.
async fn set_password(
    engine: &Engine,
    profile: &Profile,
    account: &AccountRow,
    new: &str,
) -> Result<(), SyncError> {
    let hashed = acceptable(profile, Some(account), &account.login, new).await?;
    let mut transaction = engine.store.begin().await?;
    write_password(&mut transaction, profile, account, &hashed, engine.clock.now_ms()).await?;
    engine.audit_deployment(&mut transaction, by(account, "account.password")).await?;
    engine.commit_admission(transaction).await
}

/// The hash of a new password that the profile takes.
async fn acceptable(
    profile: &Profile,
    account: Option<&AccountRow>,
    login: &str,
    new: &str,
) -> Result<String, SyncError> {
    let mut faults = profile.faults(new, login);
    if faults.is_empty()
        && let Some(account) = account
    {
        let before = account.password.iter().chain(&account.history).take(profile.history);
        for hash in before {
            if is_password(hash, new).await? {
                faults.push(Fault::UsedBefore(profile.history));
                break;
            }
        }
    }
    if !faults.is_empty() {
        return Err(SyncError::RefusedFor(Code::PasswordWeak, password::in_words(&faults)));
    }
    hash(new).await
}

async fn write_password(
    transaction: &mut Transaction,
    profile: &Profile,
    account: &AccountRow,
    hashed: &str,
    now_ms: i64,
) -> Result<(), SyncError> {
    let before = account.password.iter().chain(&account.history).cloned();
    let history: Vec<String> = before.take(profile.history).collect();
    transaction.set_password(account.id, hashed, &history, now_ms).await?;
    transaction.end_sessions_of(account.id).await?;
    Ok(())
}

/// A one-time link as it is given away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its secret, shown once.
    pub secret: String,
    /// When it ends.
    pub expires_ms: i64,
}

/// Makes a one-time link; what was made for the same before ends. Who makes it notes it.
pub(super) async fn add_link(
    engine: &Engine,
    transaction: &mut Transaction,
    purpose: LinkFor,
) -> Result<Link, SyncError> {
    let secret = URL_SAFE_NO_PAD.encode(engine.keys.random::<32>()?);
    let now_ms = engine.clock.now_ms();
    let link = LinkRow { purpose, expires_ms: now_ms + LINK_MS };
    transaction.add_link(&sha256(secret.as_bytes()), &link, now_ms).await?;
    Ok(Link { secret, expires_ms: link.expires_ms })
}

/// Whom a link is for, for the page that uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTold {
    /// The name of its owner.
    pub name: String,
    /// Their login, where they have one already.
    pub login: Option<String>,
}

/// Reads a link that is valid.
///
/// # Errors
/// [`Code::LinkInvalid`].
pub async fn read_link(engine: &Engine, secret: &str) -> Result<LinkTold, SyncError> {
    let mut transaction = engine.store.read().await?;
    let (link, account) = open_link(engine, &mut transaction, secret).await?;
    Ok(match (account, link.purpose) {
        (Some(account), _) => LinkTold { name: account.name, login: Some(account.login) },
        (None, LinkFor::Person(member)) => {
            let person = transaction.present_person(member.district, member.person).await?;
            LinkTold { name: person.ok_or(Code::LinkInvalid)?.name, login: None }
        }
        (None, LinkFor::Account(_)) => return Err(Code::LinkInvalid.into()),
    })
}

/// A link that is valid, and the account that its owner has already.
async fn open_link(
    engine: &Engine,
    transaction: &mut Transaction,
    secret: &str,
) -> Result<(LinkRow, Option<AccountRow>), SyncError> {
    let link = transaction.link(&sha256(secret.as_bytes())).await?;
    let is_valid = |link: &LinkRow| link.expires_ms > engine.clock.now_ms();
    let link = link.filter(is_valid).ok_or(Code::LinkInvalid)?;
    let account = match link.purpose {
        LinkFor::Account(account) => Some(account),
        LinkFor::Person(member) => transaction.account_of_person(member.district, member.person).await?,
    };
    let account = match account {
        Some(account) => Some(transaction.account(account).await?.ok_or(Code::LinkInvalid)?),
        None => None,
    };
    Ok((link, account))
}

/// Uses a link: its owner gets this password, and this login where they have none. The login is unlocked.
///
/// # Errors
/// [`Code::LinkInvalid`], [`Code::LoginTaken`], [`Code::LoginInvalid`], [`Code::PasswordWeak`].
pub async fn use_link(
    engine: &Engine,
    profile: &Profile,
    secret: &str,
    login: &str,
    new: &str,
) -> Result<AccountId, SyncError> {
    let mut reading = engine.store.read().await?;
    let (_, known) = open_link(engine, &mut reading, secret).await?;
    drop(reading);
    let login = match &known {
        Some(account) => account.login.clone(),
        None => accounts::login(login).ok_or(Code::LoginInvalid)?,
    };
    let hashed = acceptable(profile, known.as_ref(), &login, new).await?;
    let now_ms = engine.clock.now_ms();
    let mut transaction = engine.store.begin().await?;
    let (link, account) = open_link(engine, &mut transaction, secret).await?;
    let account = match (account, link.purpose) {
        (Some(account), _) => account,
        (None, LinkFor::Person(member)) => {
            let person = transaction.present_person(member.district, member.person).await?;
            let name = person.ok_or(Code::LinkInvalid)?.name;
            let account = add(engine, &mut transaction, &login, &name).await?;
            transaction.set_membership(account.id, member).await?;
            account
        }
        (None, LinkFor::Account(_)) => return Err(Code::LinkInvalid.into()),
    };
    write_password(&mut transaction, profile, &account, &hashed, now_ms).await?;
    transaction.forget_sign_in_failures(&engine.keys.mac("login", account.login.as_bytes())).await?;
    if !transaction.use_link(&sha256(secret.as_bytes())).await? {
        return Err(Code::LinkInvalid.into());
    }
    engine.audit_deployment(&mut transaction, by(&account, "account.link-used")).await?;
    engine.commit_admission(transaction).await?;
    tracing::info!(account.id = %account.id, "account {} has a new password by a one-time link", account.id);
    Ok(account.id)
}

/// What the owner of an account did, for the log of the deployment.
fn by(account: &AccountRow, action: &'static str) -> Entry {
    let detail = json!({ "login": account.login });
    Entry::by(Actor::Account(account.id.0), action, account.id.to_string(), detail)
}

/// Adds an account without a password.
///
/// # Errors
/// [`Code::LoginTaken`].
pub(super) async fn add(
    engine: &Engine,
    transaction: &mut Transaction,
    login: &str,
    name: &str,
) -> Result<AccountRow, SyncError> {
    let now_ms = engine.clock.now_ms();
    let id = AccountId(office::new_id(now_ms));
    if !transaction.add_account(id, login, name, now_ms).await? {
        return Err(SyncError::RefusedFor(Code::LoginTaken, login.to_owned()));
    }
    let added = transaction.account(id).await?;
    added.ok_or(SyncError::Store(crate::store::StoreError::Damaged("account")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_has_its_hash_and_no_other_and_the_cost_is_what_we_say() {
        let hashed = hash("Kx7-青山绿水").await.unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(is_password(&hashed, "Kx7-青山绿水").await.unwrap());
        assert!(!is_password(&hashed, "Kx7-青山绿").await.unwrap());
        assert!(!is_password("nonsense", "nonsense").await.unwrap());
    }

    #[tokio::test]
    async fn nobody_costs_what_anybody_costs_and_has_no_password() {
        let cost = |text: &str| PasswordHash::new(text).unwrap().params.to_string();
        assert_eq!(cost(NOBODY), cost(&hash("x").await.unwrap()));
        assert!(!is_password(NOBODY, "").await.unwrap());
    }
}
