//! Bearer tokens. A device's is a keyed hash of its name, so it survives a restore of the database; an office
//! account's is random and stored as a hash. Both say their district, so that one look-up finds them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sync_protocol::ids::{DeviceId, DistrictId, sha256};
use uuid::Uuid;

use crate::keys::Keyring;

const DEVICE: &str = "fbd1.";
const OFFICE: &str = "fbo1.";

/// Who a token speaks for, before the store is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A device, whose keyed hash was right.
    Device(DistrictId, DeviceId),
    /// An office account, by the hash of its token.
    Office(DistrictId, [u8; 32]),
}

/// The token of a device.
pub fn device_token(keys: &Keyring, district: DistrictId, device: DeviceId) -> String {
    let mut body = district.0.as_bytes().to_vec();
    body.extend_from_slice(device.0.as_bytes());
    let mac = keys.mac("device-token", &body);
    body.extend_from_slice(&mac);
    format!("{DEVICE}{}", URL_SAFE_NO_PAD.encode(body))
}

/// A token for an office account, and the hash to store.
pub fn office_token(district: DistrictId, random: [u8; 32]) -> (String, [u8; 32]) {
    let mut body = district.0.as_bytes().to_vec();
    body.extend_from_slice(&random);
    let token = format!("{OFFICE}{}", URL_SAFE_NO_PAD.encode(body));
    let hash = sha256(token.as_bytes());
    (token, hash)
}

/// Reads a token.
pub fn read(keys: &Keyring, token: &str) -> Option<Claim> {
    if let Some(body) = token.strip_prefix(DEVICE) {
        let body = URL_SAFE_NO_PAD.decode(body).ok()?;
        let (named, found) = body.split_at_checked(32)?;
        if found.len() != 32 || !is_equal(&keys.mac("device-token", named), found) {
            return None;
        }
        let (district, device) = named.split_at_checked(16)?;
        let district = DistrictId(Uuid::from_slice(district).ok()?);
        return Some(Claim::Device(district, DeviceId(Uuid::from_slice(device).ok()?)));
    }
    let body = URL_SAFE_NO_PAD.decode(token.strip_prefix(OFFICE)?).ok()?;
    let district = DistrictId(Uuid::from_slice(body.get(..16)?).ok()?);
    Some(Claim::Office(district, sha256(token.as_bytes())))
}

/// Whether two texts are equal, without telling by time where the first difference is.
pub fn is_same(left: &str, right: &str) -> bool {
    is_equal(left.as_bytes(), right.as_bytes())
}

/// Compares without telling by time where the first difference is.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_holder_and_a_touched_one_names_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keyring::open(directory.path()).unwrap();
        let (district, device) = (DistrictId(Uuid::from_u128(1)), DeviceId(Uuid::from_u128(2)));
        let token = device_token(&keys, district, device);
        assert_eq!(read(&keys, &token), Some(Claim::Device(district, device)));
        for index in DEVICE.len()..token.len() - 1 {
            let other = if &token[index..=index] == "A" { "B" } else { "A" };
            let touched = format!("{}{other}{}", &token[..index], &token[index + 1..]);
            assert_eq!(read(&keys, &touched), None, "{index}");
        }
        let (token, hash) = office_token(district, [7; 32]);
        assert_eq!(read(&keys, &token), Some(Claim::Office(district, hash)));
        assert_eq!(read(&keys, "fbd1.x"), None);
        assert_eq!(read(&keys, ""), None);
    }
}
