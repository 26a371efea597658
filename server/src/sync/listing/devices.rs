//! Devices: who is silent, who still owes sequences or photos, whose clock or chain is off.

use serde::Serialize;
use sync_protocol::codes::Code;
use sync_protocol::ids::DeviceId;
use utoipa::ToSchema;

use super::{Page, cursor, read_cursor};
use crate::domain::{DeviceRow, DeviceStatus, District, DistrictKey};
use crate::store::Transaction;
use crate::sync::audit::{Actor, Entry};
use crate::sync::{Engine, SyncError, pull};

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceTold {
    /// Its id.
    pub id: String,
    /// What the office calls it; nothing where it calls it nothing.
    pub name: String,
    /// Persons bound to it.
    pub persons: Vec<PersonTold>,
    /// App and version.
    pub client: String,
    /// `active`, `lost` or `revoked`.
    pub status: &'static str,
    /// The last sequence that is trusted, of a revoked one.
    pub trusted_through: Option<u64>,
    /// When it enrolled.
    pub enrolled_ms: i64,
    /// Its last contact.
    pub contact_ms: Option<i64>,
    /// Whole hours since its last contact, or since it enrolled.
    pub silent_hours: i64,
    /// Its wall clock minus the server's at that contact.
    pub clock_offset_ms: Option<i64>,
    /// The highest sequence received.
    pub received_through: u64,
    /// No gap up to here.
    pub whole_through: u64,
    /// The head it said it was at.
    pub claimed_sequence: u64,
    /// A verified backup holds everything up to here; nothing where none does.
    pub safe_through: Option<u64>,
    /// Closed ranges of sequences that it owes.
    pub outstanding: Vec<(u64, u64)>,
    /// Closed ranges of sequences that a lost device took with it.
    pub lost: Vec<(u64, u64)>,
    /// How many sequences it owes.
    pub outstanding_operations: u64,
    /// How many photos it named whose bytes are not verified.
    pub outstanding_photos: u64,
    /// Its chain has two branches.
    pub forked: bool,
    /// The device that it replaced.
    pub continues: Option<String>,
}

/// A person bound to a device.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonTold {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: Option<String>,
}

const HOUR_MS: i64 = 3_600_000;

/// Which devices a list has: what is none is not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// In use, and owing what it says it recorded.
    pub unsent: bool,
    /// In use, and not heard of since this moment.
    pub silent_before_ms: Option<i64>,
}

impl DeviceFilter {
    /// Whether a device is of the list.
    pub fn takes(&self, row: &DeviceRow) -> bool {
        let is_unsent = row.device.whole_through < row.claimed_sequence.max(row.device.head_sequence);
        let heard_ms = row.contact_ms.unwrap_or(row.enrolled_ms);
        let is_active = row.device.status == DeviceStatus::Active;
        (!self.unsent || (is_active && is_unsent))
            && self.silent_before_ms.is_none_or(|before_ms| is_active && heard_ms < before_ms)
    }
}

