//! The `firebreak` command. Everything is in the library; see [`firebreak::cli`].

use clap::Parser as _;
use firebreak::cli::Cli;

fn main() -> anyhow::Result<std::process::ExitCode> {
    let cli = Cli::parse();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(cli.run())
}
