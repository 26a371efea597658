//! The guide for people of the office (`docs/guide.zh.md`) as a page. It is written once, as Markdown, and reads as well
//! in the repository.
//!
//! Reads as much of Markdown as the guide uses, and no more: headings, paragraphs, lists, tables, `code`, bold, links.
//! A test holds that nothing of it is left over on the page.

use maud::{Markup, html};

use super::layout::{Viewer, back, open_page};

const TEXT: &str = include_str!("../../../docs/guide.zh.md");

/// The page.
pub fn guide(viewer: &Viewer) -> String {
    let body = html! {
        section class="guide" { @for block in blocks(TEXT) { (block) } }
        p class="more" { (back(viewer)) " · " a href="/docs" { "接口文档 API" } }
    };
    open_page("使用说明", viewer, &body)
}

/// What begins a line of the same block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Heading,
    Item,
    Step,
    Row,
    Text,
}

fn sort(line: &str) -> Sort {
    let digits = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if line.starts_with('#') {
        Sort::Heading
    } else if line.starts_with("- ") {
        Sort::Item
    } else if digits.len() < line.len() && digits.starts_with(". ") {
        Sort::Step
    } else if line.starts_with('|') {
        Sort::Row
    } else {
        Sort::Text
    }
}

/// The blocks of a text, each as it is shown: lines of one sort that follow each other; a heading stands alone.
fn blocks(text: &str) -> Vec<Markup> {
    let mut blocks = Vec::new();
    for part in text.split("\n\n") {
        let lines: Vec<&str> = part.lines().filter(|line| !line.is_empty()).collect();
        for together in lines.chunk_by(|left, right| sort(left) == sort(right)) {
            blocks.push(block(together));
        }
    }
    blocks
}

fn block(lines: &[&str]) -> Markup {
    let first = lines.first().copied().unwrap_or_default();
    let after = |line: &&str| inline(line.split_once(' ').map_or("", |(_, rest)| rest));
    match sort(first) {
        Sort::Heading => html! {
            @for line in lines {
                @if line.starts_with("## ") { h2 { (after(line)) } } @else { h1 { (after(line)) } }
            }
        },
        Sort::Item => html! { ul { @for line in lines { li { (after(line)) } } } },
        Sort::Step => html! { ol { @for line in lines { li { (after(line)) } } } },
        Sort::Row => table(lines),
        // Chinese needs no space where a line was broken.
        Sort::Text => html! { p { (inline(&lines.concat())) } },
    }
}

fn table(lines: &[&str]) -> Markup {
    let cells = |line: &str| -> Vec<Markup> {
        line.trim_matches('|').split('|').map(|cell| inline(cell.trim())).collect()
    };
    html! {
        div class="scroll" tabindex="0" { table {
            @if let Some(head) = lines.first() {
                thead { tr { @for cell in cells(head) { th scope="col" { (cell) } } } }
            }
            tbody { @for line in lines.iter().skip(2) { tr { @for cell in cells(line) { td { (cell) } } } } }
        } }
    }
}

/// `code`, bold and links within a line.
fn inline(text: &str) -> Markup {
    let paired = |text: &str, mark: &str| -> Option<(String, String, String)> {
        let (before, rest) = text.split_once(mark)?;
        let (within, after) = rest.split_once(mark)?;
        Some((before.to_owned(), within.to_owned(), after.to_owned()))
    };
    if let Some((before, code, after)) = paired(text, "`") {
        return html! { (inline(&before)) code { (code) } (inline(&after)) };
    }
    if let Some((before, bold, after)) = paired(text, "**") {
        return html! { (inline(&before)) b { (bold) } (inline(&after)) };
    }
    if let Some((before, rest)) = text.split_once('[')
        && let Some((name, rest)) = rest.split_once("](")
        && let Some((target, after)) = rest.split_once(')')
    {
        // Of the other documents, a server has the API's alone.
        return html! {
            (before)
            @if target == "api.md" { a href="/docs" { (name) } } @else { (name) }
            (inline(after))
        };
    }
    html! { (text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;
    use crate::lifecycle::Command;

    #[test]
    fn the_page_is_whole_and_nothing_of_its_markup_is_left() {
        let page = guide(&Viewer::default());
        for wanted in [
            "<h1>使用说明",
            "<ol><li><b>上报</b>",
            "<th scope=\"col\">代码</th>",
            "<code>moved-on</code>",
            "href=\"/docs\"",
        ] {
            assert!(page.contains(wanted), "{wanted}");
        }
        let body = page.split("class=\"guide\"").nth(1).unwrap();
        for left in ["**", "`", "](", "|--", "\n#"] {
            assert!(!body.contains(left), "{left}");
        }
    }

    #[test]
    fn what_is_written_is_escaped() {
        assert_eq!(inline("<b> `<i>` [x](y.md)").into_string(), "&lt;b&gt; <code>&lt;i&gt;</code> x");
    }

    #[test]
    fn the_guide_names_every_command_every_role_and_every_reason_of_a_refusal() {
        for command in Command::ALL {
            assert!(TEXT.contains(&format!("`{}`", command.as_str())), "{}", command.as_str());
        }
        for role in Role::ALL {
            assert!(TEXT.contains(&format!("{} `{}`", role.zh(), role.as_str())), "{}", role.as_str());
        }
        for reason in crate::lifecycle::Reason::ALL {
            let code = serde_json::to_value(reason).unwrap();
            let code = code.as_str().unwrap();
            assert!(TEXT.contains(&format!("| `{code}` |")), "{code}");
        }
    }
}
