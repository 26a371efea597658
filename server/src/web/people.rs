//! People of the district: who is there, what they may do, how they come in. One person: roles, unit, area, links, codes.

use maud::{Markup, html};

use super::forms::{Field, choice, line, lines, press, tick};
use super::layout::{Tab, Viewer, Wrong, as_json, told};
use super::lists::{heading, none, pages, titled};
use crate::domain::Role;
use crate::sync::listing::Calendar;
use crate::sync::people::PersonListed;
use crate::sync::units::UnitListed;

/// What the page of people shows.
#[derive(Debug)]
pub struct PeopleShown<'a> {
    /// Everybody of this page, removed ones too.
    pub people: &'a [PersonListed],
    /// Units, for their names and to choose from.
    pub units: &'a [UnitListed],
    /// Which page it is, from 1, and how many there are.
    pub at: (usize, usize),
}

/// What was filled in, or is there already.
#[derive(Clone, Debug, Default)]
pub struct PersonFilled {
    /// 姓名.
    pub name: String,
    /// Names of roles.
    pub roles: Vec<String>,
    /// The unit's id, or nothing.
    pub unit: String,
}

/// What the page of one person shows.
#[derive(Debug)]
pub struct PersonShown<'a> {
    /// Them.
    pub person: &'a PersonListed,
    /// Units to choose from.
    pub units: &'a [UnitListed],
    /// What the form of their name, roles and unit holds.
    pub filled: PersonFilled,
    /// Their boxes as the form takes them: a line a box.
    pub area: String,
    /// What was wrong with what was sent last.
    pub wrong: Option<Wrong>,
}

/// A one-time link, shown once.
#[derive(Clone, Debug)]
pub struct LinkShown<'a> {
    /// Whom it is for.
    pub name: &'a str,
    /// Their page.
    pub person: &'a str,
    /// The link.
    pub url: &'a str,
    /// When it ends.
    pub expires_ms: i64,
}

/// Everybody, and the form that adds somebody.
pub fn people(
    shown: &PeopleShown<'_>,
    filled: &PersonFilled,
    wrong: Option<&Wrong>,
    viewer: &Viewer,
    calendar: &Calendar,
) -> String {
    let body = html! {
        section { (table(shown, viewer, calendar)) (pages("/people", shown.at)) }
        @if viewer.may("POST", "/people") {
            section aria-labelledby="add" {
                h2 id="add" { "新增人员" small { "add a person" } }
                form class="login" method="post" action="/people" {
                    (viewer.seal()) (told(wrong)) (fields(filled, shown.units))
                    button type="submit" { "新增 Add" }
                }
                p class="quiet" {
                    "新增之后在其页面发一次性链接（办公室账号）或注册码（手机）。"
                    span class="en" { "Then make a one-time link (an account) or an enrolment code (a phone) on their page." }
                }
            }
        }
        (as_json("/v1/people"))
    };
    titled("人员", "People", viewer, Tab::People, &body)
}

/// One person.
pub fn person(shown: &PersonShown<'_>, viewer: &Viewer, calendar: &Calendar) -> String {
    let person = shown.person;
    let path = format!("/people/{}", person.person);
    let unit = unit_name(person.unit.as_deref(), shown.units);
    let body = html! {
        section {
            p { (roles(person)) @if let Some(unit) = unit { " · " (unit) } }
            @if let Some(at_ms) = person.removed_ms { p class="quiet" { "已移除 " (calendar.minute(at_ms)) span class="en" { "removed" } } }
            p class="quiet" { code { (person.person) } }
            p class="more" { a href="/people" { "全部人员 Everybody" } }
        }
        (told(shown.wrong.as_ref()))
        @if person.removed_ms.is_none() && viewer.may("POST", "/people/{person}") {
            (change(shown, &path, viewer))
            (ways_in(person, &path, viewer))
            (area(shown, &path, viewer))
            section aria-labelledby="leave" {
                h2 id="leave" { "移除" small { "remove" } }
                p class="quiet" {
                    "其令牌、链接和注册码立即失效，手机不再绑定；其记录全部保留。"
                    span class="en" { "Tokens, links and codes end at once, phones are bound to them no more; what they recorded stays." }
                }
                (press(&path, &viewer.seal(), &[("act", "remove")], "移除", "Remove"))
            }
        }
    };
    titled(&person.name, "Person", viewer, Tab::People, &body)
}

