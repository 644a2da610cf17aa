//! Taps: what a relay does to connections and messages, without servers and on the real ones.

mod relay;
mod servers;
mod stage;
