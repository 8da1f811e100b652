//! Bytes for the target `ledger`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tranche_fuzz::play("ledger", data));
