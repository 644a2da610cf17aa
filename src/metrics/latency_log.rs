//! `latency.hlog`: an `HdrHistogram` interval log, one interval for each second of completion, nanoseconds, maxima in
//! milliseconds. Opens in `HdrHistogram`'s own tools (`HistogramLogProcessor`, the log analysers).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError};

use super::quantile::histogram;
use super::tally::Tally;
use crate::history::entry::Nanos;

/// A histogram of response times for each second in which a measured operation completed.
pub(super) fn intervals(tally: &Tally) -> Vec<(u32, Histogram<u64>)> {
    let start = tally.load_start();
    let mut seconds = BTreeMap::<u32, Vec<Nanos>>::new();
    for operation in tally.measured() {
        if let (Some(end), Some(response)) = (operation.end, operation.response()) {
            seconds.entry((end.at.saturating_sub(start) / 1_000_000_000) as u32).or_default().push(response);
        }
    }
    seconds.into_iter().map(|(second, values)| (second, histogram(values))).collect()
}

/// Writes the log.
///
/// # Errors
/// When the writer fails.
pub fn write(
    out: &mut impl Write,
    started: SystemTime,
    comment: &str,
    intervals: &[(u32, Histogram<u64>)],
) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    // A comment is one line; a line break in a name must not become a line of the log.
    let comment = comment.replace(['\n', '\r'], " ");
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&comment)
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(1e6)
        .begin_log_with(out, &mut serializer)?;
    for (second, histogram) in intervals {
        let written =
            log.write_histogram(histogram, Duration::from_secs(u64::from(*second)), Duration::from_secs(1), None);
        written.map_err(|error| match error {
            IntervalLogWriterError::IoError(error) => error,
            IntervalLogWriterError::SerializeError(error) => io::Error::other(format!("{error:?}")),
        })?;
    }
    Ok(())
}
