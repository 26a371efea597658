//! The folded view of a record: what the fold yields, the server stores and a device receives.
//!
//! A view holds the *frontier*: for each field the values that no later write knew of and replaced, for the
//! lifecycle the acts that still count. That is enough to fold the next operation without the earlier ones,
//! where that operation has seen them all. It holds nothing that depends on the order of arrival.

mod abridge;
mod codec;

use std::collections::{BTreeMap, BTreeSet};

pub use abridge::Omitted;

use smallvec::SmallVec;

use crate::cbor::Raw;
use crate::ids::{Head, PersonId, PhotoHash};
use crate::kind::RecordType;
use crate::named::Named;
use crate::operation::KindName;

macro_rules! terms {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal, $zh:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $zh] $(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Its Chinese label.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)* }
            }

            /// The value of this name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

terms! {
    /// Where a record stands.
    State {
        Held = "held", "待补（位置与类型均未知）";
        Reported = "reported", "待审核";
        Returned = "returned", "退回";
        Graded = "graded", "已定级";
        Ordered = "ordered", "已交办";
        Rectifying = "rectifying", "整改中";
        Carried = "carried", "挂账";
        MadeSafe = "made_safe", "已临时处置";
        NotFound = "not_found", "现场未发现";
        Rectified = "rectified", "整改完成待复查";
        Verified = "verified", "已验收";
        Closed = "closed", "已销号";
        Void = "void", "作废";
        Duplicate = "duplicate", "重复";
        NotOurs = "not_ours", "非本单位";
        Disputed = "disputed", "销号存疑";
        /// Patrols, works, inspections, activities: they have no lifecycle.
        Recorded = "recorded", "已记录";
    }
}

impl State {
    /// Whether the hazard counts as open. Everything does that is not ended, a dispute above all.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Closed | Self::Void | Self::Duplicate | Self::NotOurs | Self::Recorded)
    }

    /// How far a stage of the office's progress is; 0 of what is none.
    pub const fn progress(self) -> u8 {
        match self {
            Self::Reported => 1,
            Self::Graded => 2,
            Self::Ordered => 3,
            Self::Rectifying => 4,
            Self::Carried => 5,
            Self::Returned
            | Self::Held
            | Self::MadeSafe
            | Self::NotFound
            | Self::Rectified
            | Self::Verified
            | Self::Closed
            | Self::Void
            | Self::Duplicate
            | Self::NotOurs
            | Self::Disputed
            | Self::Recorded => 0,
        }
    }
}

terms! {
    /// What became of an operation. Exactly one holds at any time.
    Disposition {
        Applied = "applied", "已生效";
        Merged = "merged", "已按规则合并";
        Joined = "joined", "与他人结果一致";
        Conflict = "conflict", "冲突待裁定";
        Held = "held", "暂存";
        Quarantined = "quarantined", "已隔离";
    }
}

terms! {
    /// What an act on the lifecycle amounts to, after its own evidence was looked at.
    Standing {
        MadeSafe = "made_safe", "已临时处置";
        NotFound = "not_found", "现场未发现";
        Rectified = "rectified", "整改完成";
        Verified = "verified", "已验收";
        Closed = "closed", "销号（整改）";
        ClosedNotFound = "closed_not_found", "销号（未发现）";
        /// A closure with nothing to close: it has no effect and waits as a conflict.
        Unfounded = "unfounded", "无依据的销号";
        Void = "void", "作废";
        Duplicate = "duplicate", "重复";
        NotOurs = "not_ours", "非本单位";
    }
}

/// An operation that the view refers to, by its index in [`View::writers`].
pub type WriterIndex = u32;

/// An operation that the view refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Writer {
    /// The head of its identity.
    pub head: Head,
    /// What it did: of a released operation, the kind that took effect.
    pub kind: KindName,
    /// Its author.
    pub author: PersonId,
}

/// One value of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldValue {
    /// Who wrote it.
    pub writer: WriterIndex,
    /// The value.
    pub value: Raw,
}

/// The maximal writes of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldView {
    /// The shown value first, then the others by head.
    pub values: SmallVec<[FieldValue; 1]>,
    /// The one value that all of them had seen and replaced, where they are in conflict and there was one.
    pub base: Option<Raw>,
}

/// A cure or an office's end of a hazard that no authoritative danger has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The operation.
    pub writer: WriterIndex,
    /// What it amounts to.
    pub standing: Standing,
    /// Whether it had seen every danger that still counts.
    pub is_sound: bool,
    /// Whether an office's end has not seen one of the cures beside it.
    pub has_unseen: bool,
    /// Whether a cure beside it, which it has not seen, is further on the same path.
    pub is_outranked: bool,
    /// Of a closure: photos in its causal past that are neither verified nor written off.
    pub pending: BTreeSet<PhotoHash>,
}

