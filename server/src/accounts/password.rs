//! What a password must be: rules as a profile, so that a bureau sets its own. A refusal names every rule that is broken,
//! in words.
//!
//! Hashing is in `sync/accounts.rs`; whether a password was used before is found there and told here.

use serde::{Deserialize, Serialize};

/// Characters of a password, at most: hashing takes what it is given.
pub const MOST_CHARACTERS: usize = 200;

/// Words and rows of keys that the commonest passwords are made of, and what stands for a letter in them.
const COMMON: [&str; 36] = [
    "password", "passwd", "qwerty", "qwertz", "azerty", "asdfgh", "zxcvbn", "1q2w3e", "q1w2e3", "qazwsx",
    "letmein", "welcome", "admin", "root", "login", "master", "dragon", "monkey", "sunshine", "princess",
    "football", "iloveyou", "trustno1", "abc123", "test", "guest", "user", "system", "manager", "firebreak",
    "woaini", "mima", "nihao", "gongan", "senlin", "fanghuo",
];

/// Rules for passwords.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Least number of characters.
    pub least_characters: usize,
    /// Least number of classes among lower case, upper case, digits and everything else.
    pub least_classes: usize,
    /// Whether a password may be one of the commonest.
    pub refuse_common: bool,
    /// Passwords before this one that may not come again.
    pub history: usize,
    /// Days after which it must be changed; 0: never.
    pub most_days: u32,
}

impl Default for Profile {
    fn default() -> Self {
        Self { least_characters: 10, least_classes: 2, refuse_common: true, history: 4, most_days: 0 }
    }
}

/// A rule that a password breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Fewer characters than this.
    TooShort(usize),
    /// More than [`MOST_CHARACTERS`].
    TooLong,
    /// Fewer classes than this.
    TooFewClasses(usize),
    /// Like the commonest.
    Common,
    /// It has the login in it.
    HasLogin,
    /// One of the last so many.
    UsedBefore(usize),
}

impl Fault {
    /// In Chinese.
    pub fn zh(self) -> String {
        match self {
            Self::TooShort(least) => format!("至少 {least} 个字符"),
            Self::TooLong => format!("最多 {MOST_CHARACTERS} 个字符"),
            Self::TooFewClasses(least) => format!("小写、大写、数字、其他字符中至少 {least} 类"),
            Self::Common => "过于常见或有规律".to_owned(),
            Self::HasLogin => "不得包含登录名".to_owned(),
            Self::UsedBefore(history) => format!("不得与最近 {history} 次的密码相同"),
        }
    }

    /// In English.
    pub fn en(self) -> String {
        match self {
            Self::TooShort(least) => format!("at least {least} characters"),
            Self::TooLong => format!("at most {MOST_CHARACTERS} characters"),
            Self::TooFewClasses(least) => {
                format!("at least {least} of lower case, upper case, digits, other characters")
            }
            Self::Common => "too common or too regular".to_owned(),
            Self::HasLogin => "it may not contain the login".to_owned(),
            Self::UsedBefore(history) => format!("it was among the last {history} passwords"),
        }
    }
}

/// What is wrong, in both languages, for whoever chose the password.
pub fn in_words(faults: &[Fault]) -> String {
    let zh: Vec<String> = faults.iter().map(|fault| fault.zh()).collect();
    let en: Vec<String> = faults.iter().map(|fault| fault.en()).collect();
    format!("{} ({})", zh.join("；"), en.join("; "))
}

impl Profile {
    /// Every rule that a new password breaks, but for what was used before.
    pub fn faults(&self, password: &str, login: &str) -> Vec<Fault> {
        let characters = password.chars().count();
        let mut faults = Vec::new();
        if characters < self.least_characters {
            faults.push(Fault::TooShort(self.least_characters));
        }
        if characters > MOST_CHARACTERS {
            faults.push(Fault::TooLong);
        }
        if classes(password) < self.least_classes {
            faults.push(Fault::TooFewClasses(self.least_classes));
        }
        if self.refuse_common && is_common(password) {
            faults.push(Fault::Common);
        }
        let lower = password.to_lowercase();
        if !login.is_empty() && lower.contains(login) {
            faults.push(Fault::HasLogin);
        }
        faults
    }

