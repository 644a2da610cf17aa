//! What a cluster did: a line with a letter on every plot over time, and the replicas in sync as a plot of their own.

use super::axis::Axis;
use super::chart::{Mark, Series};
use super::run::{Scale, over_time};
use super::svg::{Plot, SERIES};
use crate::history::entry::ClusterStep;
use crate::metrics::Metrics;
use crate::metrics::measurement::{Cluster, ClusterMark, InSync};

/// How many letters there are.
const LETTERS: usize = 26;

/// Everything that a cluster did, with its letter where it has one: elections, leaders and rollbacks, which are few and
/// change what the plots show. States and replicas follow from them.
pub fn letters(cluster: &Cluster) -> impl Iterator<Item = (&ClusterMark, Option<String>)> {
    let mut next = 0;
    cluster.marks.iter().map(move |mark| {
        let has_letter = matches!(
            mark.event,
            ClusterStep::Elected | ClusterStep::SteppedDown | ClusterStep::RolledBack | ClusterStep::Leader
        );
        let letter = has_letter.then(|| {
            next += 1;
            letter(next - 1)
        });
        (mark, letter)
    })
}

/// a … z, then a2 … z2, ….
fn letter(number: usize) -> String {
    let letter = char::from(b'a' + (number % LETTERS) as u8);
    match number / LETTERS {
        0 => letter.to_string(),
        round => format!("{letter}{}", round + 1),
    }
}

/// The moments on the time axis.
pub(super) fn marks(metrics: &Metrics, seconds: f64) -> Vec<Mark> {
    letters(&metrics.cluster)
        .filter(|(mark, _)| mark.at <= seconds)
        .filter_map(|(mark, letter)| Some(Mark { at: mark.at, label: letter? }))
        .collect()
}

/// The least number of replicas in sync, as steps; nothing where it never fell.
pub(super) fn in_sync(metrics: &Metrics, scale: Scale) -> Option<Plot> {
    let topics = metrics.cluster.in_sync.iter().take(SERIES);
    let most = topics.clone().map(|(_, known)| known.replicas).max()?;
    let series = topics.enumerate().map(|(color, (topic, known))| Series {
        name: topic.clone(),
        stretches: vec![steps(known, scale.seconds)],
        color,
    });
    over_time(
        metrics,
        scale,
        (
            "in-sync",
            "Replicas in sync",
            "Of the partition that has the fewest. With acks=all a partition takes no write below min.insync.replicas.",
        ),
        (whole(most), "replicas"),
        series.collect(),
    )
}

/// Zero to a few, each with its tick.
fn whole(most: u32) -> Axis {
    let ticks: Vec<f64> = (0..=most).map(f64::from).collect();
    let labels = (0..=most).map(|tick| tick.to_string()).collect();
    Axis { from: 0.0, to: f64::from(most) + 0.2, ticks, labels }
}

/// Points of a line that goes up and down upright, from one end of the axis to the other.
fn steps(known: &InSync, seconds: f64) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (at, least) in known.least.iter().filter(|(at, _)| *at <= seconds) {
        let least = f64::from(*least);
        points.extend(points.last().map(|(_, before)| (*at, *before)));
        points.push((*at, least));
    }
    points.extend(points.last().map(|(_, last)| (seconds, *last)));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_never_run_out() {
        assert_eq!([letter(0), letter(25), letter(26), letter(53)], ["a", "z", "a2", "b3"]);
    }

    #[test]
    fn a_step_keeps_its_height_until_the_next() {
        let known = InSync { replicas: 3, least: vec![(0.0, 3), (4.0, 2), (9.5, 3), (40.0, 1)] };
        let points = [(0.0, 3.0), (4.0, 3.0), (4.0, 2.0), (9.5, 2.0), (9.5, 3.0), (20.0, 3.0)];
        assert_eq!(steps(&known, 20.0), points);
    }
}
