//! Every place where a crash or a cut can fall, tried: the messages that one operation costs in every service on its way are
//! recorded by taps, and at each of them each action is carried out on an entity of its own.
//!
//! In reading order:
//! - [`point`]: a message and what is done at it (pure)
//! - [`recording`]: from what taps saw to the messages of an operation (pure)
//! - [`trigger`]: the moment to strike (pure)
//! - [`order`]: what is to be swept, and the scenario that follows from it (pure)
//! - [`table`]: what came out, as data
//! - [`verdict`]: from the judgement of the history to a verdict for each point (pure)
//!
//! `run` carries a sweep out, `checker` judges its history, `report` shows the table.

pub mod order;
pub mod point;
pub mod recording;
pub mod table;
pub mod trigger;
pub mod verdict;
