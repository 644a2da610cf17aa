//! The picture of a stuck prefix.

use super::explain::Stuck;
use super::history::History;

pub(super) fn draw(_: &History, _: &[u32], _: &Stuck) -> String {
    String::new()
}
