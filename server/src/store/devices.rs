//! Devices, the persons bound to them, and what each contact taught.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sync_protocol::ids::{Chain, DeviceId, PersonId};
use uuid::Uuid;

use super::inserts::{Inserts, LARGEST, insert_rows};
use super::rows::{Keys as _, padded};
use super::{StoreError, Transaction, each_backend, execute, fetch_all, fetch_optional, signed, unsigned};
use crate::domain::{Device, DeviceRow, DeviceStatus, DistrictKey};

/// What one contact of a device taught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The presenter.
    pub device: DeviceId,
    /// Server time of receipt.
    pub received_ms: i64,
    /// Its wall clock minus the server's.
    pub clock_offset_ms: i64,
    /// Its own head, as it said.
    pub claimed_sequence: u64,
    /// Boot and (server time of receipt − uptime at sending), where it told both.
    pub boot_offset_ms: Option<([u8; 16], i64)>,
}

/// One row a person bound to a device.
const SELECT_BOUND: &str = "SELECT device, public_key, status, revoked_sequence, revoked_chain, is_forked, \
     head_sequence, head_chain, whole_through, client, devices.name AS device_name, continues, enrolled_ms, contact_ms, clock_offset_ms, \
     claimed_sequence, safe_through, person, removed_ms FROM devices LEFT JOIN device_persons USING (district, device) \
     LEFT JOIN persons USING (district, person) WHERE district = ";
const INSERT_DEVICE: &str = "INSERT INTO devices (district, device, public_key, client, continues, status, is_forked, \
     enrolled_ms, head_sequence, head_chain, whole_through, claimed_sequence) \
     VALUES ($1, $2, $3, $4, $5, 'active', 0, $6, 0, $7, 0, 0) ON CONFLICT (district, device) DO NOTHING";
const BIND_PERSON: &str = "INSERT INTO device_persons (district, device, person) VALUES ($1, $2, $3) \
     ON CONFLICT (district, device, person) DO NOTHING";
// The columns of a list of VALUES have these names on both databases.
const SET_HEADS: &str = "devices SET head_sequence = new.column3, head_chain = new.column4, \
     whole_through = new.column5, is_forked = new.column6 FROM (";
const SET_VISITS: &str = "devices SET contact_ms = new.column3, clock_offset_ms = new.column4, \
     claimed_sequence = CASE WHEN claimed_sequence > new.column5 THEN claimed_sequence ELSE new.column5 END FROM (";
const OF_VALUES: &str = ") AS new WHERE devices.district = new.column1 AND devices.device = new.column2";
const REVOKE: &str = "UPDATE devices SET status = 'revoked', revoked_sequence = $3, revoked_chain = $4 \
     WHERE district = $1 AND device = $2";
/// A revoked device stays revoked.
const LOSE: &str =
    "UPDATE devices SET status = 'lost' WHERE district = $1 AND device = $2 AND status = 'active'";
const RENAME: &str = "UPDATE devices SET name = $3 WHERE district = $1 AND device = $2";
const SELECT_CONTACT: &str =
    "SELECT offset_ms FROM contacts WHERE district = $1 AND device = $2 AND boot = $3";
const SELECT_DEVICE_IDS: &str = "SELECT device FROM devices WHERE district = $1 ORDER BY device";

#[derive(sqlx::FromRow)]
struct Row {
    device: Uuid,
    public_key: Vec<u8>,
    status: String,
    revoked_sequence: Option<i64>,
    revoked_chain: Option<Vec<u8>>,
    is_forked: i64,
    head_sequence: i64,
    head_chain: Vec<u8>,
    whole_through: i64,
    client: String,
    device_name: String,
    continues: Option<Uuid>,
    enrolled_ms: i64,
    contact_ms: Option<i64>,
    clock_offset_ms: Option<i64>,
    claimed_sequence: i64,
    safe_through: Option<i64>,
    person: Option<Uuid>,
    removed_ms: Option<i64>,
}

fn chain(bytes: &[u8]) -> Result<Chain, StoreError> {
    Chain::try_from(bytes).map_err(|_source| StoreError::Damaged("chain hash"))
}

