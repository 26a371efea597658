//! Units of the district (责任单位, 产权单位, 运维单位) as a tree; one unit: contact, parent, retiring.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::forms::{Field, choice, line, press};
use super::layout::{Tab, Viewer, Wrong, as_json, told};
use super::lists::{heading, none, pages, titled};
use crate::domain::UnitKind;
use crate::sync::listing::Calendar;
use crate::sync::units::UnitListed;

/// What was filled in, or is there already.
#[derive(Clone, Debug, Default)]
pub struct UnitFilled {
    /// Its name.
    pub name: String,
    /// The name of its kind.
    pub kind: String,
    /// 责任人.
    pub contact: String,
    /// 联系电话.
    pub phone: String,
    /// The unit above it, or nothing.
    pub parent: String,
}

/// A unit at its place in the tree.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// How many stand above it.
    depth: usize,
    unit: &'a UnitListed,
}

/// Units in the order of the tree, each behind the one above it; by name among those beside each other.
pub fn tree(units: &[UnitListed]) -> Vec<Placed<'_>> {
    let known: BTreeSet<&str> = units.iter().map(|unit| unit.unit.as_str()).collect();
    let mut below: BTreeMap<Option<&str>, Vec<&UnitListed>> = BTreeMap::new();
    for unit in units {
        let parent = unit.parent.as_deref().filter(|parent| known.contains(parent));
        below.entry(parent).or_default().push(unit);
    }
    for beside in below.values_mut() {
        // The last one is taken from the stack first.
        beside.sort_by(|left, right| (&right.name, &right.unit).cmp(&(&left.name, &left.unit)));
    }
    let on_top = below.remove(&None).unwrap_or_default();
    let mut waiting: Vec<Placed<'_>> = on_top.into_iter().map(|unit| Placed { depth: 0, unit }).collect();
    let mut placed = Vec::with_capacity(units.len());
    while let Some(next) = waiting.pop() {
        placed.push(next);
        let under = below.remove(&Some(next.unit.unit.as_str())).unwrap_or_default();
        waiting.extend(under.into_iter().map(|unit| Placed { depth: next.depth + 1, unit }));
    }
    placed
}

