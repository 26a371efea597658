//! Answers kept under idempotency keys, of a person in a district, for a day.

use sync_protocol::ids::PersonId;
use uuid::Uuid;

use super::{StoreError, Transaction, execute, fetch_optional};
use crate::domain::DistrictKey;

/// Which key: of whom, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOf {
    /// Where.
    pub district: DistrictKey,
    /// Whose.
    pub person: PersonId,
    /// The key.
    pub key: String,
}

/// What is kept under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRequest {
    /// SHA-256 of the request.
    pub request: Vec<u8>,
    /// The server process that took it; nil: it could not keep what it answered.
    pub process: Uuid,
    /// The answer; none until there is one.
    pub answer: Option<Answer>,
}

/// An answer as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: i64,
    /// Media type of the body; empty where none was said.
    pub media_type: String,
    /// The body.
    pub body: Vec<u8>,
}

const DELETE_OLD: &str = "DELETE FROM idempotency WHERE district = $1 AND created_ms < $2";
const CLAIM: &str = "INSERT INTO idempotency (district, person, key, request, process, created_ms) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (district, person, key) DO NOTHING";
const SELECT_KEPT: &str = "SELECT request, process, status, media_type, body FROM idempotency \
     WHERE district = $1 AND person = $2 AND key = $3";
const SET_ANSWER: &str = "UPDATE idempotency SET status = $4, media_type = $5, body = $6 \
     WHERE district = $1 AND person = $2 AND key = $3";
const SET_PROCESS: &str =
    "UPDATE idempotency SET process = $4 WHERE district = $1 AND person = $2 AND key = $3";
const DELETE_KEY: &str = "DELETE FROM idempotency WHERE district = $1 AND person = $2 AND key = $3";

type KeptRow = (Vec<u8>, Uuid, Option<i64>, Option<String>, Option<Vec<u8>>);

impl Transaction {
    /// Forgets the answers of a district that were asked for before a time.
    pub async fn delete_old_keys(&mut self, district: DistrictKey, before_ms: i64) -> Result<(), StoreError> {
        execute!(self, DELETE_OLD, district.0, before_ms);
        Ok(())
    }

    /// Takes a key for a request; false where it is taken.
    pub async fn claim_key(
        &mut self,
        of: &KeyOf,
        request: &[u8],
        process: Uuid,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let changed =
            execute!(self, CLAIM, of.district.0, of.person.0, of.key.as_str(), request, process, now_ms);
        Ok(changed == 1)
    }

    /// What is kept under a key.
    pub async fn kept_request(&mut self, of: &KeyOf) -> Result<Option<KeptRequest>, StoreError> {
        let row = fetch_optional!(self, KeptRow, SELECT_KEPT, of.district.0, of.person.0, of.key.as_str());
        Ok(row.map(|(request, process, status, media_type, body)| {
            let answer = status.map(|status| Answer {
                status,
                media_type: media_type.unwrap_or_default(),
                body: body.unwrap_or_default(),
            });
            KeptRequest { request, process, answer }
        }))
    }

    /// Keeps the answer of a key.
    pub async fn keep_answer(&mut self, of: &KeyOf, answer: &Answer) -> Result<(), StoreError> {
        execute!(
            self,
            SET_ANSWER,
            of.district.0,
            of.person.0,
            of.key.as_str(),
            answer.status,
            answer.media_type.as_str(),
            answer.body.as_slice(),
        );
        Ok(())
    }

    /// Notes that nobody knows what was answered under a key.
    pub async fn unsettle_key(&mut self, of: &KeyOf) -> Result<(), StoreError> {
        execute!(self, SET_PROCESS, of.district.0, of.person.0, of.key.as_str(), Uuid::nil());
        Ok(())
    }

    /// Frees a key: nothing was done for it.
    pub async fn free_key(&mut self, of: &KeyOf) -> Result<(), StoreError> {
        execute!(self, DELETE_KEY, of.district.0, of.person.0, of.key.as_str());
        Ok(())
    }
}
