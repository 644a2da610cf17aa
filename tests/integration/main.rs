//! Everything that needs the built binary or the real stack, in one test binary.
