//! What a request wants written, and what it is given for it. Who waits and when it is written is in
//! [`super::group`].

use std::collections::{BTreeMap, HashMap};

use sync_protocol::codes::Code;
use sync_protocol::ids::{BundleHash, DeviceId, NoticeId, PersonId};

use super::SyncError;
use super::ahead::{Ahead, Asked};
use crate::domain::DistrictKey;
use crate::reconcile::Arrival;
use crate::store::{Lineage, PresenterRow, RefusedRow, StoreError, Transaction, Visit};

/// Bytes of a refused bundle that are kept.
pub const REFUSED_BYTES: usize = 256 << 10;

/// What one request wants written.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Verified bundles.
    pub arrivals: Vec<Arrival>,
    /// Bundles to refuse and keep.
    pub refused: Vec<RefusedRow>,
    /// The presenter's contact.
    pub visit: Option<Visit>,
    /// Notices that these persons have seen.
    pub acknowledged: (Vec<PersonId>, Vec<NoticeId>),
    /// What the presenter will ask of the feed.
    pub asked: Option<Asked>,
}

/// Receipts of a delivery, by bundle; a bundle whose own writing failed has none.
pub type Receipts = HashMap<BundleHash, Vec<u8>>;

/// What a delivery gave.
#[derive(Debug)]
pub struct Delivered {
    /// Its receipts.
    pub receipts: Receipts,
    /// How its presenter stands after it.
    pub standing: Option<Standing>,
    /// What of the feed was read for its presenter and others together.
    pub ahead: Ahead,
}

/// How a presenter and the district's feed stand.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The presenter.
    pub presenter: PresenterRow,
    /// The feed.
    pub lineage: Lineage,
}

impl Standing {
    /// Reads it for a presenter that brought nothing to write.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] where the device is gone; the store's.
    pub async fn of(
        reading: &mut Transaction,
        district: DistrictKey,
        device: DeviceId,
    ) -> Result<Self, SyncError> {
        let standing = Self::of_all(reading, district, &[device]).await?.remove(&device);
        Ok(standing.ok_or(Code::Unauthenticated)?)
    }

    /// Reads it for many; a device that is gone has none.
    ///
    /// # Errors
    /// The store's.
    pub async fn of_all(
        reading: &mut Transaction,
        district: DistrictKey,
        devices: &[DeviceId],
    ) -> Result<BTreeMap<DeviceId, Self>, StoreError> {
        let lineage = reading.lineage(district).await?;
        let presenters = reading.presenters(district, devices).await?.into_iter();
        Ok(presenters.map(|(id, presenter)| (id, Self { presenter, lineage: lineage.clone() })).collect())
    }
}

/// A run of refused bundles, cut to what is kept.
pub fn refused_row(
    bundle: BundleHash,
    code: Code,
    bytes: &[u8],
    presenter: Option<DeviceId>,
    received_ms: i64,
) -> RefusedRow {
    let bytes = bytes.get(..REFUSED_BYTES).unwrap_or(bytes).to_vec();
    RefusedRow { bundle, code: code.as_str(), presenter, received_ms, bytes }
}
