//! Opening bundles: structure, signature, run, and each operation as far as it can be read.
//!
//! No lock is held and nothing is written; the work is done on the blocking pool. Whether an operation may be
//! folded is decided later, under the lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sync_protocol::bundle::{self, Binding};
use sync_protocol::codes::Code;
use sync_protocol::exchange;
use sync_protocol::ids::{BundleHash, DeviceId, Identity};

use super::{Engine, SyncError};
use crate::domain::{Device, District};
use crate::keys;
use crate::reconcile::{Arrival, Opening};
use crate::validate::{self, Content, ReadOperation};

/// A bundle that was refused, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// SHA-256 of the bytes.
    pub bundle: BundleHash,
    /// Why.
    pub code: Code,
    /// As it came.
    pub bytes: Vec<u8>,
}

/// What became of the bundles of a request so far.
#[derive(Debug, Default)]
pub struct Admitted {
    /// Receipts of bundles that were taken before, by hash.
    pub receipts: HashMap<BundleHash, Vec<u8>>,
    /// Verified bundles that are new.
    pub arrivals: Vec<Arrival>,
    /// Bundles to refuse and keep.
    pub refusals: Vec<Refusal>,
    /// Hashes in the order in which the bundles came.
    pub order: Vec<BundleHash>,
}

/// Opens the bundles of a request body or a file.
///
/// # Errors
/// A code of scope `Request`, or the store's.
pub async fn open(
    engine: &Arc<Engine>,
    district: &District,
    presenter: Option<&Device>,
    bundles: Vec<Vec<u8>>,
    broken: Option<(Vec<u8>, Code)>,
) -> Result<Admitted, SyncError> {
    let bytes = bundles.iter().map(Vec::len).sum();
    let (hashed, broken) = away(bytes, move || {
        let hashed: Vec<(BundleHash, Vec<u8>)> =
            bundles.into_iter().map(|bytes| (BundleHash::of(&bytes), bytes)).collect();
        let broken = broken.map(|(bytes, code)| Refusal { bundle: BundleHash::of(&bytes), code, bytes });
        (hashed, broken)
    })
    .await?;
    let order: Vec<BundleHash> = hashed.iter().map(|(hash, _)| *hash).collect();
    let mut admitted = Admitted { order, ..Admitted::default() };
    admitted.order.extend(broken.iter().map(|refusal| refusal.bundle));
    admitted.refusals.extend(broken);
    if hashed.is_empty() {
        return Ok(admitted);
    }
    let mut reading = None;
    let claims: Vec<Option<(DeviceId, u64)>> =
        hashed.iter().map(|(_, bytes)| bundle::claimed(bytes)).collect();
    // What begins behind the presenter's head was not taken before: most bundles need no reading.
    let is_ahead = |claim: &Option<(DeviceId, u64)>| {
        presenter
            .zip(*claim)
            .is_some_and(|(known, (device, first))| device == known.id && first > known.head_sequence)
    };
    let perhaps_taken: Vec<BundleHash> = hashed
        .iter()
        .zip(&claims)
        .filter(|(_, claim)| !is_ahead(claim))
        .map(|((hash, _), _)| *hash)
        .collect();
    if !perhaps_taken.is_empty() {
        let reading = engine.reading(&mut reading).await?;
        admitted.receipts = reading.receipts(district.key, &perhaps_taken).await?;
    }
    let (new, claims): (Vec<(BundleHash, Vec<u8>)>, Vec<_>) =
        hashed.into_iter().zip(claims).filter(|((hash, _), _)| !admitted.receipts.contains_key(hash)).unzip();
    if new.is_empty() {
        return Ok(admitted);
    }
    let mut public_keys: BTreeMap<DeviceId, Vec<u8>> =
        presenter.iter().map(|device| (device.id, device.public_key.clone())).collect();
    // A bundle that claims nothing may still be one that can be opened.
    let signers: BTreeSet<DeviceId> = new
        .iter()
        .zip(claims)
        .filter_map(|((_, bytes), claim)| {
            let opened = || bundle::open(bytes).ok().map(|opened| opened.device);
            claim.map(|(device, _)| device).or_else(opened)
        })
        .collect();
    let others: Vec<DeviceId> =
        signers.into_iter().filter(|signer| !public_keys.contains_key(signer)).collect();
    if !others.is_empty() {
        let others = engine.reading(&mut reading).await?.devices(district.key, &others).await?;
        public_keys.extend(others.into_iter().map(|(id, row)| (id, row.device.public_key)));
    }
    drop(reading);
    let presenter = presenter.map(|device| device.id);
    let own = engine.own_device(district);
    public_keys.insert(own, engine.keys.public_key().to_vec());
    let binding = engine.binding(district);
    let positions = engine.default_positions.clone();
    let opened = away(bytes, move || {
        new.into_iter()
            .map(|(hash, bytes)| {
                match open_one(hash, &bytes, &binding, &public_keys, own, presenter, &positions) {
                    Ok(arrival) => Ok(arrival),
                    Err(code) => Err(Refusal { bundle: hash, code, bytes }),
                }
            })
            .collect::<Vec<_>>()
    })
    .await?;
    for result in opened {
        match result {
            Ok(arrival) => admitted.arrivals.push(arrival),
            Err(refusal) => admitted.refusals.push(refusal),
        }
    }
    Ok(admitted)
}

