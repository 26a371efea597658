//! Logs and metrics. Log lines say what happened in words; they carry no payload, token or person's position.

use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{LogFormat, Settings};

/// Upper bounds of latency buckets, seconds.
const SECONDS: &[f64] = &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

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
    metrics::describe_counter!("firebreak_groups_total", "Groups of bundles committed");
    metrics::describe_counter!("firebreak_bundles_total", "Bundles committed");
    metrics::describe_counter!("firebreak_operations_total", "Operations committed, by what was received");
    metrics::describe_counter!("firebreak_refused_total", "Bundles refused, by code");
    metrics::describe_counter!("firebreak_epochs_total", "Epochs begun because a rollback was seen");
    metrics::describe_counter!("firebreak_requests_total", "HTTP requests, by status");
    metrics::describe_histogram!("firebreak_group_seconds", "Seconds from taking up a group to its commit");
    metrics::describe_histogram!("firebreak_request_seconds", "Seconds from a request to its reply's head");
    Ok(handle)
}
