//! What a rectification order (整改通知书) says on paper: the same sheet as a page to print and as a document. Pure.
//!
//! Two parts to cut apart: the order, and the receipt slip (送达回执) that the unit signs and gives back. The code in its
//! corner leads to the case. What it shows was kept when it was issued ([`Shown`]); where it stands now is derived
//! ([`Standing`]). Start at [`Sheet`]; numbers are given and rows are kept elsewhere.

mod code;
mod docx;
mod html;
mod shown;
mod standing;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use html::CONTENT_SECURITY_POLICY;
pub use shown::Shown;
pub use standing::Standing;

/// Why an order could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// The address is too long for a code.
    #[error("the address makes no code: {0}")]
    Code(#[from] qrcode::types::QrError),
    /// The picture of the code could not be written.
    #[error("the code makes no picture: {0}")]
    Picture(#[from] image::ImageError),
    /// The document could not be packed.
    #[error("the document could not be packed: {0}")]
    Docx(String),
}

/// An order as it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Its number as people read it.
    pub number: String,
    /// The bureau.
    pub bureau: String,
    /// The responsible unit.
    pub unit: String,
    /// The hazard: label and value, in order.
    pub hazard: Vec<(&'static str, String)>,
    /// What is to be done.
    pub measures: String,
    /// Until when, as people read it.
    pub deadline: String,
    /// The day on which it was issued.
    pub issued: String,
    /// Who issued it.
    pub issued_by: String,
    /// Where the case is.
    pub address: String,
    /// The day on which it was entered, where it had been issued on paper before.
    pub entered: Option<String>,
    /// The number of the order whose place it takes, and why.
    pub replaces: Option<(String, String)>,
    /// It holds no more, and why: printed over it.
    pub void: Option<String>,
}

impl Sheet {
    /// The sentence of the order.
    fn demand(&self) -> String {
        format!(
            "经查，你单位负责的下列部位存在安全隐患。请按要求采取整改措施，并于 {} 前整改完毕，整改情况及时报我单位复查。",
            self.deadline
        )
    }

    /// The sentence about the order before it.
    fn instead(&self) -> Option<String> {
        let (number, reason) = self.replaces.as_ref()?;
        let why = if reason.is_empty() { String::new() } else { format!("，原因：{reason}") };
        Some(format!("本通知书替代《整改通知书》（{number}），原通知书作废{why}。"))
    }

    /// When it was issued, in one line.
    fn dated(&self) -> String {
        match &self.entered {
            Some(entered) => format!("{}（{entered}补录）", self.issued),
            None => self.issued.clone(),
        }
    }

    /// The sentence of the slip.
    fn received(&self) -> String {
        format!("今收到{}《整改通知书》（{}）一份，整改期限 {}。", self.bureau, self.number, self.deadline)
    }

    /// As one page to print: A4, nothing fetched, no script.
    ///
    /// # Errors
    /// [`PrintError::Code`].
    pub fn html(&self) -> Result<String, PrintError> {
        html::html(self)
    }

    /// As an Office Open XML document.
    ///
    /// # Errors
    /// Where it cannot be packed.
    pub fn docx(&self) -> Result<Vec<u8>, PrintError> {
        docx::docx(self)
    }
}

/// The square code of a text as SVG, as orders carry it: for other sheets that are printed.
///
/// # Errors
/// [`PrintError::Code`] of a text that is too long for one.
pub fn code_svg(text: &str) -> Result<String, PrintError> {
    code::svg(text)
}

/// A deadline in words: the end of a day is its 24:00.
pub fn deadline_words(at_ms: i64, zone: &TimeZone) -> String {
    let local =
        |at_ms: i64| Timestamp::from_millisecond(at_ms).ok().map(|at| at.to_zoned_datetime(zone.clone()));
    let (Some(at), Some(before)) = (local(at_ms), local(at_ms.saturating_sub(1))) else {
        return "—".to_owned();
    };
    if at.time() == jiff::civil::Time::midnight() {
        before.strftime("%Y年%-m月%-d日 24:00").to_string()
    } else {
        at.strftime("%Y年%-m月%-d日 %H:%M").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        Sheet {
            number: "SC01整改〔2026〕17号".to_owned(),
            bureau: "云顶县".to_owned(),
            unit: "云顶供电所 <分所>".to_owned(),
            hazard: vec![
                ("隐患编号", "SC01-2026-000010".to_owned()),
                ("描述", "杉木距导线约两米".to_owned()),
            ],
            measures: "伐除超高树木".to_owned(),
            deadline: "2026年12月26日 24:00".to_owned(),
            issued: "2026年11月26日".to_owned(),
            issued_by: "办事员甲".to_owned(),
            address: "https://localhost/hazards/01a205c1-dafd-73ff-92d0-580ee805956c".to_owned(),
            entered: None,
            replaces: None,
            void: None,
        }
    }

    #[test]
    fn a_page_says_what_it_replaces_and_one_that_holds_no_more_says_so_over_everything() {
        let page = sheet().html().unwrap();
        assert!(!page.contains("作废") && !page.contains("补录"));
        let replaced = Sheet {
            entered: Some("2026年11月27日".to_owned()),
            replaces: Some(("SC01整改〔2026〕16号".to_owned(), "责任单位有误".to_owned())),
            void: Some("作废，由 SC01整改〔2026〕18号 替代".to_owned()),
            ..sheet()
        };
        let page = replaced.html().unwrap();
        for words in [
            "2026年11月26日（2026年11月27日补录）",
            "替代《整改通知书》（SC01整改〔2026〕16号），原通知书作废，原因：责任单位有误",
            "<p class=\"void\">作废，由 SC01整改〔2026〕18号 替代</p>",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
        let text = String::from_utf8_lossy(&replaced.docx().unwrap()).into_owned();
        assert!(text.starts_with("PK"));
    }

    #[test]
    fn the_page_has_the_order_and_the_slip_escapes_what_it_is_told_and_fetches_nothing() {
        let page = sheet().html().unwrap();
        for words in [
            "整改通知书",
            "SC01整改〔2026〕17号",
            "云顶供电所 &lt;分所&gt;",
            "伐除超高树木",
            "送达回执",
            "<svg",
        ] {
            assert!(page.contains(words), "{words}");
        }
        assert!(!page.contains("<script") && !page.contains("src=") && page.contains("@page"));
    }

    #[test]
    fn the_document_is_a_package_with_the_words_and_a_picture() {
        let bytes = sheet().docx().unwrap();
        assert!(bytes.starts_with(b"PK"), "a package");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains("word/document.xml") && text.contains("word/media/"));
    }

    #[test]
    fn the_end_of_a_day_is_its_midnight_and_hours_are_exact() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(deadline_words(1_798_300_800_000, &zone), "2026年12月26日 24:00");
        assert_eq!(deadline_words(1_798_300_800_000 - 3_600_000, &zone), "2026年12月26日 23:00");
    }
}
