//! What changes something leaves its row in the audit log, in the transaction of what it tells: every route of the policy
//! table and every command of the shell, each with the rows that it leaves. A new one without a line here fails.

mod commands;
mod forms;
mod routes;
mod sign_in;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use firebreak_tests::server::Server;

/// The logs of a server and what was read of them.
struct Watch<'s> {
    server: &'s Server,
    seen: BTreeSet<(i64, i64)>,
    /// What was done.
    done: BTreeSet<String>,
}

impl<'s> Watch<'s> {
    async fn new(server: &'s Server) -> Result<Self> {
        let mut watch = Self { server, seen: BTreeSet::new(), done: BTreeSet::new() };
        watch.new_rows().await?;
        Ok(watch)
    }

    /// Actions of the rows that came since, in any district and of the deployment.
    async fn new_rows(&mut self) -> Result<Vec<String>> {
        let sql = "SELECT district, sequence, action FROM audit ORDER BY district, sequence";
        let rows = self.server.rows::<(i64, i64, String)>(sql).await?;
        let new = rows.into_iter().filter(|(district, sequence, _)| self.seen.insert((*district, *sequence)));
        Ok(new.map(|(.., action)| action).collect())
    }

    /// Something was done: these rows came of it, and no others.
    async fn noted(&mut self, what: &str, expected: &[&str]) -> Result<()> {
        let mut found = self.new_rows().await?;
        let mut expected: Vec<String> = expected.iter().map(|action| (*action).to_owned()).collect();
        found.sort();
        expected.sort();
        ensure!(found == expected, "{what}: {found:?} in place of {expected:?}");
        if !expected.is_empty() {
            self.done.insert(what.to_owned());
        }
        Ok(())
    }
}