/// The tree, and the form that adds a unit. `at`: which page, from 1, of how many.
pub fn units(
    (placed, at): (&[Placed<'_>], (usize, usize)),
    all: &[UnitListed],
    filled: &UnitFilled,
    wrong: Option<&Wrong>,
    viewer: &Viewer,
) -> String {
    let body = html! {
        section { (table(placed, viewer)) (pages("/units", at)) }
        @if viewer.may("POST", "/units") {
            section aria-labelledby="add" {
                h2 id="add" { "新增单位" small { "add a unit" } }
                form class="login" method="post" action="/units" {
                    (viewer.seal()) (told(wrong)) (fields(filled, all, None))
                    button type="submit" { "新增 Add" }
                }
            }
        }
        (as_json("/v1/units"))
    };
    titled("单位", "Units", viewer, Tab::Units, &body)
}

/// One unit.
pub fn unit(
    unit: &UnitListed,
    all: &[UnitListed],
    filled: &UnitFilled,
    wrong: Option<&Wrong>,
    viewer: &Viewer,
    calendar: &Calendar,
) -> String {
    let path = format!("/units/{}", unit.unit);
    let body = html! {
        section {
            p { (kind(unit.kind)) @if !unit.contact.is_empty() { " · " (unit.contact) } @if !unit.phone.is_empty() { " · " (unit.phone) } }
            @if let Some(at_ms) = unit.retired_ms {
                p { span class="mark warn" { "已停用" } " " (calendar.minute(at_ms)) span class="en" { "retired" } }
            }
            p class="quiet" { code { (unit.unit) } }
            p class="more" {
                a href=(format!("/hazards?unit={}", unit.unit)) { "其未销号隐患 Its open hazards" } " · "
                a href="/units" { "全部单位 All units" }
            }
        }
        (told(wrong))
        @if viewer.may("POST", "/units/{unit}") {
            section aria-labelledby="change" {
                h2 id="change" { "修改" small { "change" } }
                form class="login" method="post" action=(path) {
                    (viewer.seal()) input type="hidden" name="act" value="change";
                    (fields(filled, all, Some(&unit.unit)))
                    button type="submit" {
                        @if unit.retired_ms.is_some() { "保存并恢复使用 Save and take into use again" } @else { "保存 Save" }
                    }
                }
            }
            @if unit.retired_ms.is_none() {
                section aria-labelledby="retire" {
                    h2 id="retire" { "停用" small { "retire" } }
                    p class="quiet" {
                        "停用后不再交办给它；已有的隐患和人员不变。"
                        span class="en" { "Nothing new is given to it; its hazards and people stay with it." }
                    }
                    (press(&path, &viewer.seal(), &[("act", "retire")], "停用", "Retire"))
                }
            }
        }
    };
    titled(&unit.name, "Unit", viewer, Tab::Units, &body)
}

fn kind(name: &str) -> &str {
    UnitKind::parse(name).map_or(name, |kind| kind.zh())
}

fn table(placed: &[Placed<'_>], viewer: &Viewer) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("单位", "unit")) (heading("类别", "kind")) (heading("责任人", "contact")) (heading("联系电话", "telephone"))
                (heading("状态", "status"))
            } }
            tbody {
                @for Placed { depth, unit } in placed {
                    tr class=[unit.retired_ms.is_some().then_some("lost")] {
                        td data-label="单位" {
                            span {
                                @if *depth > 0 { span class="quiet" aria-hidden="true" { ("　".repeat(depth.saturating_sub(1))) "└ " } }
                                @if viewer.may("GET", "/units/{unit}") {
                                    a href=(format!("/units/{}", unit.unit)) { (unit.name) }
                                } @else { (unit.name) }
                            }
                        }
                        td data-label="类别" { (kind(unit.kind)) }
                        td data-label="责任人" { (unit.contact) }
                        td data-label="联系电话" { (unit.phone) }
                        td data-label="状态" { @if unit.retired_ms.is_some() { "已停用" } @else { "在用" } }
                    }
                }
                @if placed.is_empty() { (none(5)) }
            }
        } }
    }
}

/// `own`: the unit itself, which is none to stand below.
fn fields(filled: &UnitFilled, all: &[UnitListed], own: Option<&str>) -> Markup {
    let above = all.iter().filter(|unit| Some(unit.unit.as_str()) != own);
    let above = above.filter(|unit| unit.retired_ms.is_none() || unit.unit == filled.parent);
    html! {
        (line(Field::new("name", "名称", "name").needed(), &filled.name))
        (choice(
            Field::new("kind", "类别", "kind").needed(),
            &filled.kind,
            UnitKind::ALL.iter().map(|kind| (kind.as_str(), kind.zh().to_owned())),
        ))
        (line(Field::new("contact", "责任人", "contact"), &filled.contact))
        (line(Field::new("phone", "联系电话", "telephone"), &filled.phone))
        (choice(
            Field::new("parent", "上级单位", "the unit above it"),
            &filled.parent,
            above.map(|unit| (unit.unit.as_str(), unit.name.clone())),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(id: &str, parent: Option<&str>) -> UnitListed {
        UnitListed {
            unit: id.to_owned(),
            name: id.to_owned(),
            kind: "owner",
            contact: String::new(),
            phone: String::new(),
            parent: parent.map(str::to_owned),
            retired_ms: None,
        }
    }

    #[test]
    fn each_unit_stands_behind_the_one_above_it_and_none_is_left_out() {
        let units = [
            unit("c", Some("b")),
            unit("d", None),
            unit("b", Some("a")),
            unit("a", None),
            unit("e", Some("a")),
            unit("f", Some("nowhere")),
        ];
        let placed: Vec<(usize, &str)> =
            tree(&units).iter().map(|placed| (placed.depth, placed.unit.unit.as_str())).collect();
        assert_eq!(placed, [(0, "a"), (1, "b"), (2, "c"), (1, "e"), (0, "d"), (0, "f")]);
    }
}
