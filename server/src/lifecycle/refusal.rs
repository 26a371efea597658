//! Why a command is refused, in the words of the field.

use serde::Serialize;
use sync_protocol::field;
use sync_protocol::view::State;
use utoipa::ToSchema;

use super::Command;
use super::table::Need;
use crate::domain::Role;

/// What sort of reason it is: a stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RefusalReason)]
pub enum Reason {
    /// The account has none of the roles.
    Role,
    /// The hazard stands elsewhere.
    State,
    /// A field or photo is needed.
    Needed,
    /// The same person did what must be looked at by another.
    SamePerson,
    /// Only the author may.
    NotAuthor,
    /// The deadline has passed.
    DeadlinePassed,
    /// A time is in the past, or not after the one before.
    TooEarly,
    /// A time is later than the rules allow.
    TooLate,
    /// Nobody asked for an extension, or somebody did already.
    Extension,
    /// A major hazard that no leader has confirmed.
    MajorUnconfirmed,
    /// The five commitments are not complete.
    Commitments,
    /// Nobody but a leader closes a major hazard.
    LeaderOnly,
    /// The evidence of what came before is missing.
    Evidence,
    /// It names what is not there, or itself.
    Unknown,
    /// Two things that it says do not belong together.
    Differs,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refusal {
    /// What sort of reason.
    pub code: Reason,
    /// The field or photo role at fault.
    pub field: Option<&'static str>,
    /// Its Chinese label.
    pub field_zh: Option<&'static str>,
    /// Its English label.
    pub field_en: Option<&'static str>,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

impl Reason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::Role,
        Self::State,
        Self::Needed,
        Self::SamePerson,
        Self::NotAuthor,
        Self::DeadlinePassed,
        Self::TooEarly,
        Self::TooLate,
        Self::Extension,
        Self::MajorUnconfirmed,
        Self::Commitments,
        Self::LeaderOnly,
        Self::Evidence,
        Self::Unknown,
        Self::Differs,
    ];
}

fn listed<T>(items: &[T], word: impl Fn(&T) -> &'static str) -> String {
    items.iter().map(word).collect::<Vec<_>>().join("、")
}

impl Refusal {
    pub(crate) fn new(code: Reason, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, field: None, field_zh: None, field_en: None, zh: zh.into(), en: en.into() }
    }

    /// About a field.
    pub(crate) fn of_field(
        code: Reason,
        name: &'static str,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        let known = field::find(name);
        Self {
            field: Some(name),
            field_zh: known.map(|field| field.zh),
            field_en: known.map(|field| field.en),
            ..Self::new(code, zh, en)
        }
    }

    pub(super) fn role(command: Command, who: &[Role]) -> Self {
        let names: Vec<&str> = who.iter().map(|role| role.as_str()).collect();
        let zh = format!("「{}」须由{}执行", command.zh(), listed(who, |role| role.zh()));
        Self::new(Reason::Role, zh, format!("{}: one of {}", command.en(), names.join(", ")))
    }

    pub(super) fn state(command: Command, state: State, from: &[State]) -> Self {
        let names: Vec<&str> = from.iter().map(|state| state.as_str()).collect();
        let zh = format!(
            "当前为「{}」，不能{}；须处于：{}",
            state.zh(),
            command.zh(),
            listed(from, |state| state.zh())
        );
        let en = format!("it is {}; {} needs one of {}", state.as_str(), command.en(), names.join(", "));
        Self::new(Reason::State, zh, en)
    }

    pub(crate) fn needed(need: Need) -> Self {
        match need {
            Need::Field(name) => {
                let (zh, en) = field::find(name).map_or((name, name), |field| (field.zh, field.en));
                Self::of_field(Reason::Needed, name, format!("请填写「{zh}」"), format!("{en} is needed"))
            }
            Need::Photo(role) => {
                let zh = if role == "after" { "请附整改后照片" } else { "请附现场照片" };
                let en = format!("a photo of the role {role} is needed");
                Self {
                    field: Some("photos"),
                    field_zh: Some("照片"),
                    field_en: Some("photos"),
                    ..Self::new(Reason::Needed, zh, en)
                }
            }
            Need::Anything => Self::new(Reason::Needed, "请至少填写一项", "at least one field is needed"),
        }
    }
}
