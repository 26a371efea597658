//! The districts of an account, with their totals: a province's overview, and where another district is chosen.

use maud::html;

use super::layout::{Tab, Viewer, as_json};
use super::lists::{heading, none, titled};
use crate::domain::Class;
use crate::sync::listing::totals::Totals;

/// A district of the page.
#[derive(Debug)]
pub struct DistrictShown {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Whether it is the one that is looked at.
    pub is_chosen: bool,
    /// Its totals, as far as the account sees them.
    pub totals: Totals,
}

/// The districts of an account.
pub fn districts(districts: &[DistrictShown], viewer: &Viewer) -> String {
    let open = |totals: &Totals, class: Class| {
        totals.open.iter().find(|(known, _)| *known == class).map_or(0, |(_, amount)| *amount)
    };
    let body = html! {
        section { div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("辖区", "district")) (heading("隐患", "hazards")) (heading("未销号", "open"))
                (heading("危急", "critical")) (heading("严重", "serious")) (heading("冲突", "conflicts")) (heading("", ""))
            } }
            tbody {
                @for district in districts {
                    tr {
                        td class="key" data-label="辖区" { (district.name) " " span class="quiet" { (district.code) } }
                        td data-label="隐患" { (district.totals.hazards) }
                        td data-label="未销号" { (district.totals.open_in_all()) }
                        td data-label="危急" { (open(&district.totals, Class::Critical)) }
                        td data-label="严重" { (open(&district.totals, Class::Serious)) }
                        td data-label="冲突" { (district.totals.conflicts) }
                        td {
                            @if district.is_chosen { a href="/" { "当前 Open" } }
                            @else if !viewer.csrf.is_empty() {
                                form method="post" action="/district" {
                                    (viewer.seal())
                                    input type="hidden" name="district" value=(district.code);
                                    button type="submit" { "切换 Switch" }
                                }
                            }
                        }
                    }
                }
                @if districts.is_empty() { (none(7)) }
            }
        } } }
        (as_json("/v1/districts"))
    };
    titled("辖区", "Districts", viewer, Tab::Districts, &body)
}
