//! Bytes for the target `state`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tranche_fuzz::play("state", data));
