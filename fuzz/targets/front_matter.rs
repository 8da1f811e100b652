//! Bytes for the target `front_matter`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tranche_fuzz::play("front_matter", data));
