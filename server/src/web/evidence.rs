//! What a command's form asks for beside its fields: photos that it rests on, chosen from those of the hazard or brought
//! with the form; the photo or the text that a command is about.
//!
//! Pure. Which roles a command's photos have is [`roles`]; how a form's files are taken is in `http::pages::sent`.

use maud::{Markup, html};
use sync_protocol::{fold, limits};

use super::commands::CommandShown;
use super::detail::naming;
use super::forms::{Field, choice};
use super::layout::Viewer;
use super::words::term;
use crate::lifecycle::Command;
use crate::sync::listing::record::{Photo, Record};

/// Photos of one form, at most.
pub const PHOTOS: usize = 8;
/// The field that holds files.
pub const FILE: &str = "file";
/// Before the hash of a photo that was chosen or brought; its value is the photo's length in bytes.
pub const CHOSEN: &str = "photo.";
/// The field that says what the photos show.
pub const ROLE: &str = "photo_role";
/// Characters of a text that a redaction may name.
const TEXT_SHOWN: usize = 24;

/// What photos of a command may show, the usual first; none where a command's form takes no photos.
pub const fn roles(command: Command) -> &'static [&'static str] {
    match command {
        Command::Resubmit => &["site", "before"],
        Command::MakeSafe | Command::NotFound | Command::Verify | Command::FailVerification => &["site"],
        Command::Rectify => &["after"],
        Command::Grade
        | Command::Return
        | Command::Void
        | Command::Duplicate
        | Command::NotOurs
        | Command::ConfirmMajor
        | Command::PlanMajor
        | Command::Order
        | Command::Reorder
        | Command::Receipt
        | Command::Dispute
        | Command::AskExtension
        | Command::GrantExtension
        | Command::RefuseExtension
        | Command::Carry
        | Command::ReviewCarried
        | Command::Uphold
        | Command::Close
        | Command::Reopen
        | Command::WriteOff
        | Command::Redact => &[],
    }
}

/// Photos of a form: those of the hazard that show the same, those that came with the form before, and files.
pub(super) fn section(shown: &CommandShown<'_>, viewer: &Viewer) -> Markup {
    let roles = roles(shown.command);
    let is_needed = shown.offered.needs.iter().any(|need| need.photo.is_some());
    let of_role = |photo: &&Photo| {
        let is_there = matches!(photo.state, "named" | "verified");
        is_there && photo.role.as_deref().is_some_and(|role| roles.contains(&role))
    };
    let held: Vec<&Photo> = shown.hazard.photos.iter().filter(of_role).collect();
    let is_held = |hash: &str| held.iter().any(|photo| photo.sha256 == hash);
    let chosen = |hash: &str| shown.filled.contains_key(&format!("{CHOSEN}{hash}"));
    let brought = shown.filled.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(CHOSEN)?, bytes)));
    let brought: Vec<(&str, &String)> = brought.filter(|(hash, _)| !is_held(hash)).collect();
    html! {
        fieldset {
            legend {
                "照片" @if is_needed { span class="must" title="必填 needed" { "＊" } }
                span class="en" { "photos" }
            }
            @if roles.len() > 1 {
                @let value = shown.filled.get(ROLE).map_or("", String::as_str);
                (choice(Field::new(ROLE, "照片内容", "what they show"), value, roles.iter().map(|role| (*role, term(role).to_owned()))))
            } @else { p class="quiet" { (roles.first().map_or("", |role| term(role))) "照片" } }
            @for photo in &held {
                @if let Some(bytes) = photo.bytes {
                    (tick(&photo.sha256, &bytes.to_string(), chosen(&photo.sha256), &html! {
                        (photo.role.as_deref().map_or("", term)) " · " (photo.state_zh)
                        @if photo.state == "verified" && viewer.may("GET", "/v1/photos/{sha256}") {
                            " " img src=(format!("/v1/photos/{}?thumbnail=160", photo.sha256)) loading="lazy" alt="";
                        }
                    }))
                }
            }
            @for (hash, bytes) in &brought {
                (tick(hash, bytes, true, &html! { "刚上传，" (bytes) " 字节" span class="en" { "just uploaded" } }))
            }
            label for=(FILE) { "上传照片（可多选）" span class="en" { "bring photos" } }
            input id=(FILE) name=(FILE) type="file" multiple accept="image/jpeg,image/png,image/webp,image/heif,image/heic"
                aria-describedby="file-limits" required[is_needed && held.is_empty() && brought.is_empty()];
            p id="file-limits" class="quiet" {
                "JPEG、PNG、WebP 或 HEIF，至多 " (PHOTOS) " 张，每张至多 " (limits::PHOTO_BYTES >> 20) " MiB"
            }
        }
    }
}

/// A photo that may be chosen.
fn tick(hash: &str, bytes: &str, is_on: bool, told: &Markup) -> Markup {
    let name = format!("{CHOSEN}{hash}");
    html! {
        label class="tick" for=(name) {
            input id=(name) name=(name) type="checkbox" value=(bytes) checked[is_on];
            (told) " " code { (start(hash, 8)) }
        }
    }
}

/// The photo that a command is about: one that has not come, to be written off; one that shows, to be redacted.
pub(super) fn photo(shown: &CommandShown<'_>, field: Field<'_>, value: &str) -> Markup {
    let is_write_off = shown.command == Command::WriteOff;
    let states: &[&str] = if is_write_off { &["named"] } else { &["named", "verified", "written_off"] };
    let photos = shown.hazard.photos.iter().filter(|photo| states.contains(&photo.state));
    let called = |photo: &Photo| {
        let role = photo.role.as_deref().map_or("", term);
        format!("{role} · {} · {}", photo.state_zh, start(&photo.sha256, 8))
    };
    html! { (choice(field, value, photos.map(|photo| (photo.sha256.as_str(), called(photo))))) }
}

/// The operation that a write-off says will not come, of those that others name.
pub(super) fn missing(hazard: &Record, field: Field<'_>, value: &str) -> Markup {
    let called = |head: &String| format!("{} · 提到它的：{}", start(head, 8), naming(hazard, head));
    let field =
        Field { zh: "前序操作（与照片二选一）", en: "an operation, or else a photo", ..field };
    html! { (choice(field, value, hazard.missing_heads.iter().map(|head| (head.as_str(), called(head))))) }
}

/// The text that a redaction is about, of those that were ever said.
pub(super) fn said(hazard: &Record, field: Field<'_>, value: &str) -> Markup {
    let texts = hazard.operations.iter().flat_map(|told| {
        let texts = told.fields.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        let texts = texts.filter(|(name, text)| fold::is_redactable(name) && *text != fold::BLANK);
        texts.map(move |(name, text)| {
            let label = sync_protocol::field::find(name).map_or(name.as_str(), |known| known.zh);
            let who = told.author_name.as_deref().unwrap_or(&told.author);
            let called = format!("{} · {who} · {label}：{}", told.kind_zh, start(text, TEXT_SHOWN));
            (format!("{}.{name}", told.identity), called)
        })
    });
    let texts: Vec<(String, String)> = texts.collect();
    let field = Field { zh: "文字（与照片二选一）", en: "a text, or else a photo", ..field };
    html! { (choice(field, value, texts.iter().map(|(key, called)| (key.as_str(), called.clone())))) }
}

fn start(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
