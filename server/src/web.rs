//! The office's pages, rendered on the server: zh-CN first, English second, plain HTML that works without scripts.
//!
//! Pure: values of [`crate::sync::listing`] in, text out. Every value is escaped by the template. Routes, tokens
//! and headers are in `http`. Start at [`overview()`].

mod api;
mod case;
mod detail;
mod device;
mod districts;
mod grid;
mod layout;
pub mod lists;
pub mod ogc;
mod overview;
mod place;
mod proposals;
mod reports;
pub mod sign_in;
mod words;

pub use api::{api, errors};
pub use detail::record;
pub use device::{device, enrol_code};
pub use districts::{DistrictShown, districts};
pub use grid::{GridShown, grid};
pub use layout::{Tab, Viewer, problem};
pub use overview::{Overview, overview};
pub use proposals::proposals;
pub use reports::{Reports, reports};

/// The style sheet of every page.
pub const STYLE: &str = include_str!("web/style.css");

/// Hours after which a device that has not been heard of counts as silent.
pub const SILENT_HOURS: i64 = 24;