/// Opens the bundles of a bundle file.
///
/// # Errors
/// As [`open`].
pub async fn open_file(
    engine: &Arc<Engine>,
    district: &District,
    bytes: &[u8],
) -> Result<Admitted, SyncError> {
    let (bundles, broken) = exchange::decode_bundles(bytes)?;
    let bundles = bundles.into_iter().map(<[u8]>::to_vec).collect();
    let broken = broken.map(|(bytes, code)| (bytes.to_vec(), code));
    open(engine, district, None, bundles, broken).await
}

/// Verifies one bundle and reads its operations.
pub fn open_one(
    hash: BundleHash,
    bytes: &[u8],
    binding: &Binding,
    public_keys: &BTreeMap<DeviceId, Vec<u8>>,
    own: DeviceId,
    presenter: Option<DeviceId>,
    default_positions: &[(i64, i64)],
) -> Result<Arrival, Code> {
    let opened = bundle::open(bytes)?;
    let device = opened.device;
    let public_key = public_keys.get(&device).ok_or(Code::DeviceUnknown)?;
    let proof = opened.proof();
    let payload = opened
        .verify(&binding.external_aad(), |signature, signed| keys::verify(public_key, signature, signed))?;
    let run = bundle::decode_run(&payload)?;
    if run.device != device {
        return Err(Code::DeviceMismatch);
    }
    let last = run.last();
    let mut chain = run.previous;
    let mut openings = HashMap::new();
    let operations: Vec<ReadOperation> = (run.first..)
        .zip(run.operations)
        .map(|(sequence, bytes)| {
            let identity = Identity::of(&bytes);
            chain = chain.next(&identity);
            let mut content =
                validate::read(&bytes).map(|operation| Content::of(identity, operation, default_positions));
            if let Ok(content) = &mut content
                && let Some(opening) = content.decoded.as_deref().and_then(Opening::of)
            {
                openings.insert(identity, Arc::new(opening));
                content.decoded = None;
            }
            ReadOperation { identity, sequence, chain, bytes: bytes.into(), content }
        })
        .collect();
    Ok(Arrival {
        bundle: hash,
        device,
        is_own: device == own,
        first: run.first,
        last,
        previous: run.previous,
        chain,
        operations,
        openings,
        proof,
        presenter,
    })
}

/// Less than this is done sooner than it is handed to another thread.
const LITTLE_BYTES: usize = 32 << 10;

/// Does the work on so many bytes where it holds nobody up.
async fn away<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SyncError> {
    if bytes < LITTLE_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_source| SyncError::Gone)
}
