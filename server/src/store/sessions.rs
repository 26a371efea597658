//! Browsers that are signed in. The store keeps the hash of a session's id, never the id: who reads the database signs in
//! as nobody.

use uuid::Uuid;

use super::{StoreError, Transaction, execute, fetch_all, fetch_optional};
use crate::domain::{AccountId, DistrictKey};

const INSERT: &str = "INSERT INTO sessions (session_hash, account, token_hash, district, created_ms, used_ms) \
     VALUES ($1, $2, $3, $4, $5, $5)";
const SELECT: &str =
    "SELECT account, token_hash, district, created_ms, used_ms FROM sessions WHERE session_hash = $1";
const TOUCH: &str = "UPDATE sessions SET used_ms = $2 WHERE session_hash = $1";
const CHOOSE: &str = "UPDATE sessions SET district = $2 WHERE session_hash = $1";
const SELECT_OF: &str = "SELECT session_hash, created_ms, used_ms FROM sessions \
     WHERE account = $1 AND used_ms >= $2 AND created_ms >= $3 ORDER BY used_ms DESC, session_hash";
const DELETE: &str = "DELETE FROM sessions WHERE session_hash = $1";
const DELETE_OF: &str = "DELETE FROM sessions WHERE account = $1";
const DELETE_OLD: &str = "DELETE FROM sessions WHERE used_ms < $1 OR created_ms < $2";

/// Who a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionOf {
    /// An account.
    Account(AccountId),
    /// A token of the office, by its hash: the session ends with it.
    Token(Vec<u8>),
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Who it is.
    pub of: SessionOf,
    /// The district that it looks at.
    pub district: Option<DistrictKey>,
    /// When it began.
    pub created_ms: i64,
    /// When it was last used, to the minute.
    pub used_ms: i64,
}

impl Transaction {
    /// Begins a session.
    pub async fn add_session(
        &mut self,
        hash: &[u8],
        of: &SessionOf,
        district: Option<DistrictKey>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let (account, token) = match of {
            SessionOf::Account(account) => (Some(account.0), None),
            SessionOf::Token(token) => (None, Some(token.as_slice())),
        };
        execute!(self, INSERT, hash, account, token, district.map(|key| key.0), now_ms);
        Ok(())
    }

    /// A session.
    pub async fn session(&mut self, hash: &[u8]) -> Result<Option<SessionRow>, StoreError> {
        type Row = (Option<Uuid>, Option<Vec<u8>>, Option<i64>, i64, i64);
        let Some((account, token, district, created_ms, used_ms)) = fetch_optional!(self, Row, SELECT, hash)
        else {
            return Ok(None);
        };
        let of = match (account, token) {
            (Some(account), _) => SessionOf::Account(AccountId(account)),
            (None, Some(token)) => SessionOf::Token(token),
            (None, None) => return Err(StoreError::Damaged("session")),
        };
        Ok(Some(SessionRow { of, district: district.map(DistrictKey), created_ms, used_ms }))
    }

    /// Every session of an account that was used since, and began since: hash, when it began, when it was last used;
    /// the last used first.
    pub async fn sessions_of(
        &mut self,
        account: AccountId,
        used_since_ms: i64,
        begun_since_ms: i64,
    ) -> Result<Vec<(Vec<u8>, i64, i64)>, StoreError> {
        let rows = fetch_all!(self, (Vec<u8>, i64, i64), SELECT_OF, account.0, used_since_ms, begun_since_ms);
        Ok(rows)
    }

    /// Notes that a session was used.
    pub async fn touch_session(&mut self, hash: &[u8], now_ms: i64) -> Result<(), StoreError> {
        execute!(self, TOUCH, hash, now_ms);
        Ok(())
    }

    /// Chooses the district that a session looks at.
    pub async fn choose_district(&mut self, hash: &[u8], district: DistrictKey) -> Result<(), StoreError> {
        execute!(self, CHOOSE, hash, district.0);
        Ok(())
    }

    /// Ends a session. False where there was none.
    pub async fn end_session(&mut self, hash: &[u8]) -> Result<bool, StoreError> {
        Ok(execute!(self, DELETE, hash) > 0)
    }

    /// Ends every session of an account.
    pub async fn end_sessions_of(&mut self, account: AccountId) -> Result<u64, StoreError> {
        Ok(execute!(self, DELETE_OF, account.0))
    }

    /// Forgets sessions that were not used since, or began before.
    pub async fn forget_sessions(
        &mut self,
        used_before_ms: i64,
        begun_before_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(self, DELETE_OLD, used_before_ms, begun_before_ms);
        Ok(())
    }
}
