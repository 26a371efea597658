//! Commands on a hazard for people: which may be given now, what each still needs and what stands against it, in the
//! words of the field; and the form that gives one.
//!
//! Pure. Whether a command may be given is [`crate::lifecycle`]'s to say; the form only asks for what belongs to it.
//! Start at `section`.

use std::collections::BTreeMap;

use maud::{Markup, html};
use sync_protocol::field::{self, FieldType};

use super::evidence;
use super::forms::{Field, choice, input, line, lines};
use super::layout::{Tab, Viewer, Wrong, told};
use super::lists::titled;
use super::words::term;
use crate::lifecycle::{Command, Reason};
use crate::sync::commands::{Needed, Offered};
use crate::sync::listing::record::Record;
use crate::sync::units::UnitListed;

/// The fields that the form of a command asks for, in its order.
pub const fn asked(command: Command) -> &'static [&'static str] {
    match command {
        Command::Grade => &["severity", "major", "reason", "remarks"],
        Command::Return
        | Command::Void
        | Command::NotOurs
        | Command::Dispute
        | Command::RefuseExtension
        | Command::Uphold
        | Command::Reopen => &["reason", "remarks"],
        Command::Duplicate => &["duplicate_of", "reason", "remarks"],
        Command::ConfirmMajor => &["supervision_level", "reason", "remarks"],
        Command::PlanMajor => &[
            "responsibility_text", "responsibility_at_ms", "measures_text", "measures_at_ms", "funds_text",
            "funds_at_ms", "time_limit_text", "time_limit_at_ms", "contingency_text", "contingency_at_ms",
            "remarks",
        ],
        Command::Order => &[
            "responsible_unit_id", "responsible_unit", "responsible_person", "phone", "measures", "remedy",
            "deadline_ms", "funds_fen", "felling_permit", "remarks",
        ],
        Command::Reorder => &[
            "reason", "responsible_unit_id", "responsible_unit", "responsible_person", "phone", "measures",
            "remedy", "deadline_ms", "funds_fen", "felling_permit", "remarks",
        ],
        Command::Receipt => &["responsible_person", "phone", "remarks"],
        Command::AskExtension | Command::GrantExtension => &["deadline_ms", "reason", "remarks"],
        Command::Carry => &["plan", "review_at_ms", "reason", "remarks"],
        Command::ReviewCarried => &["reason", "review_at_ms", "deadline_ms", "plan", "remarks"],
        Command::Verify | Command::FailVerification => {
            &["verdict", "verified_at_ms", "measured_dm", "vertical_dm", "horizontal_dm", "reason", "remarks"]
        }
        Command::Close => &["reason", "closed_at_ms", "remarks"],
        Command::Resubmit => &[
            "description", "township", "village", "structure_from", "structure_to", "position", "species",
            "count", "tree_height_dm", "vertical_dm", "horizontal_dm", "remarks",
        ],
        Command::MakeSafe => &["measures", "position", "remarks"],
        Command::NotFound => &["position", "reason", "remarks"],
        Command::Rectify => &[
            "completed_at_ms", "quantity", "measures", "funds_fen", "responsible_person", "phone",
            "felling_permit", "remarks",
        ],
        Command::WriteOff => &["photo", "predecessor", "reason", "remarks"],
        Command::Redact => &["photo", "operation", "reason", "remarks"],
    }
}

/// How a field is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// As it is.
    Text,
    /// One of these.
    Term(&'static [&'static str]),
    /// 是 or 否.
    Truth,
    /// A day, which ends at its 24:00.
    Day,
    /// A minute of a day.
    Minute,
    /// A decimal number with so many digits behind the point: metres, 元.
    Decimal(u32),
    /// The id or the address of another record.
    Record,
    /// A unit of the district.
    Unit,
    /// Latitude and longitude in WGS-84 degrees, with a comma between them.
    Place,
    /// A photo of the hazard.
    Photo,
    /// An operation that others name and the ledger does not hold.
    Missing,
    /// A text of an operation: its identity, a point, the name of the field.
    Said,
}

/// Moments that are days to people: a deadline ends with its day.
const DAYS: &[&str] = &[
    "deadline_ms", "review_at_ms", "responsibility_at_ms", "measures_at_ms", "funds_at_ms",
    "time_limit_at_ms", "contingency_at_ms",
];

