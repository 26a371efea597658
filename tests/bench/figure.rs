//! The lines: `NAME VALUE UNIT ratio=R of=WHAT`. Nothing is measured here.

use std::time::Duration;

/// Prints figures, those that were asked for.
pub(crate) struct Figures {
    only: Option<String>,
}

impl Figures {
    pub(crate) const fn new(only: Option<String>) -> Self {
        Self { only }
    }

    /// Prints one figure beside what it is held against.
    pub(crate) fn print(&mut self, name: &str, value: f64, unit: &str, ratio: f64, of: &str) {
        if self.only.as_deref().is_some_and(|only| !name.starts_with(only)) {
            return;
        }
        let value = if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        println!("{name} {value} {unit} ratio={ratio:.2} of={of}");
    }

    /// Says on standard error what is being done.
    pub(crate) fn say(text: &str) {
        eprintln!("   {text}");
    }
}

/// A count as a number that can be divided.
pub(crate) fn number(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::MAX, f64::from)
}

/// How many a second.
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    number(count) / took.as_secs_f64()
}

/// The value in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The value below which so many in a thousand lie.
pub(crate) fn quantile(values: &mut [Duration], thousandths: usize) -> Duration {
    values.sort_unstable();
    let at = (values.len() * thousandths / 1_000).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or_default()
}
