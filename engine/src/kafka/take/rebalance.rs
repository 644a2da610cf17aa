//! `rebalance-log`: which keys moved to or from a consumer during an operation.

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::super::history::History;
use super::Mistake;
use super::leaf::KeySpot;
use super::spot::{Spot, take};

/// `rebalance-log`: a list of maps, of which only `keys` matters.
pub(super) struct Rebalances<'a>(pub(super) &'a mut History);

impl<'de> Spot<'de> for Rebalances<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.mistake(Mistake::Rebalance);
    }

    fn null(self) {}

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(take(Rebalance(self.0)))?.is_some() {}
        Ok(())
    }
}

struct Rebalance<'a>(&'a mut History);

impl<'de> Spot<'de> for Rebalance<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.mistake(Mistake::Rebalance);
    }

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(is_keys) = map.next_key_seed(take(IsKeys))? {
            if is_keys {
                map.next_value_seed(take(RebalancedKeys(self.0)))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct IsKeys;

impl Spot<'_> for IsKeys {
    type Out = bool;

    fn other(self) -> bool {
        false
    }

    fn text(self, text: &str) -> bool {
        text == "keys"
    }
}

struct RebalancedKeys<'a>(&'a mut History);

impl<'de> Spot<'de> for RebalancedKeys<'_> {
    type Out = ();

    fn other(self) {
        self.0.taken.mistake(Mistake::Rebalance);
    }

    fn null(self) {}

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(key) = list.next_element_seed(take(KeySpot(self.0)))? {
            self.0.taken.rebalanced.extend(key);
        }
        Ok(())
    }
}
