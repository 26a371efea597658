//! The audit log for people: who did what, filtered; and its head as a sheet of paper that is kept elsewhere.

use maud::{Markup, PreEscaped, html};
use sync_protocol::kind::Kind;

use super::forms::{Field, choice};
use super::layout::{Tab, Viewer};
use super::lists::{heading, next, none, titled};
use crate::lifecycle::Command;
use crate::sync::audit::{Filter, Link, Listed};
use crate::sync::listing::{Calendar, Page};
use crate::sync::people::PersonListed;

/// What is done, beside commands and acts: its name and what it is called. A name that ends in a point stands for all
/// that begin so.
const ACTIONS: &[(&str, &str)] = &[
    ("command.", "隐患操作（全部）"),
    ("act.", "办公室录入（全部）"),
    ("person.", "人员（全部）"),
    ("person.add", "新增人员"),
    ("person.change", "修改人员"),
    ("person.remove", "移除人员"),
    ("person.link", "发一次性链接"),
    ("person.area", "设定工作区域"),
    ("unit.", "单位（全部）"),
    ("unit.add", "新增单位"),
    ("unit.change", "修改单位"),
    ("unit.retire", "停用单位"),
    ("token.", "令牌（全部）"),
    ("token.make", "新建令牌"),
    ("token.revoke", "撤销令牌"),
    ("device.", "设备（全部）"),
    ("device.rename", "设备改名"),
    ("device.enrol-code", "生成注册码"),
    ("device.enrol", "注册手机"),
    ("device.lose", "标记丢失"),
    ("device.give-up", "核销缺号"),
    ("device.revoke", "吊销设备"),
    ("quarantine.release", "放行"),
    ("quarantine.write_off", "核销"),
    ("export.", "导出（全部）"),
    ("export.geojson", "导出地图"),
    ("export.file", "导出文件"),
    ("export.order", "打印通知书"),
    ("export.report", "导出报告"),
    ("export.photo", "取原图"),
    ("report.issue", "签发报告"),
    ("report.redact", "报告脱敏"),
    ("order.gap", "通知书编号空缺"),
    ("report.gap", "报告编号空缺"),
    ("proposal.dismiss", "判为两处"),
    ("proposal.undo", "撤回重复判定"),
    ("danger.set", "设定火险等级"),
    ("district.add", "新增辖区"),
    ("district.province", "设定所属省份"),
    ("grid.import", "导入线路"),
    ("rules.set", "修改规则"),
    ("backup.verify", "核验备份"),
    ("photo.upload", "上传照片"),
    ("login", "登录"),
    ("login.token", "用令牌登录"),
    ("login.failed", "登录失败"),
    ("login.locked", "登录锁定"),
    ("logout", "退出"),
    ("logout.other", "退出其他浏览器"),
    ("account.", "账号（全部）"),
    ("account.add", "新增账号"),
    ("account.link-used", "使用一次性链接"),
    ("account.password", "修改密码"),
    ("account.reset", "重设密码"),
    ("account.grant", "准入"),
    ("account.revoke", "撤销准入"),
    ("account.disable", "停用账号"),
    ("account.enable", "启用账号"),
];

/// What an action is called; as it is where it has no word.
fn called(action: &str) -> String {
    if let Some(command) = action.strip_prefix("command.").and_then(Command::parse) {
        return command.zh().to_owned();
    }
    if let Some(kind) = action.strip_prefix("act.").and_then(Kind::parse) {
        return kind.zh().to_owned();
    }
    ACTIONS.iter().find(|(known, _)| *known == action).map_or(action, |(_, zh)| zh).to_owned()
}

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The district's.
    District,
    /// What the deployment's own tells of the district's accounts.
    Accounts,
}

impl Which {
    const fn as_str(self) -> &'static str {
        match self {
            Self::District => "district",
            Self::Accounts => "deployment",
        }
    }

    const fn zh(self) -> &'static str {
        match self {
            Self::District => "本辖区",
            Self::Accounts => "登录与账号",
        }
    }
}

/// What the page shows.
#[derive(Debug)]
pub struct AuditShown {
    /// Rows, the newest first.
    pub page: Page<Listed>,
    /// Which rows were asked for.
    pub filter: Filter,
    /// Of which log.
    pub chain: Which,
    /// The logs that the account may read.
    pub chains: Vec<Which>,
    /// People of the district, to choose from.
    pub people: Vec<PersonListed>,
}

/// A page of the log.
pub fn audit(shown: &AuditShown, viewer: &Viewer, calendar: &Calendar) -> String {
    let query = query(shown);
    let body = html! {
        section { (form(shown)) }
        section {
            (table(&shown.page.rows, viewer, calendar))
            (next("/audit", &query, shown.page.next.as_deref()))
        }
        p class="more" {
            a href="/audit/head" { "链头（打印存档） The head, to print" } " · "
            a class="quiet" href=(format!("/v1/audit?{query}")) { "JSON" }
        }
    };
    titled("审计日志", "Audit log, the newest first", viewer, Tab::Audit, &body)
}

