//! Hazards from report to closure through the office's commands, against the real server on both databases. Here is what
//! the tests share: an office of several people, and a hazard on its way.

mod around;
mod deadlines;
mod documents;
mod histories;
mod model;
mod orders;
mod proof;
mod season;
mod whole;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::{Client, Reply};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::Server;
use serde_json::{Value, json};
use sync_protocol::ids::RecordId;

const ROLES: [&str; 6] = ["reviewer", "clerk", "leader", "unit", "reinspector", "admin"];

/// An account of each role.
struct Desk {
    accounts: BTreeMap<&'static str, Client>,
}

impl Desk {
    async fn new(server: &Server) -> Result<Self> {
        let mut accounts = BTreeMap::new();
        for role in ROLES {
            let person = server.add_person(role).await?;
            accounts.insert(role, server.client_of(&server.create_token(&person).await?)?);
        }
        Ok(Self { accounts })
    }

    /// The same people at a server that was started again.
    fn at(&self, server: &Server) -> Self {
        let accounts = self.accounts.iter().map(|(role, client)| (*role, client.at(&server.url))).collect();
        Self { accounts }
    }

    fn of(&self, role: &str) -> Result<&Client> {
        self.accounts.get(role).with_context(|| format!("no account of {role}"))
    }

    /// Gives a command, whatever comes of it.
    async fn try_it(&self, role: &str, record: RecordId, command: &str, body: &Value) -> Result<Reply> {
        self.of(role)?.post(&format!("/v1/hazards/{record}/commands/{command}"), body).await
    }

    /// Gives a command that must succeed; gives its reply.
    async fn does(&self, role: &str, record: RecordId, command: &str, body: &Value) -> Result<Value> {
        self.try_it(role, record, command, body).await?.json(command)
    }

    /// Gives a command that must be refused for these reasons alone.
    async fn refused(
        &self,
        role: &str,
        record: RecordId,
        command: &str,
        body: &Value,
        reasons: &[&str],
    ) -> Result<Value> {
        let reply = self.try_it(role, record, command, body).await?;
        let error: Value = serde_json::from_slice(&reply.body)?;
        let found: Vec<&str> =
            error["refusals"].as_array().into_iter().flatten().filter_map(|it| it["code"].as_str()).collect();
        ensure!(reply.status == 409 && found == reasons, "{command}: {} {error}", reply.status);
        Ok(error)
    }
}

/// A hazard that a phone reported and handed in: away from forest, where no season tightens its deadline.
async fn reported(phone: &mut Phone, severity: &str) -> Result<RecordId> {
    let report = phone.report(severity).with("forest", &false);
    let bundle = phone.seal(std::slice::from_ref(&report));
    phone.sync(&[bundle]).await?;
    Ok(report.record)
}

fn order() -> Value {
    json!({"fields": {"responsible_unit": "云顶供电所", "measures": "伐除超高树木"}})
}

fn photo(role: &str, digit: &str) -> Value {
    json!({"sha256": digit.repeat(64), "bytes": 1_904_331, "role": role})
}

fn cure() -> Value {
    json!({"fields": {"quantity": 3, "measures": "伐除"}, "photos": [photo("after", "a")]})
}

fn verdict() -> Value {
    json!({"fields": {"verdict": "合格", "measured_dm": 64}})
}