/// The page that shows a one-time link, once.
pub fn link(link: &LinkShown<'_>, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        section {
            p { "把此链接交给 " b { (link.name) } "，由其本人打开，设置登录名和密码。"
                span class="en" { "Hand this link to them alone: by it they choose login and password." } }
            p { code class="secret" { (link.url) } }
            p { "只显示这一次，只能使用一次，有效至 " (calendar.minute(link.expires_ms)) "。"
                span class="en" { "Shown once, good once, until then." } }
            p class="more" { a href=(format!("/people/{}", link.person)) { "返回 Back" } }
        }
    };
    titled("一次性链接", "One-time link", viewer, Tab::People, &body)
}

fn roles(person: &PersonListed) -> String {
    let zh = |name: &&str| Role::parse(name).map_or(*name, |role| role.zh()).to_owned();
    person.roles.iter().map(zh).collect::<Vec<_>>().join("、")
}

fn unit_name<'u>(unit: Option<&str>, units: &'u [UnitListed]) -> Option<&'u str> {
    let unit = unit?;
    units.iter().find(|known| known.unit == unit).map(|known| known.name.as_str())
}

fn table(shown: &PeopleShown<'_>, viewer: &Viewer, calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr { (heading("姓名", "name")) (heading("角色", "roles")) (heading("单位", "unit")) (heading("移除", "removed")) } }
            tbody {
                @for person in shown.people {
                    tr class=[person.removed_ms.is_some().then_some("lost")] {
                        td class="key" data-label="姓名" {
                            @if viewer.may("GET", "/people/{person}") {
                                a href=(format!("/people/{}", person.person)) { (person.name) }
                            } @else { (person.name) }
                        }
                        td data-label="角色" { (roles(person)) }
                        td data-label="单位" { (unit_name(person.unit.as_deref(), shown.units).unwrap_or("—")) }
                        td class="key" data-label="移除" {
                            @if let Some(at_ms) = person.removed_ms { (calendar.minute(at_ms)) } @else { "—" }
                        }
                    }
                }
                @if shown.people.is_empty() { (none(4)) }
            }
        } }
    }
}

/// Name, roles as boxes to tick, unit.
fn fields(filled: &PersonFilled, units: &[UnitListed]) -> Markup {
    let in_use = units.iter().filter(|unit| unit.retired_ms.is_none() || unit.unit == filled.unit);
    html! {
        (line(Field::new("name", "姓名", "name").needed(), &filled.name))
        fieldset {
            legend { "角色" span class="en" { "roles" } }
            @for role in Role::ALL {
                @let name = format!("role-{}", role.as_str());
                (tick(Field::new(&name, role.zh(), role.as_str()), filled.roles.iter().any(|known| known == role.as_str())))
            }
        }
        (choice(
            Field::new("unit", "单位（责任单位人员必填）", "unit; needed of a unit's people"),
            &filled.unit,
            in_use.map(|unit| (unit.unit.as_str(), unit.name.clone())),
        ))
    }
}

fn change(shown: &PersonShown<'_>, path: &str, viewer: &Viewer) -> Markup {
    html! {
        section aria-labelledby="change" {
            h2 id="change" { "修改" small { "change" } }
            form class="login" method="post" action=(path) {
                (viewer.seal()) input type="hidden" name="act" value="change";
                (fields(&shown.filled, shown.units))
                button type="submit" { "保存 Save" }
            }
        }
    }
}

/// How they get an account, and how a phone of theirs is enrolled.
fn ways_in(person: &PersonListed, path: &str, viewer: &Viewer) -> Markup {
    html! {
        section aria-labelledby="in" {
            h2 id="in" { "账号与手机" small { "account and phone" } }
            p class="quiet" {
                "一次性链接：本人设置登录名和密码，半小时内有效。注册码：手机扫描，十分钟内有效。"
                span class="en" { "Link: they choose login and password, within half an hour. Code: a phone scans it, within ten minutes." }
            }
            (press(path, &viewer.seal(), &[("act", "link")], "发一次性链接", "Make a link"))
            @if viewer.may("POST", "/enrol-code") {
                (press("/enrol-code", &viewer.seal(), &[("person", &person.person)], "注册手机", "Enrol a phone"))
            }
        }
    }
}

fn area(shown: &PersonShown<'_>, path: &str, viewer: &Viewer) -> Markup {
    html! {
        section aria-labelledby="area" {
            h2 id="area" { "工作区域" small { "area" } }
            p class="quiet" {
                "每行一个范围：南,西,北,东（十进制度）。空：整个辖区。"
                span class="en" { "A box a line: south,west,north,east in degrees. Empty: the whole district." }
            }
            form class="login" method="post" action=(path) {
                (viewer.seal()) input type="hidden" name="act" value="area";
                (lines(Field::new("boxes", "范围", "boxes"), &shown.area))
                button type="submit" { "设定 Set" }
            }
        }
    }
}
