//! Who may do what: which roles a route lets in. One table; which role may give which command is `lifecycle::table`.
//!
//! An administrator stands in for reviewer and clerk, never for the leader who answers by name for a hazard carried
//! forward or a photo written off.

use sync_protocol::codes::Code;
use sync_protocol::kind::Kind;

use super::auth::Account;
use super::error::ApiError;
use crate::domain::Role;
use crate::sync::commands;

use Role::{Admin, Clerk, Leader, Reinspector, Reviewer, Unit};

/// Reads the ledger.
pub(super) const OFFICE: &[Role] = &[Reviewer, Clerk, Leader, Admin];
/// Settles conflicts, restores values and releases from quarantine.
pub(super) const DECIDE: &[Role] = &[Reviewer, Leader, Admin];
/// Issues reports.
pub(super) const ISSUE: &[Role] = &[Clerk, Leader, Admin];
/// Records what no device made.
pub(super) const RECORD: &[Role] = &[Reviewer, Clerk, Leader, Admin];
/// Gives commands: which ones is a row of the lifecycle's own table.
pub(super) const COMMAND: &[Role] = &[Reviewer, Clerk, Leader, Admin, Unit, Reinspector];
/// Manages people, their areas, their phones.
pub(super) const MANAGE: &[Role] = &[Leader, Admin];

/// Lets an account make an act of this kind.
///
/// # Errors
/// `forbidden`.
pub(super) fn require_act(account: &Account, kind: Kind) -> Result<(), ApiError> {
    if commands::may_act(kind, account.person.roles) { Ok(()) } else { Err(Code::Forbidden.into()) }
}
