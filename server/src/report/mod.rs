//! The bureau's work report: what is counted, by which rule, and how it is said.
//!
//! Pure: rows of the derived tables in ([`rows`]), figures out ([`figures`]), and text, JSON, HTML or DOCX of them
//! ([`render`]). No database, clock or network: what is read, frozen and kept is `sync/reports.rs`. Start at
//! [`document::Report`].

pub mod catalogue;
pub mod claim;
pub mod document;
pub mod figures;
pub mod period;
pub mod render;
pub mod rows;
pub mod sentence;
pub mod tables;
pub mod units;

#[cfg(test)]
mod tests;
