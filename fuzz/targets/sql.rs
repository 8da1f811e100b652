//! Bytes for the target `sql`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tranche_fuzz::play("sql", data));
