#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aftercall_fuzz::wire::telephone_event(bytes));
