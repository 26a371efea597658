//! How a phone becomes a device: enrolment request, reply and certificate.
//!
//! The request is a `COSE_Sign1` by the *new* key over a [`Request`]; the certificate one by the server's key
//! over a [`Certificate`]. A device re-registers itself with its certificate where a server was restored to a
//! state before its enrolment.

use serde::{Deserialize, Serialize};

use crate::cbor;
use crate::ids::{DeploymentId, DeviceId, DistrictId, PersonId, sha256};

/// What a new key asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The public key: 65 bytes, SEC1 uncompressed point on P-256.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// The enrolment code of the QR. Absent where `certificate` stands.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_bytes")]
    pub code: Option<Vec<u8>>,
    /// The app and its version.
    pub client: String,
    /// The device that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<DeviceId>,
    /// An earlier certificate, to re-register after a restore.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_bytes")]
    pub certificate: Option<Vec<u8>>,
}

/// A person that a device may record for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bearer {
    /// Their id.
    pub id: PersonId,
    /// Their name, as shown.
    pub name: String,
}

/// What the server certifies about a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The device's public key, as in [`Request::key`].
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// The device.
    pub device: DeviceId,
    /// Persons bound to it.
    pub persons: Vec<Bearer>,
    /// The district.
    pub district: DistrictId,
    /// Server time of issue, milliseconds since 1970.
    pub issued_ms: i64,
    /// The deployment.
    pub deployment: DeploymentId,
}

/// What a new device gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Bearer token of the device: whoever holds it may carry bundles.
    pub token: String,
    /// The device's id.
    pub device: DeviceId,
    /// The person of the code.
    pub person: PersonId,
    /// The district.
    pub district: DistrictId,
    /// Server time, milliseconds since 1970.
    pub server_ms: i64,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The server's public key, as in [`Request::key`].
    #[serde(with = "serde_bytes")]
    pub server_key: Vec<u8>,
    /// The signed [`Certificate`].
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
}

/// The device id of a public key in a district: the same key again is the same device.
///
/// The first 16 bytes of SHA-256(`"firebreak-device"` ‖ district ‖ key), as a UUID of version 8.
pub fn device_id(district: DistrictId, key: &[u8]) -> DeviceId {
    let mut bytes = b"firebreak-device".to_vec();
    bytes.extend_from_slice(district.0.as_bytes());
    bytes.extend_from_slice(key);
    let hash = sha256(&bytes);
    let mut id = [0; 16];
    id.copy_from_slice(hash.first_chunk::<16>().unwrap_or(&[0; 16]));
    DeviceId(uuid::Builder::from_custom_bytes(id).into_uuid())
}

/// The `external_aad` of an enrolment request: the CBOR array `["firebreak-enrol", protocol]`.
pub fn request_aad() -> Vec<u8> {
    cbor::encode(&("firebreak-enrol", crate::PROTOCOL))
}

/// The `external_aad` of a certificate: the CBOR array `["firebreak-certificate", protocol]`.
pub fn certificate_aad() -> Vec<u8> {
    cbor::encode(&("firebreak-certificate", crate::PROTOCOL))
}

/// Percent-encodes everything but the unreserved characters of RFC 3986: values in the text of an enrolment code, and in
/// queries.
pub fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay_as_they_are() {
        assert_eq!(percent_encoded("a+b/c=隐~_.-9"), "a%2Bb%2Fc%3D%E9%9A%90~_.-9");
    }
}
