//! The workload `inventory`: a purchase takes stock of a product and must lead to exactly one event.
//!
//! - [`api`] takes the stock (axis `stock`, four ways) and sees to the event (axis `write`, three ways); how much of a
//!   replica set must agree to it is the axes `write_concern` and `read_concern`;
//! - [`relay`] carries events from the outbox to Kafka (axis `relay`, two ways), where there is an outbox; which brokers
//!   must have one is the axis `acks` ([`Acks`](crate::service::kafka::Acks)), of the api's own sends too;
//! - [`projector`] folds the events into the view `sales` (axis `consumer`, two ways);
//! - [`event`] and [`outbox`] are what they hand to each other.
//!
//! Every way to do something is a file of its own that opens with what it does, what it promises and how it breaks; the
//! axes of concern, whose values are one setting each, are a file or a type each.

pub(crate) mod api;
pub(crate) mod event;
pub(crate) mod outbox;
pub(crate) mod projector;
pub(crate) mod relay;
