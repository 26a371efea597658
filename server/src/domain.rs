//! The words of the server: districts, people, devices, and the small closed sets that the store numbers.
//!
//! No I/O. What travels on the wire is in `sync_protocol`; this is what the server knows beside it.

use sync_protocol::cbor::Raw;
use sync_protocol::field::severity_rank;
use sync_protocol::ids::{Chain, DeviceId, DistrictId, PersonId};
use sync_protocol::view::{Disposition, State, View};

/// A district's number within one database: the first column of every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DistrictKey(pub i64);

/// A district bureau.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct District {
    /// Its number in this database.
    pub key: DistrictKey,
    /// Its id on the wire.
    pub id: DistrictId,
    /// The short code that operators type and that 编号 begins with.
    pub code: String,
    /// Its name.
    pub name: String,
    /// IANA time zone, by which its days are counted.
    pub time_zone: String,
}

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its number in the store. Never changed, never reused.
            pub const fn number(self) -> i64 {
                match self { $(Self::$variant => $number,)* }
            }

            /// The value of a number in the store.
            pub const fn from_number(number: i64) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of this name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

numbered! {
    /// What a feed carries.
    Collection {
        /// Hazards, patrols, works, inspections, activities.
        Records = 0, "records";
        /// Persons of the district.
        People = 1, "people";
        /// Areas of persons.
        Areas = 2, "areas";
        /// Reference grid.
        Grid = 3, "grid";
        /// Rules.
        Rules = 4, "rules";
        /// The server's log of devices; never sent.
        Devices = 5, "devices";
        /// What is left of a record when its last operation left the folded set; never sent.
        Gone = 6, "gone";
    }
}

numbered! {
    /// The order in which a feed is read: worst first.
    Class {
        /// 危急 and 火情.
        Critical = 0, "critical";
        /// 严重
        Serious = 1, "serious";
        /// 一般
        General = 2, "general";
        /// No severity known, and everything that is no hazard.
        Other = 3, "other";
    }
}

/// The severity that people are shown: that of the view, but a fire sighting (火情) is always critical, whatever was said of
/// it. The view itself, which is a function of the operations alone, keeps what was said.
pub fn severity(view: &View) -> Option<&str> {
    severity_where(view, view.severity.as_deref())
}

/// What people are shown of a hazard where this severity is said.
pub fn severity_where<'v>(view: &View, said: Option<&'v str>) -> Option<&'v str> {
    let critical = Class::Critical.as_str();
    let is_sighting = view.shown("category").and_then(Raw::as_text) == Some("fire_sighting");
    if is_sighting && severity_rank(said) < severity_rank(Some(critical)) { Some(critical) } else { said }
}

numbered! {
    /// What a unit is to the lines.
    UnitKind {
        /// 责任单位: puts right what was found.
        Responsible = 0, "responsible";
        /// 产权单位
        Owner = 1, "owner";
        /// 运维单位
        Operator = 2, "operator";
    }
}

impl UnitKind {
    /// Its name as people read it.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Responsible => "责任单位",
            Self::Owner => "产权单位",
            Self::Operator => "运维单位",
        }
    }
}

/// An account of the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub uuid::Uuid);

impl std::fmt::Display for AccountId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A unit of a district.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(pub uuid::Uuid);

impl std::fmt::Display for UnitId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

numbered! {
    /// What a person may do. Inspectors use devices; the others have accounts of the office.
    Role {
        /// 巡查员
        Inspector = 0, "inspector";
        /// 审核员
        Reviewer = 1, "reviewer";
        /// 办事员
        Clerk = 2, "clerk";
        /// 领导
        Leader = 3, "leader";
        /// 管理员
        Admin = 4, "admin";
        /// 责任单位: answers for the hazards of its unit.
        Unit = 5, "unit";
        /// 复查员
        Reinspector = 6, "reinspector";
        /// 规划员: reads and exports.
        Planner = 7, "planner";
    }
}

impl Role {
    /// Its name as people read it.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Inspector => "巡查员",
            Self::Reviewer => "审核员",
            Self::Clerk => "办事员",
            Self::Leader => "领导",
            Self::Admin => "管理员",
            Self::Unit => "责任单位",
            Self::Reinspector => "复查员",
            Self::Planner => "规划员",
        }
    }

    /// Its bit in a set.
    const fn bit(self) -> u16 {
        1 << self.number()
    }
}

/// The roles of a person: a set, never empty of a stored person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u16);

impl Roles {
    /// The set of these roles.
    pub const fn of(roles: &[Role]) -> Self {
        let mut bits = 0;
        let mut rest = roles;
        while let [role, others @ ..] = rest {
            bits |= role.bit();
            rest = others;
        }
        Self(bits)
    }

    /// Whether this role is in it.
    pub const fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Whether any of these is in it.
    pub const fn has_any(self, roles: &[Role]) -> bool {
        self.0 & Self::of(roles).0 != 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in it, in the order of the roles' numbers.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.iter().copied().filter(move |role| self.has(*role))
    }

    /// The names of what is in it.
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Role::as_str).collect()
    }

    /// The set of these names; none where one is no role, or there is none.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let roles: Vec<Role> = names.into_iter().map(Role::parse).collect::<Option<_>>()?;
        (!roles.is_empty()).then(|| Self::of(&roles))
    }

    /// The set of a text: names parted by spaces, as [`std::fmt::Display`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::named(text.split_whitespace())
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Self::of(&[role])
    }
}

impl std::fmt::Display for Roles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.names().join(" "))
    }
}

