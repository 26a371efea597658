//! Persons, their tokens and their enrolment codes.

use sync_protocol::ids::{DeviceId, PersonId};
use uuid::Uuid;

use super::{StoreError, Transaction, execute, fetch_all, fetch_optional};
use crate::domain::{DistrictKey, Person, Roles, UnitId};

const UPSERT_PERSON: &str = "INSERT INTO persons (district, person, name, role, unit, created_ms) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (district, person) DO NOTHING";
const UPDATE_PERSON: &str = "UPDATE persons SET name = $3, role = $4, unit = $5 \
     WHERE district = $1 AND person = $2 AND removed_ms IS NULL";
const SELECT_PERSON: &str =
    "SELECT person, name, role, unit, removed_ms FROM persons WHERE district = $1 AND person = $2";
const SELECT_PRESENT: &str = "SELECT person, name, role, unit, removed_ms FROM persons \
     WHERE district = $1 AND person = $2 AND removed_ms IS NULL";
const SELECT_PERSONS: &str =
    "SELECT person, name, role, unit, removed_ms FROM persons WHERE district = $1 ORDER BY person";
const REMOVE_PERSON: &str =
    "UPDATE persons SET removed_ms = $3 WHERE district = $1 AND person = $2 AND removed_ms IS NULL";
const INSERT_TOKEN: &str = "INSERT INTO tokens (district, token_hash, person, created_ms, name, scopes, expires_ms, made_by) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const SELECT_TOKEN: &str = "SELECT persons.person, persons.name, persons.role, persons.unit, tokens.scopes, \
     tokens.expires_ms, tokens.used_ms FROM tokens \
     JOIN persons ON persons.district = tokens.district AND persons.person = tokens.person \
     WHERE tokens.district = $1 AND tokens.token_hash = $2 AND persons.removed_ms IS NULL";
const SELECT_TOKENS: &str = "SELECT tokens.token_hash, tokens.created_ms, tokens.name, tokens.scopes, tokens.expires_ms, \
     tokens.used_ms, tokens.made_by, persons.person, persons.name, persons.role, persons.unit \
     FROM tokens JOIN persons ON persons.district = tokens.district AND persons.person = tokens.person \
     WHERE tokens.district = $1 ORDER BY tokens.created_ms, tokens.token_hash";
const TOUCH_TOKEN: &str = "UPDATE tokens SET used_ms = $3 WHERE district = $1 AND token_hash = $2";
const DELETE_TOKEN: &str = "DELETE FROM tokens WHERE district = $1 AND token_hash = $2";
const DELETE_TOKENS: &str = "DELETE FROM tokens WHERE district = $1 AND person = $2";
const DELETE_CODES: &str = "DELETE FROM enrol_codes WHERE district = $1 AND person = $2";
const INSERT_CODE: &str =
    "INSERT INTO enrol_codes (district, code_hash, person, expires_ms) VALUES ($1, $2, $3, $4)";
const SELECT_CODE: &str =
    "SELECT person, expires_ms, device FROM enrol_codes WHERE district = $1 AND code_hash = $2";
const USE_CODE: &str = "UPDATE enrol_codes SET device = $3 \
     WHERE district = $1 AND code_hash = $2 AND (device IS NULL OR device = $3)";

/// What bounds a token of the office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBounds {
    /// What its holder calls it.
    pub name: String,
    /// Names of its scopes, parted by spaces.
    pub scopes: String,
    /// When it ends.
    pub expires_ms: Option<i64>,
    /// The hash of the token that it was made with: where that is revoked, this one ends too.
    pub made_by: Option<Vec<u8>>,
}

/// A token as the office lists it.
#[derive(Clone, Debug)]
pub struct TokenRow {
    /// SHA-256 of the token.
    pub hash: Vec<u8>,
    /// When it was made.
    pub created_ms: i64,
    /// What bounds it.
    pub bounds: TokenBounds,
    /// When it was last used, to the minute.
    pub used_ms: Option<i64>,
    /// For whom.
    pub person: Person,
}

/// Whom a token speaks for.
#[derive(Clone, Debug)]
pub struct TokenHolder {
    /// The person.
    pub person: Person,
    /// Names of its scopes, parted by spaces.
    pub scopes: String,
    /// When it ends.
    pub expires_ms: Option<i64>,
    /// When it was last used, to the minute.
    pub used_ms: Option<i64>,
}

type PersonColumns = (Uuid, String, String, Option<Uuid>, Option<i64>);

fn person((id, name, roles, unit): (Uuid, String, String, Option<Uuid>)) -> Result<Person, StoreError> {
    let roles = Roles::parse(&roles).ok_or(StoreError::Damaged("unknown role"))?;
    Ok(Person { id: PersonId(id), name, roles, unit: unit.map(UnitId) })
}

fn present((id, name, roles, unit, _): PersonColumns) -> Result<Person, StoreError> {
    person((id, name, roles, unit))
}

