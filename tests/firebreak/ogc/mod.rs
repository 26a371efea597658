//! OGC API – Features over HTTP, as programs that show maps ask it. Here is the district that the tests share.
//!
//! What the standards require is listed in `docs/conformance.md`, each with the test that shows it.

mod address;
mod clients;
mod cql;
mod crs;
mod features;
mod listed;

use anyhow::{Context as _, Result};
use firebreak_tests::http::{Client, Reply};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use serde_json::Value;
use sync_protocol::ids::{OperationId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Position};

use crate::derived;

/// The hazards of the district that have a place.
pub(super) const PLACED: usize = 30;
/// All of them.
pub(super) const HAZARDS: usize = PLACED + 1;
/// A description that a wrong escape would spoil.
pub(super) const HARD: &str = "树高约 10% 超限_\"青杠\" \\ 'L''Y'";

/// A running server with two lines, a county and hazards beside the lines.
pub(super) struct World {
    pub(super) server: Server,
    pub(super) office: Client,
    pub(super) phone: Phone,
}

/// The place of a hazard, degrees × 1e7: latitude, longitude.
pub(super) fn place(nth: usize) -> (i64, i64) {
    let nth = i64::try_from(nth).unwrap_or_default();
    (299_800_000 + nth * 1_000, 1_030_000_000 + nth * 3_337)
}

/// When a hazard was found, milliseconds since 1970: an hour after the one before, from 2025-11-01T00:00:00Z on.
pub(super) fn found_ms(nth: usize) -> i64 {
    1_761_955_200_000 + i64::try_from(nth).unwrap_or_default() * 3_600_000
}

impl World {
    pub(super) async fn new(backend: Backend) -> Result<Self> {
        let server = Server::start_at_noon(backend).await?;
        let office = server.client()?;
        let mut lines = derived::line(1, "青杠一线", "110000", 29.98, 60);
        lines.extend(derived::line(2, "白果二线", "35000", 29.99, 10));
        derived::import(&server, &lines).await?;
        derived::import_county(&server).await?;
        let mut phone = Phone::enrol(&server).await?;
        let reports = reports(&mut phone);
        derived::send(&mut phone, &reports).await?;
        Ok(Self { server, office, phone })
    }

    /// A document that must be there.
    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        self.office.get(path).await?.json(path)
    }

    /// A reply with its headers.
    pub(super) async fn reply(
        &self,
        path: &str,
        headers: &[(&str, String)],
    ) -> Result<(Reply, std::collections::BTreeMap<String, String>)> {
        self.office.send("GET", path, headers, Vec::new()).await
    }

    /// The ids of the features of a request, of every page of it.
    pub(super) async fn ids(&self, path: &str) -> Result<Vec<i64>> {
        let mut ids = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.get(&path).await?;
            ids.extend(features(&page)?.iter().filter_map(|feature| feature["id"].as_i64()));
            next = linked(&page, "next").map(|address| self.path_of(&address)).transpose()?;
        }
        Ok(ids)
    }

    /// What of an address of this server stands behind its host.
    pub(super) fn path_of(&self, address: &str) -> Result<String> {
        let rest = address.strip_prefix(self.server.url.trim_end_matches('/'));
        rest.map(str::to_owned).with_context(|| format!("{address} leads elsewhere"))
    }
}

/// The hazards: of three severities in turn, every fifth with a township, one hard to write, one nowhere, which counts as
/// found when it came.
fn reports(phone: &mut Phone) -> Vec<Operation> {
    let mut reports: Vec<Operation> = (0..PLACED)
        .map(|nth| {
            let (lat_e7, lon_e7) = place(nth);
            let position = Position { lat_e7, lon_e7, accuracy_dm: Some(80), ..Position::default() };
            let severity = ["general", "serious", "critical"].get(nth % 3).copied().unwrap_or("general");
            let description = if nth == 7 { HARD.to_owned() } else { format!("线下树木 No{nth}") };
            let report = phone
                .report(severity)
                .with("position", &position)
                .with("description", &description)
                .with("found_at_ms", &found_ms(nth));
            if nth % 5 == 0 { report.with("township", &"青杠镇") } else { report }
        })
        .collect();
    let id = phone.id();
    let nowhere = Operation::new(OperationId(id), RecordId(id), Kind::Reported, phone.person, phone.stamp());
    reports.push(nowhere.with("category", &"corridor").with("type", &"tree"));
    reports
}

/// The features of a page.
pub(super) fn features(page: &Value) -> Result<&Vec<Value>> {
    page["features"].as_array().with_context(|| format!("no features in {page}"))
}

/// Where a document's link of a relation leads.
pub(super) fn linked(document: &Value, rel: &str) -> Option<String> {
    let links = document["links"].as_array()?;
    let link = links.iter().find(|link| link["rel"] == rel)?;
    Some(link["href"].as_str()?.to_owned())
}

/// A text as it stands in a query.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The items of hazards that a filter names.
pub(super) fn filtered(filter: &str) -> String {
    format!("/ogc/collections/hazards/items?limit=1000&filter={}", encoded(filter))
}
