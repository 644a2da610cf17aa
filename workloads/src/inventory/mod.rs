//! The workload `inventory`: a purchase takes stock of a product and must lead to exactly one event.
//!
//! - [`api`] takes the stock (axis `stock`, four ways) and sees to the event (axis `write`, two ways);
//! - [`relay`] carries events from the outbox to Kafka (axis `relay`), where there is an outbox;
//! - [`projector`] folds the events into the view `sales` (axis `consumer`, two ways);
//! - [`event`] and [`outbox`] are what they hand to each other.
//!
//! Every value of every axis is a file of its own that opens with what it does, what it promises and how it breaks.

pub(crate) mod api;
pub(crate) mod event;
pub(crate) mod outbox;
pub(crate) mod projector;
pub(crate) mod relay;
