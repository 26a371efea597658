//! What the end-to-end tests stand on: private databases, the real server, a small client, a faulty network.
//!
//! Start at [`server::Server::start`]. Everything listens on loopback on ports that the system chooses, keeps
//! its files in temporary folders and is gone when the test process ends.
//!
//! Not here: any test. Those are the modules of `tests/firebreak`.

pub mod behind;
pub mod browser;
pub mod chromium;
pub mod district;
pub mod http;
pub mod map;
pub mod nepal;
pub mod office_suite;
pub mod phone;
pub mod postgres;
pub mod proxy;
pub mod python;
pub mod server;
pub mod trace;
pub mod twins;

/// The seed of a randomised test: `FIREBREAK_SEED`, or the one given. Prints it, so that a failure can be had
/// again.
pub fn seed(test: &str, default: u64) -> u64 {
    let seed = std::env::var("FIREBREAK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    println!("{test}: FIREBREAK_SEED={seed}");
    seed
}

/// How many rounds a loop makes: `usual` in `make test`, `FIREBREAK_SOAK` in `make soak`.
pub fn rounds(usual: usize) -> usize {
    std::env::var("FIREBREAK_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
