//! Accounts, which persons they are, their one-time links and wrong passwords: of the deployment, not of a district.

use sync_protocol::ids::PersonId;
use uuid::Uuid;

use super::{StoreError, Transaction, execute, fetch_all, fetch_optional, unsigned};
use crate::domain::{AccountId, DistrictKey};

const INSERT_ACCOUNT: &str = "INSERT INTO accounts (account, login, name, password, password_ms, history, disabled_ms, created_ms) \
     VALUES ($1, $2, $3, NULL, NULL, '', NULL, $4) ON CONFLICT (login) DO NOTHING";
const SELECT_ACCOUNT: &str = "SELECT account, login, name, password, password_ms, history, disabled_ms, created_ms \
     FROM accounts WHERE account = $1";
const SELECT_LOGIN: &str = "SELECT account, login, name, password, password_ms, history, disabled_ms, created_ms \
     FROM accounts WHERE login = $1";
const SELECT_ACCOUNTS: &str = "SELECT account, login, name, password, password_ms, history, disabled_ms, created_ms \
     FROM accounts ORDER BY login";
const UPDATE_PASSWORD: &str =
    "UPDATE accounts SET password = $2, password_ms = $3, history = $4 WHERE account = $1";
const UPDATE_DISABLED: &str = "UPDATE accounts SET disabled_ms = $2 WHERE account = $1";
const UPSERT_MEMBERSHIP: &str = "INSERT INTO memberships (district, account, person) VALUES ($1, $2, $3) \
     ON CONFLICT (district, account) DO UPDATE SET person = excluded.person";
const DELETE_MEMBERSHIP: &str = "DELETE FROM memberships WHERE district = $1 AND account = $2";
const SELECT_MEMBERSHIPS: &str =
    "SELECT district, person FROM memberships WHERE account = $1 ORDER BY district";
const SELECT_MEMBER: &str = "SELECT account FROM memberships WHERE district = $1 AND person = $2";
const INSERT_PROVINCE: &str =
    "INSERT INTO provinces (district, province) VALUES ($1, $2) ON CONFLICT (district, province) DO NOTHING";
const DELETE_PROVINCE: &str = "DELETE FROM provinces WHERE district = $1";
const INSERT_PROVINCE_MEMBER: &str = "INSERT INTO province_members (province, account) VALUES ($1, $2) \
     ON CONFLICT (province, account) DO NOTHING";
const DELETE_PROVINCE_MEMBER: &str = "DELETE FROM province_members WHERE province = $1 AND account = $2";
const SELECT_PROVINCES_OF: &str =
    "SELECT province FROM province_members WHERE account = $1 ORDER BY province";
const SELECT_OVERSEEN: &str = "SELECT DISTINCT provinces.district FROM province_members \
     JOIN provinces ON provinces.province = province_members.province \
     WHERE province_members.account = $1 ORDER BY provinces.district";
const SELECT_LET_IN: &str = "SELECT account, login, name, password, password_ms, history, disabled_ms, created_ms \
     FROM accounts WHERE account IN (SELECT memberships.account FROM memberships WHERE memberships.district = $1) \
     OR account IN (SELECT province_members.account FROM province_members \
     JOIN provinces ON provinces.province = province_members.province WHERE provinces.district = $1) ORDER BY login";
/// Takes the row, so that attempts made at once are counted one after the other.
const TAKE_FAILURES: &str = "INSERT INTO sign_in_failures (login_hash, failures, last_ms) VALUES ($1, 0, 0) \
     ON CONFLICT (login_hash) DO UPDATE SET failures = sign_in_failures.failures";
const SELECT_FAILURES: &str = "SELECT failures, last_ms FROM sign_in_failures WHERE login_hash = $1";
const UPSERT_FAILURES: &str = "INSERT INTO sign_in_failures (login_hash, failures, last_ms) VALUES ($1, $2, $3) \
     ON CONFLICT (login_hash) DO UPDATE SET failures = excluded.failures, last_ms = excluded.last_ms";
const DELETE_FAILURES: &str = "DELETE FROM sign_in_failures WHERE login_hash = $1";
const DELETE_OLD_FAILURES: &str = "DELETE FROM sign_in_failures WHERE last_ms < $1";
const INSERT_LINK: &str =
    "INSERT INTO links (link_hash, account, district, person, expires_ms) VALUES ($1, $2, $3, $4, $5)";
