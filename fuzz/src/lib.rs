//! What every target does with its bytes: read them as a history and judge it, by both models, within bounds. Whatever
//! they hold, the outcome is a verdict or an error; a panic, a time beyond the limit or memory beyond libFuzzer's is a
//! finding.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use torn_engine::budget::Budget;
use torn_engine::read::{self, History};
use torn_engine::{kafka, register};

/// What a history of the fuzzer may hold.
const MEMORY: u64 = 16 << 20;

/// Reads and judges by both models.
pub fn judge(bytes: &[u8]) {
    let name = Path::new("fuzz");
    let budget = || Budget::new(Some(Duration::from_secs(1)), MEMORY);
    let _ = read::stream(name, bytes, MEMORY, |history: History<kafka::History>| {
        if let Ok(history) = history.recorder {
            history.judge(&kafka::Options::default(), &budget());
        }
        ControlFlow::Continue(())
    });
    let _ = read::stream(name, bytes, MEMORY, |history: History<register::History>| {
        if let Ok(history) = history.recorder {
            history.judge(&register::Options::default(), &budget());
        }
        ControlFlow::Continue(())
    });
}
