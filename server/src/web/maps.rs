//! `/maps`: files of the map and of the ledger, and the addresses at which programs read the map as it is.

use maud::{Markup, html};

use super::forms::{Field, choice};
use super::layout::{Tab, Viewer, Wrong, told};
use super::lists::{heading, none, titled};
use crate::exports::{Format, Reference};
use crate::layers::Words;
use crate::sync::exports::{Job, State};
use crate::sync::listing::Calendar;

/// What a file may be of.
#[derive(Clone, Copy, Debug)]
pub struct Offered {
    /// Its name in paths.
    pub name: &'static str,
    /// What it is called.
    pub title: Words,
    /// In which formats.
    pub formats: &'static [Format],
}

/// What was chosen for a file.
#[derive(Clone, Debug, Default)]
pub struct FileChosen {
    /// The name of what it is of.
    pub layer: String,
    /// The name of its format.
    pub format: String,
    /// Its coordinates.
    pub datum: String,
    /// The language of its headings.
    pub headings: String,
    /// The bytes of a shapefile's texts.
    pub encoding: String,
}

/// What the page shows.
#[derive(Debug)]
pub struct Maps<'a> {
    /// What there is.
    pub offered: &'a [Offered],
    /// What was chosen.
    pub chosen: &'a FileChosen,
    /// Why no file came of it.
    pub wrong: Option<&'a Wrong>,
    /// Files that this account may fetch, or that are being made; the newest first.
    pub jobs: &'a [std::sync::Arc<Job>],
    /// The address of the map: `https://host/ogc`.
    pub base: &'a str,
}

/// Zones of 3 degrees without their number before the easting, as drawings of bureaus have them.
const ZONES: std::ops::RangeInclusive<u16> = 4534..=4554;
/// The collection whose tiles the page names.
const TILES: &str = "collections/hazards/tiles/WebMercatorQuad/tilejson.json";

/// The page.
pub fn maps(shown: &Maps<'_>, viewer: &Viewer, calendar: &Calendar) -> String {
    let body = html! {
        p {
            "图层和台账既可下载为文件，也可由 QGIS、ArcGIS 直接连接。"
            span class="en" { "Layers and the ledger: as files, or read by QGIS and ArcGIS as they are." }
        }
        @if viewer.may("GET", "/v1/exports/{export}") { section aria-labelledby="files" {
            h2 id="files" { "直接下载" small { "download" } }
            p class="quiet" {
                "坐标为 WGS-84。文件为当前台账，保留 24 小时。"
                span class="en" { "In WGS-84. A file is the ledger as it is now, kept for 24 hours." }
            }
            (links(shown.offered))
        } }
        @if viewer.may("POST", "/maps") { (form(shown, viewer)) }
        section aria-labelledby="made" {
            h2 id="made" { "生成的文件" small { "files that were asked for" } }
            (jobs(shown.jobs, calendar))
            p class="more" { a href="/maps#made" { "刷新 Refresh" } }
        }
        (connecting(shown.base, viewer))
        p class="more" { a href="/docs/maps" { "图层、字段与格式 Layers, columns, formats" } " · " a href="/docs/guide" { "使用说明 Guide" } }
    };
    titled("地图与导出", "Maps and files", viewer, Tab::Files, &body)
}

fn links(offered: &[Offered]) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table {
            thead { tr { (heading("图层", "layer")) (heading("格式", "formats")) } }
            tbody {
                @for of in offered {
                    tr {
                        th scope="row" { (of.title.zh) small { (of.title.en) } }
                        td {
                            @for (at, format) in of.formats.iter().enumerate() {
                                @if at > 0 { " · " }
                                a href=(format!("/v1/exports/{}.{}", of.name, format.name())) download { (format.name()) }
                            }
                        }
                    }
                }
            }
        } }
    }
}

fn form(shown: &Maps<'_>, viewer: &Viewer) -> Markup {
    let chosen = shown.chosen;
    let layers = shown.offered.iter().map(|of| (of.name, format!("{} {}", of.title.zh, of.title.en)));
    let formats = Format::ALL.iter().map(|format| (format.name(), called(*format).to_owned()));
    let datums: Vec<(String, String)> = datums().collect();
    html! {
        section aria-labelledby="ask" {
            h2 id="ask" { "按坐标系和表头生成" small { "with a datum and headings" } }
            form class="login" method="post" action="/maps" {
                (viewer.seal()) (told(shown.wrong))
                (choice(Field::new("layer", "图层", "layer").needed(), &chosen.layer, layers))
                (choice(Field::new("format", "格式", "format").needed(), &chosen.format, formats))
                (choice(
                    Field::new("datum", "坐标系（空：WGS-84）", "datum; empty: WGS-84"),
                    &chosen.datum,
                    datums.iter().map(|(name, called)| (name.as_str(), called.clone())),
                ))
                (choice(
                    Field::new("headings", "表头（空：按格式）", "headings; empty: as usual for the format"),
                    &chosen.headings,
                    [("zh", "中文 Chinese".to_owned()), ("en", "英文 English".to_owned())],
                ))
                (choice(
                    Field::new("encoding", "shp 文字编码（空：UTF-8）", "texts of a shapefile; empty: UTF-8"),
                    &chosen.encoding,
                    [("gbk", "GBK".to_owned())],
                ))
                button type="submit" { "生成 Make" }
            }
        }
    }
}

