//! Bar charts as inline SVG: a name, a bar, its value. No script, no style, no outside thing.

use maud::{Markup, html};

/// A bar.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: i64,
    pub(super) printed: String,
}

/// Bars of one chart, at most: a table shows the rest.
pub(super) const BARS: usize = 12;
/// Letters of a name that are shown beside its bar.
const LETTERS: usize = 14;
const ROW: i64 = 24;
const LEFT: i64 = 190;
const LENGTH: i64 = 360;
const WIDTH: i64 = LEFT + LENGTH + 110;

/// A chart of the largest bars; nothing where all are 0.
pub(super) fn bars(title: &str, mut bars: Vec<Bar>) -> Markup {
    bars.retain(|bar| bar.value > 0);
    // By size, then by name: never by the order in which they came.
    bars.sort_by(|a, b| b.value.cmp(&a.value).then_with(|| a.name.cmp(&b.name)));
    bars.truncate(BARS);
    let Some(largest) = bars.first().map(|bar| bar.value) else { return html! {} };
    let count = i64::try_from(bars.len()).unwrap_or(0);
    html! {
        figure {
            figcaption { (title) }
            svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label=(title) width=(WIDTH) height=(count * ROW)
                viewBox=(format!("0 0 {WIDTH} {}", count * ROW)) {
                @for (bar, top) in bars.iter().zip((0..).step_by(24)) {
                    text x=(LEFT - 8) y=(top + 16) text-anchor="end" font-size="13" { (shortened(&bar.name)) }
                    rect x=(LEFT) y=(top + 4) width=(length(bar.value, largest)) height="15" fill="#2f6b4f" {}
                    text x=(LEFT + length(bar.value, largest) + 6) y=(top + 16) font-size="13" { (bar.printed) }
                }
            }
        }
    }
}

fn length(value: i64, largest: i64) -> i64 {
    let exact = i128::from(value) * i128::from(LENGTH) / i128::from(largest.max(1));
    i64::try_from(exact).unwrap_or(LENGTH).max(1)
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}
