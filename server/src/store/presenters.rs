//! What replies to presenters are made from, besides the feed: read for many presenters at once.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::ids::{DeviceId, PersonId, PhotoHash};
use sync_protocol::limits;
use uuid::Uuid;

use super::rows::Keys as _;
use super::{AreaVersion, StoreError, Transaction, each_backend};
use crate::domain::{Device, DeviceRow, DistrictKey};

/// How one presenter stands.
#[derive(Clone, Debug)]
pub struct PresenterRow {
    /// The device, with the persons bound to it.
    pub device: Device,
    /// Whether notices wait for its persons.
    pub has_notices: bool,
    /// The first of the photos that it named and the server lacks.
    pub missing_photos: Vec<PhotoHash>,
    /// The sequence up to which it need keep nothing: a verified backup holds everything. None for a forked chain, of
    /// which nobody can say whose branch that is.
    pub safe_through: Option<u64>,
    /// Every version of the areas of its persons, and of its own union of them under its own id; oldest first.
    pub areas: BTreeMap<PersonId, Vec<AreaVersion>>,
}

impl PresenterRow {
    /// Under whose name the union of a device's areas is versioned.
    pub const fn holder(device: DeviceId) -> PersonId {
        PersonId(device.0)
    }
}

impl Transaction {
    /// How these devices stand now.
    pub async fn presenters(
        &mut self,
        district: DistrictKey,
        ids: &[DeviceId],
    ) -> Result<BTreeMap<DeviceId, PresenterRow>, StoreError> {
        let devices = self.devices(district, ids).await?;
        let photos: Vec<(Uuid, Vec<u8>)> = each_backend!(&mut *self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new("SELECT device, photos FROM (SELECT district, device, (SELECT ");
            query.push(Db::JOINED_PHOTOS).push(
                " FROM (SELECT sha256 FROM photos WHERE photos.district = devices.district \
                 AND photos.device = devices.device AND is_settled = 0 ORDER BY record, sha256 LIMIT 0 + ",
            );
            query.push_bind(i64::from(limits::PHOTOS_WANTED)).push(") AS missing) AS photos FROM devices WHERE district = ");
            query.push_bind(district.0).push(" AND device");
            Db::push_ids(&mut query, ids.iter().map(|id| id.0));
            query.push(") AS lacking WHERE photos IS NOT NULL");
            query.build_query_as().fetch_all(connection).await?
        });
        let mut photos: BTreeMap<DeviceId, Vec<PhotoHash>> = photos.into_iter().map(photos_of).collect();
        let persons: BTreeSet<PersonId> = devices.values().flat_map(|row| row.device.holders()).collect();
        let told: Vec<(Uuid,)> = each_backend!(&mut *self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(
                "SELECT person FROM persons WHERE EXISTS (SELECT 1 FROM notices WHERE notices.district = persons.district \
                 AND notices.person = persons.person AND acknowledged_ms IS NULL) AND district = ",
            );
            query.push_bind(district.0).push(" AND person");
            Db::push_ids(&mut query, persons.iter().map(|person| person.0));
            query.build_query_as().fetch_all(connection).await?
        });
        let told: BTreeSet<PersonId> = told.into_iter().map(|(person,)| PersonId(person)).collect();
        let mut holders: Vec<PersonId> = persons.into_iter().collect();
        holders.extend(devices.keys().map(|id| PresenterRow::holder(*id)));
        let areas = self.areas(district, &holders).await?;
        let mut row = |id: DeviceId, DeviceRow { device, safe_through, .. }: DeviceRow| PresenterRow {
            has_notices: device.holders().iter().any(|person| told.contains(person)),
            missing_photos: photos.remove(&id).unwrap_or_default(),
            safe_through: safe_through.filter(|_| !device.is_forked),
            areas: device
                .persons
                .iter()
                .copied()
                .chain([PresenterRow::holder(id)])
                .filter_map(|holder| Some((holder, areas.get(&holder)?.clone())))
                .collect(),
            device,
        };
        Ok(devices.into_iter().map(|(id, device)| (id, row(id, device))).collect())
    }
}

/// The hashes of a device's missing photos, which come as one value: rows of it would each wake who waits for them.
fn photos_of((device, joined): (Uuid, Vec<u8>)) -> (DeviceId, Vec<PhotoHash>) {
    (DeviceId(device), joined.as_chunks::<32>().0.iter().map(|hash| PhotoHash(*hash)).collect())
}
