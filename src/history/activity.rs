//! When something happened, in little memory: the first and the last moment of each tenth of a second.

use std::collections::BTreeMap;

use super::entry::Nanos;

/// How long a step is. Who asks about a shorter time may be told of something just outside it.
const STEP: Nanos = 100_000_000;

/// When something was invoked, answered, changed or recorded.
#[derive(Debug, Default)]
pub struct Activity {
    steps: BTreeMap<Nanos, (Nanos, Nanos)>,
    /// The step that was last added to, which is nearly always the next one's too.
    current: Option<(Nanos, (Nanos, Nanos))>,
}

impl Activity {
    /// Something happened.
    pub fn add(&mut self, at: Nanos) {
        let number = at / STEP;
        match &mut self.current {
            Some((current, (first, last))) if *current == number => {
                *first = at.min(*first);
                *last = at.max(*last);
            }
            current => {
                let known = self.steps.get(&number).map_or((at, at), |(first, last)| (at.min(*first), at.max(*last)));
                if let Some((number, moments)) = current.replace((number, known)) {
                    self.steps.insert(number, moments);
                }
            }
        }
    }

    /// Whether something happened from one moment to another at least a step later, both included.
    pub fn is_any_within(&self, from: Nanos, to: Nanos) -> bool {
        let is_within = |(first, last): &(Nanos, Nanos)| (from..=to).contains(first) || (from..=to).contains(last);
        self.current.iter().any(|(_, moments)| is_within(moments))
            || self.steps.range(from / STEP..=to / STEP).any(|(_, moments)| is_within(moments))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn it_says_what_a_list_of_all_moments_says(
            moments in prop::collection::vec(0..20 * STEP, 0..40),
            from in 0..20 * STEP,
            length in STEP..4 * STEP,
        ) {
            let mut activity = Activity::default();
            for at in &moments {
                activity.add(*at);
            }
            let expected = moments.iter().any(|at| (from..=from + length).contains(at));
            prop_assert_eq!(activity.is_any_within(from, from + length), expected);
        }
    }
}
