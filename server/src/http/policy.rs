//! Who may do what on which route: one table. Who asks is found in `http::auth`, which looks the row of each request up
//! before its handler runs; a handler adds only what depends on the object itself. Which role may give which command on a
//! hazard in which state is `lifecycle::table`.
//!
//! Inspectors record on phones and are let into no route of the office but their own session. An administrator stands in
//! for reviewer and clerk, never for the leader who answers by name for a hazard carried forward or a photo written off.

use axum::extract::MatchedPath;
use axum::http::Method;
use axum::http::request::Parts;
use sync_protocol::codes::Code;
use sync_protocol::kind::Kind;

use super::auth::Account;
use super::error::ApiError;
pub use crate::accounts::actions::Action;
use crate::domain::Role;
use crate::sync::commands;

use Action::{Admin as Manage, Export, Read, Write};
use Role::{Admin, Clerk, Leader, Planner, Reinspector, Reviewer, Unit};

/// What of the ledger a route shows or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing that is anybody's: no account is asked for.
    Public,
    /// What the device of the token may: no account is let in.
    Device,
    /// A photo that a device of the district or an account brings.
    DeviceOrOffice,
    /// The account's district, all of it.
    District,
    /// The account's district; of a unit's people, the hazards of their unit and those below it.
    OwnUnit,
    /// What is the account's own: its session, its password, its tokens.
    Own,
    /// Every district of the account.
    Province,
}

/// A row: who may do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// HTTP method.
    pub method: &'static str,
    /// The path, as the router has it.
    pub path: &'static str,
    /// What is done: the scope that a token must have.
    pub action: Action,
    /// What it is done to.
    pub scope: Scope,
    /// Who may: one of these roles is enough.
    pub roles: &'static [Role],
}

/// Reads the ledger.
const OFFICE: &[Role] = &[Reviewer, Clerk, Reinspector, Leader, Planner, Admin];
/// Reads hazards: the office, and units their own.
const SEE: &[Role] = &[Unit, Reviewer, Clerk, Reinspector, Leader, Planner, Admin];
/// Settles conflicts, restores values and releases from quarantine.
const DECIDE: &[Role] = &[Reviewer, Leader, Admin];
/// Issues reports.
const ISSUE: &[Role] = &[Clerk, Leader, Admin];
/// Records what no device made.
const RECORD: &[Role] = &[Reviewer, Clerk, Leader, Admin];
/// Gives commands: which ones is a row of the lifecycle's own table.
const COMMAND: &[Role] = &[Unit, Reviewer, Clerk, Reinspector, Leader, Admin];
/// Brings photos: whoever may give a command that needs them, or record.
const BRING: &[Role] = &[Unit, Reviewer, Clerk, Reinspector, Leader, Admin];
/// Manages people, their areas, their phones.
pub(super) const MANAGE: &[Role] = &[Leader, Admin];
/// Everybody who has an account.
const ANYBODY: &[Role] = Role::ALL;
/// Nobody of the office.
const NOBODY: &[Role] = &[];

const fn row(
    method: &'static str,
    path: &'static str,
    action: Action,
    scope: Scope,
    roles: &'static [Role],
) -> Row {
    Row { method, path, action, scope, roles }
}

