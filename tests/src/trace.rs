//! Reading what `strace` saw: does a sync of the log lie between a request and its receipt?
//!
//! Understands the output of `strace -f -y` for the calls of [`CALLS`], calls that another thread interrupted
//! included.

use std::collections::HashMap;

/// The system calls to trace.
pub const CALLS: &str =
    "trace=fsync,fdatasync,pwrite64,pwritev,write,writev,sendto,sendmsg,read,readv,recvfrom,recvmsg";

/// A step of the life of a bundle, in the order the kernel saw them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The head of a sync request was read.
    Request,
    /// Something was written to the database's log.
    LogWritten,
    /// A sync of the log came back.
    LogSynced,
    /// A receipt was handed to the network.
    Receipt,
}

/// The steps in a trace. `log` is how the name of the database's log ends, such as `.sqlite-wal`.
pub fn steps(trace: &str, log: &str) -> Vec<Step> {
    let mut interrupted: HashMap<&str, &str> = HashMap::new();
    let mut steps = Vec::new();
    for line in trace.lines() {
        let (thread, call) = split_thread(line);
        if let Some(begun) = call.strip_suffix("<unfinished ...>") {
            interrupted.insert(thread, begun);
            // A write is on its way from the moment it is called; a read or sync counts when it comes back.
            if is_send(begun) && begun.contains("receipt") {
                steps.push(Step::Receipt);
            }
            continue;
        }
        let (begun, rest) = match call.strip_prefix("<... ") {
            Some(rest) => (interrupted.remove(thread).unwrap_or_default(), rest),
            None => (call, ""),
        };
        let name = begun.split('(').next().unwrap_or_default();
        let was_counted = !rest.is_empty();
        let succeeded = !call.contains(" = -1 ");
        match name {
            "read" | "readv" | "recvfrom" | "recvmsg"
                if begun.contains("POST /v1/sync") || rest.contains("POST /v1/sync") =>
            {
                steps.push(Step::Request);
            }
            "fsync" | "fdatasync" if succeeded && names(begun, log) => steps.push(Step::LogSynced),
            "pwrite64" | "pwritev" if succeeded && names(begun, log) => steps.push(Step::LogWritten),
            _ if is_send(begun) && begun.contains("receipt") && !was_counted => steps.push(Step::Receipt),
            _ => {}
        }
    }
    steps
}

/// Whether before every receipt, and after the request before it, the log was written, and synced after the last of those
/// writes: any of them may hold the bundle. `None` where there is no receipt at all.
pub fn every_receipt_follows_a_sync(steps: &[Step]) -> Option<bool> {
    let mut since_request: Vec<Step> = Vec::new();
    let mut answered: Option<bool> = None;
    for step in steps {
        match step {
            Step::Request => since_request.clear(),
            Step::LogWritten | Step::LogSynced => since_request.push(*step),
            Step::Receipt => {
                let written = since_request.iter().rposition(|step| *step == Step::LogWritten);
                let synced = since_request.iter().rposition(|step| *step == Step::LogSynced);
                let in_order = matches!((written, synced), (Some(written), Some(synced)) if written < synced);
                answered = Some(answered.unwrap_or(true) && in_order);
            }
        }
    }
    answered
}

fn split_thread(line: &str) -> (&str, &str) {
    let line = line.strip_prefix("[pid ").map_or(line, |rest| rest.trim_start());
    let end = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    let (thread, call) = line.split_at_checked(end).unwrap_or(("", line));
    (thread, call.trim_start_matches([']', ' ']))
}

fn is_send(call: &str) -> bool {
    ["write(", "writev(", "sendto(", "sendmsg("].iter().any(|name| call.starts_with(name))
}

/// Whether the first argument, printed as `12</path>`, is a file whose path ends like this.
fn names(call: &str, end: &str) -> bool {
    let argument = call.split(['(', ',']).nth(1).unwrap_or_default();
    argument.contains(&format!("{end}>"))
}
