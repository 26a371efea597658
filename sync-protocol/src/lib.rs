//! The contract between a Firebreak device and its server.
//!
//! Everything here is pure: no I/O, no clock, no randomness, no database. A device links this crate as
//! the server does, so both encode the same bytes and fold the same operations to the same record.
//!
//! Start reading at [`operation`] (what an author writes), then [`bundle`] (how a device signs it),
//! [`exchange`] (what travels in one request and its reply) and [`fold`] (what a record is).
//!
//! Not here: HTTP, storage, enrolment policy, clocks, geometry.
#![warn(missing_docs)]

pub mod bundle;
pub mod cbor;
pub mod check;
pub mod codes;
pub mod enrolment;
pub mod exchange;
pub mod field;
pub mod fold;
pub mod ids;
pub mod kind;
pub mod limits;
pub mod named;
pub mod operation;
pub mod prepass;
pub mod reference;
pub mod view;

/// The protocol version this crate speaks. A request header naming another version is refused.
pub const PROTOCOL: u64 = 1;

/// The schema version of operations written by this crate's [`operation::Operation::encode`].
pub const SCHEMA: u64 = 1;
