//! A bundle: a run of one device's operations, signed as `COSE_Sign1` (RFC 9052, untagged).
//!
//! `alg` ES256 and `kid` = the device's id stand in the protected header; the external data bind protocol,
//! deployment and district. How a signature is made or checked is passed in: this module holds no keys.

use coset::{CborSerializable, CoseSign1, CoseSign1Builder, Header, HeaderBuilder, iana};

use crate::cbor::{self, MapWriter};
use crate::codes::Code;
use crate::ids::{Chain, DeploymentId, DeviceId, DistrictId, Identity};
use crate::limits;
use crate::prepass::{self, Bounds};

const BOUNDS: Bounds = Bounds { depth: limits::DEPTH, items: limits::ENVELOPE_ITEMS };

/// Consecutive operations of one device: what a bundle's signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The device that recorded them.
    pub device: DeviceId,
    /// Sequence number of the first operation; a device counts from 1.
    pub first: u64,
    /// The chain before the first operation.
    pub previous: Chain,
    /// Encoded operations.
    pub operations: Vec<Vec<u8>>,
}

impl Run {
    /// The payload of the bundle.
    pub fn encode(&self) -> Vec<u8> {
        let mut operations = Vec::new();
        cbor::write_head(&mut operations, 4, self.operations.len());
        for operation in &self.operations {
            cbor::write_byte_string(&mut operations, operation);
        }
        MapWriter::new()
            .value("first", &self.first)
            .value("device", &self.device)
            .value("previous", &self.previous)
            .raw("operations", &operations)
            .finish()
    }

    /// The sequence number of the last operation.
    pub fn last(&self) -> u64 {
        let count = u64::try_from(self.operations.len()).unwrap_or(u64::MAX);
        self.first.saturating_add(count).saturating_sub(1)
    }

    /// The chain after the last operation.
    pub fn chain(&self) -> Chain {
        self.operations.iter().fold(self.previous, |chain, operation| chain.next(&Identity::of(operation)))
    }
}

/// What a signature is bound to beyond the bundle's own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The district.
    pub district: DistrictId,
}

impl Binding {
    /// The `external_aad` of RFC 9052 §4.3: the CBOR array `[protocol, deployment, district]`.
    pub fn external_aad(&self) -> Vec<u8> {
        cbor::encode(&(crate::PROTOCOL, self.deployment, self.district))
    }
}

/// Signs a run. `sign` makes a 64-byte ES256 signature (r ‖ s) over the bytes it is given.
pub fn seal(run: &Run, binding: &Binding, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    seal_payload(run.encode(), run.device, &binding.external_aad(), sign)
}

/// Signs any payload for `kid`.
pub fn seal_payload(
    payload: Vec<u8>,
    kid: DeviceId,
    external_aad: &[u8],
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let sealed = CoseSign1Builder::new()
        .protected(protected_header(kid))
        .payload(payload)
        .create_signature(external_aad, sign)
        .build();
    sealed.to_vec().unwrap_or_default()
}

fn protected_header(kid: DeviceId) -> Header {
    HeaderBuilder::new().algorithm(iana::Algorithm::ES256).key_id(kid.0.as_bytes().to_vec()).build()
}

/// A bundle whose structure was checked; its signature was not.
#[derive(Clone, Debug)]
pub struct Unverified {
    /// The device that the protected header names.
    pub device: DeviceId,
    cose: CoseSign1,
}

/// The device and the first sequence that a bundle claims, as far as they can be told without opening it. A hint:
/// nothing of it is checked.
pub fn claimed(bytes: &[u8]) -> Option<(DeviceId, u64)> {
    prepass::exact(bytes, BOUNDS).ok()?;
    let parts = prepass::elements(bytes)?;
    let [protected, _, payload, _] = parts.as_slice() else { return None };
    let header = prepass::pairs(prepass::byte_string(protected)?)?;
    let (_, kid) = header.into_iter().find(|(key, _)| *key == [KID])?;
    let device = uuid::Uuid::from_slice(prepass::byte_string(kid)?).ok()?;
    let run = prepass::entries(prepass::byte_string(payload)?)?;
    let (_, first) = run.into_iter().find(|(key, _)| *key == "first")?;
    Some((DeviceId(device), u64::try_from(prepass::integer(first)?).ok()?))
}

/// The label of `kid` (RFC 9052 §3.1), encoded.
const KID: u8 = 4;
/// Bytes of an ES256 signature (RFC 9053 §2.1).
const SIGNATURE_BYTES: usize = 64;

