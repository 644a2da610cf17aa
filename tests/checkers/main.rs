//! Checkers against histories whose truth is known: golden ones, mutated ones, prefixes. No server, no clock.

mod builder;
mod expectation;
mod golden;
mod guard;
mod log;
mod mutation;
mod reads;
