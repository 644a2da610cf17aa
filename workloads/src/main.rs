//! The built-in systems under test.
fn main() {}
