//! The Firebreak server: reconciles what offline inspectors recorded and keeps the hazard ledger.
//!
//! Direction: `main` → [`app`] → [`http`] → [`sync`] → {[`validate`], [`reconcile`], [`store`]} → [`domain`].
//! Nothing points back. Start reading at [`sync`]: the life of a bundle.

pub mod accounts;
pub mod app;
pub mod audit;
pub mod cli;
pub mod config;
pub mod domain;
pub mod duplicates;
pub mod exports;
pub mod geometry;
pub mod grid;
pub mod http;
pub mod keys;
pub mod layers;
pub mod lifecycle;
pub mod orders;
pub mod photos;
pub mod reconcile;
pub mod report;
pub mod rules;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod tiles;
pub mod time;
pub mod tls;
pub mod validate;
pub mod web;