impl Row {
    fn into_device(self) -> Result<DeviceRow, StoreError> {
        let status = match self.status.as_str() {
            "active" => DeviceStatus::Active,
            "lost" => DeviceStatus::Lost,
            "revoked" => DeviceStatus::Revoked {
                sequence: unsigned(self.revoked_sequence.unwrap_or(0)),
                chain: chain(&self.revoked_chain.unwrap_or_default())?,
            },
            _ => return Err(StoreError::Damaged("device status")),
        };
        Ok(DeviceRow {
            device: Device {
                id: DeviceId(self.device),
                public_key: self.public_key,
                status,
                is_forked: self.is_forked != 0,
                persons: Vec::new(),
                former: Vec::new(),
                head_sequence: unsigned(self.head_sequence),
                head_chain: chain(&self.head_chain)?,
                whole_through: unsigned(self.whole_through),
            },
            client: self.client,
            name: self.device_name,
            continues: self.continues.map(DeviceId),
            enrolled_ms: self.enrolled_ms,
            contact_ms: self.contact_ms,
            clock_offset_ms: self.clock_offset_ms,
            claimed_sequence: unsigned(self.claimed_sequence),
            safe_through: self.safe_through.map(unsigned),
        })
    }
}

impl Transaction {
    /// Devices of the district with the persons bound to them.
    pub async fn devices(
        &mut self,
        district: DistrictKey,
        ids: &[DeviceId],
    ) -> Result<BTreeMap<DeviceId, DeviceRow>, StoreError> {
        let mut devices = BTreeMap::new();
        if ids.is_empty() {
            return Ok(devices);
        }
        let rows: Vec<Row> = each_backend!(self, connection => {
            let mut query = sqlx::QueryBuilder::<Db>::new(SELECT_BOUND);
            query.push_bind(district.0).push(" AND device");
            Db::push_ids(&mut query, ids.iter().map(|id| id.0));
            query.push(" ORDER BY device, person");
            query.build_query_as().fetch_all(connection).await?
        });
        for row in rows {
            let (person, removed_ms) = (row.person.map(PersonId), row.removed_ms);
            let device = match devices.entry(DeviceId(row.device)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(row.into_device()?),
            };
            let device = &mut device.device;
            let list = if removed_ms.is_none() { &mut device.persons } else { &mut device.former };
            list.extend(person);
        }
        Ok(devices)
    }

    /// Names a device. False where there is none.
    pub async fn rename_device(
        &mut self,
        district: DistrictKey,
        id: DeviceId,
        name: &str,
    ) -> Result<bool, StoreError> {
        Ok(execute!(self, RENAME, district.0, id.0, name) > 0)
    }

    /// One device.
    pub async fn device(
        &mut self,
        district: DistrictKey,
        id: DeviceId,
    ) -> Result<Option<DeviceRow>, StoreError> {
        Ok(self.devices(district, &[id]).await?.remove(&id))
    }

    /// The ids of every device.
    pub async fn device_ids(&mut self, district: DistrictKey) -> Result<Vec<DeviceId>, StoreError> {
        let rows = fetch_all!(self, (Uuid,), SELECT_DEVICE_IDS, district.0);
        Ok(rows.into_iter().map(|(id,)| DeviceId(id)).collect())
    }

