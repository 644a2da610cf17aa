//! Any bytes, and the same as gzip and as Zstandard.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    torn_fuzz::judge(bytes);
    torn_fuzz::judge(&[b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", bytes].concat());
    torn_fuzz::judge(&[b"\x28\xb5\x2f\xfd", bytes].concat());
});