/// How a field is typed; none of one that no form asks for.
pub fn typed(name: &str) -> Option<Typed> {
    match name {
        "responsible_unit_id" => return Some(Typed::Unit),
        "photo" => return Some(Typed::Photo),
        "predecessor" => return Some(Typed::Missing),
        "operation" => return Some(Typed::Said),
        _ => {}
    }
    let known = field::find(name)?;
    Some(match known.value {
        FieldType::Text => Typed::Text,
        FieldType::Term(terms) => Typed::Term(terms),
        FieldType::Bool => Typed::Truth,
        FieldType::Id => Typed::Record,
        FieldType::Integer(..) if DAYS.contains(&name) => Typed::Day,
        FieldType::Integer(..) => match name.rsplit_once('_').map(|(_, unit)| unit) {
            Some("ms") => Typed::Minute,
            Some("dm") => Typed::Decimal(1),
            Some("fen") => Typed::Decimal(2),
            _ => Typed::Decimal(0),
        },
        FieldType::Position => Typed::Place,
        FieldType::Hash | FieldType::Head | FieldType::Track | FieldType::Path | FieldType::Any => {
            return None;
        }
    })
}

/// The section of a hazard's page: what the account may do with it.
pub(super) fn section(record: &str, offered: &[Offered], viewer: &Viewer) -> Markup {
    let is_theirs = |offered: &&Offered| !offered.refusals.iter().any(|refusal| refusal.code == Reason::Role);
    let (now, not_now): (Vec<&Offered>, Vec<&Offered>) =
        offered.iter().filter(is_theirs).partition(|offered| offered.allowed);
    html! {
        @if !offered.is_empty() && viewer.may("POST", "/hazards/{record}/commands/{command}") {
            section aria-labelledby="commands" {
                h2 id="commands" { "可执行的操作" small { "what you may do now" } }
                @if now.is_empty() { p class="quiet" { "现在没有您可执行的操作" span class="en" { "nothing now" } } }
                ul class="commands" { @for offered in now { (open(record, offered)) } }
                @if !not_now.is_empty() {
                    details {
                        summary { "现在不能执行的操作（" (not_now.len()) "）及原因" span class="en" { "what you may not do now, and why" } }
                        ul { @for offered in not_now {
                            li {
                                b { (offered.zh) } span class="en" { (offered.en) }
                                ul { @for refusal in &offered.refusals { li { (refusal.zh) span class="en" { (refusal.en) } } } }
                            }
                        } }
                    }
                }
            }
        }
    }
}

fn open(record: &str, offered: &Offered) -> Markup {
    html! {
        li {
            a href=(format!("/hazards/{record}/commands/{}", offered.command)) { (offered.zh) }
            span class="en" { (offered.en) }
            @if !offered.needs.is_empty() { " " span class="quiet" { "须填：" (needed(&offered.needs)) } }
        }
    }
}

fn needed(needs: &[Needed]) -> String {
    let zh = |need: &Needed| match need.photo {
        Some(role) => format!("{}{}", term(role), need.zh),
        None => need.zh.to_owned(),
    };
    needs.iter().map(zh).collect::<Vec<_>>().join("、")
}

/// The form of one command.
#[derive(Debug)]
pub struct CommandShown<'a> {
    /// The hazard, with its photos and what was said of it.
    pub hazard: &'a Record,
    /// Which command.
    pub command: Command,
    /// Whether it may be given now, what it needs, what stands against it.
    pub offered: &'a Offered,
    /// The heads that it is made from.
    pub heads: &'a [String],
    /// Units that an order may go to.
    pub units: &'a [UnitListed],
    /// What was filled in.
    pub filled: &'a BTreeMap<String, String>,
    /// What was wrong with what was sent last.
    pub wrong: Option<Wrong>,
}

/// The page of one command.
pub fn command(shown: &CommandShown<'_>, viewer: &Viewer) -> String {
    let line = &shown.hazard.line;
    let path = format!("/hazards/{}/commands/{}", line.id, shown.command.as_str());
    let back = format!("/hazards/{}", line.id);
    let body = html! {
        section {
            p { a href=(back) { (line.number.as_deref().unwrap_or(&line.id)) } " · " b { (line.state_zh) } }
            (told(shown.wrong.as_ref()))
            @if shown.offered.allowed { (form(shown, &path, viewer)) }
            @else if shown.wrong.is_none() {
                p { "现在不能执行：" span class="en" { "It may not be given now:" } }
                ul { @for refusal in &shown.offered.refusals { li { (refusal.zh) span class="en" { (refusal.en) } } } }
            }
        }
        p class="more" { a href=(back) { "返回隐患 Back to the hazard" } }
    };
    titled(shown.command.zh(), shown.command.en(), viewer, Tab::Hazards, &body)
}

