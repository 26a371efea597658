//! The end-to-end tests: one binary, one module a subject. Keep this a plain list.

mod api_page;
mod bad_input;
mod complaints;
mod durability;
mod faults;
mod geometry;
mod grid;
mod groups;
mod harness;
mod kills;
mod laws;
mod memory_stick;
mod office;
mod page;
mod page_says;
mod people;
mod python_client;
mod real_records;
mod reports;
mod restore;
mod simulation;
mod start;
mod storage_full;
mod tidy;
mod tls;
mod trust;
