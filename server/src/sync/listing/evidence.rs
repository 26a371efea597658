//! The photos of a record: which are held, which are waited for, and whether before and after can show one place.

use std::collections::BTreeMap;

use sync_protocol::ids::{DeviceId, PhotoHash};
use sync_protocol::operation::Position;
use sync_protocol::view::{PhotoState, View};

use super::operations::Known;
use super::record::Photo;
use crate::photos::pairs::{self, Pair, Shot, Source};
use crate::store::PhotoFileRow;

/// The roles of photos that are held against each other.
const BEFORE: &str = "before";
const AFTER: &str = "after";

/// Every photo of a record; `asked`: the device asked for each that is waited for, and since when.
pub(super) fn photos(view: &View, asked: &BTreeMap<PhotoHash, (DeviceId, i64)>) -> Vec<Photo> {
    view.photos
        .iter()
        .map(|(sha256, photo)| {
            let (state, state_zh) = match photo.state {
                PhotoState::Named => ("named", "待上传"),
                PhotoState::Verified => ("verified", "已核验"),
                PhotoState::WrittenOff => ("written_off", "已核销"),
                PhotoState::Redacted => ("redacted", "已脱敏"),
            };
            let waiting = asked.get(sha256).filter(|_| photo.state == PhotoState::Named);
            Photo {
                sha256: sha256.to_string(),
                state,
                state_zh,
                role: photo.named.as_ref().map(|(role, _)| role.clone()),
                bytes: photo.named.as_ref().map(|(_, bytes)| *bytes),
                device: waiting.map(|(device, _)| device.to_string()),
                since_ms: waiting.map(|(_, since_ms)| *since_ms),
            }
        })
        .collect()
}

/// Each photo of after with the nearest one of before. Where and when: by the operation that names it first, else by its
/// file.
pub(super) fn pairs(view: &View, known: &[Known], files: &[PhotoFileRow]) -> Vec<Pair> {
    let of_role = |wanted: &str| -> Vec<Shot> {
        let named = view.photos.iter().filter(|(_, photo)| {
            photo.state != PhotoState::Redacted
                && photo.named.as_ref().is_some_and(|(role, _)| role == wanted)
        });
        named.map(|(hash, _)| shot(*hash, known, files)).collect()
    };
    pairs::pairs(&of_role(BEFORE), &of_role(AFTER))
}

fn shot(photo: PhotoHash, known: &[Known], files: &[PhotoFileRow]) -> Shot {
    let names = |known: &&Known| known.operation.photos.iter().any(|named| named.sha256 == photo);
    let naming = known.iter().find(names);
    let file = files.iter().find(|file| file.sha256 == photo);
    let position = naming.and_then(|known| known.operation.fields.get("position")?.decode::<Position>());
    let place = position.map(|position| ((position.lat_e7, position.lon_e7), Source::Operation));
    let at_ms = naming.map(|known| (known.operation.at.wall_ms, Source::Operation));
    Shot {
        sha256: photo.to_string(),
        place: place.or_else(|| Some((file?.place?, Source::Exif))),
        at_ms: file.and_then(|file| Some((file.taken_ms?, Source::Exif))).or(at_ms),
    }
}