    /// Whether a password that was set then must be changed by now.
    pub fn is_stale(&self, set_ms: i64, now_ms: i64) -> bool {
        self.most_days > 0 && now_ms.saturating_sub(set_ms) > i64::from(self.most_days) * 86_400_000
    }
}

fn classes(password: &str) -> usize {
    let has = |is: fn(char) -> bool| usize::from(password.chars().any(is));
    has(char::is_lowercase)
        + has(char::is_uppercase)
        + has(|c| c.is_ascii_digit())
        + has(|c| !c.is_lowercase() && !c.is_uppercase() && !c.is_ascii_digit())
}

/// Whether a password is a common word with little around it, or few characters again and again, or one row of them.
fn is_common(password: &str) -> bool {
    let plain: String = password.to_lowercase().chars().map(as_letter).collect();
    let letters: Vec<char> = plain.chars().filter(|c| c.is_alphanumeric()).collect();
    let text: String = letters.iter().collect();
    let is_word = COMMON.iter().any(|word| text.contains(word) && letters.len() < word.chars().count() + 5);
    let mut distinct: Vec<char> = password.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let raw: Vec<u32> = password.chars().map(u32::from).collect();
    let steps =
        |by: i64| raw.windows(2).all(|pair| matches!(pair, [a, b] if i64::from(*b) - i64::from(*a) == by));
    is_word || distinct.len() < 4 || steps(1) || steps(-1)
}

/// The letter that a sign stands for.
const fn as_letter(c: char) -> char {
    match c {
        '@' => 'a',
        '0' => 'o',
        '$' => 's',
        '!' => 'i',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_broken_by_what_it_is_for() {
        let profile = Profile::default();
        for (password, expected) in [
            ("Kx7-青山绿水再来", vec![]),
            ("four plain words here", vec![]),
            ("Kx7-lm", vec![Fault::TooShort(10)]),
            ("correcthorsebattery", vec![Fault::TooFewClasses(2)]),
            ("P@ssw0rd2026", vec![Fault::Common]),
            ("Firebreak-1", vec![Fault::Common]),
            ("abababab12", vec![]),
            ("1212121212ab", vec![]),
            ("aaaaaaaaa1", vec![Fault::Common]),
            ("9876543210", vec![Fault::TooFewClasses(2), Fault::Common]),
            ("zzz-Li.Ming-zzz1", vec![Fault::HasLogin]),
            ("", vec![Fault::TooShort(10), Fault::TooFewClasses(2), Fault::Common]),
        ] {
            assert_eq!(profile.faults(password, "li.ming"), expected, "{password}");
        }
        let long = format!("aB3-{}", "青山".repeat(99));
        assert_eq!(profile.faults(&long, "x.y"), [Fault::TooLong]);
    }

    #[test]
    fn the_least_length_is_held_to_the_character() {
        let profile = Profile { least_characters: 12, ..Profile::default() };
        assert_eq!(profile.faults("Kx7-mWq2-山", "li"), [Fault::TooShort(12)]);
        assert_eq!(profile.faults("Kx7-mWq2-山水林", "li"), []);
    }

    #[test]
    fn a_password_ages_only_where_the_profile_says_so() {
        let day_ms = 86_400_000;
        assert!(!Profile::default().is_stale(0, 10_000 * day_ms));
        let profile = Profile { most_days: 90, ..Profile::default() };
        assert!(!profile.is_stale(0, 90 * day_ms));
        assert!(profile.is_stale(0, 90 * day_ms + 1));
    }

    #[test]
    fn words_of_a_refusal_are_in_both_languages() {
        let words = in_words(&[Fault::TooShort(10), Fault::UsedBefore(4)]);
        assert_eq!(
            words,
            "至少 10 个字符；不得与最近 4 次的密码相同 (at least 10 characters; it was among the last 4 passwords)"
        );
    }
}
