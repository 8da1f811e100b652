//! Bytes for the target `yaml`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tranche_fuzz::play("yaml", data));
