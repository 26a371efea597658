//! What the end-to-end tests stand on: private databases, the real server, a small client, a faulty network.
//!
//! Not here: any test. Those are the modules of `tests/firebreak`.
