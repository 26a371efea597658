//! The description of the office's API as a page, made from its OpenAPI document; and the catalogue of codes.
//!
//! Pure: the document in, text out, without scripts. It reads as much of OpenAPI as our own document uses. Start at
//! [`api`].

use maud::{Markup, html};
use serde_json::Value;
use sync_protocol::codes::{Code, Scope};

use super::api_words as words;
use super::layout::{Viewer, back, open_page};

/// What an operation is done by.
const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The values of a map, with their names.
fn entries<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let map = value.get(key).and_then(Value::as_object);
    map.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// What a reference of the document points to; the value itself where it is none.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let path = value.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| document.pointer(path)).unwrap_or(value)
}

/// The page.
pub fn api(document: &Value, viewer: &Viewer) -> String {
    let info = document.get("info").unwrap_or(&Value::Null);
    let body = html! {
        h1 { "接口文档" small { (text(info, "title")) " " (text(info, "version")) } }
        section {
            p {
                "供单位内其他系统和脚本使用：台账的读取、录入与处置。页面上能做的事，接口同样能做，权限与校验完全一样。"
                "怎样从上报办到销号，见" a href="/docs/guide" { "使用说明" } "。"
            }
            ul {
                li { "请求头 " code { "Authorization: Bearer 令牌" } "；令牌在「账号」页新建。令牌属于一个辖区的一个人，权限不超过其本人。" }
                li { "时间为 1970 年以来的毫秒（UTC），位置为 WGS-84 度，哈希与操作头为十六进制。" }
                li { "列表分页：" code { "limit" } " 和 " code { "cursor" } "；答复中 " code { "next" } " 为空即最后一页。" }
                li { "出错时答复 " code { "application/problem+json" } "，其中 " code { "code" } " 是固定代码，" code { "zh" } " 是中文说明，" code { "detail" } " 写明哪里不对。" }
                li { "不认识的参数一律拒绝；重复提交用 " code { "Idempotency-Key" } "；并发修改用 " code { "If-Match" } "。" }
            }
            p class="en" lang="en" { (text(info, "description")) }
            p { a href="/docs/guide" { "使用说明 Guide" } " · " a href="/docs/errors" { "错误代码 Codes of errors" } " · " a href="/openapi.json" { "OpenAPI 3.1 (JSON)" } " · " (back(viewer)) }
            ul { @for tag in items(document, "tags") {
                li { a href={"#" (text(tag, "name"))} { (text(tag, "description")) } }
            } }
        }
        @for tag in items(document, "tags") { (of_tag(document, tag)) }
        section id="schemas" {
            h2 { "数据结构" small { "Schemas" } }
            @for (name, schema) in document.get("components").into_iter().flat_map(|all| entries(all, "schemas")) {
                (schema_block(name, schema))
            }
        }
    };
    open_page("接口文档", viewer, &body)
}

fn of_tag(document: &Value, tag: &Value) -> Markup {
    let name = text(tag, "name");
    let operations = entries(document, "paths").flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| Some((*method, path, item.get(*method)?)))
    });
    html! {
        section id=(name) {
            h2 { (text(tag, "description")) }
            @for (method, path, it) in operations.filter(|(_, _, it)| items(it, "tags").any(|of| of == name)) {
                (operation(document, method, path, it))
            }
        }
    }
}

/// A text whose Chinese comes first, up to its first space: the English behind it is smaller.
fn both(summary: &str) -> Markup {
    let (zh, en) = summary.split_once(' ').unwrap_or((summary, ""));
    html! { b { (zh) } @if !en.is_empty() { span class="en" lang="en" { (en) } } }
}

/// The Chinese word, then what the document says.
fn said(word: &str, it: &Value) -> Markup {
    html! { (word) " " span class="en" { (text(it, "description")) } }
}

fn operation(document: &Value, method: &str, path: &str, it: &Value) -> Markup {
    html! {
        details id=(text(it, "operationId")) {
            summary { (both(text(it, "summary"))) " " code { (method.to_uppercase()) " " (path) } }
            p class="en" lang="en" { (text(it, "description")) }
            @if items(it, "parameters").next().is_some() {
                div class="scroll" role="region" tabindex="0" aria-label="表 Table" { table {
                    caption { "参数 Parameters" }
                    thead { tr { th { "名称 Name" } th { "位置 In" } th { "类型 Type" } th { "说明 What" } } }
                    tbody { @for parameter in items(it, "parameters").map(|it| resolved(document, it)) {
                        tr {
                            td class="key" { code { (text(parameter, "name")) } @if parameter.get("required") == Some(&Value::Bool(true)) { " *" } }
                            td { (text(parameter, "in")) }
                            td { (kind(parameter.get("schema").unwrap_or(&Value::Null))) }
                            td { (said(words::key(text(parameter, "name")), parameter)) }
                        }
                    } }
                } }
            }
            @for (media_type, content) in it.get("requestBody").into_iter().flat_map(|body| entries(body, "content")) {
                p { "请求体 Body " code { (media_type) } ": " (kind(content.get("schema").unwrap_or(&Value::Null))) }
            }
            (replies(document, it))
        }
    }
}