/// A progress act of the office (or the report) that no later one replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stage {
    /// The operation.
    pub writer: WriterIndex,
    /// The state it leads to.
    pub state: State,
}

/// A disagreement that waits for a named person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// A field's name, or `lifecycle`.
    pub subject: String,
    /// Why: `values`, `disputed`, `ends-differ`, `office-act-waits`, `closure-unfounded`.
    pub reason: String,
    /// The operations that disagree, ascending.
    pub writers: Vec<WriterIndex>,
}

/// What is known of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PhotoState {
    /// Named by an operation; its bytes are not verified.
    Named,
    /// The server holds its bytes and has verified them.
    Verified,
    /// A named leader wrote it off.
    WrittenOff,
    /// It was redacted: it is shown no more, and nobody waits for it.
    Redacted,
}

impl PhotoState {
    /// What two things known of a photo come to, in any order: the more that is known.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        if self.weight() >= other.weight() { self } else { other }
    }

    const fn weight(self) -> u8 {
        match self {
            Self::Named => 0,
            Self::WrittenOff => 1,
            Self::Verified => 2,
            Self::Redacted => 3,
        }
    }
}

/// A photo of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoView {
    /// Its state.
    pub state: PhotoState,
    /// Role and length, where an operation named it; none where only the server's verification is known.
    pub named: Option<(String, u64)>,
}

/// Whether a closure's evidence is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closure {
    /// Closed, evidence pending.
    Pending,
    /// Closed for good.
    Final,
}

/// The folded view of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What the record is, where any operation says so.
    pub record_type: Option<RecordType>,
    /// Its opening operation has not come (报告缺失).
    pub is_provisional: bool,
    /// Where it stands.
    pub state: State,
    /// Operations that no other operation of the record names or reaches, ascending.
    pub heads: Vec<Head>,
    /// Ancestors that operations name and the set does not hold, ascending.
    pub missing: Vec<Head>,
    /// Those of them that the office says will not come.
    pub given_up: BTreeSet<Head>,
    /// Every operation referred to below, ascending by head.
    pub writers: Vec<Writer>,
    /// Maximal writes by field.
    pub fields: Named<FieldView>,
    /// Writes of observed `severity` that neither a later observation nor a later grading has replaced.
    pub unanswered: BTreeSet<WriterIndex>,
    /// The severity that shows: the worst of the unanswered observations and of the maximal gradings.
    pub severity: Option<String>,
    /// Dangers that no later danger has seen.
    pub dangers: BTreeSet<WriterIndex>,
    /// Live cures and ends.
    pub acts: Vec<Act>,
    /// What live cures amount to, the superseded ones included: the evidence for the next act.
    pub evidence: BTreeSet<Standing>,
    /// Progress acts that count.
    pub stage: Vec<Stage>,
    /// Whether the closure is final, where the state is closed.
    pub closure: Option<Closure>,
    /// What waits for a named person.
    pub conflicts: Vec<Conflict>,
    /// Every photo named or verified.
    pub photos: BTreeMap<PhotoHash, PhotoView>,
    /// Operations of unknown kind: kept and held.
    pub held: BTreeSet<WriterIndex>,
    /// Heads of operations that their own author has withdrawn.
    pub withdrawn: BTreeSet<Head>,
    /// How many comments there are.
    pub comments: u64,
    /// How many track pieces there are.
    pub track_pieces: u64,
    /// Dispositions other than `applied` that follow from the frontier. A record in state `held` holds every
    /// operation.
    pub dispositions: BTreeMap<WriterIndex, Disposition>,
}

impl Default for View {
    fn default() -> Self {
        Self {
            record_type: None,
            is_provisional: true,
            state: State::Held,
            heads: Vec::new(),
            missing: Vec::new(),
            given_up: BTreeSet::new(),
            writers: Vec::new(),
            fields: Named::new(),
            unanswered: BTreeSet::new(),
            severity: None,
            dangers: BTreeSet::new(),
            acts: Vec::new(),
            evidence: BTreeSet::new(),
            stage: Vec::new(),
            closure: None,
            conflicts: Vec::new(),
            photos: BTreeMap::new(),
            held: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
            comments: 0,
            track_pieces: 0,
            dispositions: BTreeMap::new(),
        }
    }
}

impl View {
    /// Missing operations that may still come.
    pub fn awaited(&self) -> impl Iterator<Item = &Head> {
        self.missing.iter().filter(|head| !self.given_up.contains(head))
    }

    /// The shown value of a field.
    pub fn shown(&self, field: &str) -> Option<&Raw> {
        self.fields.get(field)?.values.first().map(|value| &value.value)
    }

    /// The operation of this index.
    pub fn writer(&self, index: WriterIndex) -> Option<&Writer> {
        self.writers.get(usize::try_from(index).ok()?)
    }
}
