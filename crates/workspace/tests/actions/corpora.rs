//! The corpora of `fuzz/`: inputs that once led somewhere, each played by its target.

use std::fs;
use std::path::Path;

use crate::hostile::TARGETS;

#[test]
fn every_input_of_the_corpora_is_used_or_refused() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in TARGETS {
        let mut inputs: Vec<_> =
            fs::read_dir(corpora.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "no corpus of {name}");
        for input in inputs {
            let bytes = fs::read(&input).unwrap();
            let played = std::panic::catch_unwind(|| target(&bytes));
            assert!(played.is_ok(), "{}", input.display());
        }
    }
}
