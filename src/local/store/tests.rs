use super::*;

fn write(store: &Store, id: &str, text: &str) {
    let (id, text) = (id.to_owned(), text.to_owned());
    store
        .write_blocking(move |tx| (tx.put("t", "s", &id, &text).is_ok(), ()))
        .expect("writes");
}

fn ids(store: &Store) -> Vec<String> {
    let list = store
        .read(|tx| tx.list::<String>("t", "s", ""))
        .expect("opens")
        .expect("only reads")
        .expect("reads");
    list.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn a_document_is_there_after_reopening() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("opens");
    write(&store, "a", "one");
    drop(store);
    let store = reopen(dir.path());
    assert_eq!(ids(&store), ["a"]);
}

/// The writer thread lets go of the file a moment after the last handle is dropped.
fn reopen(dir: &Path) -> Store {
    loop {
        match Store::open(dir) {
            Ok(store) => return store,
            Err(_) => std::thread::yield_now(),
        }
    }
}

#[test]
fn a_refused_write_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("opens");
    store
        .write_blocking(|tx| {
            tx.put("t", "s", "a", &"one").expect("stages");
            (false, ())
        })
        .expect("runs");
    assert!(ids(&store).is_empty());
}

#[test]
fn a_request_sees_its_own_writes_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("opens");
    for id in ["a", "c", "e"] {
        write(&store, id, "old");
    }
    let seen = store
        .write_blocking(|tx| {
            for id in ["b", "c", "f"] {
                tx.put("t", "s", id, &"new").expect("stages");
            }
            tx.delete("t", "s", "e").expect("stages");
            (true, tx.list::<String>("t", "s", "").expect("lists"))
        })
        .expect("runs");
    let seen: Vec<_> = seen.iter().map(|(id, text)| format!("{id}={text}")).collect();
    assert_eq!(seen, ["a=old", "b=new", "c=new", "f=new"]);
    assert_eq!(ids(&store), ["a", "b", "c", "f"]);
}

#[test]
fn a_scan_goes_on_after_an_id() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("opens");
    for id in ["p/1", "p/2", "p/3", "q"] {
        write(&store, id, "x");
    }
    let page = store
        .read(|tx| tx.scan::<String>("t", "s", "p/", Some("p/1"), 1))
        .expect("opens")
        .expect("only reads");
    assert_eq!(page.expect("reads")[0].0, "p/2");
}

#[test]
fn a_write_inside_a_read_asks_to_be_run_as_a_write() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("opens");
    let outcome = store.read(|tx| drop(tx.put("t", "s", "a", &1))).expect("opens");
    assert!(outcome.is_none());
}

#[test]
fn a_panicking_request_does_not_stop_the_others() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("opens");
    let broken = store.write_blocking::<()>(|_| panic!("a bug in a service"));
    assert!(broken.is_err());
    write(&store, "a", "one");
    assert_eq!(ids(&store), ["a"]);
}

#[test]
fn state_of_a_newer_program_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    {
        let store = Store::open(dir.path()).expect("opens");
        write(&store, "a", "one");
        let raise = |tx: &Tx| (true, tx.put("meta", "", "format", &(FORMAT + 1)));
        store.write_blocking(raise).expect("runs").expect("stages");
    }
    let refusal = loop {
        match Store::open(dir.path()) {
            // The file is let go of a moment after the last handle.
            Err(refusal) if refusal.held => std::thread::yield_now(),
            Err(refusal) => break refusal,
            Ok(_) => panic!("a newer format was opened"),
        }
    };
    assert!(
        refusal.message.contains("has format 3, this program reads format 2"),
        "{refusal}"
    );
}

/// A disk that can be full.
#[derive(Debug, Default)]
struct Disk {
    bytes: redb::backends::InMemoryBackend,
    full: Arc<std::sync::atomic::AtomicBool>,
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> std::io::Result<u64> {
        self.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.bytes.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.bytes.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.bytes.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        match self.full.load(std::sync::atomic::Ordering::Relaxed) {
            true => Err(std::io::ErrorKind::StorageFull.into()),
            false => self.bytes.write(offset, data),
        }
    }
}

#[test]
fn a_full_disk_is_told_to_whoever_asks_next() {
    let disk = Disk::default();
    let full = Arc::clone(&disk.full);
    let store = Store::over(Database::builder().create_with_backend(disk).expect("opens")).expect("prepares");
    write(&store, "a", "one");
    full.store(true, std::sync::atomic::Ordering::Relaxed);
    let put = || store.write_blocking(|tx| (tx.put("t", "s", "b", &"two").is_ok(), ()));
    for error in [
        put().expect_err("no room"),
        put().expect_err("still none"),
        store.read(|_| ()).expect_err("what is read would stand still"),
    ] {
        assert!(
            error.message.starts_with("the state can no longer be written: "),
            "{error}"
        );
    }
}