impl Transaction {
    /// Adds a person; one that is there already stays as it is.
    pub async fn add_person(
        &mut self,
        district: DistrictKey,
        person: &Person,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            UPSERT_PERSON,
            district.0,
            person.id.0,
            person.name.as_str(),
            person.roles.to_string(),
            person.unit.map(|unit| unit.0),
            now_ms
        );
        Ok(())
    }

    /// Writes a person's name, roles and unit anew. False where they are not there.
    pub async fn change_person(
        &mut self,
        district: DistrictKey,
        person: &Person,
    ) -> Result<bool, StoreError> {
        let unit = person.unit.map(|unit| unit.0);
        let roles = person.roles.to_string();
        Ok(execute!(self, UPDATE_PERSON, district.0, person.id.0, person.name.as_str(), roles.as_str(), unit)
            > 0)
    }

    /// A person of the district.
    pub async fn person(
        &mut self,
        district: DistrictKey,
        id: PersonId,
    ) -> Result<Option<Person>, StoreError> {
        fetch_optional!(self, PersonColumns, SELECT_PERSON, district.0, id.0).map(present).transpose()
    }

    /// A person of the district who was not removed.
    pub async fn present_person(
        &mut self,
        district: DistrictKey,
        id: PersonId,
    ) -> Result<Option<Person>, StoreError> {
        fetch_optional!(self, PersonColumns, SELECT_PRESENT, district.0, id.0).map(present).transpose()
    }

    /// Every person of the district, and when they were removed.
    pub async fn persons(&mut self, district: DistrictKey) -> Result<Vec<(Person, Option<i64>)>, StoreError> {
        fetch_all!(self, PersonColumns, SELECT_PERSONS, district.0)
            .into_iter()
            .map(|columns| Ok((columns.4, present(columns)?)))
            .map(|read: Result<_, StoreError>| read.map(|(removed_ms, person)| (person, removed_ms)))
            .collect()
    }

    /// Removes a person, their tokens and their enrolment codes. False where they were removed already.
    pub async fn remove_person(
        &mut self,
        district: DistrictKey,
        id: PersonId,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        execute!(self, DELETE_TOKENS, district.0, id.0);
        execute!(self, DELETE_CODES, district.0, id.0);
        Ok(execute!(self, REMOVE_PERSON, district.0, id.0, now_ms) > 0)
    }

    /// Every token of the district, oldest first.
    pub async fn tokens(&mut self, district: DistrictKey) -> Result<Vec<TokenRow>, StoreError> {
        type Row = (
            Vec<u8>,
            i64,
            String,
            String,
            Option<i64>,
            Option<i64>,
            Option<Vec<u8>>,
            Uuid,
            String,
            String,
            Option<Uuid>,
        );
        fetch_all!(self, Row, SELECT_TOKENS, district.0)
            .into_iter()
            .map(|(hash, created_ms, label, scopes, expires_ms, used_ms, made_by, id, name, roles, unit)| {
                let bounds = TokenBounds { name: label, scopes, expires_ms, made_by };
                Ok(TokenRow { hash, created_ms, bounds, used_ms, person: person((id, name, roles, unit))? })
            })
            .collect()
    }

    /// Notes that a token was used.
    pub async fn touch_token(
        &mut self,
        district: DistrictKey,
        token_hash: &[u8],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(self, TOUCH_TOKEN, district.0, token_hash, now_ms);
        Ok(())
    }

    /// Deletes a token. False where there is none.
    pub async fn delete_token(&mut self, district: DistrictKey, hash: &[u8]) -> Result<bool, StoreError> {
        Ok(execute!(self, DELETE_TOKEN, district.0, hash) > 0)
    }

    /// Deletes every token of a person; says how many.
    pub async fn delete_tokens_of(
        &mut self,
        district: DistrictKey,
        person: PersonId,
    ) -> Result<u64, StoreError> {
        Ok(execute!(self, DELETE_TOKENS, district.0, person.0))
    }

    /// Stores the hash of an office token.
    pub async fn add_token(
        &mut self,
        district: DistrictKey,
        token_hash: &[u8],
        person: PersonId,
        bounds: &TokenBounds,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let (name, scopes) = (bounds.name.as_str(), bounds.scopes.as_str());
        execute!(
            self,
            INSERT_TOKEN,
            district.0,
            token_hash,
            person.0,
            now_ms,
            name,
            scopes,
            bounds.expires_ms,
            bounds.made_by.as_deref()
        );
        Ok(())
    }

    /// Whom an office token speaks for.
    pub async fn token_holder(
        &mut self,
        district: DistrictKey,
        token_hash: &[u8],
    ) -> Result<Option<TokenHolder>, StoreError> {
        type Row = (Uuid, String, String, Option<Uuid>, String, Option<i64>, Option<i64>);
        fetch_optional!(self, Row, SELECT_TOKEN, district.0, token_hash)
            .map(|(id, name, roles, unit, scopes, expires_ms, used_ms)| {
                Ok(TokenHolder { person: person((id, name, roles, unit))?, scopes, expires_ms, used_ms })
            })
            .transpose()
    }

    /// Stores the hash of an enrolment code.
    pub async fn add_enrol_code(
        &mut self,
        district: DistrictKey,
        code_hash: &[u8],
        person: PersonId,
        expires_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(self, INSERT_CODE, district.0, code_hash, person.0, expires_ms);
        Ok(())
    }

    /// An enrolment code: its person, when it expires, and the device that used it.
    pub async fn enrol_code(
        &mut self,
        district: DistrictKey,
        code_hash: &[u8],
    ) -> Result<Option<(PersonId, i64, Option<DeviceId>)>, StoreError> {
        let row = fetch_optional!(self, (Uuid, i64, Option<Uuid>), SELECT_CODE, district.0, code_hash);
        Ok(row.map(|(person, expires_ms, device)| (PersonId(person), expires_ms, device.map(DeviceId))))
    }

    /// Marks an enrolment code as used by a device. False where another device used it.
    pub async fn use_enrol_code(
        &mut self,
        district: DistrictKey,
        code_hash: &[u8],
        device: DeviceId,
    ) -> Result<bool, StoreError> {
        Ok(execute!(self, USE_CODE, district.0, code_hash, device.0) > 0)
    }
}
