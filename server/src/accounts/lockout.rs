//! How long a login is locked after wrong passwords: the delay grows with each of them. It is of the login alone,
//! whether an account has it or not, and not of the address: a bureau has one address.

/// Wrong passwords in a row that cost nothing.
pub const FREE_FAILURES: u32 = 4;
/// The first delay, milliseconds.
const FIRST_DELAY_MS: i64 = 30_000;
/// The longest delay, milliseconds: an hour.
pub const LONGEST_DELAY_MS: i64 = 3_600_000;
/// After so long without a wrong password the count begins anew, milliseconds: a day.
pub const FORGOTTEN_AFTER_MS: i64 = 86_400_000;

/// For how long a login is locked still after so many wrong passwords, of which the last came at `last_ms`, milliseconds; 0
/// where it is not, whichever of the two moments is the later: the clocks of two servers differ.
pub fn locked_for_ms(failures: u32, last_ms: i64, now_ms: i64) -> i64 {
    let Some(beyond) = failures.checked_sub(FREE_FAILURES + 1) else { return 0 };
    let factor = 1_i64.checked_shl(beyond.min(30)).unwrap_or(i64::MAX);
    let until_ms = last_ms.saturating_add(FIRST_DELAY_MS.saturating_mul(factor).min(LONGEST_DELAY_MS));
    until_ms.saturating_sub(now_ms).clamp(0, LONGEST_DELAY_MS)
}

/// The failures that still count at this moment.
pub const fn counted(failures: u32, last_ms: i64, now_ms: i64) -> u32 {
    if now_ms.saturating_sub(last_ms) > FORGOTTEN_AFTER_MS { 0 } else { failures }
}

/// Failed sign-ins to logins that nobody has: how many of them are worth a row of the audit log. Whoever tries names at
/// random must not be able to fill the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strangers {
    minute: i64,
    rows: u32,
    left_out: u64,
}

impl Strangers {
    /// Rows of one minute.
    pub const ROWS_A_MINUTE: u32 = 60;
    /// A row, with none left out before it.
    pub const NOTED: Option<u64> = Some(0);

    /// Takes one failure: whether it has a row, and how many before it had none.
    pub fn take(&mut self, now_ms: i64) -> Option<u64> {
        let minute = now_ms.div_euclid(60_000);
        if minute != self.minute {
            (self.minute, self.rows) = (minute, 0);
        }
        if self.rows >= Self::ROWS_A_MINUTE {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.rows += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_from_the_fifth_failure_to_an_hour() {
        let delays: Vec<i64> = [0, 4, 5, 6, 7, 11, 12, 40, u32::MAX]
            .map(|failures| locked_for_ms(failures, 1_000, 1_000))
            .into();
        assert_eq!(delays, [0, 0, 30_000, 60_000, 120_000, 1_920_000, 3_600_000, 3_600_000, 3_600_000]);
        assert_eq!([30_999, 31_000, 99_000].map(|now_ms| locked_for_ms(5, 1_000, now_ms)), [1, 0, 0]);
        // Who waited for others to be counted came before them by the clock: that locks nobody.
        assert_eq!([1, 4].map(|failures| locked_for_ms(failures, 1_000, 990)), [0, 0]);
    }

    #[test]
    fn strangers_have_so_many_rows_a_minute_and_the_next_says_how_many_had_none() {
        let mut strangers = Strangers::default();
        for _ in 0..Strangers::ROWS_A_MINUTE {
            assert_eq!(strangers.take(60_000), Some(0));
        }
        assert_eq!((strangers.take(60_001), strangers.take(119_999)), (None, None));
        assert_eq!((strangers.take(120_000), strangers.take(120_000)), (Some(2), Some(0)));
    }

    #[test]
    fn a_day_without_a_failure_begins_anew() {
        assert_eq!(counted(9, 0, FORGOTTEN_AFTER_MS), 9);
        assert_eq!(counted(9, 0, FORGOTTEN_AFTER_MS + 1), 0);
    }
}
