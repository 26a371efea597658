//! An order as one page to print.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, PreEscaped, html};
use sync_protocol::ids::sha256;

use super::{PrintError, Sheet, code};

const STYLE: &str = include_str!("order.css");

/// The policy of the page: nothing but its own style, known by its hash.
pub static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(sha256(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
});

pub(super) fn html(sheet: &Sheet) -> Result<String, PrintError> {
    let picture = code::svg(&sheet.address)?;
    let page = html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(*CONTENT_SECURITY_POLICY);
                title { "整改通知书 " (sheet.number) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                @if let Some(void) = &sheet.void { p class="void" { (void) } }
                main {
                    figure { (PreEscaped(picture)) figcaption { "扫码查看隐患" } }
                    h1 { "整改通知书" }
                    p class="number" { (sheet.number) }
                    p { b { (sheet.unit) } "：" }
                    p class="body" { (sheet.demand()) }
                    @if let Some(instead) = sheet.instead() { p class="body" { (instead) } }
                    table { tbody {
                        @for (label, value) in &sheet.hazard { tr { th scope="row" { (label) } td { (value) } } }
                        tr { th scope="row" { "整改措施" } td { (sheet.measures) } }
                        tr { th scope="row" { "整改期限" } td { b { (sheet.deadline) } } }
                    } }
                    p class="sign" { (sheet.bureau) br; "经办人：" (sheet.issued_by) br; (sheet.dated()) }
                    hr;
                    h2 { "整改通知书送达回执" }
                    p class="body" { (sheet.received()) }
                    table { tbody {
                        tr { th scope="row" { "责任单位" } td { (sheet.unit) } }
                        tr { th scope="row" { "签收人（签字、盖章）" } td {} }
                        tr { th scope="row" { "签收时间" } td { "　　年　　月　　日　　时" } }
                        tr { th scope="row" { "异议（权属等）" } td {} }
                    } }
                }
            }
        }
    };
    Ok(page.into_string())
}
