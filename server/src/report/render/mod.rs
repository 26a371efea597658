//! A report as text, JSON, HTML or DOCX. The same report gives the same bytes.

mod chart;
mod docx;
mod grids;
mod html;
mod text;

use super::document::Report;

pub use html::CONTENT_SECURITY_POLICY;

/// A form in which a report is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Plain text.
    #[default]
    Text,
    /// JSON, with the query behind each figure.
    Json,
    /// A page to print.
    Html,
    /// An Office Open XML document.
    Docx,
}

impl Format {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::Text, Self::Json, Self::Html, Self::Docx];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Html => "html",
            Self::Docx => "docx",
        }
    }

    /// The form of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        }
    }

    /// How the names of its files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Html => "html",
            Self::Docx => "docx",
        }
    }
}

/// Why a report could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The JSON could not be written.
    #[error("the report is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The document could not be packed.
    #[error("the document could not be packed: {0}")]
    Docx(String),
}

/// The bytes of a report in a form.
///
/// # Errors
/// [`RenderError`].
pub fn render(report: &Report, format: Format) -> Result<Vec<u8>, RenderError> {
    match format {
        Format::Text => Ok(text::text(report).into_bytes()),
        Format::Json => {
            let mut bytes = serde_json::to_vec_pretty(report)?;
            bytes.push(b'\n');
            Ok(bytes)
        }
        Format::Html => Ok(html::html(report).into_bytes()),
        Format::Docx => docx::docx(report),
    }
}
