//! Who may do what: which roles a route lets in, and which role may make which act of the office. One table.
//!
//! Inspectors record on phones and are let into no office route. What a unit does (it receipts an order, disputes it,
//! asks for more time) is entered by the clerk until units have accounts of their own. An administrator stands in for
//! reviewer and clerk, never for the leader who answers by name for a hazard carried forward or a photo written off.

use sync_protocol::kind::Kind;

use super::auth::Account;
use super::error::ApiError;
use crate::domain::Role;

use Role::{Admin, Clerk, Leader, Reviewer};

/// Reads the ledger.
pub(super) const OFFICE: &[Role] = &[Reviewer, Clerk, Leader, Admin];
/// Settles conflicts, restores values and releases from quarantine.
pub(super) const DECIDE: &[Role] = &[Reviewer, Leader, Admin];
/// Issues reports.
pub(super) const ISSUE: &[Role] = &[Clerk, Leader, Admin];
/// Records what no device made.
pub(super) const RECORD: &[Role] = &[Reviewer, Clerk, Leader, Admin];
/// Manages people, their areas, their phones.
pub(super) const MANAGE: &[Role] = &[Leader, Admin];

/// Who may make an act of this kind; nobody where the office does not sign it.
const fn actors(kind: Kind) -> &'static [Role] {
    match kind {
        // 定级, 退回, 作废, 重复, 非本单位, 销号, 重新打开, and what is decided on an extension: the reviewer.
        Kind::Graded
        | Kind::Returned
        | Kind::Void
        | Kind::Duplicate
        | Kind::NotOurs
        | Kind::ExtensionGranted
        | Kind::ExtensionRefused
        | Kind::Closed
        | Kind::Reopened => &[Reviewer, Leader, Admin],
        // 交办, and what the responsible unit answers: the clerk.
        Kind::Ordered
        | Kind::Receipted
        | Kind::Disputed
        | Kind::ExtensionAsked
        | Kind::MajorPlanned => &[Clerk, Leader, Admin],
        // 挂账 and 核销: a leader, by name.
        Kind::Carried | Kind::CarriedReviewed | Kind::MajorConfirmed | Kind::WrittenOff => &[Leader],
        // 脱敏
        Kind::Redacted => MANAGE,
        // Made on their own routes, which check what they decide.
        Kind::Resolved | Kind::Restored | Kind::Released | Kind::Retracted => DECIDE,
        // Signed by phones.
        Kind::Reported
        | Kind::Observed
        | Kind::Corrected
        | Kind::Withdrawn
        | Kind::Commented
        | Kind::Photographed
        | Kind::Rectified
        | Kind::MadeSafe
        | Kind::NotFound
        | Kind::Verified
        | Kind::VerificationFailed
        | Kind::PatrolStarted
        | Kind::PatrolTrack
        | Kind::PatrolFinished
        | Kind::WorkDone
        | Kind::InspectionMade
        | Kind::ActivityHeld
        // Signed by the server of its own accord.
        | Kind::PhotoVerified
        | Kind::DeviceEnrolled
        | Kind::DeviceRevoked
        | Kind::DeviceForked
        | Kind::RuleVersion
        | Kind::GridVersion
        | Kind::DeadlineTightened => &[],
    }
}

/// Lets an account make an act of this kind.
///
/// # Errors
/// `forbidden`.
pub(super) fn require_act(account: &Account, kind: Kind) -> Result<(), ApiError> {
    account.require(actors(kind))
}
