//! Rectification orders (整改通知书): the list by year, and those of one hazard. What an order says on paper is
//! [`crate::orders`].

use maud::{Markup, html};

use super::layout::{Tab, Viewer, as_json};
use super::lists::{heading, next, none, titled};
use crate::sync::listing::{Calendar, Page};
use crate::sync::orders::Order;

/// A page of orders, the newest first. `year`: the one that was asked for.
pub fn orders(page: &Page<Order>, year: Option<i64>, viewer: &Viewer, calendar: &Calendar) -> String {
    let query = year.map(|year| format!("year={year}")).unwrap_or_default();
    let shown = year.map(|year| year.to_string()).unwrap_or_default();
    let body = html! {
        section {
            form class="login" method="get" action="/orders" {
                label for="year" { "年份" span class="en" { "year; empty: all" } }
                input id="year" name="year" type="number" min="2000" max="9999" value=(shown);
                button type="submit" { "查看 Show" }
            }
        }
        section { (table(&page.rows, Case::Shown, viewer, calendar)) (next("/orders", &query, page.next.as_deref())) }
        (as_json(&format!("/v1/orders?{query}")))
    };
    titled("整改通知书", "Rectification orders, the newest first", viewer, Tab::Orders, &body)
}

/// The section of a hazard's page; nothing where nothing was ordered.
pub(super) fn section(orders: &[Order], viewer: &Viewer, calendar: &Calendar) -> Markup {
    html! {
        @if !orders.is_empty() {
            section aria-labelledby="orders" {
                h2 id="orders" { "整改通知书" small { "rectification orders" } }
                (table(orders, Case::Here, viewer, calendar))
            }
        }
    }
}

/// Whether a row says which hazard it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// A link to it.
    Shown,
    /// It is the page's own.
    Here,
}

fn table(orders: &[Order], case: Case, viewer: &Viewer, calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("编号", "number")) (heading("状态", "state")) (heading("责任单位", "responsible unit"))
                (heading("整改措施", "measures")) (heading("整改期限", "deadline")) (heading("签发", "issued")) (heading("打开", "open"))
            } }
            tbody {
                @for order in orders {
                    tr {
                        td class="key" data-label="编号" { (order.number) }
                        td data-label="状态" { span {
                            (order.state_zh)
                            @if let Some(later) = &order.superseded_by { span class="quiet" { " → " (later.number) } }
                        } }
                        td data-label="责任单位" { (order.unit_name) }
                        td data-label="整改措施" { (order.measures) }
                        td class="key" data-label="整改期限" { (calendar.minute(order.deadline_ms)) }
                        td data-label="签发" {
                            span { (calendar.minute(order.issued_ms)) " " (order.issued_by_name.as_deref().unwrap_or(&order.issued_by)) }
                        }
                        td data-label="打开" { span { (open(order, case, viewer)) } }
                    }
                }
                @if orders.is_empty() { (none(7)) }
            }
        } }
    }
}

fn open(order: &Order, case: Case, viewer: &Viewer) -> Markup {
    html! {
        @if case == Case::Shown { a href=(format!("/hazards/{}", order.record)) { "隐患 Case" } " " }
        @if viewer.may("GET", "/v1/orders/{order}/html") { a href=(format!("/v1/orders/{}/html", order.order)) { "打印 Print" } " " }
        @if viewer.may("GET", "/v1/orders/{order}/docx") { a href=(format!("/v1/orders/{}/docx", order.order)) { "DOCX" } }
    }
}
