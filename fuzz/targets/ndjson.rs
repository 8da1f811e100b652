//! Bytes for the target `ndjson`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tranche_fuzz::play("ndjson", data));
