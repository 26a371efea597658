//! What the kernel counted for the server's process: processor time, bytes written, memory; and its own counters.

use std::time::Duration;

use anyhow::{Context as _, Result};
use firebreak_tests::server::Server;
use rustix::time::{ClockId, clock_gettime};

/// Clock ticks a second of `/proc/PID/stat` on Linux.
const TICKS: f64 = 100.0;

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// Processor seconds, user and system.
    pub(crate) cpu_s: f64,
    /// Those of this process: what the load itself costs.
    pub(crate) own_cpu_s: f64,
    /// Bytes handed to the disk.
    pub(crate) written: f64,
    /// Transactions that wrote bundles.
    pub(crate) groups: f64,
    /// Bundles written.
    pub(crate) bundles: f64,
}

impl Counted {
    /// Reads the counters of a server.
    pub(crate) async fn of(server: &Server) -> Result<Self> {
        let id = server.id().context("the server does not run")?;
        let io = std::fs::read_to_string(format!("/proc/{id}/io")).unwrap_or_default();
        let metrics = server.client()?.get("/metrics").await?.text();
        Ok(Self {
            cpu_s: cpu_s(&id.to_string())?,
            own_cpu_s: own_cpu_s()?,
            written: value_after(&io, "write_bytes: "),
            groups: value_after(&metrics, "firebreak_groups_total "),
            bundles: value_after(&metrics, "firebreak_bundles_total "),
        })
    }

    /// What was counted since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            own_cpu_s: self.own_cpu_s - before.own_cpu_s,
            written: self.written - before.written,
            groups: self.groups - before.groups,
            bundles: self.bundles - before.bundles,
        }
    }
}

/// Processor seconds of a process, user and system, to the hundredth.
fn cpu_s(process: &str) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |at: usize| -> f64 {
        after_name.split(' ').nth(at).and_then(|text| text.parse().ok()).unwrap_or(0.0)
    };
    Ok((ticks(11) + ticks(12)) / TICKS)
}

/// Processor seconds of this process, to the nanosecond.
pub(crate) fn own_cpu_s() -> Result<f64> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?).as_secs_f64())
}

fn value_after(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

/// A line of what the kernel says of a server's memory (`VmHWM:`, the most that was resident; `VmRSS:`, what is), MiB.
pub(crate) fn status_mib(server: &Server, name: &str) -> Result<f64> {
    let id = server.id().context("the server does not run")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1_024.0)
}
