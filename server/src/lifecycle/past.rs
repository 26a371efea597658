//! An operation behind a hazard, as far as a case is made of it.

use sync_protocol::ids::{Head, PersonId};
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use sync_protocol::operation::Photo;

/// An operation behind a hazard: of a released one, what took effect.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its head.
    pub head: Head,
    /// What happened.
    pub kind: Kind,
    /// Who says so.
    pub author: PersonId,
    /// What it asserts.
    pub fields: Fields,
    /// Photos that it names.
    pub photos: Vec<Photo>,
    /// Server time of its first receipt.
    pub received_ms: i64,
    /// When it happened at the earliest, as far as the server knows.
    pub not_before_ms: i64,
}

impl Past {
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.fields.get(name)?.as_integer().and_then(|number| i64::try_from(number).ok())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_text()
    }
}

/// Whether a kind is an act on a hazard by somebody whose turn it was.
pub(super) const fn moves(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Observed
            | Kind::Corrected
            | Kind::Returned
            | Kind::Receipted
            | Kind::MajorPlanned
            | Kind::MadeSafe
            | Kind::VerificationFailed
            | Kind::Reopened
            | Kind::Void
            | Kind::Duplicate
            | Kind::NotOurs
    )
}
