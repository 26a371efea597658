//! The server's keys, kept outside the database: its signing key, its secret, its deployment id.
//!
//! They survive a restore of the database, which is why tokens and cursors made from them do too.

use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use sha2::Sha256;
use sync_protocol::ids::DeploymentId;

/// What can go wrong with the key directory.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file could not be read or written.
    #[error("the key file {path} cannot be used: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold a key.
    #[error("the key file {0} does not hold a key of this kind")]
    Malformed(String),
    /// The machine gave no random bytes.
    #[error("the machine gave no random bytes")]
    Random,
}

/// The server's keys.
#[derive(Debug)]
pub struct Keyring {
    deployment: DeploymentId,
    signing: EcdsaKeyPair,
    secret: Vec<u8>,
    random: SystemRandom,
}

impl Keyring {
    /// Reads the keys of a directory, making them on first use.
    ///
    /// # Errors
    /// Where a file can be neither read nor made.
    pub fn open(directory: &Path) -> Result<Self, KeyError> {
        let at = |source| KeyError::File { path: directory.display().to_string(), source };
        make_private(directory).map_err(at)?;
        let random = SystemRandom::new();
        let pkcs8 = keep(&directory.join("server-key.pk8"), || {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .map(|document| document.as_ref().to_vec())
                .map_err(|_source| KeyError::Random)
        })?;
        let signing = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, &random)
            .map_err(|_source| KeyError::Malformed("server-key.pk8".to_owned()))?;
        let secret = keep(&directory.join("secret"), || random_bytes::<32>(&random))?;
        let deployment = keep(&directory.join("deployment-id"), || {
            random_bytes::<16>(&random).map(|bytes| hex::encode(uuid_v4(bytes).as_bytes()).into_bytes())
        })?;
        let deployment = std::str::from_utf8(&deployment)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| KeyError::Malformed("deployment-id".to_owned()))?;
        Ok(Self { deployment, signing, secret, random })
    }

    /// The id of this deployment: every signature is bound to it.
    pub fn deployment(&self) -> DeploymentId {
        self.deployment
    }

    /// The server's public key: SEC1 uncompressed P-256 point.
    pub fn public_key(&self) -> &[u8] {
        self.signing.public_key().as_ref()
    }

    /// An ES256 signature, 64 bytes; empty where the machine gave no random bytes, which never verifies.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.signing
            .sign(&self.random, message)
            .map(|signature| signature.as_ref().to_vec())
            .unwrap_or_default()
    }

    /// A keyed hash of `message` for one purpose.
    pub fn mac(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return [0; 32] };
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// Random bytes.
    ///
    /// # Errors
    /// Where the machine gives none.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], KeyError> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|_source| KeyError::Random)?;
        Ok(bytes)
    }
}

/// Whether an ES256 signature holds.
pub fn verify(public_key: &[u8], signature: &[u8], message: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key).verify(message, signature).is_ok()
}

fn random_bytes<const N: usize>(random: &SystemRandom) -> Result<Vec<u8>, KeyError> {
    let mut bytes = vec![0; N];
    random.fill(&mut bytes).map_err(|_source| KeyError::Random)?;
    Ok(bytes)
}

fn uuid_v4(bytes: Vec<u8>) -> uuid::Uuid {
    let mut id = [0; 16];
    id.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    uuid::Builder::from_random_bytes(id).into_uuid()
}

/// Makes a folder that only its owner can enter; one that is there stays as it is.
///
/// # Errors
/// The file system's.
pub fn make_private(directory: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(directory)
}

/// Reads a file, or makes it, readable by its owner alone, and syncs it before it is used.
fn keep(path: &Path, make: impl FnOnce() -> Result<Vec<u8>, KeyError>) -> Result<Vec<u8>, KeyError> {
    use std::io::Write as _;
    let fault = |source| KeyError::File { path: path.display().to_string(), source };
    match std::fs::read(path) {
        Ok(bytes) => return Ok(bytes),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(fault(source)),
    }
    let bytes = make()?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    match options.open(path) {
        Ok(mut file) => {
            file.write_all(&bytes).map_err(fault)?;
            file.sync_all().map_err(fault)?;
            Ok(bytes)
        }
        // Another process made it a moment ago.
        Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::read(path).map_err(fault)
        }
        Err(source) => Err(fault(source)),
    }
}