const SELECT_LINK: &str = "SELECT account, district, person, expires_ms FROM links WHERE link_hash = $1";
const DELETE_LINK: &str = "DELETE FROM links WHERE link_hash = $1";
const DELETE_OLD_LINKS: &str = "DELETE FROM links WHERE expires_ms < $1";
const DELETE_LINKS_OF: &str = "DELETE FROM links WHERE account = $1";
const DELETE_LINKS_FOR: &str = "DELETE FROM links WHERE district = $1 AND person = $2";

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its id.
    pub id: AccountId,
    /// What its owner types, in lower case.
    pub login: String,
    /// Its owner's name.
    pub name: String,
    /// Argon2id, as a PHC text; none until its link is used.
    pub password: Option<String>,
    /// When it was set.
    pub password_ms: Option<i64>,
    /// Passwords before it, the last first.
    pub history: Vec<String>,
    /// When it was disabled.
    pub disabled_ms: Option<i64>,
    /// When it was made.
    pub created_ms: i64,
}

/// Which person an account is in a district.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The district.
    pub district: DistrictKey,
    /// The person.
    pub person: PersonId,
}

/// What a one-time link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFor {
    /// A new password for this account.
    Account(AccountId),
    /// An account for this person.
    Person(Membership),
}

/// A one-time link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// What for.
    pub purpose: LinkFor,
    /// When it ends.
    pub expires_ms: i64,
}

type AccountColumns = (Uuid, String, String, Option<String>, Option<i64>, String, Option<i64>, i64);

fn account_row(columns: AccountColumns) -> AccountRow {
    let (id, login, name, password, password_ms, history, disabled_ms, created_ms) = columns;
    let history = history.lines().map(str::to_owned).collect();
    AccountRow { id: AccountId(id), login, name, password, password_ms, history, disabled_ms, created_ms }
}

impl Transaction {
    /// Adds an account without a password. False where its login is taken.
    pub async fn add_account(
        &mut self,
        id: AccountId,
        login: &str,
        name: &str,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        Ok(execute!(self, INSERT_ACCOUNT, id.0, login, name, now_ms) > 0)
    }

    /// An account.
    pub async fn account(&mut self, id: AccountId) -> Result<Option<AccountRow>, StoreError> {
        Ok(fetch_optional!(self, AccountColumns, SELECT_ACCOUNT, id.0).map(account_row))
    }

    /// The account of a login.
    pub async fn account_of_login(&mut self, login: &str) -> Result<Option<AccountRow>, StoreError> {
        Ok(fetch_optional!(self, AccountColumns, SELECT_LOGIN, login).map(account_row))
    }

    /// Every account, by login.
    pub async fn accounts(&mut self) -> Result<Vec<AccountRow>, StoreError> {
        Ok(fetch_all!(self, AccountColumns, SELECT_ACCOUNTS).into_iter().map(account_row).collect())
    }

    /// Every account that is let into a district, as a person of it or through a province.
    pub async fn accounts_let_into(&mut self, district: DistrictKey) -> Result<Vec<AccountRow>, StoreError> {
        let rows = fetch_all!(self, AccountColumns, SELECT_LET_IN, district.0);
        Ok(rows.into_iter().map(account_row).collect())
    }

    /// Sets the password of an account (a PHC text), and those before it.
    pub async fn set_password(
        &mut self,
        id: AccountId,
        password: &str,
        history: &[String],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(self, UPDATE_PASSWORD, id.0, password, now_ms, history.join("\n"));
        Ok(())
    }

    /// Disables an account, or lets it in again.
    pub async fn set_account_disabled(
        &mut self,
        id: AccountId,
        disabled_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        execute!(self, UPDATE_DISABLED, id.0, disabled_ms);
        Ok(())
    }

    /// Makes an account a person of a district.
    pub async fn set_membership(&mut self, account: AccountId, member: Membership) -> Result<(), StoreError> {
        execute!(self, UPSERT_MEMBERSHIP, member.district.0, account.0, member.person.0);
        Ok(())
    }

    /// Takes an account out of a district. False where it was in none.
    pub async fn remove_membership(
        &mut self,
        district: DistrictKey,
        account: AccountId,
    ) -> Result<bool, StoreError> {
        Ok(execute!(self, DELETE_MEMBERSHIP, district.0, account.0) > 0)
    }

    /// The persons that an account is.
    pub async fn memberships(&mut self, account: AccountId) -> Result<Vec<Membership>, StoreError> {
        let rows = fetch_all!(self, (i64, Uuid), SELECT_MEMBERSHIPS, account.0);
        let member =
            |(district, person)| Membership { district: DistrictKey(district), person: PersonId(person) };
        Ok(rows.into_iter().map(member).collect())
    }

    /// The account of a person.
    pub async fn account_of_person(
        &mut self,
        district: DistrictKey,
        person: PersonId,
    ) -> Result<Option<AccountId>, StoreError> {
        let row = fetch_optional!(self, (Uuid,), SELECT_MEMBER, district.0, person.0);
        Ok(row.map(|(account,)| AccountId(account)))
    }

    /// Puts a district into a province and takes it out of any other; none: into no province.
    pub async fn set_province(
        &mut self,
        district: DistrictKey,
        province: Option<&str>,
    ) -> Result<(), StoreError> {
        execute!(self, DELETE_PROVINCE, district.0);
        if let Some(province) = province {
            execute!(self, INSERT_PROVINCE, district.0, province);
        }
        Ok(())
    }

