//! The `firebreak` command. Everything is in the library; see [`firebreak::cli`].

use clap::Parser as _;
use firebreak::cli::Cli;
use tikv_jemallocator::Jemalloc;

/// Of everything in this process, SQLite too; how it is set up is in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> anyhow::Result<std::process::ExitCode> {
    let cli = Cli::parse();
    // What blocks here computes; more threads than cores can use only keep more memory, since each keeps its own.
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // What the database has answered goes on before what has just come.
    runtime.enable_all().max_blocking_threads(threads + 1).global_queue_interval(1);
    runtime.build()?.block_on(cli.run())
}
