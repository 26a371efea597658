//! `firebreak` commands on the data of a server, which may run beside them.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::{CLOCK_AHEAD, DISTRICT, Server, program};

impl Server {
    /// A `firebreak` command on this server's data, with its clock.
    fn beside_it(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(program("firebreak")?);
        command.args(arguments).args(self.where_data_is()?).stdin(Stdio::null());
        let ahead = self.settings.iter().filter(|(name, _)| name == CLOCK_AHEAD);
        command.envs(ahead.map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Runs a `firebreak` command on this server's data; gives its exit status and the JSON it printed.
    pub async fn command(&self, arguments: &[&str]) -> Result<(bool, Value)> {
        let output = self.beside_it(arguments)?.output().await?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let json = printed.lines().find_map(|line| serde_json::from_str(line).ok()).with_context(|| {
            format!("firebreak {arguments:?}: {printed}{}", String::from_utf8_lossy(&output.stderr))
        })?;
        Ok((output.status.success(), json))
    }

    /// Runs a `firebreak` command that must succeed; gives every line of JSON it printed.
    pub async fn command_lines(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let output = self.beside_it(arguments)?.output().await?;
        let printed = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        printed.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// One text of the JSON that a command prints; the command must succeed.
    pub async fn command_text(&self, arguments: &[&str], key: &str) -> Result<String> {
        let (succeeded, json) = self.command(arguments).await?;
        let text = json.get(key).and_then(Value::as_str).filter(|_| succeeded);
        text.map(str::to_owned).with_context(|| format!("firebreak {arguments:?}: {json}"))
    }

    /// Adds a district and gives its id.
    pub async fn add_district(&self, code: &str) -> Result<String> {
        self.command_text(&["district", "add", "--code", code, "--name", "测试林区"], "district").await
    }

    /// Adds a person of a role to [`DISTRICT`] and gives the id; one of role `unit` alone is of a new unit.
    pub async fn add_person(&self, role: &str) -> Result<String> {
        let mut arguments = vec!["person", "add", "--district", DISTRICT, "--name", "测试员", "--role", role];
        // People of a unit are of one: of a new one that answers for nothing yet.
        let unit = match role {
            "unit" => Some(
                self.command_text(&["unit", "set", "--district", DISTRICT, "--name", "某单位"], "unit")
                    .await?,
            ),
            _ => None,
        };
        arguments.extend(unit.iter().flat_map(|unit| ["--unit", unit.as_str()]));
        self.command_text(&arguments, "person").await
    }

    /// Creates a token for a person in [`DISTRICT`].
    pub async fn create_token(&self, person: &str) -> Result<String> {
        self.command_text(&["token", "create", "--district", DISTRICT, "--person", person], "token").await
    }

    /// Creates an enrolment code for a person in [`DISTRICT`].
    pub async fn enrol_code(&self, person: &str) -> Result<String> {
        self.command_text(&["enrol-code", "--district", DISTRICT, "--person", person], "code").await
    }

    /// `firebreak check`: recomputes the ledger. The line it prints; an error where it is not `ok`.
    pub async fn check(&self) -> Result<Value> {
        let (succeeded, json) = self.command(&["check"]).await?;
        ensure!(succeeded && json.get("ok") == Some(&Value::Bool(true)), "check: {json}");
        Ok(json)
    }
}
