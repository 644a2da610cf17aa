//! Histories as others hand them over: text in, verdict out.

mod docs;
mod edn;
mod hostile;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use torn_engine::budget::Budget;
use torn_engine::operation::Recorder;
use torn_engine::read::{self, History, ReadError};
use torn_engine::verdict::Judgement;
use torn_engine::{kafka, register};

/// What a history of these tests may hold, in bytes.
const MEMORY: u64 = 64 << 20;

/// The models, by the names that the command line gives them.
const MODELS: [&str; 2] = ["kafka-log", "register"];

/// The judgements of all histories of a text, by a model's name.
fn judge(model: &str, text: &[u8]) -> Result<Vec<Judgement>, ReadError> {
    match model {
        "kafka-log" => {
            judge_all(text, |history: kafka::History, budget| history.judge(&kafka::Options::default(), budget))
        }
        "register" => {
            judge_all(text, |history: register::History, budget| history.judge(&register::Options::default(), budget))
        }
        other => panic!("no model {other}"),
    }
}

fn judge_all<R: Recorder + Default>(
    text: &[u8],
    judge: impl Fn(R, &Budget) -> Judgement,
) -> Result<Vec<Judgement>, ReadError> {
    let mut judged = Vec::new();
    read::stream(Path::new("f"), text, MEMORY, |history: History<R>| {
        judged.push(match history.recorder {
            Ok(recorder) => judge(recorder, &Budget::new(Some(Duration::from_secs(60)), MEMORY)),
            Err(exhausted) => Judgement::unknown(exhausted.to_string()),
        });
        ControlFlow::Continue(())
    })?;
    Ok(judged)
}
