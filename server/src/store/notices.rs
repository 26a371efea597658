//! Notices waiting for their persons.

use sync_protocol::ids::{NoticeId, PersonId};
use uuid::Uuid;

use super::rows::Keys as _;
use super::{StoreError, Transaction, each_backend, execute};
use crate::domain::DistrictKey;

const ADD_NOTICE: &str = "INSERT INTO notices (district, person, notice, created_ms, body) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (district, person, notice) DO NOTHING";

const REWRITE_NOTICE: &str =
    "UPDATE notices SET body = $4 WHERE district = $1 AND person = $2 AND notice = $3";

/// A notice that waits: for whom, its id, its body.
pub(crate) type OpenNotice = (PersonId, NoticeId, Vec<u8>);

impl Transaction {
    /// Every notice that these persons have not acknowledged.
    pub(crate) async fn open_notices(
        &mut self,
        district: DistrictKey,
        persons: &[PersonId],
    ) -> Result<Vec<OpenNotice>, StoreError> {
        if persons.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(Uuid, Vec<u8>, Vec<u8>)> = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(
                "SELECT person, notice, body FROM notices WHERE acknowledged_ms IS NULL AND district = ",
            );
            query.push_bind(district.0).push(" AND person");
            Db::push_ids(&mut query, persons.iter().map(|person| person.0));
            query.build_query_as().fetch_all(connection).await?
        });
        rows.into_iter()
            .map(|(person, notice, body)| {
                let notice = NoticeId::try_from(notice.as_slice());
                Ok((PersonId(person), notice.map_err(|_length| StoreError::Damaged("notice id"))?, body))
            })
            .collect()
    }

    /// Says a notice in other words.
    pub(crate) async fn rewrite_notice(
        &mut self,
        district: DistrictKey,
        (person, notice, body): &OpenNotice,
    ) -> Result<(), StoreError> {
        execute!(self, REWRITE_NOTICE, district.0, person.0, notice.0.to_vec(), body.as_slice());
        Ok(())
    }

    /// Bodies of the oldest notices that these persons have not acknowledged: at most so many, and none more once
    /// they have so many bytes.
    pub async fn waiting_notices(
        &mut self,
        district: DistrictKey,
        persons: &[PersonId],
        (limit, bytes): (u32, u32),
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        if persons.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(Vec<u8>,)> = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(
                "SELECT body FROM (SELECT body, created_ms, notice, CAST(SUM(length(body)) OVER (ORDER BY created_ms, \
                 notice, person) AS BIGINT) - length(body) AS before FROM (SELECT body, created_ms, notice, person \
                 FROM notices WHERE acknowledged_ms IS NULL AND district = ",
            );
            query.push_bind(district.0).push(" AND person");
            Db::push_ids(&mut query, persons.iter().map(|person| person.0));
            query.push(" ORDER BY created_ms, notice LIMIT 0 + ").push_bind(i64::from(limit));
            query.push(") AS oldest) AS summed WHERE before < ").push_bind(i64::from(bytes));
            query.push(" ORDER BY created_ms, notice");
            query.build_query_as().fetch_all(connection).await?
        });
        Ok(rows.into_iter().map(|(body,)| body).collect())
    }

    /// Marks notices as seen, where they are of these persons.
    pub async fn acknowledge(
        &mut self,
        district: DistrictKey,
        persons: &[PersonId],
        notices: &[NoticeId],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if persons.is_empty() || notices.is_empty() {
            return Ok(());
        }
        each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new("UPDATE notices SET acknowledged_ms = ");
            query.push_bind(now_ms).push(" WHERE acknowledged_ms IS NULL AND district = ").push_bind(district.0);
            query.push(" AND person");
            Db::push_ids(&mut query, persons.iter().map(|person| person.0));
            query.push(" AND notice");
            Db::push_hashes(&mut query, notices.iter().map(|notice| &notice.0[..]));
            query.build().execute(connection).await?;
        });
        Ok(())
    }

    /// Adds a notice; the same event twice is one notice.
    pub async fn add_notice(
        &mut self,
        district: DistrictKey,
        person: PersonId,
        notice: NoticeId,
        now_ms: i64,
        body: &[u8],
    ) -> Result<(), StoreError> {
        execute!(self, ADD_NOTICE, district.0, person.0, notice.0.to_vec(), now_ms, body);
        Ok(())
    }
}
