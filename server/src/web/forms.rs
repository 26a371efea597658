//! Fields of forms as every page writes them: a label in both languages above what is filled in.
//!
//! Pure. What a form says is read in `http`. Ids are unique on a page as long as callers' are.

use maud::{Markup, html};

/// A field of a form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    /// Its id on the page.
    pub(super) id: &'a str,
    /// What the form sends it as.
    pub(super) name: &'a str,
    /// Its label in Chinese.
    pub(super) zh: &'a str,
    /// Its label in English.
    pub(super) en: &'a str,
    /// Whether it may not be left empty.
    pub(super) required: bool,
}

impl<'a> Field<'a> {
    /// A field that may be left empty, whose id is its name.
    pub(super) const fn new(name: &'a str, zh: &'a str, en: &'a str) -> Self {
        Self { id: name, name, zh, en, required: false }
    }

    /// The same, to be filled in.
    pub(super) const fn needed(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) fn label(&self) -> Markup {
        html! {
            label for=(self.id) {
                (self.zh)
                @if self.required { span class="must" title="必填 needed" { "＊" } }
                span class="en" { (self.en) }
            }
        }
    }
}

/// One line of text.
pub(super) fn line(field: Field<'_>, value: &str) -> Markup {
    input(field, "text", value, None)
}

/// An input of a type; `step` where it is a number.
pub(super) fn input(field: Field<'_>, kind: &str, value: &str, step: Option<&str>) -> Markup {
    html! {
        (field.label())
        input id=(field.id) name=(field.name) type=(kind) value=(value) step=[step] required[field.required];
    }
}

/// Several lines of text.
pub(super) fn lines(field: Field<'_>, value: &str) -> Markup {
    html! {
        (field.label())
        textarea id=(field.id) name=(field.name) rows="3" required[field.required] { (value) }
    }
}

/// One of several: value and what it is called. Nothing chosen is empty.
pub(super) fn choice<'o>(
    field: Field<'_>,
    value: &str,
    options: impl IntoIterator<Item = (&'o str, String)>,
) -> Markup {
    html! {
        (field.label())
        select id=(field.id) name=(field.name) required[field.required] {
            option value="" selected[value.is_empty()] { "—" }
            @for (known, called) in options {
                option value=(known) selected[known == value] { (called) }
            }
        }
    }
}

/// Something that is or is not.
pub(super) fn tick(field: Field<'_>, is_on: bool) -> Markup {
    html! {
        label class="tick" for=(field.id) {
            input id=(field.id) name=(field.name) type="checkbox" value="on" checked[is_on];
            (field.zh) span class="en" { (field.en) }
        }
    }
}

/// A button that sends a form of nothing but an act.
pub(super) fn press(path: &str, seal: &Markup, fields: &[(&str, &str)], zh: &str, en: &str) -> Markup {
    html! {
        form class="press" method="post" action=(path) {
            (seal)
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button type="submit" { (zh) " " (en) }
        }
    }
}
