//! The areas of a device: which it is to hold, which it holds, and how far the change from these to those is.
//!
//! Areas belong to persons; a device is to hold the union of its persons', versioned for that device. Nothing is sent
//! here: [`super::feed`] tells the enters and leaves.

use std::sync::Arc;

use sync_protocol::exchange::AreaState;

use super::pull::Question;
use super::{Engine, SyncError};
use crate::geometry::{Area, GeoBox};
use crate::store::{AreaVersion, InCell, PresenterRow};

/// The areas of a device that asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Areas {
    /// It holds what it is to hold.
    Held(Area),
    /// It holds others.
    Changing(AreaChange),
}

/// A change from the areas that a device holds to others.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AreaChange {
    /// None where another change was under way, or the device holds areas that a restored ledger has lost: what it holds
    /// is known nowhere but by itself.
    held: Option<Area>,
    pub(super) to: Area,
    pub(super) version: u64,
    /// How far the device has come with it.
    pub(super) begun_at: InCell,
}

impl AreaChange {
    /// Whether the device holds what is here, since it held all of its areas.
    pub(super) fn surely_held(&self, place: Option<i64>) -> bool {
        self.held.as_ref().is_some_and(|held| held.contains(place))
    }

    /// Where the device may hold something.
    pub(super) fn perhaps_held(&self) -> Area {
        self.held.clone().unwrap_or_else(Area::everywhere)
    }

    /// What the device gives back where the change ends at a place.
    pub(super) fn progress(&self, at: InCell) -> Vec<u8> {
        Progress { version: self.version, at, is_interrupted: self.held.is_none() }.encode()
    }
}

/// The areas of the device that asks, written down where its persons' have changed.
///
/// # Errors
/// The store's.
pub(super) async fn settle(engine: &Arc<Engine>, question: &Question) -> Result<Areas, SyncError> {
    let versions = versions(engine, question, boxes(&question.presenter)).await?;
    Ok(due(&versions, question.areas.as_ref()))
}

/// The boxes of a device's persons; none is the whole district.
fn boxes(presenter: &PresenterRow) -> Vec<GeoBox> {
    let mut boxes = Vec::new();
    for person in &presenter.device.persons {
        match presenter.areas.get(person).and_then(|versions| versions.last()) {
            Some(area) if !area.boxes.is_empty() => boxes.extend(&area.boxes),
            // Who has no area has the whole district.
            _ => return Vec::new(),
        }
    }
    boxes
}

/// Every version of the device's areas, the last with these boxes.
async fn versions(
    engine: &Arc<Engine>,
    question: &Question,
    boxes: Vec<GeoBox>,
) -> Result<Vec<AreaVersion>, SyncError> {
    let key = question.district.key;
    let holder = PresenterRow::holder(question.presenter.device.id);
    let versions = question.presenter.areas.get(&holder).cloned().unwrap_or_default();
    if last_of(&versions).1 == boxes {
        return Ok(versions);
    }
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(key, 0).await?;
    let mut versions = transaction.areas(key, &[holder]).await?.remove(&holder).unwrap_or_default();
    let (last, known) = last_of(&versions);
    // Another request of this device may have been first.
    if known != boxes {
        let next = AreaVersion { version: next_version(last, question.lineage.tags.first()), boxes };
        transaction.add_area(key, holder, &next).await?;
        transaction.commit().await?;
        versions.push(next);
    }
    Ok(versions)
}

/// The last version and its boxes. Version 0 is the whole district.
fn last_of(versions: &[AreaVersion]) -> (u64, &[GeoBox]) {
    versions.last().map_or((0, &[]), |last| (last.version, &last.boxes))
}

/// The last of a device's areas, and the change to them where it holds others.
fn due(versions: &[AreaVersion], presented: Option<&AreaState>) -> Areas {
    let (version, boxes) = last_of(versions);
    let to = Area::of(boxes);
    let holds = presented.map_or(0, |presented| presented.version);
    let known = versions.iter().find(|known| known.version == holds);
    let token = presented.and_then(|presented| presented.progress.as_deref());
    let begun = token.and_then(Progress::read).filter(|begun| begun.version == version);
    let is_lost = holds != 0 && known.is_none();
    let is_interrupted = is_lost || (token.is_some() && begun.is_none_or(|begun| begun.is_interrupted));
    if holds == version && !is_interrupted {
        return Areas::Held(to);
    }
    // Version 0, of which none is stored, is the whole district.
    let held = known.map_or_else(Area::everywhere, |known| Area::of(&known.boxes));
    Areas::Changing(AreaChange {
        held: (!is_interrupted).then_some(held),
        to,
        version,
        begun_at: begun.map_or(InCell::FIRST, |begun| begun.at),
    })
}

