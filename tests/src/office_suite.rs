//! Documents as an office suite reads them, without a screen. Where there is none a test says so and ends.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

/// Whether an office suite is there to open documents.
pub fn is_there() -> bool {
    Command::new("soffice").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A document as plain text, made in `folder` by a profile of its own.
pub fn text_of(document: &Path, folder: &Path) -> Result<String> {
    let profile = format!("-env:UserInstallation=file://{}", folder.join("profile").display());
    let output = Command::new("soffice")
        .args([&profile, "--headless", "--convert-to", "txt:Text (encoded):UTF8", "--outdir"])
        .arg(folder)
        .arg(document)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(document.with_extension("txt"))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
