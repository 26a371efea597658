//! Accounts as values: what a password must be, how long a login is locked, what a token may do, which units a person
//! sees. Pure: hashing, storing and asking who somebody is are elsewhere (`sync/accounts.rs`, `http/auth.rs`).
//!
//! Start at [`password::Profile`].

pub mod actions;
pub mod lockout;
pub mod password;
pub mod units;

/// Characters of a login.
const LOGIN_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=64;

/// A login as it is stored: letters, digits and `.`, `-`, `_`, `@`, of any script, in lower case. None where it is none.
pub fn login(text: &str) -> Option<String> {
    let login = text.trim().to_lowercase();
    let is_plain = |c: char| c.is_alphanumeric() || ".-_@".contains(c);
    (LOGIN_CHARACTERS.contains(&login.chars().count()) && login.chars().all(is_plain)).then_some(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_read_without_regard_to_case_and_blanks_around_it() {
        assert_eq!(login(" Li.Ming@Hekou "), Some("li.ming@hekou".to_owned()));
        assert_eq!(login("李明河"), Some("李明河".to_owned()));
        for wrong in ["", "ab", "a b c", "a/bc", "a\nbc", &"x".repeat(65)] {
            assert_eq!(login(wrong), None, "{wrong:?}");
        }
    }
}