fn form(shown: &CommandShown<'_>, path: &str, viewer: &Viewer) -> Markup {
    let is_needed = |name: &str| shown.offered.needs.iter().any(|need| need.field == Some(name));
    let takes_photos = !evidence::roles(shown.command).is_empty();
    html! {
        form class="login" method="post" action=(path) enctype=[takes_photos.then_some("multipart/form-data")] {
            // Who sends it is known before a file is read.
            (viewer.seal())
            input type="hidden" name="heads" value=(shown.heads.join(" "));
            @for name in asked(shown.command) { (row(name, is_needed(name), shown)) }
            @if takes_photos { (evidence::section(shown, viewer)) }
            @if shown.command == Command::Redact {
                p class="quiet" { "脱敏后不能恢复" span class="en" { "what is redacted does not come back" } }
            }
            button type="submit" { (shown.command.zh()) " " (shown.command.en()) }
        }
    }
}

fn row(name: &'static str, is_needed: bool, shown: &CommandShown<'_>) -> Markup {
    let (zh, en) = field::find(name).map_or((name, name), |known| (known.zh, known.en));
    let field = Field { required: is_needed, ..Field::new(name, zh, en) };
    let value = shown.filled.get(name).map_or("", String::as_str);
    html! {
        @match typed(name) {
            Some(Typed::Text) if is_long(name) => { (lines(field, value)) }
            // A unit that is chosen brings its name.
            Some(Typed::Text) if name == "responsible_unit" => {
                (line(Field { zh: "责任单位（名册中没有时填写）", en: "responsible unit, where it is none of those above", required: false, ..field }, value))
            }
            Some(Typed::Text) | None => { (line(field, value)) }
            Some(Typed::Term(terms)) => {
                (choice(field, value, terms.iter().map(|name| (*name, term(name).to_owned()))))
            }
            Some(Typed::Truth) => {
                (choice(field, value, [("true", "是".to_owned()), ("false", "否".to_owned())]))
            }
            Some(Typed::Day) => {
                (input(Field { zh: &format!("{zh}（当日 24:00 止）"), en: &format!("{en}, to the end of the day"), ..field }, "date", value, None))
                @if name == "deadline_ms" && !is_needed { p class="quiet" { "空：按规则" span class="en" { "empty: by the rules" } } }
            }
            Some(Typed::Minute) => {
                (input(field, "datetime-local", value, None))
                p class="quiet" { "空：现在" span class="en" { "empty: now" } }
            }
            Some(Typed::Decimal(digits)) => {
                (input(Field { zh: &format!("{zh}（{}）", unit(name)), ..field }, "number", value, Some(step(digits))))
            }
            Some(Typed::Record) => {
                (line(Field { zh: &format!("{zh}（其页面地址或编码）"), en: &format!("{en}: the address of its page, or its id"), ..field }, value))
            }
            Some(Typed::Place) => {
                (line(Field { zh: &format!("{zh}（纬度, 经度；WGS-84 度）"), en: &format!("{en}: latitude, longitude in degrees"), ..field }, value))
            }
            Some(Typed::Photo) => { (evidence::photo(shown, field, value)) }
            Some(Typed::Missing) => { (evidence::missing(shown.hazard, field, value)) }
            Some(Typed::Said) => { (evidence::said(shown.hazard, field, value)) }
            Some(Typed::Unit) => {
                (choice(
                    Field { zh: "责任单位", en: "responsible unit", required: false, ..field },
                    value,
                    shown.units.iter().filter(|unit| unit.retired_ms.is_none()).map(|unit| (unit.unit.as_str(), unit.name.clone())),
                ))
            }
        }
    }
}

/// Texts that take more than a line.
fn is_long(name: &str) -> bool {
    matches!(name, "reason" | "measures" | "remarks" | "plan" | "verdict") || name.ends_with("_text")
}

fn unit(name: &str) -> &'static str {
    match name.rsplit_once('_').map(|(_, unit)| unit) {
        Some("dm") => "米",
        Some("fen") => "元",
        _ => "数",
    }
}

const fn step(digits: u32) -> &'static str {
    match digits {
        0 => "1",
        1 => "0.1",
        _ => "0.01",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::table::{self, Need};
    use crate::lifecycle::{Case, Command};

    #[test]
    fn a_form_asks_for_all_that_its_command_needs_and_for_nothing_that_it_may_not_say() {
        let case = Case { is_clearance: true, ..Case::in_state(sync_protocol::view::State::NotFound) };
        for command in Command::ALL {
            let fields = asked(*command);
            for name in fields {
                assert!(table::may_say(*command, name), "{command:?} may not say {name}");
                assert!(typed(name).is_some(), "{command:?}: nobody can type {name}");
            }
            for need in table::needs(*command, &case) {
                let is_asked = match need {
                    Need::Field(name) => fields.contains(&name),
                    Need::Photo(role) => evidence::roles(*command).contains(&role),
                    Need::Anything => true,
                };
                assert!(is_asked, "{command:?} needs {need:?}");
            }
        }
    }
}