/// Coordinates that a file may have besides the usual ones.
fn datums() -> impl Iterator<Item = (String, String)> {
    let named = [Reference::Cgcs2000, Reference::Gcj02, Reference::Bd09, Reference::WebMercator];
    named
        .into_iter()
        .chain(ZONES.map(Reference::Zone))
        .map(|reference| (reference.to_string(), reference.title()))
}

const fn called(format: Format) -> &'static str {
    match format {
        Format::GeoPackage => "GeoPackage（QGIS）",
        Format::GeoJson => "GeoJSON",
        Format::GeoJsonSeq => "GeoJSON 序列 sequence",
        Format::FlatGeobuf => "FlatGeobuf",
        Format::Shapefile => "Shapefile（zip）",
        Format::Kml => "KML（Google Earth）",
        Format::Kmz => "KMZ",
        Format::Csv => "CSV",
        Format::Xlsx => "Excel（xlsx）",
        Format::PmTiles => "PMTiles 矢量瓦片 vector tiles",
    }
}

fn jobs(jobs: &[std::sync::Arc<Job>], calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" tabindex="0" { table class="cards" {
            thead { tr {
                (heading("文件", "file")) (heading("筛选", "filters")) (heading("进度", "progress")) (heading("保留至", "kept until"))
            } }
            tbody {
                @for job in jobs {
                    tr {
                        td data-label="文件" { (job.file_name) }
                        td data-label="筛选" { @if job.audited.filters.is_empty() { "—" } @else { code { (job.audited.filters) } } }
                        td data-label="进度" { span { (progress(job)) } }
                        td data-label="保留至" { (calendar.minute(job.until_ms())) }
                    }
                }
                @if jobs.is_empty() { (none(4)) }
            }
        } }
    }
}

fn progress(job: &Job) -> Markup {
    html! {
        @match job.state() {
            State::Waiting => { "排队中" span class="en" { "waits" } }
            State::Making => {
                "生成中 " (job.written()) @if let Some(total) = job.total() { " / " (total) }
                span class="en" { "is being made" }
            }
            State::Ready(ready) => {
                a href=(format!("/v1/exports/{}/file", job.id)) download { "下载 Download" } " " (size(ready.bytes))
            }
            State::Failed(code, detail) => {
                span class="mark warn" { (code.zh()) } span class="en" { (code.en()) }
                @if let Some(detail) = detail { " " (detail) }
            }
        }
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

fn connecting(base: &str, viewer: &Viewer) -> Markup {
    html! {
        section aria-labelledby="connect" {
            h2 id="connect" { "用 QGIS 连接" small { "in QGIS" } }
            ol {
                li {
                    "在"
                    @if viewer.may("GET", "/account") { a href="/account" { "我的账号" } } @else { "“我的账号”" }
                    "生成一个令牌，范围选“读取”。"
                    span class="en" { "Make a token with the scope read on the page of your account." }
                }
                li {
                    "QGIS：图层 → 添加图层 → 添加 WFS / OGC API – Features 图层 → 新建，地址："
                    span class="en" { "Layer → Add Layer → Add WFS / OGC API – Features Layer → New; the address:" }
                    p { code { (base) } }
                }
                li {
                    "版本选 OGC API – Features；身份验证选“基本”，用户名任意，密码填令牌。"
                    span class="en" { "Version OGC API – Features; authentication Basic: any user, the token as password." }
                }
            }
            p {
                "矢量瓦片（TileJSON）：" span class="en" { "Vector tiles (TileJSON):" }
                br; code { (base) "/" (TILES) }
            }
            @if viewer.may("GET", "/ogc") { p class="more" { a href="/ogc" { "在浏览器中看图层 The layers in a browser" } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_format_and_every_zone_of_three_degrees() {
        let zones: Vec<_> = datums().collect();
        assert_eq!(zones.len(), 4 + 21);
        assert_eq!(zones[0], ("cgcs2000".to_owned(), "China Geodetic Coordinate System 2000".to_owned()));
        assert!(zones.iter().any(|(name, _)| name == "epsg:4543"), "{zones:?}");
        assert!(zones.iter().all(|(name, _)| name.parse::<Reference>().is_ok()));
    }

    #[test]
    fn a_size_is_told_in_the_unit_that_fits() {
        for (bytes, told) in [(0, "0 B"), (1_023, "1023 B"), (1_024, "1 KiB"), (5 << 20, "5 MiB")] {
            assert_eq!(size(bytes), told);
        }
    }
}
