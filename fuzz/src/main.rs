//! The coverage-guided fuzzer (libFuzzer) in front of the target that the environment names: see
//! `conformance/fuzz.sh`, which builds and runs it.

#![no_main]
#![allow(unsafe_code)]

use fuzz::{Target, target};
use std::sync::LazyLock;

static TARGET: LazyLock<&Target> =
    LazyLock::new(|| target(&std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names what is fuzzed")));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
