//! `Idempotency-Key`: the same key and the same request get the same answer, without acting again.

/// The header.
pub(super) const HEADER: &str = "Idempotency-Key";
/// Bytes of a key.
pub(super) const KEY_MIN: usize = 8;
/// Bytes of a key.
pub(super) const KEY_MAX: usize = 128;
