//! Snapshots of strangers: unpacked inside the folder or refused, be they any bytes or an archive of hostile entries behind
//! a true head.
#![no_main]

use std::io::Read;
use std::sync::LazyLock;

use lakeform_local::{Local, Options, Pace, snapshot};
use libfuzzer_sys::fuzz_target;

/// The first entry of a real snapshot: its name and what it says.
static HEAD: LazyLock<(String, Vec<u8>)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options { dir: dir.path().to_owned(), pace: Pace::Quick, seed: None };
    let gathered = runtime.block_on(async { Local::open(options).await.expect("opens").export().await.expect("gathered") });
    let mut packed = Vec::new();
    gathered.pack(&mut packed).expect("packed");
    let mut archive = tar::Archive::new(zstd::Decoder::new(&packed[..]).expect("zstd"));
    let mut entry = archive.entries().expect("entries").next().expect("a head").expect("whole");
    let mut said = Vec::new();
    entry.read_to_end(&mut said).expect("read");
    (entry.path().expect("a name").display().to_string(), said)
});

const KINDS: [tar::EntryType; 5] = [
    tar::EntryType::Regular,
    tar::EntryType::Directory,
    tar::EntryType::Symlink,
    tar::EntryType::Link,
    tar::EntryType::Fifo,
];
const PLACES: [&str; 5] = ["", "documents.jsonl", "objects/", "warehouse/", "../"];

fn add(archive: &mut tar::Builder<Vec<u8>>, name: &str, link: &str, kind: tar::EntryType, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    let place = &mut header.as_gnu_mut().expect("it is GNU's").name;
    // Written past the checks of the library, as a stranger would.
    for (to, from) in place.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let _ = header.set_link_name(link);
    header.set_entry_type(kind);
    header.set_mode(0o777);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    let _ = archive.append(&header, bytes);
}

fuzz_target!(|given: (Vec<(u8, u8, String, String, Vec<u8>)>, &[u8])| {
    let (entries, bytes) = given;
    let packed = if entries.is_empty() {
        bytes.to_vec()
    } else {
        let mut archive = tar::Builder::new(Vec::new());
        add(&mut archive, &HEAD.0, "", tar::EntryType::Regular, &HEAD.1);
        for (kind, place, name, link, bytes) in &entries {
            let name = format!("{}{name}", PLACES[usize::from(*place) % PLACES.len()]);
            add(&mut archive, &name, link, KINDS[usize::from(*kind) % KINDS.len()], bytes);
        }
        zstd::encode_all(&archive.into_inner().expect("bytes")[..], 1).expect("packed")
    };
    let dir = tempfile::tempdir().expect("a folder");
    let inside = dir.path().join("inside");
    std::fs::create_dir(&inside).expect("made");
    let _ = snapshot::unpack(&packed[..], &inside);
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1);
});