/// The number of a record's state in the store.
pub const fn state_number(state: State) -> i64 {
    match state {
        State::Held => 0,
        State::Reported => 1,
        State::Returned => 2,
        State::Graded => 3,
        State::Ordered => 4,
        State::Rectifying => 5,
        State::Carried => 6,
        State::MadeSafe => 7,
        State::NotFound => 8,
        State::Rectified => 9,
        State::Verified => 10,
        State::Closed => 11,
        State::Void => 12,
        State::Duplicate => 13,
        State::NotOurs => 14,
        State::Disputed => 15,
        State::Recorded => 16,
    }
}

/// The number of a disposition in the store.
pub const fn disposition_number(disposition: Disposition) -> i64 {
    match disposition {
        Disposition::Applied => 0,
        Disposition::Merged => 1,
        Disposition::Joined => 2,
        Disposition::Conflict => 3,
        Disposition::Held => 4,
        Disposition::Quarantined => 5,
    }
}

/// The disposition of a number in the store.
pub fn disposition_of(number: i64) -> Option<Disposition> {
    Disposition::ALL.iter().copied().find(|known| disposition_number(*known) == number)
}

/// Bits of a record's flags in the store.
pub mod record_flags {
    /// Its opening operation has not come.
    pub const PROVISIONAL: i64 = 1;
    /// It has an open conflict.
    pub const CONFLICT: i64 = 2;
    /// It is closed, evidence pending.
    pub const CLOSURE_PENDING: i64 = 4;
    /// It is no hazard.
    pub const NOT_HAZARD: i64 = 8;
    /// Others name operations of it that the ledger does not hold.
    pub const MISSING: i64 = 16;
}

/// Bits of an operation's flags in the store; each has a code of scope `Flag`.
pub mod operation_flags {
    use sync_protocol::codes::Code;

    /// Every flag with its bit.
    pub const ALL: &[(i64, Code)] = &[
        (1, Code::FlagClock),
        (2, Code::FlagIdReused),
        (4, Code::FlagSequenceReused),
        (8, Code::FlagFork),
        (16, Code::FlagDefaultPosition),
        (32, Code::FlagNoPhoto),
        (64, Code::FlagAccuracyPoor),
        (128, Code::FlagAccuracyUnreliable),
    ];

    /// The bit of a flag; 0 for a code that is none.
    pub fn bit(code: Code) -> i64 {
        ALL.iter().find(|(_, known)| *known == code).map_or(0, |(bit, _)| *bit)
    }

    /// The codes of a set of bits.
    pub fn codes(bits: i64) -> impl Iterator<Item = Code> {
        ALL.iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, code)| *code)
    }
}

/// Where a device stands with the bureau.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceStatus {
    /// In use.
    Active,
    /// Said to be lost: what it has not sent is lost too.
    Lost,
    /// Revoked: beyond its last trusted point everything waits for review.
    Revoked {
        /// The last trusted sequence.
        sequence: u64,
        /// The chain there.
        chain: Chain,
    },
}

impl DeviceStatus {
    /// Its name on the wire and in lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Lost => "lost",
            Self::Revoked { .. } => "revoked",
        }
    }
}

/// What the server knows of a device while it reconciles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// SEC1 uncompressed P-256 point.
    pub public_key: Vec<u8>,
    /// Where it stands.
    pub status: DeviceStatus,
    /// Its chain is forked.
    pub is_forked: bool,
    /// Persons bound to it.
    pub persons: Vec<PersonId>,
    /// Persons who were bound to it and left: told what becomes of what they recorded, trusted with nothing new.
    pub former: Vec<PersonId>,
    /// The highest sequence received.
    pub head_sequence: u64,
    /// The chain there.
    pub head_chain: Chain,
    /// No gap up to here.
    pub whole_through: u64,
}

impl Device {
    /// Who is told what concerns it: persons bound to it, and those who were and left.
    pub fn holders(&self) -> Vec<PersonId> {
        self.persons.iter().chain(&self.former).copied().collect()
    }

    /// Everybody who used it left: it may hand in what it holds and is given nothing.
    pub fn is_left(&self) -> bool {
        self.persons.is_empty() && !self.former.is_empty()
    }
}

/// A device row with what the office wants to see of it.
#[derive(Clone, Debug)]
pub struct DeviceRow {
    /// The device.
    pub device: Device,
    /// App and version.
    pub client: String,
    /// What the office calls it.
    pub name: String,
    /// The device that it replaced.
    pub continues: Option<DeviceId>,
    /// When it enrolled, milliseconds since 1970.
    pub enrolled_ms: i64,
    /// Its last contact.
    pub contact_ms: Option<i64>,
    /// Its wall clock minus the server's at that contact.
    pub clock_offset_ms: Option<i64>,
    /// The head it claimed at that contact.
    pub claimed_sequence: u64,
    /// The sequence up to which a verified backup holds everything of it; none: no backup was verified since it enrolled.
    pub safe_through: Option<u64>,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub id: PersonId,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub roles: Roles,
    /// The unit that they belong to.
    pub unit: Option<UnitId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_roles_is_what_was_put_in_and_reads_as_it_was_written() {
        for first in Role::ALL {
            for second in Role::ALL {
                let set = Roles::of(&[*first, *second]);
                for role in Role::ALL {
                    assert_eq!(set.has(*role), role == first || role == second, "{set}: {role:?}");
                }
                assert_eq!(Roles::parse(&set.to_string()), Some(set));
                assert!(set.has_any(&[*first]) && !set.is_empty());
            }
        }
        assert_eq!(Roles::parse("clerk reviewer"), Some(Roles::of(&[Role::Reviewer, Role::Clerk])));
        for wrong in ["", " ", "boss", "clerk boss", "clerk,reviewer"] {
            assert_eq!(Roles::parse(wrong), None, "{wrong}");
        }
    }
}
