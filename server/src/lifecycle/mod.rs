//! The lifecycle of a hazard as commands: which command leads where, who may give it, and what it needs. Pure.
//!
//! A command is judged against the [`Case`] that it is given on; what is wrong comes back all at once, in the words of
//! the field. Start at [`allowed`], then [`table`]. Not here: what phones recorded is folded however it stands to this
//! table, and is never refused; reading a case from the store and writing the operation is `sync::commands`.

pub mod case;
mod guards;
mod past;
mod refusal;
mod round;
pub mod table;
mod times;
pub mod turn;

use sync_protocol::cbor::Raw;
use sync_protocol::ids::PersonId;
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;
use sync_protocol::operation::Photo;

pub use case::Case;
pub use past::Past;
pub use refusal::{Reason, Refusal};
pub use round::Round;

use crate::domain::Roles;

macro_rules! commands {
    ($($variant:ident = $name:literal, $kind:ident, $zh:literal, $en:literal;)*) => {
        /// A command of the office on a hazard.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Command {
            $(#[doc = $zh] $variant,)*
        }

        impl Command {
            /// Every command, in the order of a hazard's life.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in addresses.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its Chinese name.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)* }
            }

            /// Its English name.
            pub const fn en(self) -> &'static str {
                match self { $(Self::$variant => $en,)* }
            }

            /// The kind of operation that it writes.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// The command of this name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

commands! {
    Grade = "grade", Graded, "定级", "grade";
    Return = "return", Returned, "退回", "return";
    Resubmit = "resubmit", Corrected, "补充后重新上报", "resubmit";
    Void = "void", Void, "作废", "void";
    Duplicate = "duplicate", Duplicate, "判定重复", "mark as a duplicate";
    NotOurs = "not-ours", NotOurs, "判定非本单位", "mark as not ours";
    ConfirmMajor = "confirm-major", MajorConfirmed, "确认重大隐患", "confirm as major";
    PlanMajor = "plan-major", MajorPlanned, "填报五落实", "enter the five commitments";
    Order = "order", Ordered, "交办", "order";
    Reorder = "reorder", Reordered, "换发通知书", "issue the order anew";
    Receipt = "receipt", Receipted, "签收", "receipt";
    Dispute = "dispute", Disputed, "权属争议退回", "dispute ownership";
    AskExtension = "ask-extension", ExtensionAsked, "申请延期", "ask for an extension";
    GrantExtension = "grant-extension", ExtensionGranted, "同意延期", "grant the extension";
    RefuseExtension = "refuse-extension", ExtensionRefused, "不同意延期", "refuse the extension";
    Carry = "carry", Carried, "挂账", "carry forward";
    ReviewCarried = "review-carried", CarriedReviewed, "挂账复核", "review what is carried";
    MakeSafe = "make-safe", MadeSafe, "登记临时处置", "enter that it was made safe";
    NotFound = "not-found", NotFound, "登记现场未发现", "enter that it was not found";
    Rectify = "rectify", Rectified, "报整改完成", "enter that it was rectified";
    Verify = "verify", Verified, "复查通过", "verify";
    Uphold = "uphold", Verified, "维持验收", "uphold the verification";
    FailVerification = "fail-verification", VerificationFailed, "复查不通过", "fail the verification";
    Close = "close", Closed, "销号", "close";
    Reopen = "reopen", Reopened, "重新打开", "reopen";
    WriteOff = "write-off", WrittenOff, "核销缺失材料", "write off what will not come";
    Redact = "redact", Redacted, "脱敏", "redact";
}

impl Command {
    /// Whether it issues an order, with a number of its own.
    pub const fn issues_order(self) -> bool {
        matches!(self, Self::Order | Self::Reorder)
    }
}

/// What the bureau has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Who closes a hazard must not have verified it. On by default.
    pub closer_is_not_reinspector: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self { closer_is_not_reinspector: true }
    }
}

/// A command as it is given.
#[derive(Clone, Copy, Debug)]
pub struct Giving<'a> {
    /// Who gives it.
    pub person: PersonId,
    /// What they may do.
    pub roles: Roles,
    /// When, milliseconds since 1970.
    pub now_ms: i64,
    /// What it says.
    pub fields: &'a Fields,
    /// Photos that it names.
    pub photos: &'a [Photo],
    /// What the bureau has chosen.
    pub profile: Profile,
}

impl Giving<'_> {
    /// A value that is there and not empty.
    pub(crate) fn value(&self, name: &str) -> Option<&Raw> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        value.as_text().is_none_or(|text| !text.trim().is_empty()).then_some(value)
    }

    /// When the order that it gives was issued: [`issued_ms`].
    pub(crate) fn issued_ms(&self) -> i64 {
        issued_ms(self.fields, self.now_ms)
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.value(name)?.as_integer().and_then(|number| i64::try_from(number).ok())
    }
}

/// When the order that a command gives was issued: now, or earlier where one on paper is entered.
pub fn issued_ms(fields: &Fields, now_ms: i64) -> i64 {
    let said = fields.get("ordered_at_ms").and_then(Raw::as_integer);
    said.and_then(|at_ms| i64::try_from(at_ms).ok()).map_or(now_ms, |at_ms| at_ms.min(now_ms))
}

/// Whether a command may be given on a case.
///
/// # Errors
/// Everything that stands against it, not the first alone.
pub fn allowed(case: &Case, command: Command, giving: &Giving<'_>) -> Result<(), Vec<Refusal>> {
    let rule = table::rule(command);
    let mut refusals = Vec::new();
    if !giving.roles.has_any(rule.who) {
        refusals.push(Refusal::role(command, rule.who));
    }
    if !rule.from.contains(&case.at()) {
        refusals.push(Refusal::state(command, case.state, rule.from));
    }
    for need in table::needs(command, case) {
        if !need.is_met(giving) {
            refusals.push(Refusal::needed(need));
        }
    }
    guards::check(case, command, giving, &mut refusals);
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

#[cfg(test)]
mod tests;
