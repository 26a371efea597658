//! What a file is: which columns under which headings, in which coordinates, and what it says about itself.

use std::fmt;

use super::about::About;
use super::reference::Reference;
use super::shapefile::Encoding;
use crate::layers::{Column, Layer, Shape, Value, Words, term};

/// The language of headings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Headings {
    /// Chinese; terms of columns are Chinese words too.
    Zh,
    /// English where people read the file, the names of columns where programs do; terms as they are kept.
    En,
}

impl Headings {
    /// Of `zh` or `en`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }
}

impl fmt::Display for Headings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The columns of the features of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its name: lower-case ASCII.
    pub name: &'static str,
    /// What it is called.
    pub title: Words,
    /// What its geometries are.
    pub shape: Shape,
    /// Its columns, in the order of values.
    pub columns: &'static [Column],
}

impl From<Layer> for Schema {
    fn from(layer: Layer) -> Self {
        Self { name: layer.name(), title: layer.title(), shape: layer.shape(), columns: layer.columns() }
    }
}

/// Columns whose values are terms, which have Chinese words.
const TERMS: &[&str] = &["category", "kind", "severity", "state", "turn", "level", "conductor", "remedy"];

/// What a file is made by.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Its columns.
    pub schema: Schema,
    /// The language of their headings.
    pub headings: Headings,
    /// Its coordinates.
    pub reference: Reference,
    /// The bytes of a shapefile's texts.
    pub encoding: Encoding,
    /// What it says about itself.
    pub about: About,
}

impl Outline {
    /// The heading of a column, where programs read the file.
    pub fn field(&self, column: &Column) -> &'static str {
        match self.headings {
            Headings::Zh => column.zh,
            Headings::En => column.name,
        }
    }

    /// The heading of a column, where people read the file.
    pub fn heading(&self, column: &Column) -> &'static str {
        match self.headings {
            Headings::Zh => column.zh,
            Headings::En => column.en,
        }
    }

    /// One text of two.
    pub fn says(&self, words: Words) -> &'static str {
        match self.headings {
            Headings::Zh => words.zh,
            Headings::En => words.en,
        }
    }

    /// The name of the layer in the file: what coordinates without a registered system are in stands in it.
    pub fn layer_name(&self) -> String {
        match self.reference.suffix() {
            Some(suffix) => format!("{}_{suffix}", self.schema.name),
            None => self.schema.name.to_owned(),
        }
    }

    /// The text of a column as the file has it: a term under Chinese headings is a Chinese word.
    pub fn text<'v>(&self, column: &Column, text: &'v str) -> &'v str {
        match self.headings {
            Headings::Zh if TERMS.contains(&column.name) => term(text),
            Headings::Zh | Headings::En => text,
        }
    }

    /// Columns with the values of a feature.
    pub fn columns<'o, 'v>(
        &'o self,
        values: &'v [Value],
    ) -> impl Iterator<Item = (&'static Column, &'v Value)> + use<'o, 'v> {
        self.schema.columns.iter().zip(values)
    }
}