fn replies(document: &Value, it: &Value) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="表 Table" { table {
            caption { "答复 Replies" }
            thead { tr { th { "状态 Status" } th { "类型 Type" } th { "说明 What" } } }
            tbody { @for (status, reply) in entries(it, "responses") {
                @let reply = resolved(document, reply);
                tr {
                    td class="key" { (status) }
                    td { @for (media_type, content) in entries(reply, "content") {
                        div { code { (media_type) } " " (kind(content.get("schema").unwrap_or(&Value::Null))) }
                    } }
                    td { (text(reply, "description")) }
                }
            } }
        } }
    }
}

fn schema_block(name: &str, schema: &Value) -> Markup {
    let parts: Vec<&Value> = match schema.get("allOf") {
        Some(_) => items(schema, "allOf").collect(),
        None => vec![schema],
    };
    let is_needed = |part: &Value, name: &str| items(part, "required").any(|needed| needed == name);
    html! {
        details id={"schema-" (name)} {
            summary { (words::structure(name)) " " code { (name) } " " span class="en" lang="en" { (text(schema, "description")) } }
            div class="scroll" role="region" tabindex="0" aria-label="表 Table" { table { tbody {
                @for part in parts {
                    @if part.get("properties").is_none() { tr { td colspan="3" { (kind(part)) } } }
                    @for (field, it) in entries(part, "properties") {
                        tr {
                            td class="key" { code { (field) } @if is_needed(part, field) { " *" } }
                            td { (kind(it)) }
                            td { (said(words::key(field), it)) }
                        }
                    }
                }
            } } }
        }
    }
}

/// A schema in few words, with a link where it has a name.
fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
        return html! { a href={"#schema-" (name)} { (name) } };
    }
    if let Some(parts) = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema.get(*key)?.as_array()) {
        return html! { @for (at, part) in parts.iter().enumerate() { @if at > 0 { " | " } (kind(part)) } };
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    html! {
        @if types.contains(&"array") {
            "[" (kind(schema.get("items").unwrap_or(&Value::Null))) "]"
            @if types.contains(&"null") { " | null" }
        } @else { (types.join(" | ")) }
        @if let Some(format) = schema.get("format").and_then(Value::as_str) { " (" (format) ")" }
        @if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            " " @for value in values { code { (value.as_str().unwrap_or_default()) } " " }
        }
        @for (key, sign) in [("minimum", "≥ "), ("maximum", "≤ "), ("minLength", "长 ≥ "), ("maxLength", "长 ≤ "), ("maxItems", "项 ≤ ")] {
            @if let Some(bound) = schema.get(key) { " " (sign) (bound) }
        }
    }
}

/// The catalogue of codes that a request may be answered with; `status` gives the HTTP status of one.
pub fn errors(status: impl Fn(Code) -> u16, viewer: &Viewer) -> String {
    let body = html! {
        h1 { "错误代码" small { "Codes of errors" } }
        section { div class="scroll" role="region" tabindex="0" aria-label="表 Table" { table {
            thead { tr { th { "代码 Code" } th { "状态 Status" } th { "说明" } th { "In English" } } }
            tbody { @for code in Code::ALL.iter().filter(|code| code.scope() == Scope::Request) {
                tr id=(code.as_str()) {
                    td class="key" { code { (code.as_str()) } }
                    td { (status(*code)) }
                    td { (code.zh()) }
                    td { (code.en()) }
                }
            } }
        } } }
        p class="more" { a href="/docs" { "接口文档 The API" } }
    };
    open_page("错误代码", viewer, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_said_in_few_words() {
        for (schema, expected) in [
            (serde_json::json!({"type": "integer", "minimum": 1, "maximum": 500}), "integer ≥ 1 ≤ 500"),
            (serde_json::json!({"type": ["array", "null"], "items": {"type": "string"}}), "[string] | null"),
            (
                serde_json::json!({"$ref": "#/components/schemas/Hazard"}),
                "<a href=\"#schema-Hazard\">Hazard</a>",
            ),
            (
                serde_json::json!({"oneOf": [{"type": "null"}, {"type": "string", "format": "date"}]}),
                "null | string (date)",
            ),
        ] {
            assert_eq!(kind(&schema).into_string(), expected);
        }
    }

    #[test]
    fn what_a_document_says_is_escaped() {
        let document = serde_json::json!({"info": {"title": "<script>", "version": "1", "description": "&"}});
        let page = api(&document, &Viewer::default());
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
    }

    #[test]
    fn chinese_comes_first_in_what_an_operation_does() {
        let summary = "整改通知书列表 Orders, the newest first.";
        let told = both(summary).into_string();
        assert!(told.starts_with("<b>整改通知书列表</b><span class=\"en\""), "{told}");
        assert_eq!(both("巡线").into_string(), "<b>巡线</b>");
    }

    #[test]
    fn every_operation_of_the_document_is_on_the_page() {
        let document: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
        let page = api(&document, &Viewer::default());
        for (path, item) in entries(&document, "paths") {
            for (_, operation) in item.as_object().into_iter().flatten() {
                let id = text(operation, "operationId");
                assert!(page.contains(&format!("<details id=\"{id}\"")), "{path}: {id}");
            }
        }
    }
}
