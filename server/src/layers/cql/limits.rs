//! What is refused before the parser sees it: it recurses, and may read what stands in parentheses twice.
//!
//! Start at [`hold`].

use super::{FILTER_BYTES, FILTER_DEPTH, FILTER_NESTING, FILTER_OPERATORS, FilterError};

/// Refuses what would take the parser long, or deep into its stack, before it sees it.
pub(super) fn hold(text: &str) -> Result<(), FilterError> {
    if text.len() > FILTER_BYTES {
        return Err(FilterError::TooLong(text.len()));
    }
    let mut quote: Option<char> = None;
    // Of each open parenthesis whether it belongs to a function.
    let mut open: Vec<bool> = Vec::new();
    let mut word = String::new();
    let mut operators = 0_usize;
    let mut characters = text.chars().enumerate().peekable();
    while let Some((at, character)) = characters.next() {
        if let Some(mark) = quote {
            quote = (mark != character).then_some(mark);
            continue;
        }
        let is_word = character.is_alphanumeric() || "_.:".contains(character);
        if is_word {
            word.push(character.to_ascii_lowercase());
        }
        let ends = !is_word || characters.peek().is_none();
        if ends && matches!(word.as_str(), "not" | "like" | "in" | "between") {
            operators += 1;
        }
        match character {
            '\'' | '"' => quote = Some(character),
            '(' => {
                let is_keyword =
                    matches!(word.as_str(), "" | "and" | "or" | "not" | "in" | "like" | "between");
                open.push(!is_keyword);
                let bare = open.iter().filter(|is_function| !**is_function).count();
                if bare > FILTER_DEPTH || open.len() > FILTER_NESTING {
                    return Err(FilterError::TooDeep(at + 1));
                }
            }
            ')' if open.pop().is_none() => return Err(FilterError::Unreadable(at + 1)),
            '=' | '<' | '>' | '!' | '^' => operators += 1,
            '-' if !characters.peek().is_some_and(|(_, next)| next.is_ascii_digit()) => operators += 1,
            _ => {}
        }
        let goes_on = characters.peek().is_some_and(|(_, next)| *next == '(' || next.is_whitespace());
        // Between a word and its parenthesis there may be room.
        if !(is_word || character.is_whitespace() && goes_on) {
            word.clear();
        }
    }
    if quote.is_some() || !open.is_empty() {
        return Err(FilterError::Unreadable(text.chars().count()));
    }
    if operators > FILTER_OPERATORS { Err(FilterError::TooManyTerms) } else { Ok(()) }
}
