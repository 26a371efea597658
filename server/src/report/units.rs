//! Whole numbers as a report prints them: millimetres as kilometres, 分 as 万元, both with two decimals, half up.

/// Millimetres of ten metres: the last digit of a kilometre with two decimals.
const MM_PER_HUNDREDTH_KM: i64 = 10_000;
/// 分 of a hundred 元: the last digit of 万元 with two decimals.
const FEN_PER_HUNDREDTH_WAN: i64 = 10_000;

/// Kilometres of millimetres.
pub fn kilometres(mm: i64) -> String {
    hundredths(mm, MM_PER_HUNDREDTH_KM)
}

/// 万元 of 分.
pub fn ten_thousand_yuan(fen: i64) -> String {
    hundredths(fen, FEN_PER_HUNDREDTH_WAN)
}

fn hundredths(value: i64, per_hundredth: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let rounded =
        value.unsigned_abs().saturating_add(per_hundredth.unsigned_abs() / 2) / per_hundredth.unsigned_abs();
    format!("{sign}{}.{:02}", rounded / 100, rounded % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_money_are_rounded_half_up_to_two_decimals() {
        for (value, printed) in [
            (0, "0.00"),
            (4_999, "0.00"),
            (5_000, "0.01"),
            (12_345_678, "12.35"),
            (999_995_000, "1000.00"),
            (100_000_000, "100.00"),
        ] {
            assert_eq!(kilometres(value), printed, "{value}");
            assert_eq!(ten_thousand_yuan(value), printed, "{value}");
        }
    }
}
