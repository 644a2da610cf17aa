//! What is to be swept, and the scenario that follows from it. Pure.

use indexmap::IndexMap;

use super::table::Retry;
use crate::scenario::file::{self, Distribution};
use crate::scenario::resolved::Resolved;

/// How many operations there are on each entity: the one that is struck, and sentinels.
pub const EACH: u64 = 32;

/// Attempts of a client that asks again: enough to outlast a restart.
const ATTEMPTS: u32 = 60;

/// What is to be swept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepOrder {
    /// The operation.
    pub operation: String,
    /// What its client does when it gets no answer.
    pub retry: Retry,
    /// How often each point is tried.
    pub repeat: u32,
    /// How often the operation is recorded before.
    pub recordings: u32,
    /// How many entities there are.
    pub keys: u32,
}

impl SweepOrder {
    /// The operation that is swept when nobody says which: the first that has an effect.
    pub fn first_with_effect(resolved: &Resolved) -> Option<&str> {
        let mut operations = resolved.manifest.operation.iter();
        operations.find(|(_, spec)| !spec.effect.is_empty()).map(|(name, _)| name.as_str())
    }

    /// The scenario of a sweep: the same workload and variant, one instance of each role, this operation alone, every try on
    /// an entity of its own, and no fault but those of the sweep.
    pub fn apply(&self, resolved: &Resolved) -> Resolved {
        let mut resolved = resolved.clone();
        let scenario = &mut resolved.scenario;
        for role in resolved.manifest.process.keys() {
            scenario.instances.insert(role.clone(), 1);
        }
        scenario.fault.clear();
        scenario.random_faults = None;
        scenario.matrix = None;
        scenario.tap = true;
        scenario.load.mix = IndexMap::from([(self.operation.clone(), 1.0)]);
        for space in scenario.load.keys.values_mut() {
            space.count = self.keys;
            space.distribution = Distribution::InTurn;
            space.each = Some(EACH as u32);
            (space.exponent, space.hot_keys, space.hot_share) = (None, None, None);
        }
        let retry = file::Retry::default();
        scenario.load.retry = match self.retry {
            Retry::None => retry,
            Retry::SameKey => file::Retry { attempts: ATTEMPTS, same_key: true, ..retry },
            Retry::NewKey => file::Retry { attempts: ATTEMPTS, same_key: false, ..retry },
        };
        resolved
    }
}
