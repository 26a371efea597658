//! What `docs/protocol.md` says of HTTP, held against the server.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use firebreak::http::status_of;
use sync_protocol::codes::{Code, Scope};

#[test]
fn the_page_gives_each_code_the_status_that_the_server_gives() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let page = std::fs::read_to_string(path)?;
    let (_, section) = page.split_once("### HTTP status").context("no section on HTTP status")?;
    let listed: BTreeMap<&str, u16> = section
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .map_while(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
        .map(|(code, status)| Ok((code, status.parse()?)))
        .collect::<Result<_>>()?;
    for code in Code::ALL.iter().filter(|code| code.scope() == Scope::Request) {
        let said = listed.get(code.as_str());
        ensure!(said == Some(&status_of(*code).as_u16()), "{code}: the page says {said:?}");
    }
    Ok(())
}
