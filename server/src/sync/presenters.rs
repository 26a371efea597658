//! Devices as their last sync left them: saves every sync a turn to the database before it is known who asks.
//!
//! Nothing is decided by what is remembered here but what costs nothing where it is wrong: which key to try, and
//! whether a bundle may have been taken before. What a device may do is decided by what is read with its bundles.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sync_protocol::ids::DeviceId;

use crate::domain::{Device, DistrictKey};

/// Devices remembered. Beyond it everything is forgotten and learnt again.
const REMEMBERED: usize = 4_096;

/// Devices as their last sync left them.
#[derive(Debug, Default)]
pub struct Presenters(Mutex<HashMap<(DistrictKey, DeviceId), Device>>);

impl Presenters {
    /// The device, where it is remembered.
    pub fn recall(&self, district: DistrictKey, device: DeviceId) -> Option<Device> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(district, device)).cloned()
    }

    /// Remembers how a device stands.
    pub fn remember(&self, district: DistrictKey, device: &Device) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED && !known.contains_key(&(district, device.id)) {
            known.clear();
        }
        known.insert((district, device.id), device.clone());
    }
}
