//! Records that one operation opens: folded while their bundles are verified, so that the writing task only numbers
//! them. Pure. What becomes of every other record is in [`super::records`].

use sync_protocol::fold;
use sync_protocol::ids::PhotoHash;
use sync_protocol::operation::Identified;
use sync_protocol::view::{Disposition, PhotoState, PhotoView};

use super::row::Shape;

/// A record that one operation opens, folded before any lock is held: nothing that the ledger holds matters to it
/// but that the record is not there.
#[derive(Debug)]
pub struct Opening {
    pub(super) shape: Shape,
    pub(super) disposition: Disposition,
    /// Each with whether it is settled.
    pub(super) photos: Vec<(PhotoHash, bool)>,
}

impl Opening {
    /// None where the operation opens no record.
    pub fn of(operation: &Identified) -> Option<Self> {
        if operation.operation.id.0 != operation.operation.record.0 {
            return None;
        }
        let view = fold::advance(None, operation)?;
        Some(Self {
            shape: Shape::of(&view),
            disposition: fold::disposition(&view, operation.head()),
            photos: view.photos.iter().map(|(sha256, photo)| (*sha256, is_settled(photo))).collect(),
        })
    }
}

/// Whether nobody waits for a photo's file any more.
pub(super) fn is_settled(photo: &PhotoView) -> bool {
    photo.state != PhotoState::Named
}
