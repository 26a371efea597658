//! The end-to-end tests: one binary, one module a subject. Keep this a plain list.

#![cfg(test)]

mod accounts;
mod api_fuzz;
mod api_page;
mod audit;
mod audited;
mod backups;
mod bad_input;
mod check;
mod complaints;
mod cursors;
mod derived;
mod duplicates;
mod durability;
mod events;
mod faults;
mod geometry;
mod grid;
mod groups;
mod harness;
mod idempotency;
mod kills;
mod laws;
mod lifecycle;
mod map;
mod memory_stick;
mod office;
mod ogc;
mod openapi;
mod page;
mod page_says;
mod people;
mod photos;
mod policy;
mod python_client;
mod real_records;
mod reports;
mod restore;
mod simulation;
mod start;
mod storage_full;
mod store;
mod tidy;
mod tls;
mod trust;
