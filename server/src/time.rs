//! Time with an error bar: when an operation was made, as an interval. Pure; no order depends on it.
//!
//! The bounds come from what cannot lie: the server's own clock at the reply the device held (`after`) and at
//! first receipt, narrowed by the uptime of the same boot. A wall clock is evidence of nothing but itself.

use std::time::Duration;

use sync_protocol::operation::Stamp;

/// A device's wall clock may differ from the bounds by so much before it is flagged.
const TOLERANCE_MS: i64 = 10 * 60 * 1_000;
/// 2024-01-01T00:00:00Z. No phone ran this software before.
const EARLIEST_MS: i64 = 1_704_067_200_000;

/// When something happened, in server time, milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Not before this.
    pub not_before_ms: i64,
    /// Not after this.
    pub not_after_ms: i64,
    /// The device's wall clock lies outside.
    pub is_clock_suspect: bool,
}

/// The interval of a stamp that first arrived at `received_ms`.
///
/// `boot_offset_ms`: the smallest (server time of receipt − uptime at sending) over the contacts of the stamp's
/// boot: no event of that boot can be later than its uptime plus that.
pub fn interval(stamp: &Stamp, received_ms: i64, boot_offset_ms: Option<i64>) -> Interval {
    let uptime = stamp.uptime_ms.and_then(|uptime| i64::try_from(uptime).ok());
    let mut not_after_ms = received_ms;
    if let (Some(uptime), Some(offset), Some(_)) = (uptime, boot_offset_ms, stamp.boot) {
        not_after_ms = not_after_ms.min(offset.saturating_add(uptime));
    }
    let mut not_before_ms = stamp.after_ms.unwrap_or(EARLIEST_MS).max(EARLIEST_MS);
    let after_uptime = stamp.after_uptime_ms.and_then(|uptime| i64::try_from(uptime).ok());
    if let (Some(uptime), Some(after_uptime), Some(after)) = (uptime, after_uptime, stamp.after_ms)
        && uptime >= after_uptime
    {
        not_before_ms = not_before_ms.max(after.saturating_add(uptime - after_uptime));
    }
    // Bounds that cross come from a device that lies about its uptime: keep what the server itself saw.
    if not_before_ms > not_after_ms {
        not_before_ms =
            stamp.after_ms.unwrap_or(EARLIEST_MS).clamp(EARLIEST_MS.min(received_ms), received_ms);
        not_after_ms = received_ms;
    }
    let is_clock_suspect = stamp.wall_ms < not_before_ms.saturating_sub(TOLERANCE_MS)
        || stamp.wall_ms > not_after_ms.saturating_add(TOLERANCE_MS);
    Interval { not_before_ms, not_after_ms, is_clock_suspect }
}

/// A source of the current time, so that tests decide it.
#[derive(Clone, Debug)]
pub struct Clock {
    shift_ms: i64,
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self { shift_ms: 0 }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond().saturating_add(self.shift_ms)
    }

    /// The machine's clock, shifted.
    #[must_use]
    pub fn shifted(&self, by: Duration) -> Self {
        Self { shift_ms: self.shift_ms.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVED: i64 = 1_790_000_000_000;

    fn stamp(wall_ms: i64) -> Stamp {
        Stamp { wall_ms, ..Stamp::default() }
    }

    #[test]
    fn a_clock_in_1970_2017_or_400_days_ahead_is_suspect_and_one_within_the_bounds_is_not() {
        for (wall, suspect) in [
            (0, true),
            (1_500_000_000_000, true),
            (RECEIVED + 400 * 86_400_000, true),
            (4_102_444_800_000, true),
            (RECEIVED - 3 * 86_400_000, false),
            (RECEIVED, false),
        ] {
            assert_eq!(interval(&stamp(wall), RECEIVED, None).is_clock_suspect, suspect, "{wall}");
        }
    }

    #[test]
    fn uptime_of_the_same_boot_narrows_both_bounds() {
        let stamp = Stamp {
            boot: Some([1; 16]),
            wall_ms: 0,
            after_ms: Some(RECEIVED - 100_000),
            uptime_ms: Some(60_000),
            after_uptime_ms: Some(10_000),
            ..Stamp::default()
        };
        let narrowed = interval(&stamp, RECEIVED, Some(RECEIVED - 105_000));
        assert_eq!(narrowed.not_before_ms, RECEIVED - 50_000);
        assert_eq!(narrowed.not_after_ms, RECEIVED - 45_000);
        assert!(narrowed.is_clock_suspect);
    }

    #[test]
    fn bounds_that_cross_fall_back_to_what_the_server_saw() {
        let stamp = Stamp {
            boot: Some([1; 16]),
            wall_ms: RECEIVED,
            after_ms: Some(RECEIVED - 10),
            uptime_ms: Some(99_999_999),
            after_uptime_ms: Some(0),
            ..Stamp::default()
        };
        let interval = interval(&stamp, RECEIVED, None);
        assert_eq!((interval.not_before_ms, interval.not_after_ms), (RECEIVED - 10, RECEIVED));
    }
}
