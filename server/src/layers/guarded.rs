//! Texts in tables: what a spreadsheet would compute stands behind an apostrophe, and comes back without it.

/// What makes a spreadsheet take the rest of a cell for a formula: some of them turn full-width signs into plain ones, and
/// some begin with the tabs and ends of lines before them.
const STARTS: &[char] = &['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n'];
/// What is blank to people and not to Unicode: marks without a width.
const WITHOUT_WIDTH: &[char] = &['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}'];

/// Whether it is, with what is blank before it or without.
fn is_computed(text: &str) -> bool {
    let text = text.trim_start_matches('\'');
    let is_blank = |c: char| c.is_whitespace() || WITHOUT_WIDTH.contains(&c);
    text.starts_with(STARTS) || text.trim_start_matches(is_blank).starts_with(STARTS)
}

/// A text that no spreadsheet computes. One that is guarded already gets another apostrophe, so that [`unguarded`] gives
/// back every text as it was.
pub fn guarded(text: String) -> String {
    if is_computed(&text) { format!("'{text}") } else { text }
}

/// The text that was guarded.
pub fn unguarded(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if is_computed(rest) => rest,
        Some(_) | None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_compute_is_written_behind_an_apostrophe_and_comes_back_as_it_was() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+86", "'+86"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1+1", "'＝1+1"),
            ("＋86", "'＋86"),
            ("－1", "'－1"),
            (" =1+1", "' =1+1"),
            ("\u{3000}=1+1", "'\u{3000}=1+1"),
            ("\u{a0}\u{200b} @x", "'\u{a0}\u{200b} @x"),
            ("\u{feff}-1", "'\u{feff}-1"),
            ("  两处", "  两处"),
            ("＠SUM(A1)", "'＠SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\n=1", "'\n=1"),
            ("'=1", "''=1"),
            ("'树", "'树"),
            ("树 = 高", "树 = 高"),
            ("", ""),
        ] {
            assert_eq!(guarded(text.to_owned()), expected, "{text:?}");
            assert_eq!(unguarded(expected), text, "{text:?}");
        }
    }
}
