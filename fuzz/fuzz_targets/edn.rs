//! Bytes that begin as EDN does.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| torn_fuzz::judge(&[b"{:", bytes].concat()));
