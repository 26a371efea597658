//! Documents as pages: the guide for people of the office (`docs/guide.zh.md`), and what layers and files are
//! (`docs/maps.md`). They are written once, as Markdown, and read as well in the repository.
//!
//! Reads as much of Markdown as they use, and no more: headings, paragraphs, lists, tables, `code`, bold, links, fences.
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

const MAPS: &str = include_str!("../../../docs/maps.md");

/// What layers, columns and files are.
pub fn maps_guide(viewer: &Viewer) -> String {
    let body = html! {
        section class="guide" lang="en" { @for block in blocks(MAPS) { (block) } }
        p class="more" {
            @if viewer.may("GET", "/maps") { a href="/maps" { "导出 Files" } " · " }
            (back(viewer)) " · " a href="/docs" { "接口文档 API" }
        }
    };
    open_page("图层与文件", viewer, &body)
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
        if let Some((_, code)) = part.strip_prefix("```").and_then(|rest| rest.split_once('\n')) {
            let code = code.trim_end_matches(['`', '\n']);
            blocks.push(html! { pre tabindex="0" { code { (code) } } });
            continue;
        }
        let lines = whole(part);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for together in lines.chunk_by(|left, right| sort(left) == sort(right)) {
            blocks.push(block(together));
        }
    }
    blocks
}

/// The lines of a part; what is indented goes on with the line before.
fn whole(part: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in part.lines().filter(|line| !line.is_empty()) {
        match lines.last_mut() {
            Some(before) if line.starts_with("  ") => *before = joined(&[before, line.trim_start()]),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// Lines as one text. Chinese needs no space where a line was broken.
fn joined(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let is_of_words = |c: Option<char>| c.is_some_and(|c| c.is_ascii());
        if is_of_words(text.chars().last()) && is_of_words(line.chars().next()) {
            text.push(' ');
        }
        text.push_str(line);
    }
    text
}

fn block(lines: &[&str]) -> Markup {
    let first = lines.first().copied().unwrap_or_default();
    let after = |line: &&str| inline(line.split_once(' ').map_or("", |(_, rest)| rest));
    match sort(first) {
        Sort::Heading => html! {
            @for line in lines {
                @if line.starts_with("### ") { h3 { (after(line)) } } @else if line.starts_with("## ") { h2 { (after(line)) } } @else { h1 { (after(line)) } }
            }
        },
        Sort::Item => html! { ul { @for line in lines { li { (after(line)) } } } },
        Sort::Step => html! { ol { @for line in lines { li { (after(line)) } } } },
        Sort::Row => table(lines),
        Sort::Text => html! { p { (inline(&joined(lines))) } },
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
        let shown = match target.split('#').next() {
            Some("api.md") => Some("/docs"),
            Some("maps.md") => Some("/docs/maps"),
            // A server has no other documents.
            Some(_) | None => None,
        };
        return html! {
            (before)
            @if let Some(shown) = shown { a href=(shown) { (name) } } @else { (name) }
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
    fn all_of_what_layers_and_files_are_is_on_the_page() {
        let page = maps_guide(&Viewer::default());
        for wanted in [
            "<h1>Maps</h1>",
            "<h3>CQL2</h3>",
            "<pre tabindex=\"0\"><code>severity = &#39;critical&#39; AND",
            "<th scope=\"col\">geometry</th>",
        ] {
            assert!(page.replace('\'', "&#39;").contains(wanted), "{wanted}: {page}");
        }
        let body = page.split("class=\"guide\"").nth(1).unwrap();
        for left in ["**", "`", "](", "|--", "\n#"] {
            assert!(!body.contains(left), "{left}");
        }
    }

    #[test]
    fn a_line_that_is_indented_goes_on_with_the_one_before() {
        let shown: String = blocks("- one\n  two\n- 三\n  四").into_iter().map(Markup::into_string).collect();
        assert_eq!(shown, "<ul><li>one two</li><li>三四</li></ul>");
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
