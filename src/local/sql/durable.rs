//! Where bytes become durable. Every fsync of a warehouse goes through here, so that a test can look at the disk at each
//! instant at which a crash would make a difference.

use std::fs::File;
use std::io;
use std::sync::Arc;

use redb::StorageBackend;
use redb::backends::FileBackend;

/// Called right before and right after each fsync. Nobody watches but tests of crashes.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<dyn Fn() + Send + Sync>>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "watched" } else { "unwatched" })
    }
}

impl Watch {
    pub fn new(look: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(look)))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    fn around(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let look = || {
            if let Some(look) = &self.0 {
                look();
            }
        };
        look();
        sync()?;
        look();
        Ok(())
    }

    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        self.around(|| file.sync_all())
    }
}

/// The catalog's file, watched. It goes without redb's locks: a test alone opens it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub file: FileBackend,
    pub watch: Watch,
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.watch.around(|| self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
