//! Bytes for the target `parquet`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tranche_fuzz::play("parquet", data));