/// The filters as a query string: what they hold is plain.
fn query(shown: &AuditShown) -> String {
    let of = |name: &str, text: &str| (!text.is_empty()).then(|| format!("{name}={text}"));
    let chain = if shown.chain == Which::District { "" } else { shown.chain.as_str() };
    let parts = [of("chain", chain), of("actor", &shown.filter.actor), of("action", &shown.filter.action)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("&")
}

fn form(shown: &AuditShown) -> Markup {
    let people = &shown.people;
    let ids: Vec<(String, &str)> =
        people.iter().map(|person| (format!("person:{}", person.person), person.name.as_str())).collect();
    let others = [("operator", "操作员（服务器上）"), ("server", "服务器"), ("nobody", "无人（登录失败等）")];
    let actors = ids.iter().map(|(id, name)| (id.as_str(), (*name).to_owned()));
    let actors = actors.chain(others.into_iter().map(|(id, zh)| (id, zh.to_owned())));
    html! {
        form class="login" method="get" action="/audit" {
            @if shown.chains.len() > 1 {
                (choice(
                    Field::new("chain", "日志", "which log").needed(),
                    shown.chain.as_str(),
                    shown.chains.iter().map(|which| (which.as_str(), which.zh().to_owned())),
                ))
            }
            (choice(Field::new("actor", "何人", "who"), &shown.filter.actor, actors))
            (choice(
                Field::new("action", "何事", "what"),
                &shown.filter.action,
                ACTIONS.iter().map(|(name, zh)| (*name, (*zh).to_owned())),
            ))
            button type="submit" { "筛选 Filter" }
        }
    }
}

fn table(rows: &[Listed], viewer: &Viewer, calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("序号", "sequence")) (heading("时间", "time")) (heading("何人", "who"))
                (heading("何事", "what")) (heading("对象", "on what")) (heading("详情", "detail"))
            } }
            tbody {
                @for row in rows {
                    tr {
                        td class="key" data-label="序号" { (row.sequence) }
                        td class="key" data-label="时间" { (calendar.minute(row.at_ms)) }
                        td data-label="何人" { (row.actor_name.as_deref().unwrap_or(&row.actor)) }
                        td data-label="何事" { span { (called(&row.action)) " " code { (row.action) } } }
                        td data-label="对象" { (object(row, viewer)) }
                        td data-label="详情" {
                            details {
                                summary { code { (row.hash.get(..12).unwrap_or(&row.hash)) } }
                                pre { (row.detail) }
                                div { code { (row.hash) } }
                            }
                        }
                    }
                }
                @if rows.is_empty() { (none(6)) }
            }
        } }
    }
}

/// The hazard of a command is a link to it.
fn object(row: &Listed, viewer: &Viewer) -> Markup {
    let is_hazard = row.action.starts_with("command.") && viewer.may("GET", "/hazards/{record}");
    html! {
        @if is_hazard { a href=(format!("/hazards/{}", row.object)) { code { (row.object) } } }
        @else { code { (row.object) } }
    }
}

/// Where the chain stands, as it is printed.
#[derive(Debug)]
pub struct HeadShown<'a> {
    /// Where it stands.
    pub link: Link,
    /// The district's code.
    pub district: &'a str,
    /// The square code of [`kept`], as a drawing.
    pub svg: &'a str,
    /// When it was read.
    pub now_ms: i64,
}

/// What the square code of a head says, and a person types who has none: district, sequence, hash.
pub fn kept(district: &str, link: Link) -> String {
    format!("firebreak audit {district} {} {}", link.sequence, link.hash)
}

/// Digits of a group: few enough to be read aloud.
const GROUP: usize = 4;

/// A hash in groups, eight a line.
fn grouped(hash: &str) -> Vec<String> {
    let digits: Vec<char> = hash.chars().collect();
    let groups: Vec<String> = digits.chunks(GROUP).map(|group| group.iter().collect()).collect();
    groups.chunks(8).map(|line| line.join(" ")).collect()
}

/// The head as one A4 page: printed, signed, kept where whoever runs the server does not reach it.
pub fn head(shown: &HeadShown<'_>, viewer: &Viewer, calendar: &Calendar) -> String {
    let hash = shown.link.hash.to_string();
    let body = html! {
        section class="sheet" {
            div class="qr" { (PreEscaped(shown.svg)) }
            table { tbody {
                tr { th scope="row" { "辖区" small { "district" } } td { (viewer.district) " " code { (shown.district) } } }
                tr { th scope="row" { "时间" small { "time" } } td { (calendar.minute(shown.now_ms)) } }
                tr { th scope="row" { "最后一行序号" small { "last row" } } td { (shown.link.sequence) } }
                tr { th scope="row" { "链头" small { "head, SHA-256" } } td {
                    @for line in grouped(&hash) { code class="groups" { (line) } br; }
                } }
                tr { th scope="row" { "保管人（签字）" small { "keeper" } } td { br; br; } }
            } }
            p {
                "请打印、签字并存放在服务器管理人员接触不到的地方，建议每周一次。日后核对："
                span class="en" { "Print, sign and keep it where whoever runs the server does not reach it. Later:" }
            }
            p { code { "firebreak audit verify --district " (shown.district) " --head " (hash) } }
            p class="quiet" {
                "此后任何一行被改、被删、被换序或被截断，核对都会报错。"
                span class="en" { "An edited, deleted, reordered or cut row up to here then shows." }
            }
        }
        p class="more" { a href="/audit" { "返回审计日志 Back" } }
    };
    titled("审计链头", "Head of the audit log", viewer, Tab::Audit, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_printed_in_groups_and_loses_no_digit() {
        let hash = "0123456789abcdef".repeat(4);
        let lines = grouped(&hash);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0], "0123 4567 89ab cdef 0123 4567 89ab cdef");
        assert_eq!(lines.concat().replace(' ', ""), hash);
    }

    #[test]
    fn an_action_is_called_what_the_field_calls_it_and_an_unknown_one_by_its_name() {
        for (action, expected) in [
            ("command.grade", "定级"),
            ("act.graded", Kind::Graded.zh()),
            ("person.add", "新增人员"),
            ("later.action", "later.action"),
        ] {
            assert_eq!(called(action), expected);
        }
    }
}
