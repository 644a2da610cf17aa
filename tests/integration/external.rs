//! Servers that somebody else runs, with users and TLS: the test starts them, and torn is only told where they are.

mod faults;
mod preflight;
mod runs;
mod servers;
