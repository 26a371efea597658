//! The layers of the map as pages: what OGC API – Features gives to a browser.
//!
//! Pure. Start at [`items`].

use maud::{Markup, html};

use super::layout::{Tab, Viewer, page};
use super::lists::{heading, none};
use crate::layers::crs::Crs;
use crate::layers::{ColumnKind, Feature, Layer, Value, geojson};
use crate::sync::listing::Calendar;

/// Where the collections are.
const COLLECTIONS: &str = "/ogc/collections";

fn titled(zh: &str, en: &str, viewer: &Viewer, body: &Markup) -> String {
    page(zh, viewer, Tab::Map, &html! { h1 { (zh) small { (en) } } (body) })
}

/// The landing page.
pub fn landing(viewer: &Viewer) -> String {
    let body = html! {
        section {
            p { "在 QGIS、ArcGIS 等软件中添加 OGC API – Features 连接，地址为本页；用户名任意，密码填写令牌。 " }
            p class="quiet" { "Add a connection to OGC API – Features with the address of this page; any user, the token as password." }
            ul {
                li { a href=(COLLECTIONS) { "图层 Collections" } }
                li { a href="/ogc/conformance" { "符合的标准 Conformance" } }
                li { a href="/docs#map" { "接口文档 Documentation" } }
            }
        }
        (json("/ogc?f=json"))
    };
    titled("地图服务", "OGC API – Features", viewer, &body)
}

/// The classes of requirements that are met.
pub fn conformance(classes: &[&str], viewer: &Viewer) -> String {
    let body = html! {
        section { ul { @for class in classes { li { code { (class) } } } } }
        (json("/ogc/conformance?f=json"))
    };
    titled("符合的标准", "Conformance", viewer, &body)
}

/// The layers.
pub fn collections(layers: &[Layer], viewer: &Viewer) -> String {
    let body = html! {
        section { ul { @for layer in layers {
            li { a href=(format!("{COLLECTIONS}/{}", layer.name())) { (layer.title().zh) } " " small { (layer.title().en) } }
        } } }
        (json("/ogc/collections?f=json"))
    };
    titled("图层", "Collections", viewer, &body)
}

/// One layer.
pub fn collection(layer: Layer, viewer: &Viewer) -> String {
    let address = format!("{COLLECTIONS}/{}", layer.name());
    let body = html! {
        section {
            ul {
                li { a href=(format!("{address}/items")) { "要素 Features" } }
                li { a href=(format!("{address}/queryables")) { "可查询属性 Queryables" } }
            }
            details {
                summary { "坐标系 Coordinate reference systems" }
                ul { @for name in Crs::names() { li { code { (name) } } } }
            }
        }
        (json(&format!("{address}?f=json")))
    };
    titled(layer.title().zh, layer.title().en, viewer, &body)
}

/// What the features of a layer are asked by.
pub fn queryables(layer: Layer, viewer: &Viewer) -> String {
    let body = html! {
        section { div class="scroll" tabindex="0" { table {
            thead { tr { (heading("属性", "Property")) (heading("含义", "Meaning")) (heading("类型", "Type")) } }
            tbody { @for column in layer.columns() {
                tr { td { code { (column.name) } } td { (column.zh) " " small { (column.en) } } td { (kind(column.kind)) } }
            } }
        } } }
        (json(&format!("{COLLECTIONS}/{}/queryables?f=json", layer.name())))
    };
    titled("可查询属性", "Queryables", viewer, &body)
}

/// A page of features: how many there are of all, where that is known, and the query of the next page.
pub fn items(
    layer: Layer,
    features: &[Feature],
    (matched, next): (Option<u64>, Option<&str>),
    viewer: &Viewer,
    calendar: &Calendar,
) -> String {
    let address = format!("{COLLECTIONS}/{}/items", layer.name());
    let body = html! {
        @if let Some(matched) = matched { p class="quiet" { "共 " (matched) " 个 features in all" } }
        section { div class="scroll" tabindex="0" { table {
            thead { tr {
                (heading("序号", "Number"))
                @for column in layer.columns() { (heading(column.zh, column.en)) }
            } }
            tbody {
                @for feature in features { tr {
                    td { a href=(format!("{address}/{}", feature.id)) { (feature.id) } }
                    @for value in &feature.values { td { (shown(value, calendar)) } }
                } }
                @if features.is_empty() { (none(layer.columns().len() + 1)) }
            }
        } } }
        @if let Some(next) = next { p class="more" { a rel="next" href=(format!("{address}?{next}&f=html")) { "下一页 Next →" } } }
        (json(&format!("{address}?f=json")))
    };
    titled(layer.title().zh, layer.title().en, viewer, &body)
}

/// One feature.
pub fn item(layer: Layer, feature: &Feature, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        section { div class="scroll" tabindex="0" { table { tbody {
            @for (column, value) in layer.columns().iter().zip(&feature.values) {
                tr { th scope="row" { (column.zh) small { (column.en) } } td { (shown(value, calendar)) } }
            }
        } } } }
        (json(&format!("{COLLECTIONS}/{}/items/{}?f=json", layer.name(), feature.id)))
    };
    titled(layer.title().zh, layer.title().en, viewer, &body)
}

fn json(path: &str) -> Markup {
    super::layout::as_json(path)
}

fn shown(value: &Value, calendar: &Calendar) -> Markup {
    html! {
        @match value {
            Value::Null => {}
            Value::Text(text) => (text),
            Value::Integer(number) => (number),
            Value::Real(number) => (number),
            Value::Boolean(true) => "是",
            Value::Boolean(false) => "否",
            Value::Time(at_ms) => (calendar.minute(*at_ms)),
            Value::Day(day) => @if let Some(day) = geojson::date(*day) { (day) },
        }
    }
}

const fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "文本 text",
        ColumnKind::Integer => "整数 whole number",
        ColumnKind::Real => "数值 number",
        ColumnKind::Boolean => "是否 yes or no",
        ColumnKind::Time => "时间 time",
        ColumnKind::Day => "日期 day",
    }
}
