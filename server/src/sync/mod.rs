//! The life of a bundle: opened and verified, sorted, folded and committed with others, answered.
//!
//! [`admit`] opens and verifies (no lock, many cores); `waiting` says which jobs make a group; [`group`] takes the
//! district's counter row, reads, plans and applies in one transaction for many bundles; [`pull`] reads the feed. [`office`] and [`enrol`] are the
//! other ways in. Nothing here knows HTTP.

pub mod accounts;
pub mod admin;
pub mod admit;
pub mod ahead;
mod areas;
pub mod audit;
pub mod backups;
mod batch;
pub mod check;
pub mod choices;
pub mod commands;
mod crowd;
pub mod cursor;
pub mod deadlines;
pub mod decide;
pub mod delivery;
pub mod derive;
pub mod enrol;
pub mod entry;
pub mod events;
pub mod exports;
mod feed;
pub mod grid;
pub mod group;
pub mod holders;
pub mod import;
pub mod json;
pub mod layers;
pub mod listing;
pub mod map_reads;
mod news;
pub mod numbers;
pub mod office;
pub mod orders;
pub mod people;
pub mod photos;
pub mod presenters;
pub mod proposals;
pub mod pull;
mod redaction;
mod release;
pub mod reports;
pub mod review;
pub mod rollback;
pub mod rules;
pub mod sessions;
pub mod sight;
mod taken_over;
pub mod tiles;
pub mod tokens;
pub mod trust;
pub mod units;
pub mod users;
pub mod visitors;
mod waiting;

use std::collections::HashMap;
use std::sync::Arc;

use exports::Exports;
use photos::Photos;
use presenters::Presenters;
use sync_protocol::bundle::Binding;
use sync_protocol::codes::Code;
use sync_protocol::enrolment;
use sync_protocol::ids::DeviceId;
use tokio::sync::{Mutex, Notify, RwLock};

use crate::accounts::lockout::Strangers;
use crate::domain::{District, DistrictKey};
use crate::grid::snapshot::Grid;
use crate::keys::{KeyError, Keyring};
use crate::lifecycle::Profile;
use crate::rules::Rules;
use crate::store::{Store, StoreError, Transaction};
use crate::time::Clock;

/// What can go wrong between a request and the store.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The request is not taken, for a reason that its sender can act on.
    #[error("{0}")]
    Refused(Code),
    /// The request is not taken; what is wrong stands beside the code.
    #[error("{0}: {1}")]
    RefusedFor(Code, String),
    /// The request is not taken for so many seconds.
    #[error("{0}: for {1} s")]
    Wait(Code, u64),
    /// A command is not written: it may not be given now, or the hazard has moved on.
    #[error("a command is refused")]
    Command(commands::Refused),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys failed.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A task of ours ended before it answered.
    #[error("a task ended before it answered")]
    Gone,
}

impl SyncError {
    /// A parameter or key that is none of what it may be: says what it may be.
    pub fn one_of<'n>(name: &str, allowed: impl IntoIterator<Item = &'n str>) -> Self {
        let allowed = allowed.into_iter().collect::<Vec<_>>().join(", ");
        Self::RefusedFor(Code::BadParameter, format!("{name}: 须为下列之一 must be one of {allowed}"))
    }

    /// Whether the store was closed: the server stops, and nothing has failed.
    pub const fn is_of_a_stop(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_closed())
    }
}

impl From<Code> for SyncError {
    fn from(code: Code) -> Self {
        Self::Refused(code)
    }
}

/// Everything that a request needs.
#[derive(Debug)]
pub struct Engine {
    /// The store.
    pub store: Store,
    /// The server's keys.
    pub keys: Keyring,
    /// The source of time.
    pub clock: Clock,
    /// Positions that mean "place unknown", degrees × 1e7.
    pub default_positions: Vec<(i64, i64)>,
    /// What the bureau has chosen of the lifecycle.
    pub profile: Profile,
    /// Devices as their last sync left them.
    pub presenters: Presenters,
    /// Files of photos.
    pub photos: Photos,
    /// Files of the map and of the ledger.
    pub exports: Exports,
    /// A group was written: there may be something to derive.
    pub written: Notify,
    /// An event was added to an outbox.
    pub told: Notify,
    /// Who may come in, or what they may see, has changed: whoever is in is looked at again.
    pub admission: Notify,
    /// Holders of tokens as they were read a moment ago, for maps.
    pub holders: holders::Holders,
    /// Failed sign-ins to logins that nobody has.
    pub strangers: std::sync::Mutex<Strangers>,
    /// What the last look for deadlines that tighten was made by.
    pub scanned: deadlines::Scanned,
    /// What of the map was read by whom within the hour.
    pub map_reads: map_reads::MapReads,
    districts: RwLock<Vec<District>>,
    writers: Mutex<HashMap<DistrictKey, waiting::Writer>>,
    /// Held while what is beside the records of a district is derived: who waits for it derives nothing twice.
    deriving: Mutex<HashMap<DistrictKey, Arc<Mutex<derive::Windows>>>>,
    /// The grid of each district as it was last asked for.
    grids: Mutex<HashMap<DistrictKey, Arc<Grid>>>,
    /// The rules of each district as they were last asked for.
    rules: Mutex<HashMap<DistrictKey, Arc<Rules>>>,
}

