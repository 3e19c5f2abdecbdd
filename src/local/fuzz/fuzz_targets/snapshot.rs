//! Snapshots of strangers: unpacked inside the folder or refused.
#![no_main]

use lakeform_local::snapshot;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|given: &[u8]| {
    let dir = tempfile::tempdir().expect("a folder");
    let inside = dir.path().join("inside");
    std::fs::create_dir(&inside).expect("made");
    let _ = snapshot::unpack(given, &inside);
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1);
});
