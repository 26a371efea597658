//! The header `Accept` (RFC 9110, 12.5.1): which of two forms a reader likes better. Start at [`likes_pages`].

/// What a reply for programs is; any other type of JSON is asked for by name.
const JSON: (&str, &str) = ("application", "json");
/// What a reply for people is.
const HTML: [(&str, &str); 2] = [("text", "html"), ("application", "xhtml+xml")];

/// A range of types with its weight, thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    kind: String,
    subkind: String,
    weight: u32,
}

/// How much a form is liked, and how exactly and how early that is said: more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Liking {
    weight: u32,
    exactness: u8,
    /// Ranges that are named later.
    behind: usize,
}

/// Whether a page is liked better than JSON. Of two that are liked alike the more exactly named wins, then the first that
/// is named, then JSON.
pub(super) fn likes_pages(accepted: &str) -> bool {
    let ranges = ranges(accepted);
    let best = |forms: &[(&str, &str)]| forms.iter().filter_map(|form| liking(&ranges, *form)).max();
    let json = best(&[JSON]).max(named_json(&ranges)).filter(|liking| liking.weight > 0);
    best(&HTML).filter(|liking| liking.weight > 0) > json
}

/// The liking for any type of JSON that is named.
fn named_json(ranges: &[Range]) -> Option<Liking> {
    let named = ranges.iter().filter(|range| range.subkind.ends_with("json"));
    named.filter_map(|range| liking(ranges, (&range.kind, &range.subkind))).max()
}

/// The most exact range that a type falls into says its weight.
fn liking(ranges: &[Range], (kind, subkind): (&str, &str)) -> Option<Liking> {
    let fitting = ranges.iter().enumerate().filter_map(|(at, range)| {
        let exactness = match (range.kind.as_str(), range.subkind.as_str()) {
            ("*", "*") => 0,
            (of, "*") if of == kind => 1,
            (of, sub) if of == kind && sub == subkind => 2,
            _ => return None,
        };
        Some(Liking { weight: range.weight, exactness, behind: ranges.len() - at })
    });
    fitting.max_by_key(|liking| (liking.exactness, liking.behind))
}

fn ranges(accepted: &str) -> Vec<Range> {
    split(accepted, ',').into_iter().filter_map(range).collect()
}

/// One range; none where it is none, or has a weight that is none.
fn range(text: &str) -> Option<Range> {
    let mut parts = split(text, ';').into_iter().map(str::trim);
    let (kind, subkind) = parts.next()?.split_once('/')?;
    let mut weight = 1_000;
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.trim().eq_ignore_ascii_case("q") {
            weight = thousandths(value.trim())?;
            // What comes behind a weight is no part of the type.
            break;
        }
    }
    Some(Range {
        kind: kind.trim().to_ascii_lowercase(),
        subkind: subkind.trim().to_ascii_lowercase(),
        weight,
    })
}

/// A weight: 0 or 1 with at most three digits behind the point.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || fraction.len() > 3 || !are_digits {
        return None;
    }
    let weight = format!("{whole}{fraction:0<3}").parse::<u32>().ok()?;
    (weight <= 1_000).then_some(weight)
}

/// The parts between separators that stand in no quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(|c: char| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => return c == separator && !is_quoted,
        }
        false
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_given_pages_and_programs_are_given_json() {
        for (accepted, is_page) in [
            ("", false),
            ("*/*", false),
            ("image/png", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/geo+json, text/html;q=0.5", false),
            ("text/html;q=0.1, application/geo+json", false),
            ("text/html;q=0.1, application/*", false),
            ("text/*", true),
            ("text/*, application/json;q=0.9", true),
            ("text/html;q=0", false),
            ("text/html;q=0, */*", false),
            ("text/html;q=0, text/*", false),
            ("application/json;q=0, */*;q=0.1", true),
            ("text/html, application/json", true),
            ("application/json, text/html", false),
            ("*/*, text/html", true),
            ("TEXT/HTML;Q=1.000", true),
            ("application/geo+json;profile=\"a,b;q=0\", text/html;q=0.9", false),
            ("text/html;q=2, application/json;q=0.1", false),
            ("application/schema+json, text/html;q=0.9", false),
        ] {
            assert_eq!(likes_pages(accepted), is_page, "{accepted:?}");
        }
    }

    #[test]
    fn a_weight_is_none_or_one_or_between_with_three_digits() {
        for (text, weight) in [
            ("1", Some(1_000)),
            ("1.000", Some(1_000)),
            ("0.25", Some(250)),
            ("0.", Some(0)),
            ("0", Some(0)),
            ("1.001", None),
            ("0.1234", None),
            ("-0.1", None),
            ("", None),
            (".5", None),
        ] {
            assert_eq!(thousandths(text), weight, "{text:?}");
        }
    }
}
