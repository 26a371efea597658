//! The end-to-end tests: one binary, one module a subject. Keep this a plain list.

mod durability;
mod faults;
mod harness;
mod kills;
mod office;
mod page;
mod python_client;
mod restore;
mod storage_full;
mod tidy;