    /// Adds a device; one with this key stays as it is.
    pub async fn add_device(
        &mut self,
        district: DistrictKey,
        id: DeviceId,
        public_key: &[u8],
        client: &str,
        continues: Option<DeviceId>,
        enrolled_ms: i64,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            INSERT_DEVICE,
            district.0,
            id.0,
            public_key,
            client,
            continues.map(|id| id.0),
            enrolled_ms,
            Chain::START.0.to_vec()
        );
        Ok(())
    }

    /// Binds a person to a device.
    pub async fn bind_person(
        &mut self,
        district: DistrictKey,
        device: DeviceId,
        person: PersonId,
    ) -> Result<(), StoreError> {
        execute!(self, BIND_PERSON, district.0, device.0, person.0);
        Ok(())
    }

    /// Stores how far the chains of devices are held.
    pub async fn update_device_heads(
        &mut self,
        district: DistrictKey,
        devices: &[Device],
    ) -> Result<(), StoreError> {
        for chunk in devices.chunks(LARGEST) {
            each_backend!(&mut *self, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new(<Db as Inserts>::UPDATE);
                query.push(SET_HEADS);
                query.push_values(padded(&chunk.iter().collect::<Vec<_>>()), |mut row, device| {
                    row.push_bind(district.0)
                        .push_bind(device.id.0)
                        .push_bind(signed(device.head_sequence))
                        .push_bind(&device.head_chain.0[..])
                        .push_bind(signed(device.whole_through))
                        .push_bind(i64::from(device.is_forked));
                });
                query.push(OF_VALUES);
                query.build().execute(connection).await?;
            });
        }
        Ok(())
    }

    /// Marks a device as lost or revoked; an active one is not made active again.
    pub async fn set_device_status(
        &mut self,
        district: DistrictKey,
        device: DeviceId,
        status: DeviceStatus,
    ) -> Result<(), StoreError> {
        match status {
            DeviceStatus::Active => {}
            DeviceStatus::Lost => drop(execute!(self, LOSE, district.0, device.0)),
            DeviceStatus::Revoked { sequence, chain } => {
                execute!(self, REVOKE, district.0, device.0, signed(sequence), chain.0.to_vec());
            }
        }
        Ok(())
    }

    /// Notes contacts, in the order in which they came.
    pub async fn note_visits(&mut self, district: DistrictKey, visits: &[Visit]) -> Result<(), StoreError> {
        // Of several contacts of one device the last says what its clock shows.
        let mut last: BTreeMap<DeviceId, Visit> = BTreeMap::new();
        for visit in visits {
            let claimed = last.get(&visit.device).map_or(0, |before| before.claimed_sequence);
            let claimed_sequence = visit.claimed_sequence.max(claimed);
            last.insert(visit.device, Visit { claimed_sequence, ..visit.clone() });
        }
        let last: Vec<Visit> = last.into_values().collect();
        for chunk in last.chunks(LARGEST) {
            each_backend!(&mut *self, connection => {
                let mut query = sqlx::QueryBuilder::<Db>::new(<Db as Inserts>::UPDATE);
                query.push(SET_VISITS);
                query.push_values(padded(&chunk.iter().collect::<Vec<_>>()), |mut row, visit| {
                    row.push_bind(district.0)
                        .push_bind(visit.device.0)
                        .push_bind(visit.received_ms)
                        .push_bind(visit.clock_offset_ms)
                        .push_bind(signed(visit.claimed_sequence));
                });
                query.push(OF_VALUES);
                query.build().execute(connection).await?;
            });
        }
        let mut offsets: BTreeMap<(DeviceId, [u8; 16]), i64> = BTreeMap::new();
        for (device, (boot, offset_ms)) in
            visits.iter().filter_map(|visit| Some((visit.device, visit.boot_offset_ms?)))
        {
            let known = offsets.entry((device, boot)).or_insert(offset_ms);
            *known = (*known).min(offset_ms);
        }
        let offsets: Vec<((DeviceId, [u8; 16]), i64)> = offsets.into_iter().collect();
        insert_rows!(
            self,
            &offsets,
            "contacts (district, device, boot, offset_ms) ",
            " ON CONFLICT (district, device, boot) DO UPDATE SET offset_ms = \
             CASE WHEN contacts.offset_ms < excluded.offset_ms THEN contacts.offset_ms ELSE excluded.offset_ms END",
            |row, item| row
                .push_bind(district.0)
                .push_bind(item.0.0.0)
                .push_bind(&item.0.1[..])
                .push_bind(item.1)
        );
        Ok(())
    }

    /// The tightest known offset of a boot.
    pub async fn boot_offset(
        &mut self,
        district: DistrictKey,
        device: DeviceId,
        boot: [u8; 16],
    ) -> Result<Option<i64>, StoreError> {
        let row = fetch_optional!(self, (i64,), SELECT_CONTACT, district.0, device.0, boot.to_vec());
        Ok(row.map(|(offset,)| offset))
    }
}
