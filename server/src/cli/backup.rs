//! `firebreak backup …`: copies of the ledger, and whether they are whole.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;

use super::print_json;
use crate::app;
use crate::config::Settings;
use crate::store::{Database, StoreError};
use crate::sync::Engine;
use crate::sync::backups::{self, Photos};

/// The ledger in a folder, whether it is served from there or kept.
const LEDGER: &str = "firebreak.sqlite";
/// A copy that was not read yet.
const UNREAD: &str = "firebreak.sqlite.unread";

#[derive(Debug, Subcommand)]
pub(super) enum BackupCommand {
    /// Copy a SQLite ledger and its photos into a folder, beside the running server, and read the copy. What was there of
    /// an earlier copy is replaced once this one is whole; photos that are there are not copied again.
    Make {
        /// The folder: on another disk.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Read a copy that was made by other means, and note what it holds. Exit status 1 where it is not whole.
    Verify {
        /// The folder of a copy: `firebreak.sqlite` and `photos`, or `photos` alone beside `--restored`.
        #[arg(long, value_name = "FOLDER")]
        of: PathBuf,
        /// The address of a PostgreSQL database into which the copy was restored.
        #[arg(long, value_name = "URL")]
        restored: Option<String>,
    },
}

pub(super) async fn run(
    engine: &Arc<Engine>,
    settings: &Settings,
    command: BackupCommand,
) -> anyhow::Result<ExitCode> {
    match command {
        BackupCommand::Make { to } => {
            std::fs::create_dir_all(&to)
                .with_context(|| format!("the folder {} cannot be made", to.display()))?;
            let unread = to.join(UNREAD);
            remove(&unread)?;
            engine.store.copy_to(&unread).await.map_err(in_words)?;
            let database = Database::Sqlite { path: unread.clone(), max_bytes: None };
            let is_whole = read(engine, settings, (&database, &to), Photos::Filled).await?;
            if is_whole {
                std::fs::rename(&unread, to.join(LEDGER))?;
                std::fs::File::open(&to)?.sync_all()?;
            }
            Ok(status(is_whole))
        }
        BackupCommand::Verify { of, restored } => {
            let database = match restored {
                Some(address) => Database::Postgres(address),
                None => Database::Sqlite { path: of.join(LEDGER), max_bytes: None },
            };
            if let Database::Sqlite { path, .. } = &database
                && !path.exists()
            {
                anyhow::bail!("there is no copy at {}", path.display());
            }
            if database == settings.database() {
                anyhow::bail!("that is the ledger itself: a copy of it is to be read");
            }
            Ok(status(read(engine, settings, (&database, &of), Photos::AsTheyAre).await?))
        }
    }
}

/// Reads a copy and prints what it was found to be, a line a district. True where all of it is whole.
async fn read(
    engine: &Arc<Engine>,
    settings: &Settings,
    (database, folder): (&Database, &Path),
    photos: Photos,
) -> anyhow::Result<bool> {
    let copy = app::open_copy(settings, database, &folder.join("photos")).await?;
    let verdicts = backups::verify(engine, &copy, photos).await;
    copy.store.close().await;
    let verdicts = verdicts?;
    for verdict in &verdicts {
        print_json(&serde_json::to_value(verdict)?)?;
    }
    Ok(verdicts.iter().all(|verdict| verdict.ok))
}

const fn status(is_whole: bool) -> ExitCode {
    if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Removes what an interrupted copy left.
fn remove(unread: &Path) -> anyhow::Result<()> {
    for end in ["", "-wal", "-shm", "-journal"] {
        let path = PathBuf::from(format!("{}{end}", unread.display()));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{} cannot be removed", path.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn in_words(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Unfit(why) => {
            anyhow::anyhow!(
                "{why}: copy it by them, restore the copy, then firebreak backup verify --of FOLDER --restored URL"
            )
        }
        error => error.into(),
    }
}