/// A page of devices, by id. The server's own is left out.
///
/// # Errors
/// The cursor's, the store's.
pub async fn page(
    engine: &Engine,
    district: &District,
    filter: DeviceFilter,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<DeviceTold>, SyncError> {
    let after: Option<DeviceId> = from.map(read_cursor).transpose()?;
    let mut transaction = engine.store.read().await?;
    let own = engine.own_device(district);
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut ids: Vec<DeviceId> = transaction
        .device_ids(district.key)
        .await?
        .into_iter()
        .filter(|id| *id != own && after.is_none_or(|after| *id > after))
        .collect();
    if filter != DeviceFilter::default() {
        let devices = transaction.devices(district.key, &ids).await?;
        ids.retain(|id| devices.get(id).is_some_and(|row| filter.takes(row)));
    }
    ids.truncate(wanted.saturating_add(1));
    let has_more = ids.len() > wanted;
    ids.truncate(wanted);
    let next = ids.last().filter(|_| has_more).map(cursor);
    let rows = told(&mut transaction, district.key, &ids, engine.clock.now_ms()).await?;
    Ok(Page { rows, next })
}

/// The devices that have been silent for longest, beyond so many hours; lost and revoked ones are left out.
///
/// # Errors
/// The store's.
pub async fn silent(
    engine: &Engine,
    district: &District,
    hours: i64,
    limit: usize,
) -> Result<Vec<DeviceTold>, SyncError> {
    let own = engine.own_device(district);
    let now_ms = engine.clock.now_ms();
    let mut transaction = engine.store.read().await?;
    let ids = transaction.device_ids(district.key).await?;
    let devices = transaction.devices(district.key, &ids).await?;
    let mut silent: Vec<(i64, DeviceId)> = devices
        .values()
        .filter(|row| row.device.id != own && row.device.status == DeviceStatus::Active)
        .map(|row| (row.contact_ms.unwrap_or(row.enrolled_ms), row.device.id))
        .filter(|(contact_ms, _)| (now_ms - contact_ms) / HOUR_MS >= hours)
        .collect();
    silent.sort_unstable();
    let ids: Vec<DeviceId> = silent.into_iter().take(limit).map(|(_, id)| id).collect();
    told(&mut transaction, district.key, &ids, now_ms).await
}

/// One device.
///
/// # Errors
/// [`Code::NotFound`], the store's.
pub async fn one(engine: &Engine, district: &District, id: DeviceId) -> Result<DeviceTold, SyncError> {
    let unknown = || SyncError::RefusedFor(Code::NotFound, format!("device {id}"));
    if id == engine.own_device(district) {
        return Err(unknown());
    }
    let mut transaction = engine.store.read().await?;
    told(&mut transaction, district.key, &[id], engine.clock.now_ms()).await?.pop().ok_or_else(unknown)
}

/// Characters of a device's name.
const NAME_CHARACTERS: usize = 60;

/// Names a device.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::BadParameter`] of the name.
pub async fn rename(
    engine: &Engine,
    district: &District,
    id: DeviceId,
    name: &str,
    by: Actor,
) -> Result<(), SyncError> {
    let name = name.trim();
    if name.chars().count() > NAME_CHARACTERS || name.chars().any(char::is_control) {
        return Err(SyncError::RefusedFor(Code::BadParameter, "name".to_owned()));
    }
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    let is_there =
        id != engine.own_device(district) && transaction.rename_device(district.key, id, name).await?;
    if !is_there {
        return Err(SyncError::RefusedFor(Code::NotFound, format!("device {id}")));
    }
    let entry = Entry::by(by, "device.rename", id.to_string(), serde_json::json!({ "name": name }));
    engine.audit(&mut transaction, district, entry).await?;
    transaction.commit().await?;
    Ok(())
}

async fn told(
    transaction: &mut Transaction,
    district: DistrictKey,
    ids: &[DeviceId],
    now_ms: i64,
) -> Result<Vec<DeviceTold>, SyncError> {
    let mut devices = transaction.devices(district, ids).await?;
    let photos = transaction.missing_photo_counts(district).await?;
    let mut told = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(row) = devices.remove(id) else { continue };
        let device = row.device;
        let persons = super::Names::of(transaction, district, device.persons.iter().copied()).await?;
        let claimed = row.claimed_sequence.max(device.head_sequence);
        let lacking = if device.whole_through < claimed {
            let held = transaction.held_ranges(district, *id, device.whole_through).await?;
            pull::missing(device.whole_through, claimed, &held)
        } else {
            Vec::new()
        };
        let is_lost = device.status == DeviceStatus::Lost;
        let (outstanding, lost) = if is_lost { (Vec::new(), lacking) } else { (lacking, Vec::new()) };
        let trusted_through = match device.status {
            DeviceStatus::Active | DeviceStatus::Lost => None,
            DeviceStatus::Revoked { sequence, .. } => Some(sequence),
        };
        told.push(DeviceTold {
            id: id.to_string(),
            name: row.name,
            persons: device
                .persons
                .iter()
                .map(|person| PersonTold { id: person.to_string(), name: persons.get(*person) })
                .collect(),
            client: row.client,
            status: device.status.as_str(),
            trusted_through,
            enrolled_ms: row.enrolled_ms,
            contact_ms: row.contact_ms,
            silent_hours: (now_ms - row.contact_ms.unwrap_or(row.enrolled_ms)).max(0) / HOUR_MS,
            clock_offset_ms: row.clock_offset_ms,
            received_through: device.head_sequence,
            whole_through: device.whole_through,
            claimed_sequence: row.claimed_sequence,
            safe_through: row.safe_through,
            outstanding_operations: outstanding.iter().map(|(first, last)| last - first + 1).sum(),
            outstanding,
            lost,
            outstanding_photos: photos.get(id).copied().unwrap_or(0),
            forked: device.is_forked,
            continues: row.continues.map(|device| device.to_string()),
        });
    }
    Ok(told)
}
