//! What a token may be used for. A row of the policy table asks for one action; a token has a set of them. What its
//! person may do bounds it as well: a token adds nothing.

/// What a route does with the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Reads.
    Read,
    /// Takes much out at once: maps, reports.
    Export,
    /// Changes the ledger.
    Write,
    /// Changes who may do what: people, accounts, units, devices, rules, the grid.
    Admin,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Read, Self::Export, Self::Write, Self::Admin];

    /// Its name: the scope of a token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Export => "export",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// What it is called.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Read => "查看",
            Self::Export => "导出",
            Self::Write => "录入与处置",
            Self::Admin => "管理",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Export => 2,
            Self::Write => 4,
            Self::Admin => 8,
        }
    }
}

/// The scopes of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// All of them: a browser's session, and tokens that were not bounded.
    pub const EVERY: Self = Self(15);

    /// Whether it has this one.
    pub const fn has(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// Whether it has all of these.
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The set of these names; none where one is no scope, or there is none.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let mut bits = 0;
        for name in names {
            bits |= Action::ALL.into_iter().find(|action| action.as_str() == name)?.bit();
        }
        (bits != 0).then_some(Self(bits))
    }

    /// The names of what is in it.
    pub fn names(self) -> Vec<&'static str> {
        Action::ALL.into_iter().filter(|action| self.has(*action)).map(Action::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_as_they_are_written_and_cover_what_is_in_them() {
        let some = Actions::named(["write", "read"]).unwrap();
        assert_eq!(some.names(), ["read", "write"]);
        assert!(some.has(Action::Read) && !some.has(Action::Export));
        assert!(Actions::EVERY.covers(some) && !some.covers(Actions::EVERY));
        assert_eq!(Actions::named(Actions::EVERY.names()), Some(Actions::EVERY));
        assert_eq!(Actions::named(["read", "everything"]), None);
        assert_eq!(Actions::named([]), None);
    }
}
