//! The office's pages, rendered on the server: zh-CN first, English second, plain HTML that works without scripts.
//!
//! Pure: values of [`crate::sync::listing`] in, text out. Every value is escaped by the template. Routes, tokens
//! and headers are in `http`. Start at [`overview()`].

pub mod account;
mod api;
mod api_words;
pub mod audit;
mod case;
pub mod commands;
mod detail;
mod device;
mod districts;
pub mod evidence;
mod forms;
mod grid;
mod guide;
mod layout;
pub mod lists;
pub mod maps;
pub mod ogc;
pub mod orders;
mod overview;
pub mod people;
pub mod photos;
mod place;
mod proposals;
mod reports;
pub mod sign_in;
pub mod units;
mod words;

pub use api::{api, errors};
pub use api_words::has_word;
pub use detail::{Beside, record};
pub use device::{device, enrol_code};
pub use districts::{DistrictShown, districts};
pub use grid::{GridShown, grid};
pub use guide::{guide, maps_guide};
pub use layout::{Viewer, Wrong, problem};
pub use overview::{Overview, overview};
pub use proposals::proposals;
pub use reports::{Reports, reports};

/// What stands beside the title of every page: a flame before a break.
pub const ICON: &str = include_str!("web/icon.svg");

/// The style sheet of every page.
pub const STYLE: &str = include_str!("web/style.css");

/// Hours after which a device that has not been heard of counts as silent.
pub const SILENT_HOURS: i64 = 24;
