//! The `firebreak` command. Everything is in the library; see [`firebreak::cli`].

use clap::Parser as _;
use firebreak::cli::Cli;

fn main() -> anyhow::Result<std::process::ExitCode> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    few_arenas::start_anew();
    let cli = Cli::parse();
    // What blocks here computes; more threads than cores can use only keep more memory, since each keeps its own.
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().max_blocking_threads(threads + 1).build()?.block_on(cli.run())
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod few_arenas {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    /// Read by the C library once, before `main`.
    const SETTING: &str = "MALLOC_ARENA_MAX";
    /// Heaps that all threads share. By default each thread has one of its own, and the memory that one has freed is of
    /// no use to the others: a third of what a server with a million records held.
    const ARENAS: &str = "2";

    /// Puts this same process in its own place, with the setting; where that cannot be, it goes on without.
    pub(super) fn start_anew() {
        if std::env::var_os(SETTING).is_some() {
            return;
        }
        let Ok(program) = std::env::current_exe() else { return };
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| program.clone().into_os_string());
        let _failed = Command::new(program).arg0(name).args(arguments).env(SETTING, ARENAS).exec();
    }
}
