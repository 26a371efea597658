//! The two keys of the golden files. They are public: nothing but the golden files may be signed with them.

use ring::rand::SystemRandom;
use ring::signature::{self, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use sync_protocol::bundle::Binding;
use sync_protocol::enrolment::device_id;
use sync_protocol::ids::{DeviceId, sha256};

use crate::story;

/// The point of the device's key.
const DEVICE_POINT: &str = "042a9b451d4c3db71857ea49ba8c374b9f69964fc77c8054da9fe987030e25f01d6297561bf924f496c8c7be0463\
     e62193c052c5f5e33421b86098ec3148a21f9a";
/// The point of the server's key.
const SERVER_POINT: &str = "048e8e23577854c62abe6faab56ceff17b132c7e8d01ffb48a13de90f11cf03f030fed92d67352223b0b5b400c43\
     77e962113b44a7b37790d407e513aca017f54b";

/// A golden key: its private scalar is the SHA-256 of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Device,
    Server,
}

impl Key {
    fn name(self) -> &'static str {
        match self {
            Self::Device => "firebreak golden device",
            Self::Server => "firebreak golden server",
        }
    }

    /// The public key as it travels: 65 bytes.
    pub(crate) fn point(self) -> Vec<u8> {
        let text = match self {
            Self::Device => DEVICE_POINT,
            Self::Server => SERVER_POINT,
        };
        hex::decode(text).unwrap()
    }

    /// The device id that follows from the key.
    pub(crate) fn device(self) -> DeviceId {
        device_id(story::binding().district, &self.point())
    }

    /// A new signature. ECDSA is randomised, so each is another one.
    pub(crate) fn sign(self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let scalar = sha256(self.name().as_bytes());
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &scalar,
            &self.point(),
            &random,
        )
        .unwrap();
        pair.sign(&random, message).unwrap().as_ref().to_vec()
    }

    /// Whether a signature is this key's.
    pub(crate) fn verifies(self, signature: &[u8], message: &[u8]) -> bool {
        signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point())
            .verify(message, signature)
            .is_ok()
    }
}

/// What every golden bundle is bound to.
pub(crate) fn aad() -> Vec<u8> {
    Binding::external_aad(&story::binding())
}
