//! The laws as properties, through real HTTP on both databases. Start at `order`.

mod order;
mod scenario;