/// Every route.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    // Devices.
    row("POST", "/v1/enrol", Write, Scope::Public, NOBODY),
    row("POST", "/v1/sync", Write, Scope::Device, NOBODY),
    row("GET", "/v1/receipts/{bundle}", Read, Scope::Device, NOBODY),
    // Devices and the office.
    row("HEAD", "/v1/photos/{sha256}", Write, Scope::DeviceOrOffice, BRING),
    row("PATCH", "/v1/photos/{sha256}", Write, Scope::DeviceOrOffice, BRING),
    row("PUT", "/v1/photos/{sha256}", Write, Scope::DeviceOrOffice, BRING),
    // Who is signed in.
    row("POST", "/v1/session", Write, Scope::Public, NOBODY),
    row("GET", "/v1/session", Read, Scope::Own, ANYBODY),
    row("DELETE", "/v1/session", Read, Scope::Own, ANYBODY),
    row("POST", "/v1/session/district", Read, Scope::Own, ANYBODY),
    row("GET", "/v1/tokens", Read, Scope::Own, ANYBODY),
    row("POST", "/v1/tokens", Manage, Scope::Own, SEE),
    row("DELETE", "/v1/tokens/{token}", Manage, Scope::Own, ANYBODY),
    row("GET", "/v1/districts", Read, Scope::Province, SEE),
    // The office.
    row("GET", "/v1/totals", Read, Scope::OwnUnit, SEE),
    row("GET", "/v1/hazards", Read, Scope::OwnUnit, SEE),
    row("POST", "/v1/hazards", Write, Scope::District, RECORD),
    row("GET", "/v1/hazards.geojson", Export, Scope::OwnUnit, SEE),
    row("GET", "/v1/exports/{export}", Export, Scope::OwnUnit, SEE),
    row("POST", "/v1/exports/{export}", Export, Scope::OwnUnit, SEE),
    row("GET", "/v1/exports/{export}/file", Export, Scope::OwnUnit, SEE),
    row("GET", "/v1/hazards/{record}", Read, Scope::OwnUnit, SEE),
    row("POST", "/v1/hazards/{record}/restore", Write, Scope::District, DECIDE),
    row("GET", "/v1/hazards/{record}/commands", Read, Scope::OwnUnit, COMMAND),
    row("POST", "/v1/hazards/{record}/commands/{command}", Write, Scope::OwnUnit, COMMAND),
    row("POST", "/v1/commands/{command}", Write, Scope::OwnUnit, COMMAND),
    row("GET", "/v1/photos", Read, Scope::District, OFFICE),
    row("GET", "/v1/photos/{sha256}", Read, Scope::OwnUnit, SEE),
    row("GET", "/v1/orders", Read, Scope::OwnUnit, SEE),
    row("GET", "/v1/orders/{order}", Read, Scope::OwnUnit, SEE),
    row("GET", "/v1/orders/{order}/html", Export, Scope::OwnUnit, SEE),
    row("GET", "/v1/orders/{order}/docx", Export, Scope::OwnUnit, SEE),
    row("GET", "/v1/danger", Read, Scope::District, OFFICE),
    row("PUT", "/v1/danger", Manage, Scope::District, MANAGE),
    row("GET", "/v1/events", Read, Scope::District, OFFICE),
    row("GET", "/v1/audit", Read, Scope::District, MANAGE),
    row("GET", "/v1/audit/head", Read, Scope::District, MANAGE),
    row("GET", "/v1/conflicts", Read, Scope::District, OFFICE),
    row("POST", "/v1/conflicts/{conflict}/resolve", Write, Scope::District, DECIDE),
    row("GET", "/v1/quarantine", Read, Scope::District, OFFICE),
    row("GET", "/v1/quarantine/{operation}", Read, Scope::District, OFFICE),
    row("POST", "/v1/quarantine/{operation}/release", Write, Scope::District, DECIDE),
    row("POST", "/v1/quarantine/{operation}/write-off", Write, Scope::District, DECIDE),
    row("GET", "/v1/devices", Read, Scope::District, OFFICE),
    row("PUT", "/v1/devices/{device}", Manage, Scope::District, MANAGE),
    row("POST", "/v1/devices/{device}/review", Write, Scope::District, DECIDE),
    row("POST", "/v1/devices/{device}/revoke", Manage, Scope::District, MANAGE),
    row("POST", "/v1/devices/{device}/lose", Manage, Scope::District, MANAGE),
    row("POST", "/v1/devices/{device}/give-up", Manage, Scope::District, MANAGE),
    row("GET", "/v1/grid", Read, Scope::District, OFFICE),
    row("GET", "/v1/grid/lines", Read, Scope::District, OFFICE),
    row("POST", "/v1/grid/lines", Manage, Scope::District, MANAGE),
    row("GET", "/v1/grid/lines/{line}", Read, Scope::District, OFFICE),
    row("GET", "/v1/grid/regions", Read, Scope::District, OFFICE),
    row("POST", "/v1/grid/regions", Manage, Scope::District, MANAGE),
    row("GET", "/v1/proposals", Read, Scope::District, OFFICE),
    row("POST", "/v1/proposals/{record}/{other}/accept", Write, Scope::District, DECIDE),
    row("POST", "/v1/proposals/{record}/{other}/dismiss", Write, Scope::District, DECIDE),
    row("POST", "/v1/proposals/{record}/{other}/undo", Write, Scope::District, DECIDE),
    row("GET", "/v1/rules", Read, Scope::District, OFFICE),
    row("PUT", "/v1/rules", Manage, Scope::District, MANAGE),
    row("GET", "/v1/people", Read, Scope::District, OFFICE),
    row("POST", "/v1/people", Manage, Scope::District, MANAGE),
    row("PUT", "/v1/people/{person}", Manage, Scope::District, MANAGE),
    row("DELETE", "/v1/people/{person}", Manage, Scope::District, MANAGE),
    row("PUT", "/v1/people/{person}/area", Manage, Scope::District, MANAGE),
    row("POST", "/v1/people/{person}/link", Manage, Scope::District, MANAGE),
    row("POST", "/v1/enrol-codes", Manage, Scope::District, MANAGE),
    row("GET", "/v1/units", Read, Scope::District, OFFICE),
    row("POST", "/v1/units", Manage, Scope::District, ISSUE),
    row("PUT", "/v1/units/{unit}", Manage, Scope::District, ISSUE),
    row("DELETE", "/v1/units/{unit}", Manage, Scope::District, ISSUE),
    row("GET", "/v1/patrols", Read, Scope::District, OFFICE),
    row("POST", "/v1/patrols", Write, Scope::District, RECORD),
    row("GET", "/v1/works", Read, Scope::District, OFFICE),
    row("POST", "/v1/works", Write, Scope::District, RECORD),
    row("GET", "/v1/inspections", Read, Scope::District, OFFICE),
    row("POST", "/v1/inspections", Write, Scope::District, RECORD),
    row("GET", "/v1/activities", Read, Scope::District, OFFICE),
    row("POST", "/v1/activities", Write, Scope::District, RECORD),
    row("GET", "/v1/stretches", Read, Scope::District, OFFICE),
    row("GET", "/v1/reports", Read, Scope::District, OFFICE),
    row("GET", "/v1/reports/work", Export, Scope::District, OFFICE),
    row("POST", "/v1/reports/work", Write, Scope::District, ISSUE),
    row("GET", "/v1/reports/{number}", Export, Scope::District, OFFICE),
    row("GET", "/v1/reports/{number}/late", Read, Scope::District, OFFICE),
    // The map.
    row("GET", "/ogc", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/conformance", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/api", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/collections", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/collections/{collection}", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/collections/{collection}/queryables", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/collections/{collection}/schema", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/collections/{collection}/items", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/collections/{collection}/items/{feature}", Read, Scope::OwnUnit, SEE),
    // Tiles of the map.
    row("GET", "/ogc/tileMatrixSets", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/tileMatrixSets/WebMercatorQuad", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/collections/{collection}/tiles", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/collections/{collection}/tiles/WebMercatorQuad", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/collections/{collection}/tiles/WebMercatorQuad/tilejson.json", Read, Scope::OwnUnit, SEE),
    row("GET", "/ogc/collections/{collection}/tiles/WebMercatorQuad/{z}/{y}/{x}", Read, Scope::OwnUnit, SEE),
    // The office's pages.
    row("GET", "/", Read, Scope::OwnUnit, SEE),
    row("GET", "/hazards", Read, Scope::OwnUnit, SEE),
    row("GET", "/hazards/{record}", Read, Scope::OwnUnit, SEE),
    row("GET", "/hazards/{record}/commands/{command}", Read, Scope::OwnUnit, COMMAND),
    row("POST", "/hazards/{record}/commands/{command}", Write, Scope::OwnUnit, COMMAND),
    row("GET", "/orders", Read, Scope::OwnUnit, SEE),
    row("GET", "/conflicts", Read, Scope::District, OFFICE),
    row("GET", "/grid", Read, Scope::District, OFFICE),
    row("GET", "/maps", Read, Scope::OwnUnit, SEE),
    row("POST", "/maps", Export, Scope::OwnUnit, SEE),
    row("GET", "/proposals", Read, Scope::District, OFFICE),
    row("GET", "/photos", Read, Scope::District, OFFICE),
    row("GET", "/devices", Read, Scope::District, OFFICE),
    row("POST", "/devices/{device}", Manage, Scope::District, MANAGE),
    row("GET", "/devices/{device}", Read, Scope::District, OFFICE),
    row("POST", "/enrol-code", Manage, Scope::District, MANAGE),
    row("GET", "/quarantine", Read, Scope::District, OFFICE),
    row("GET", "/reports", Read, Scope::District, OFFICE),
    row("GET", "/people", Read, Scope::District, OFFICE),
    row("POST", "/people", Manage, Scope::District, MANAGE),
    row("GET", "/people/{person}", Read, Scope::District, OFFICE),
    row("POST", "/people/{person}", Manage, Scope::District, MANAGE),
    row("GET", "/units", Read, Scope::District, OFFICE),
    row("POST", "/units", Manage, Scope::District, ISSUE),
    row("GET", "/units/{unit}", Read, Scope::District, OFFICE),
    row("POST", "/units/{unit}", Manage, Scope::District, ISSUE),
    row("GET", "/audit", Read, Scope::District, MANAGE),
    row("GET", "/audit/head", Read, Scope::District, MANAGE),
    row("GET", "/account", Read, Scope::Own, ANYBODY),
    row("POST", "/account/tokens", Manage, Scope::Own, SEE),
    row("POST", "/account/tokens/{token}", Manage, Scope::Own, ANYBODY),
    row("POST", "/account/sessions/{session}", Write, Scope::Own, ANYBODY),
    row("GET", "/password", Read, Scope::Own, ANYBODY),
    row("POST", "/password", Write, Scope::Own, ANYBODY),
    row("GET", "/districts", Read, Scope::Province, SEE),
    row("POST", "/district", Read, Scope::Own, ANYBODY),
    row("GET", "/login", Read, Scope::Public, NOBODY),
    row("POST", "/login", Write, Scope::Public, NOBODY),
    row("POST", "/logout", Write, Scope::Public, NOBODY),
    row("GET", "/link/{link}", Read, Scope::Public, NOBODY),
    row("POST", "/link/{link}", Write, Scope::Public, NOBODY),
    row("GET", "/style.css", Read, Scope::Public, NOBODY),
    row("GET", "/icon.svg", Read, Scope::Public, NOBODY),
    // Operators.
    row("GET", "/docs", Read, Scope::Public, NOBODY),
    row("GET", "/docs/guide", Read, Scope::Public, NOBODY),
    row("GET", "/docs/maps", Read, Scope::Public, NOBODY),
    row("GET", "/docs/errors", Read, Scope::Public, NOBODY),
    row("GET", "/openapi.json", Read, Scope::Public, NOBODY),
    row("GET", "/healthz", Read, Scope::Public, NOBODY),
    row("GET", "/readyz", Read, Scope::Public, NOBODY),
    row("GET", "/metrics", Read, Scope::Public, NOBODY),
];

/// The row of a request that reached a handler.
///
/// # Errors
/// `forbidden` where the table has none: nobody may.
pub(super) fn row_of(parts: &Parts) -> Result<&'static Row, ApiError> {
    let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let of = |method: &str| TABLE.iter().find(|row| row.method == method && Some(row.path) == path);
    // A GET answers a HEAD that has no handler of its own.
    let found = of(parts.method.as_str()).or_else(|| of("GET").filter(|_| parts.method == Method::HEAD));
    found.ok_or(ApiError::from(Code::Forbidden))
}

/// Lets an account make an act of this kind.
///
/// # Errors
/// `forbidden`.
pub(super) fn require_act(account: &Account, kind: Kind) -> Result<(), ApiError> {
    if commands::may_act(kind, account.person.roles) { Ok(()) } else { Err(Code::Forbidden.into()) }
}
