//! Many rows in one statement: chunks of powers of two, so that few texts are prepared and all stay cached.

/// Rows of the largest chunk.
const LARGEST: usize = 256;

/// Splits rows into chunks whose lengths are powers of two, at most [`LARGEST`].
pub(super) fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        if rows.is_empty() {
            return None;
        }
        let length = if rows.len() >= LARGEST { LARGEST } else { 1 << rows.len().ilog2() };
        let (chunk, rest) = rows.split_at(length);
        rows = rest;
        Some(chunk)
    })
}

/// Pads keys to a power of two by repeating the last: for `IN` lists, where a repetition changes nothing.
pub(super) fn padded<T: Copy>(keys: &[T]) -> Vec<T> {
    let mut padded = keys.to_vec();
    if let Some(last) = keys.last() {
        padded.resize(keys.len().next_power_of_two(), *last);
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_powers_of_two_and_keep_every_row_in_order() {
        let rows: Vec<usize> = (0..1_000).collect();
        let lengths: Vec<usize> = chunks(&rows).map(<[usize]>::len).collect();
        assert_eq!(lengths, [256, 256, 256, 128, 64, 32, 8]);
        assert_eq!(chunks(&rows).flatten().copied().collect::<Vec<_>>(), rows);
    }
}
