//! Conflicts and retries per operation, hot keys.

use super::measurement::{Contention, HotKey};
use super::tally::Tally;
use super::timeline::since;
use crate::history::entry::{MongodbSample, Nanos, Outcome};

/// How many entities are listed.
const HOT_KEYS: usize = 10;

/// Conflicts, retries and the most used entities of the measured load.
pub(super) fn contention(tally: &Tally) -> Contention {
    let mut found = Contention {
        write_conflicts: counted(tally, |sample| sample.write_conflicts),
        transactions_aborted: counted(tally, |sample| sample.transactions_aborted),
        ..Contention::default()
    };
    let mut keys: Vec<HotKey> =
        tally.entities.iter().map(|entity| HotKey { entity: entity.clone(), ..HotKey::default() }).collect();
    for operation in tally.measured() {
        let (conflicts, retries) = operation.end.map_or((None, None), |end| (end.conflicts, end.retries));
        found.operations += u64::from(conflicts.is_some() || retries.is_some());
        if let Some(conflicts) = conflicts {
            *found.conflicts_per_operation.entry(conflicts).or_default() += 1;
        }
        if let Some(retries) = retries {
            *found.retries_per_operation.entry(retries).or_default() += 1;
        }
        found.conflicts += conflicts.unwrap_or(0);
        found.retries += retries.unwrap_or(0);
        if let Some(entity) = operation.entity {
            let key = &mut keys[entity];
            key.operations += 1;
            key.not_ok += u64::from(operation.end.is_none_or(|end| end.outcome != Outcome::Ok));
            key.conflicts += conflicts.unwrap_or(0);
            key.retries += retries.unwrap_or(0);
        }
    }
    keys.retain(|key| key.operations > 0);
    found.entities = keys.len() as u64;
    keys.sort_by(|left, right| right.operations.cmp(&left.operations).then_with(|| left.entity.cmp(&right.entity)));
    keys.truncate(HOT_KEYS);
    found.hot_keys = keys;
    found
}

/// How much a counter of the server rose during the load.
fn counted(tally: &Tally, counter: impl Fn(&MongodbSample) -> u64) -> u64 {
    let during = |at: Nanos| (tally.load_start()..=tally.load_end()).contains(&at);
    // A sample that no server answered takes nothing away from what was counted meanwhile.
    let told = tally.samples.iter().filter_map(|sample| Some((sample.at, sample.mongodb.as_ref()?)));
    let pairs = told.clone().zip(told.skip(1)).filter(|(_, (at, _))| during(*at));
    pairs.map(|((_, then), (_, now))| since(counter(now), counter(then))).sum()
}
