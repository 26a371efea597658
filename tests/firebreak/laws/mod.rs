//! The laws as properties, through real HTTP on both databases. Start at `order`.
//!
//! Law 9 is in `restore`, the kill loop of law 1 in `kills`. Law 10 is met here as far as photos are verified by
//! operations: `order` holds closures with and without them to the oracle.

mod areas;
#[cfg(test)]
mod clock;
mod feed;
mod large;
mod moves;
#[cfg(test)]
mod order;
mod quarantine;
mod receipts;
#[cfg(test)]
mod scenario;
mod told;