/// Reads the structure of a signed message: array, protected header, payload, signature.
///
/// # Errors
/// An encoding code, or one of scope `Bundle`.
pub fn open(bytes: &[u8]) -> Result<Unverified, Code> {
    if bytes.len() > limits::BUNDLE_BYTES {
        return Err(Code::BundleTooLarge);
    }
    // The unprotected header must be empty, so every map key of the outer item is absent.
    prepass::exact(bytes, BOUNDS)?;
    let parts = prepass::elements(bytes).ok_or(Code::BundleShape)?;
    let [protected, unprotected, payload, signature] = parts.as_slice() else {
        return Err(Code::BundleShape);
    };
    let protected = prepass::byte_string(protected).ok_or(Code::BundleShape)?;
    prepass::exact(protected, BOUNDS)?;
    if *unprotected != [0xa0] || prepass::byte_string(payload).is_none() {
        return Err(Code::BundleShape);
    }
    match prepass::byte_string(signature) {
        None => return Err(Code::BundleShape),
        Some([]) => return Err(Code::SignatureMissing),
        Some(_) => {}
    }
    let cose = CoseSign1::from_slice(bytes).map_err(|_source| Code::BundleShape)?;
    let header = &cose.protected.header;
    if header.alg != Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)) {
        return Err(Code::SignatureAlgorithm);
    }
    let device = uuid::Uuid::from_slice(&header.key_id).map_err(|_source| Code::BundleShape)?;
    // Nothing but `alg` and `kid`: a header parameter that is not understood must not be passed over.
    if *header != protected_header(DeviceId(device)) {
        return Err(Code::BundleShape);
    }
    Ok(Unverified { device: DeviceId(device), cose })
}

impl Unverified {
    /// Checks the signature and gives the payload. `verify(signature, signed bytes)` says whether it holds.
    ///
    /// # Errors
    /// [`Code::SignatureWrong`].
    pub fn verify(
        self,
        external_aad: &[u8],
        verify: impl FnOnce(&[u8], &[u8]) -> bool,
    ) -> Result<Vec<u8>, Code> {
        self.cose
            .verify_signature(
                external_aad,
                |signature, signed| {
                    if verify(signature, signed) { Ok(()) } else { Err(()) }
                },
            )
            .map_err(|()| Code::SignatureWrong)?;
        self.cose.payload.ok_or(Code::BundleShape)
    }

    /// The protected header and the signature: with the operations, enough to prove the run again.
    pub fn proof(&self) -> Vec<u8> {
        let protected = self.cose.protected.original_data.clone().unwrap_or_default();
        cbor::encode(&(serde_bytes::Bytes::new(&protected), serde_bytes::Bytes::new(&self.cose.signature)))
    }
}

/// The device that a proof names, where the proof has the shape of [`Unverified::proof`].
pub fn proof_device(proof: &[u8]) -> Option<DeviceId> {
    prepass::exact(proof, BOUNDS).ok()?;
    let parts = prepass::elements(proof)?;
    let [protected, signature] = parts.as_slice() else { return None };
    let header = prepass::pairs(prepass::byte_string(protected)?)?;
    let (_, kid) = header.into_iter().find(|(key, _)| *key == [KID])?;
    let is_whole = prepass::byte_string(signature)?.len() == SIGNATURE_BYTES;
    is_whole.then(|| uuid::Uuid::from_slice(prepass::byte_string(kid)?).ok()).flatten().map(DeviceId)
}

/// Decodes the payload of a bundle. Faults inside an operation are not looked for.
///
/// # Errors
/// An encoding code, or one of scope `Bundle`.
pub fn decode_run(payload: &[u8]) -> Result<Run, Code> {
    prepass::exact(payload, BOUNDS).map_err(|code| match code {
        Code::CborTooManyItems => Code::BundleTooManyOperations,
        other => other,
    })?;
    let entries = prepass::entries(payload).ok_or(Code::BundleShape)?;
    let get = |name: &str| {
        entries.iter().find(|(key, _)| *key == name).map(|(_, value)| *value).ok_or(Code::BundleShape)
    };
    let shape = |_source| Code::BundleShape;
    let operations = prepass::elements(get("operations")?).ok_or(Code::BundleShape)?;
    if operations.is_empty() {
        return Err(Code::BundleEmpty);
    }
    if operations.len() > limits::OPERATIONS_PER_BUNDLE {
        return Err(Code::BundleTooManyOperations);
    }
    let run = Run {
        device: cbor::decode(get("device")?).map_err(shape)?,
        first: cbor::decode(get("first")?).map_err(shape)?,
        previous: cbor::decode(get("previous")?).map_err(shape)?,
        operations: operations
            .into_iter()
            .map(|item| prepass::byte_string(item).map(<[u8]>::to_vec).ok_or(Code::BundleShape))
            .collect::<Result<_, _>>()?,
    };
    let in_range = run.first >= 1 && i64::try_from(run.last()).is_ok_and(|last| last < i64::MAX);
    let starts_right = run.first != 1 || run.previous == Chain::START;
    if in_range && starts_right { Ok(run) } else { Err(Code::SequenceRange) }
}