/// The next version of a device's areas: versions ascend, and no two starts of the server give the same one, so that a
/// restored ledger knows which areas it has lost.
fn next_version(last: u64, start: Option<&[u8; 4]>) -> u64 {
    let start = start.map_or(0, |&[one, two, three, _]| u32::from_be_bytes([0, one, two, three]));
    (((last >> START_BITS) + 1) << START_BITS) | u64::from(start)
}

/// Bits of a version of areas that the start of the server gives.
const START_BITS: u32 = 24;

/// How far a change of areas is: what the device gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    version: u64,
    at: InCell,
    is_interrupted: bool,
}

impl Progress {
    fn encode(self) -> Vec<u8> {
        let mut token =
            [self.version.to_be_bytes(), self.at.cell.to_be_bytes(), self.at.change.to_be_bytes()].concat();
        token.push(u8::from(self.is_interrupted));
        token
    }

    /// None of what no server of this version gave.
    fn read(token: &[u8]) -> Option<Self> {
        let (version, rest) = token.split_first_chunk::<8>()?;
        let (cell, rest) = rest.split_first_chunk::<8>()?;
        let (change, rest) = rest.split_first_chunk::<8>()?;
        let [interrupted] = rest else { return None };
        Some(Self {
            version: u64::from_be_bytes(*version),
            at: InCell { cell: i64::from_be_bytes(*cell), change: u64::from_be_bytes(*change) },
            is_interrupted: *interrupted != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_areas_ascend_and_are_of_their_start() {
        let first = next_version(0, Some(&[1, 2, 3, 4]));
        let second = next_version(first, Some(&[1, 2, 3, 4]));
        let lost = next_version(first, Some(&[9; 4]));
        assert!(0 < first && first < second && first < lost && second != lost);
        assert!(next_version(7, Some(&[0xff; 4])) > 7, "versions of before counted from 1");
    }

    fn version(version: u64, east: i64) -> AreaVersion {
        let boxes = vec![GeoBox([0, 0, 10_000_000, east])];
        AreaVersion { version, boxes }
    }

    fn token(version: u64, is_interrupted: bool) -> Vec<u8> {
        Progress { version, at: InCell { cell: 5, change: 6 }, is_interrupted }.encode()
    }

    /// What is due to a device that holds a version and gives a token back, of versions 1 and 2: whether what it holds is
    /// known, and where the change goes on. None: no change.
    fn due_to(version_held: u64, progress: Option<Vec<u8>>) -> Option<(bool, InCell)> {
        let versions = [version(1, 10_000_000), version(2, 20_000_000)];
        let presented = AreaState { version: version_held, progress };
        match due(&versions, Some(&presented)) {
            Areas::Held(area) => {
                assert_eq!(area, Area::of(&versions[1].boxes));
                None
            }
            Areas::Changing(change) => {
                assert_eq!((change.version, &change.to), (2, &Area::of(&versions[1].boxes)));
                if let Some(held) = &change.held {
                    assert_eq!((version_held, held), (1, &Area::of(&versions[0].boxes)));
                }
                Some((change.held.is_some(), change.begun_at))
            }
        }
    }

    #[test]
    fn a_change_is_due_until_the_device_surely_holds_the_last_version() {
        let begun = InCell { cell: 5, change: 6 };
        for (held, progress, due, why) in [
            (2, None, None, "it holds the last"),
            (2, Some(token(2, false)), None, "it asks again after a change that it made"),
            (1, None, Some((true, InCell::FIRST)), "it holds the one before"),
            (1, Some(token(2, false)), Some((true, begun)), "it is on its way"),
            (1, Some(token(1, false)), Some((false, InCell::FIRST)), "its change was interrupted by another"),
            (1, Some(token(2, true)), Some((false, begun)), "it is on its way, and was interrupted before"),
            (2, Some(token(2, true)), Some((false, begun)), "it was on its way back"),
            (1, Some(vec![7]), Some((false, InCell::FIRST)), "a token that nobody reads"),
            (9, None, Some((false, InCell::FIRST)), "a restored ledger has lost its version"),
        ] {
            assert_eq!(due_to(held, progress), due, "{why}");
        }
    }

    #[test]
    fn a_device_of_nobody_asks_for_the_whole_district() {
        assert_eq!(due(&[], None), Areas::Held(Area::everywhere()));
        let Areas::Changing(change) = due(&[version(1, 10_000_000)], None) else { panic!("no change") };
        assert_eq!(change.perhaps_held(), Area::everywhere());
    }

    #[test]
    fn progress_comes_back_and_another_token_is_none() {
        let progress =
            Progress { version: 7, at: InCell { cell: -1, change: u64::MAX }, is_interrupted: true };
        assert_eq!(Progress::read(&progress.encode()), Some(progress));
        assert_eq!(Progress::read(&progress.encode()[..24]), None);
        assert_eq!(Progress::read(&[]), None);
    }
}
