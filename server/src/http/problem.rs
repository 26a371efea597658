//! What an office is told when a request fails: problem details (RFC 9457) with our stable code in them.
//!
//! Which status a code has is in [`super::error`]; how devices are told is there too. Start at [`Problem`].

use serde::Serialize;
use sync_protocol::codes::Code;
use utoipa::ToSchema;

use crate::lifecycle::Refusal;
use crate::sync::commands::Since;

/// The media type of an error body.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Where every code is explained, for people and programs.
const CATALOGUE: &str = "/docs/errors";

/// Why a request was not taken (RFC 9457). 问题说明
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// A reference to the page that explains the code.
    #[serde(rename = "type")]
    #[schema(examples("/docs/errors#bad-parameter"))]
    kind: String,
    /// The problem in Chinese.
    #[schema(examples("参数无效"))]
    title: &'static str,
    /// The HTTP status, again.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The stable code: it is never reused and never changes its meaning.
    #[schema(examples("bad-parameter"))]
    code: &'static str,
    /// The code in words, zh-CN.
    #[schema(examples("参数无效"))]
    zh: &'static str,
    /// The code in words, English.
    #[schema(examples("a parameter is not valid"))]
    en: &'static str,
    /// What is wrong in this request, where more can be said.
    #[schema(required)]
    detail: Option<String>,
    /// The parameter or key that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Of `command-refused` and `forbidden`: everything that stands against a command, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusals: Option<Vec<Refusal>>,
    /// Of `moved-on`: where the hazard stands now and what came since.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Since>,
}

impl Problem {
    /// The problem of a code.
    pub(super) fn of(code: Code, status: u16, detail: Option<String>) -> Self {
        let field = detail.as_deref().filter(|_| code == Code::BadParameter).and_then(field_of);
        Self {
            kind: format!("{CATALOGUE}#{}", code.as_str()),
            title: code.zh(),
            status,
            code: code.as_str(),
            zh: code.zh(),
            en: code.en(),
            field: field.map(str::to_owned),
            detail,
            refusals: None,
            since: None,
        }
    }
}

/// The field that a detail names: details of `bad-parameter` are the field's name, alone or before a colon.
fn field_of(detail: &str) -> Option<&str> {
    let name = detail.split(':').next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c);
    (!name.is_empty() && name.chars().all(is_plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_parameter_names_its_field_and_other_problems_name_none() {
        for (code, detail, field) in [
            (Code::BadParameter, "limit", Some("limit")),
            (Code::BadParameter, "format: geojson, csv, gpkg", Some("format")),
            (Code::BadParameter, "Failed to deserialize: unknown field", None),
            (Code::BadParameter, "", None),
            (Code::NotFound, "device", None),
        ] {
            let problem = Problem::of(code, 400, Some(detail.to_owned()));
            assert_eq!(problem.field.as_deref(), field, "{code} {detail:?}");
        }
    }

    #[test]
    fn a_problem_points_to_the_explanation_of_its_code() {
        let problem = serde_json::to_value(Problem::of(Code::Forbidden, 403, None)).unwrap();
        assert_eq!(problem["type"], "/docs/errors#forbidden");
        assert_eq!((&problem["title"], &problem["code"]), (&problem["zh"], &"forbidden".into()));
        assert!(problem["detail"].is_null() && problem.get("field").is_none());
    }
}
