//! The end-to-end tests: one binary, one module a subject. Keep this a plain list.

mod bad_input;
mod complaints;
mod durability;
mod faults;
mod groups;
mod harness;
mod kills;
mod laws;
mod office;
mod page;
mod python_client;
mod real_records;
mod restore;
mod storage_full;
mod tidy;
mod trust;
