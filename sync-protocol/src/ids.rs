//! Typed identifiers and hashes.
//!
//! A bare [`Uuid`] appears only in the store and the codec; everywhere else an id says what it names.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "uuid_bytes")] pub Uuid);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// One installation of the server software with its keys: the name space of everything it signs.
    DeploymentId
);
uuid_id!(
    /// A district bureau.
    DistrictId
);
uuid_id!(
    /// A person: inspector, office clerk, leader. The author of operations.
    PersonId
);
uuid_id!(
    /// One device: one key, one install, one district.
    DeviceId
);
uuid_id!(
    /// A record: a hazard, patrol, work, inspection or activity. Equals the id of its opening operation.
    RecordId
);
uuid_id!(
    /// An operation's own id (UUIDv7). Its *identity* is the hash of its bytes.
    OperationId
);

/// UUIDs travel as 16-byte strings.
mod uuid_bytes {
    use serde::{Deserializer, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(id.as_bytes())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        let bytes: [u8; 16] = super::fixed_bytes::deserialize(deserializer)?;
        Ok(Uuid::from_bytes(bytes))
    }
}

/// Byte strings of a fixed length.
pub(crate) mod fixed_bytes {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        struct Fixed<const N: usize>;
        impl<const N: usize> de::Visitor<'_> for Fixed<N> {
            type Value = [u8; N];
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a byte string of {N} bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                bytes.try_into().map_err(|_source| E::invalid_length(bytes.len(), &self))
            }
        }
        deserializer.deserialize_bytes(Fixed::<N>)
    }
}

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "fixed_bytes")] pub [u8; $bytes]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        impl TryFrom<&[u8]> for $name {
            type Error = std::array::TryFromSliceError;
            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self)
            }
        }
    };
}

hash_id!(
    /// The identity of an operation: the SHA-256 of its encoded bytes.
    Identity, 32
);
hash_id!(
    /// The first 16 bytes of an [`Identity`]: how operations name their ancestors.
    Head, 16
);
hash_id!(
    /// A link of a device's chain: `chain(i) = SHA-256(chain(i−1) ‖ identity(i))`, `chain(0)` = 32 zero bytes.
    Chain, 32
);
hash_id!(
    /// The SHA-256 of a whole bundle's bytes: names its receipt.
    BundleHash, 32
);
hash_id!(
    /// The SHA-256 of a photo's bytes.
    PhotoHash, 32
);
hash_id!(
    /// A notice to a person. The same event yields the same id.
    NoticeId, 16
);

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl Identity {
    /// The identity of an operation with these encoded bytes.
    pub fn of(operation: &[u8]) -> Self {
        Self(sha256(operation))
    }

    /// Its first 16 bytes.
    pub fn head(&self) -> Head {
        let mut head = [0; 16];
        head.copy_from_slice(self.0.first_chunk::<16>().unwrap_or(&[0; 16]));
        Head(head)
    }
}

impl BundleHash {
    /// The hash of a bundle with these bytes.
    pub fn of(bundle: &[u8]) -> Self {
        Self(sha256(bundle))
    }
}

impl Chain {
    /// The chain before a device's first operation.
    pub const START: Self = Self([0; 32]);

    /// The chain after one more operation.
    #[must_use]
    pub fn next(&self, identity: &Identity) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(identity.0);
        Self(hasher.finalize().into())
    }
}
