//! Units: the organisations that own, operate and put right.

use uuid::Uuid;

use super::rows::Keys as _;
use super::{StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional};
use crate::domain::{DistrictKey, UnitId, UnitKind};

const UPSERT: &str = "INSERT INTO units (district, unit, name, kind, contact, phone, parent, retired_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (district, unit) DO UPDATE SET name = excluded.name, \
     kind = excluded.kind, contact = excluded.contact, phone = excluded.phone, parent = excluded.parent, \
     retired_ms = excluded.retired_ms";
const SELECT: &str = "SELECT unit, name, kind, contact, phone, parent, retired_ms FROM units WHERE district = $1 AND unit = $2";
const SELECT_ALL: &str = "SELECT unit, name, kind, contact, phone, parent, retired_ms FROM units WHERE district = $1 ORDER BY unit";

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRow {
    /// Its id.
    pub id: UnitId,
    /// Its name.
    pub name: String,
    /// What it is to the lines.
    pub kind: UnitKind,
    /// 责任人, whom to ask for.
    pub contact: String,
    /// 联系电话.
    pub phone: String,
    /// The unit above it.
    pub parent: Option<UnitId>,
    /// When it was retired.
    pub retired_ms: Option<i64>,
}

type Columns = (Uuid, String, String, String, String, Option<Uuid>, Option<i64>);

fn unit((id, name, kind, contact, phone, parent, retired_ms): Columns) -> Result<UnitRow, StoreError> {
    let kind = UnitKind::parse(&kind).ok_or(StoreError::Damaged("unknown kind of unit"))?;
    Ok(UnitRow { id: UnitId(id), name, kind, contact, phone, parent: parent.map(UnitId), retired_ms })
}

/// How many records of units have one class, state and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitCount {
    /// The number of the class.
    pub class: i64,
    /// The number of the state.
    pub state: i64,
    /// Bits of [`crate::domain::record_flags`].
    pub flags: i64,
    /// How many.
    pub records: i64,
}

const COUNTS: &str = "SELECT class, state, flags, count(*) FROM records WHERE collection = 0 AND district = ";
const CONFLICTS: &str = "SELECT count(*) FROM conflicts WHERE district = ";

impl Transaction {
    /// The records of units, counted.
    pub async fn unit_counts(
        &mut self,
        district: DistrictKey,
        units: &[Uuid],
    ) -> Result<Vec<UnitCount>, StoreError> {
        let rows: Vec<(i64, i64, i64, i64)> = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(COUNTS);
            query.push_bind(district.0).push(" AND unit IS NOT NULL AND unit");
            Db::push_ids(&mut query, units.iter().copied());
            query.push(" GROUP BY class, state, flags");
            query.build_query_as().fetch_all(connection).await?
        });
        let count = |(class, state, flags, records)| UnitCount { class, state, flags, records };
        Ok(rows.into_iter().map(count).collect())
    }

    /// Open conflicts of the records of units.
    pub async fn unit_conflicts(&mut self, district: DistrictKey, units: &[Uuid]) -> Result<i64, StoreError> {
        let (conflicts,): (i64,) = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(CONFLICTS);
            query.push_bind(district.0).push(" AND record IN (SELECT record FROM records WHERE district = ");
            query.push_bind(district.0).push(" AND unit IS NOT NULL AND unit");
            Db::push_ids(&mut query, units.iter().copied());
            query.push(")");
            query.build_query_as().fetch_one(connection).await?
        });
        Ok(conflicts)
    }

    /// Adds a unit, or writes it anew.
    pub async fn put_unit(&mut self, district: DistrictKey, unit: &UnitRow) -> Result<(), StoreError> {
        execute!(
            self,
            UPSERT,
            district.0,
            unit.id.0,
            unit.name.as_str(),
            unit.kind.as_str(),
            unit.contact.as_str(),
            unit.phone.as_str(),
            unit.parent.map(|parent| parent.0),
            unit.retired_ms
        );
        Ok(())
    }

    /// A unit, retired or not.
    pub async fn unit(&mut self, district: DistrictKey, id: UnitId) -> Result<Option<UnitRow>, StoreError> {
        fetch_optional!(self, Columns, SELECT, district.0, id.0).map(unit).transpose()
    }

    /// Every unit of a district, retired ones too.
    pub async fn units(&mut self, district: DistrictKey) -> Result<Vec<UnitRow>, StoreError> {
        fetch_all!(self, Columns, SELECT_ALL, district.0).into_iter().map(unit).collect()
    }
}