    /// Lets an account see the districts of a province.
    pub async fn add_province_member(
        &mut self,
        province: &str,
        account: AccountId,
    ) -> Result<(), StoreError> {
        execute!(self, INSERT_PROVINCE_MEMBER, province, account.0);
        Ok(())
    }

    /// Lets it see them no more. False where it did not.
    pub async fn remove_province_member(
        &mut self,
        province: &str,
        account: AccountId,
    ) -> Result<bool, StoreError> {
        Ok(execute!(self, DELETE_PROVINCE_MEMBER, province, account.0) > 0)
    }

    /// The provinces of an account.
    pub async fn provinces_of(&mut self, account: AccountId) -> Result<Vec<String>, StoreError> {
        let rows = fetch_all!(self, (String,), SELECT_PROVINCES_OF, account.0);
        Ok(rows.into_iter().map(|(province,)| province).collect())
    }

    /// The districts that an account sees through its provinces.
    pub async fn overseen(&mut self, account: AccountId) -> Result<Vec<DistrictKey>, StoreError> {
        let rows = fetch_all!(self, (i64,), SELECT_OVERSEEN, account.0);
        Ok(rows.into_iter().map(|(district,)| DistrictKey(district)).collect())
    }

    /// Wrong passwords of a login, and when the last came; its row is held until the transaction ends.
    pub async fn sign_in_failures(&mut self, login_hash: &[u8]) -> Result<(u32, i64), StoreError> {
        execute!(self, TAKE_FAILURES, login_hash);
        let row = fetch_optional!(self, (i64, i64), SELECT_FAILURES, login_hash);
        Ok(row.map_or((0, i64::MIN), |(failures, last_ms)| {
            (u32::try_from(unsigned(failures)).unwrap_or(u32::MAX), last_ms)
        }))
    }

    /// Notes wrong passwords of a login, and forgets what is older than `forgotten_ms`.
    pub async fn note_sign_in_failures(
        &mut self,
        login_hash: &[u8],
        failures: u32,
        now_ms: i64,
        forgotten_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(self, DELETE_OLD_FAILURES, forgotten_ms);
        execute!(self, UPSERT_FAILURES, login_hash, i64::from(failures), now_ms);
        Ok(())
    }

    /// Forgets the wrong passwords of a login.
    pub async fn forget_sign_in_failures(&mut self, login_hash: &[u8]) -> Result<(), StoreError> {
        execute!(self, DELETE_FAILURES, login_hash);
        Ok(())
    }

    /// Keeps the hash of a one-time link; what was made for the same before ends, and so do links that are over.
    pub async fn add_link(&mut self, hash: &[u8], link: &LinkRow, now_ms: i64) -> Result<(), StoreError> {
        execute!(self, DELETE_OLD_LINKS, now_ms);
        let (account, member) = match link.purpose {
            LinkFor::Account(account) => (Some(account.0), None),
            LinkFor::Person(member) => (None, Some(member)),
        };
        match link.purpose {
            LinkFor::Account(account) => drop(execute!(self, DELETE_LINKS_OF, account.0)),
            LinkFor::Person(member) => {
                execute!(self, DELETE_LINKS_FOR, member.district.0, member.person.0);
            }
        }
        let district = member.map(|member| member.district.0);
        let person = member.map(|member| member.person.0);
        execute!(self, INSERT_LINK, hash, account, district, person, link.expires_ms);
        Ok(())
    }

    /// A one-time link that was not used.
    pub async fn link(&mut self, hash: &[u8]) -> Result<Option<LinkRow>, StoreError> {
        type Row = (Option<Uuid>, Option<i64>, Option<Uuid>, i64);
        let Some((account, district, person, expires_ms)) = fetch_optional!(self, Row, SELECT_LINK, hash)
        else {
            return Ok(None);
        };
        let purpose = match (account, district, person) {
            (Some(account), ..) => LinkFor::Account(AccountId(account)),
            (None, Some(district), Some(person)) => {
                LinkFor::Person(Membership { district: DistrictKey(district), person: PersonId(person) })
            }
            _ => return Err(StoreError::Damaged("link")),
        };
        Ok(Some(LinkRow { purpose, expires_ms }))
    }

    /// Uses a one-time link up. False where another did.
    pub async fn use_link(&mut self, hash: &[u8]) -> Result<bool, StoreError> {
        Ok(execute!(self, DELETE_LINK, hash) > 0)
    }

    /// Ends the links of a person.
    pub async fn end_links_of(&mut self, district: DistrictKey, person: PersonId) -> Result<(), StoreError> {
        execute!(self, DELETE_LINKS_FOR, district.0, person.0);
        Ok(())
    }
}
