//! Notes for the office on where a hazard stands: codes that are stored, and their words. Which is given is decided in
//! `hazards`.

/// What the office should look at. The code of each is stored; its words are for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync) enum Note {
    /// The position is one that means "place unknown".
    PositionDefault,
    /// No line of the grid has the number or name that the inspector gave.
    LineUnknown,
    /// Several lines have that name: the nearest was taken.
    LineAmbiguous,
    /// The position is far from the line that was named, and near another.
    LineContradicts,
    /// The line has no structure of the number that was named.
    StructureUnknown,
    /// The position is beside another span than the one that was named.
    SpanContradicts,
    /// The line at this place has a span too long to be one: structures between are missing.
    Untraced,
}

impl Note {
    /// Every note.
    pub(in crate::sync) const ALL: &'static [Self] = &[
        Self::PositionDefault,
        Self::LineUnknown,
        Self::LineAmbiguous,
        Self::LineContradicts,
        Self::StructureUnknown,
        Self::SpanContradicts,
        Self::Untraced,
    ];

    /// How it is stored.
    pub(in crate::sync) const fn code(self) -> &'static str {
        match self {
            Self::PositionDefault => "position-default",
            Self::LineUnknown => "line-unknown",
            Self::LineAmbiguous => "line-ambiguous",
            Self::LineContradicts => "line-contradicts",
            Self::StructureUnknown => "structure-unknown",
            Self::SpanContradicts => "span-contradicts",
            Self::Untraced => "untraced",
        }
    }

    /// For the office.
    pub(in crate::sync) const fn zh(self) -> &'static str {
        match self {
            Self::PositionDefault => "坐标为默认值，位置未知",
            Self::LineUnknown => "线路台账中没有所填的线路",
            Self::LineAmbiguous => "有多条同名线路，取最近的一条",
            Self::LineContradicts => "坐标远离所填线路，而靠近另一条线路",
            Self::StructureUnknown => "该线路没有所填的杆号",
            Self::SpanContradicts => "坐标不在所填的档内",
            Self::Untraced => "该档过长，台账缺少杆塔",
        }
    }

    /// The same in English.
    pub(in crate::sync) const fn en(self) -> &'static str {
        match self {
            Self::PositionDefault => "the position is one that means that the place is not known",
            Self::LineUnknown => "the grid has no line of the number or name given",
            Self::LineAmbiguous => "several lines have this name; the nearest was taken",
            Self::LineContradicts => "the position is far from the line named, and near another",
            Self::StructureUnknown => "the line has no structure of the number given",
            Self::SpanContradicts => "the position is not beside the span named",
            Self::Untraced => "the span is too long to be one: structures are missing in the grid",
        }
    }

    /// The note of a stored code.
    pub(in crate::sync) fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|note| note.code() == code)
    }
}
