//! Linearizability of read / write / cas / append.