impl Engine {
    /// Opens the engine on a store: the database must belong to these keys.
    ///
    /// # Errors
    /// [`StoreError::Unfit`] where it belongs to others.
    pub async fn open(
        store: Store,
        keys: Keyring,
        clock: Clock,
        default_positions: Vec<(i64, i64)>,
        profile: Profile,
        photos: Photos,
        exports: Exports,
    ) -> Result<Arc<Self>, SyncError> {
        let mut transaction = store.begin().await?;
        let deployment = transaction.deployment(keys.deployment().0).await?;
        if deployment != keys.deployment().0 {
            return Err(StoreError::Unfit(format!(
                "it belongs to deployment {deployment}, the key directory to {}",
                keys.deployment()
            ))
            .into());
        }
        let districts = transaction.districts().await?;
        transaction.commit().await?;
        Ok(Arc::new(Self {
            store,
            keys,
            clock,
            default_positions,
            profile,
            presenters: Presenters::default(),
            photos,
            exports,
            written: Notify::new(),
            told: Notify::new(),
            admission: Notify::new(),
            holders: holders::Holders::default(),
            strangers: std::sync::Mutex::default(),
            scanned: deadlines::Scanned::default(),
            map_reads: map_reads::MapReads::default(),
            districts: RwLock::new(districts),
            writers: Mutex::new(HashMap::new()),
            deriving: Mutex::new(HashMap::new()),
            grids: Mutex::new(HashMap::new()),
            rules: Mutex::new(HashMap::new()),
        }))
    }

    /// Begins an incarnation of every district: done once by a server that is about to serve.
    pub async fn begin_incarnation(&self) -> Result<(), SyncError> {
        for district in self.districts.read().await.iter() {
            self.begin_incarnation_of(district.key).await?;
        }
        Ok(())
    }

    async fn begin_incarnation_of(&self, district: DistrictKey) -> Result<(), SyncError> {
        let tag: [u8; 4] = self.keys.random()?;
        let mut transaction = self.store.begin().await?;
        transaction.take_counter(district, 0).await?;
        transaction.begin_incarnation(district, tag).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The connection that a request reads with: the one it holds, or one taken now.
    ///
    /// # Errors
    /// The store's.
    pub async fn reading<'r>(
        &self,
        held: &'r mut Option<Transaction>,
    ) -> Result<&'r mut Transaction, SyncError> {
        let reading = match held.take() {
            Some(reading) => reading,
            None => self.store.glance().await?,
        };
        Ok(held.insert(reading))
    }

    /// Commits a change of who may come in: whoever is in already is looked at again at once.
    ///
    /// # Errors
    /// The store's.
    pub async fn commit_admission(&self, transaction: Transaction) -> Result<(), SyncError> {
        transaction.commit().await?;
        self.holders.forget();
        self.admission.notify_waiters();
        Ok(())
    }

    /// Every district.
    pub async fn districts(&self) -> Vec<District> {
        self.districts.read().await.clone()
    }

    /// Every district as it is stored now: the command line may have added one beside a running server.
    pub async fn stored_districts(&self) -> Result<Vec<District>, SyncError> {
        let districts = self.store.read().await?.districts().await?;
        self.districts.write().await.clone_from(&districts);
        Ok(districts)
    }

    /// The district of this code or id; one that another process added is found too.
    pub async fn district(&self, code_or_id: &str) -> Result<District, SyncError> {
        let matches =
            |district: &&District| district.code == code_or_id || district.id.to_string() == code_or_id;
        if let Some(district) = self.districts.read().await.iter().find(matches) {
            return Ok(district.clone());
        }
        let mut transaction = self.store.read().await?;
        let districts = transaction.districts().await?;
        let found = districts.iter().find(matches).cloned();
        *self.districts.write().await = districts;
        found.ok_or_else(|| SyncError::RefusedFor(Code::NotFound, format!("district {code_or_id}")))
    }

    /// What signatures of a district are bound to.
    pub fn binding(&self, district: &District) -> Binding {
        Binding { deployment: self.keys.deployment(), district: district.id }
    }

    /// The device that the server's own operations are signed for.
    pub fn own_device(&self, district: &District) -> DeviceId {
        enrolment::device_id(district.id, self.keys.public_key())
    }
}
