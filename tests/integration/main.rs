//! Everything that needs the built binary or the real stack, in one test binary.

mod cluster;
mod external;
mod faults;
mod links;
mod load;
mod outside;
mod runs;
mod stack;
mod tap;
mod torn;
mod witness;
