//! Logs and metrics. Log lines say what happened in words; they carry no payload, token or person's position.

use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sync_protocol::codes::{Code, Scope};
use sync_protocol::view::Disposition;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{LogFormat, Settings};

/// Upper bounds of latency buckets, seconds.
const SECONDS: &[f64] = &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Counters, each with what it counts.
pub const COUNTERS: &[(&str, &str)] = &[
    ("firebreak_groups_total", "Groups of bundles committed"),
    ("firebreak_bundles_total", "Bundles committed"),
    ("firebreak_operations_total", "Operations committed that were new, by the disposition that they got"),
    ("firebreak_refused_total", "Bundles refused, by code"),
    ("firebreak_epochs_total", "Epochs begun because a rollback was seen"),
    ("firebreak_group_panics_total", "Groups that panicked and were not written"),
    ("firebreak_stalled_total", "Connections ended because nothing of a reply was taken"),
    ("firebreak_requests_total", "HTTP requests, by status"),
];
/// Counters of which there are several, told apart by a label.
const LABELLED: &[&str] =
    &["firebreak_operations_total", "firebreak_refused_total", "firebreak_requests_total"];
/// Histograms, each with what it measures.
pub const HISTOGRAMS: &[(&str, &str)] = &[
    ("firebreak_group_seconds", "Seconds from taking up a group to its commit"),
    ("firebreak_request_seconds", "Seconds from a request to its reply's head"),
];

/// Begins logging to standard error. Later calls change nothing.
pub fn begin_logging(settings: &Settings) {
    let filter = EnvFilter::try_new(&settings.log).unwrap_or_else(|_source| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(BoxMakeWriter::new(std::io::stderr))
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let _already_begun = match settings.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Begins counting, and gives what renders the counts for Prometheus.
///
/// # Errors
/// Where another recorder was installed in this process.
pub fn begin_metrics() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .install_recorder()?;
    for (name, words) in COUNTERS {
        metrics::describe_counter!(*name, *words);
    }
    for (name, words) in HISTOGRAMS {
        metrics::describe_histogram!(*name, *words);
    }
    // What has not happened yet is 0, and not absent: a rule that watches it needs both ends of a rise.
    for (name, _) in COUNTERS.iter().filter(|(name, _)| !LABELLED.contains(name)) {
        metrics::counter!(*name).increment(0);
    }
    for disposition in Disposition::ALL {
        metrics::counter!("firebreak_operations_total", "disposition" => disposition.as_str()).increment(0);
    }
    for code in Code::ALL.iter().filter(|code| code.scope() == Scope::Bundle) {
        metrics::counter!("firebreak_refused_total", "code" => code.as_str()).increment(0);
    }
    Ok(handle)
}
