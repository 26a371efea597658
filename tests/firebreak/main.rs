//! The end-to-end tests: one binary, one module a subject. Keep this a plain list.

mod harness;
mod page;
mod python_client;
mod tidy;
