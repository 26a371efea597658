//! The protocol as others see it: golden files, `sync.cddl`, the page `docs/protocol.md` and bad input.
//!
//! Start at [`golden`]. With `FIREBREAK_WRITE=1` in the environment, golden files that are missing are written
//! (never one that is there) and the generated parts of the page and of the CDDL are brought up to date.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test's helper fails by panicking, and writes short tables"
)]

mod bad_envelopes;
mod bad_input;
mod catalogue;
mod cddl;
mod diagnostic;
mod dispute;
mod files;
mod golden;
mod keys;
mod limits;
mod messages;
mod mutated;
mod page;
mod references;
mod story;
mod views;
mod words;
