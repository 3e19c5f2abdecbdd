//! The bytes of S3 objects, as files. A file gets a fresh name, is written to the temporary folder, synced, and only
//! then moved to its place; nothing refers to it before the metadata that names it is committed. Keys never become
//! file names, so a hostile key cannot leave the folder.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The folder of object bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects {
    dir: Arc<PathBuf>,
    /// When the folder was opened, by the clock of its file system.
    opened: Instant,
}

/// Seconds and nanoseconds.
type Instant = (i64, i64);

/// One stored run of bytes. An object is one segment, or one per uploaded part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Names the file; empty when the bytes are right here.
    pub id: String,
    pub len: u64,
    /// A few bytes are kept in the document that names them: its commit makes them durable together with those of all
    /// requests that wait, where a file would cost each its own.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "inline")]
    inline: Option<Bytes>,
}

/// Longer runs of bytes get a file: documents are read whole when objects are listed.
const INLINE: usize = 4096;

impl Segment {
    /// Says whether no file is behind it.
    pub fn is_here(&self) -> bool {
        self.id.is_empty()
    }

    /// Returns a segment that needs no file, unless the bytes are too many for that.
    pub fn inline(bytes: &[Bytes]) -> Option<Segment> {
        let len: usize = bytes.iter().map(Bytes::len).sum();
        (len <= INLINE).then(|| Segment {
            id: String::new(),
            len: len as u64,
            inline: Some(bytes.concat().into()),
        })
    }
}

mod inline {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &Option<bytes::Bytes>, to: S) -> Result<S::Ok, S::Error> {
        let bytes = bytes.as_ref().expect("absent bytes are skipped");
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bytes::Bytes>, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(from)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(de::Error::custom)?;
        Ok(Some(bytes.into()))
    }
}

/// Stored bytes, opened for reading.
pub enum Opened {
    Here(std::io::Cursor<Bytes>),
    File(File),
}

impl Opened {
    /// Returns the next `length` bytes; fails when there are not so many.
    pub fn piece(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut piece = Vec::with_capacity(length as usize);
        // Each kind by itself: a file is read into the piece without filling it with zeros first.
        let read = match self {
            Opened::Here(bytes) => bytes.take(length).read_to_end(&mut piece)?,
            Opened::File(file) => file.take(length).read_to_end(&mut piece)?,
        };
        match read as u64 == length {
            true => Ok(piece),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Read for Opened {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Opened::Here(bytes) => bytes.read(into),
            Opened::File(file) => file.read(into),
        }
    }
}

impl Seek for Opened {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Opened::Here(bytes) => bytes.seek(to),
            Opened::File(file) => file.seek(to),
        }
    }
}

impl Objects {
    /// Opens the folder, creating it when absent, and drops what an interrupted upload left behind.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let tmp = dir.join("tmp");
        fs::create_dir_all(&tmp)?;
        for entry in fs::read_dir(&tmp)? {
            fs::remove_file(entry?.path())?;
        }
        let mark = File::create(dir.join("opened"))?.metadata()?;
        Ok(Self {
            dir: Arc::new(dir.to_owned()),
            opened: (mark.ctime(), mark.ctime_nsec()),
        })
    }

    /// Removes the files of before the opening that no document names: a crash came between their move and the
    /// commit. What came since is left alone, for its commit may still be under way. Returns how many went.
    pub fn sweep(&self, named: &HashSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        for folder in fs::read_dir(&*self.dir)? {
            let folder = folder?;
            if folder.file_name().len() != 2 {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let file = file?;
                let metadata = file.metadata()?;
                // A second name for old bytes changes the file's status, so its copy counts as new.
                let old = (metadata.ctime(), metadata.ctime_nsec()) < self.opened;
                if old && !named.contains(&*file.file_name().to_string_lossy()) {
                    fs::remove_file(file.path())?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    /// Starts a new file of bytes. Dropping it unfinished removes it.
    pub fn begin(&self) -> io::Result<Writing> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let path = self.dir.join("tmp").join(&id);
        let file = File::create_new(&path)?;
        Ok(Writing {
            objects: self.clone(),
            file,
            path,
            id,
            len: 0,
            finished: false,
        })
    }

    /// Makes a second name for stored bytes, without copying them.
    pub fn duplicate(&self, segment: &Segment) -> io::Result<Segment> {
        if segment.is_here() {
            return Ok(segment.clone());
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        let target = self.path(&id);
        let folder = target.parent().expect("object paths have a folder");
        fs::create_dir_all(folder)?;
        fs::hard_link(self.path(&segment.id), &target)?;
        sync_folder(folder)?;
        Ok(Segment {
            id,
            len: segment.len,
            inline: None,
        })
    }

    /// Removes stored bytes. Absent bytes are fine: a crash may have removed them already.
    pub fn remove(&self, segments: &[Segment]) {
        for segment in segments.iter().filter(|segment| !segment.is_here()) {
            // Failing to remove costs disk, never correctness: the metadata no longer names the file.
            let _ = fs::remove_file(self.path(&segment.id));
        }
    }

    /// Opens one segment for reading.
    pub fn open_segment(&self, segment: &Segment) -> io::Result<Opened> {
        Ok(match segment.is_here() {
            true => Opened::Here(io::Cursor::new(segment.inline.clone().unwrap_or_default())),
            false => Opened::File(File::open(self.path(&segment.id))?),
        })
    }

    /// Returns the bytes of `range` of an object made of these segments, cut at its end.
    pub fn read(&self, segments: &[Segment], range: Range<u64>) -> io::Result<Bytes> {
        let pieces = overlaps(segments, range).map(|(segment, part)| {
            let mut file = self.open_segment(segment)?;
            file.seek(SeekFrom::Start(part.start))?;
            file.piece(part.end - part.start)
        });
        let mut pieces: Vec<Vec<u8>> = pieces.collect::<io::Result<_>>()?;
        Ok(match pieces.len() {
            1 => pieces.remove(0).into(),
            _ => pieces.concat().into(),
        })
    }

    /// Returns a reader over a whole object made of these segments.
    pub fn reader(&self, segments: Vec<Segment>) -> Reader {
        Reader {
            objects: self.clone(),
            rest: segments.into_iter(),
            file: None,
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.dir.join(&id[..2]).join(id)
    }
}

/// Yields, for each segment that `range` touches, the range inside that segment.
pub fn overlaps(segments: &[Segment], range: Range<u64>) -> impl Iterator<Item = (&Segment, Range<u64>)> {
    let mut start = 0;
    segments.iter().filter_map(move |segment| {
        let here = start..start + segment.len;
        start = here.end;
        let from = range.start.max(here.start);
        let to = range.end.min(here.end);
        (from < to).then(|| (segment, from - here.start..to - here.start))
    })
}

/// Reads an object from its first byte to its last.
pub struct Reader {
    objects: Objects,
    rest: std::vec::IntoIter<Segment>,
    file: Option<Opened>,
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(file) = &mut self.file {
                let n = file.read(buf)?;
                if n > 0 || buf.is_empty() {
                    return Ok(n);
                }
            }
            match self.rest.next() {
                Some(segment) => self.file = Some(self.objects.open_segment(&segment)?),
                None => return Ok(0),
            }
        }
    }
}

/// Bytes on their way in.
pub struct Writing {
    objects: Objects,
    file: File,
    path: PathBuf,
    id: String,
    len: u64,
    finished: bool,
}

impl Writing {
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub fn written(&self) -> u64 {
        self.len
    }

    /// Makes the bytes durable and gives them their final name.
    pub fn finish(mut self) -> io::Result<Segment> {
        self.file.sync_data()?;
        let target = self.objects.path(&self.id);
        let folder = target.parent().expect("object paths have a folder");
        fs::create_dir_all(folder)?;
        fs::rename(&self.path, &target)?;
        sync_folder(folder)?;
        self.finished = true;
        Ok(Segment {
            id: self.id.clone(),
            len: self.len,
            inline: None,
        })
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A rename is durable only once its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(objects: &Objects, text: &[u8]) -> Segment {
        let mut writing = objects.begin().unwrap();
        writing.write(text).unwrap();
        writing.finish().unwrap()
    }

    #[test]
    fn a_range_crosses_segments() {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::open(dir.path()).unwrap();
        let segments = [
            store(&objects, b"hello "),
            store(&objects, b"wide "),
            store(&objects, b"world"),
        ];
        assert_eq!(&objects.read(&segments, 3..13).unwrap()[..], b"lo wide wo");
        assert_eq!(&objects.read(&segments, 11..99).unwrap()[..], b"world");
        let mut whole = String::new();
        objects.reader(segments.to_vec()).read_to_string(&mut whole).unwrap();
        assert_eq!(whole, "hello wide world");
    }

    #[test]
    fn few_bytes_need_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::open(dir.path()).unwrap();
        let few = Segment::inline(&[Bytes::from_static(b"few "), Bytes::from_static(b"bytes")]).unwrap();
        let copy: Segment = serde_json::from_str(&serde_json::to_string(&few).unwrap()).unwrap();
        assert_eq!(copy, few);
        let segments = [objects.duplicate(&few).unwrap(), store(&objects, b" and more")];
        assert_eq!(&objects.read(&segments, 4..14).unwrap()[..], b"bytes and ");
        objects.remove(&segments[..1]);
        let mut whole = String::new();
        objects.reader(segments.to_vec()).read_to_string(&mut whole).unwrap();
        assert_eq!(whole, "few bytes and more");
        assert!(Segment::inline(&[Bytes::from(vec![0; INLINE + 1])]).is_none());
    }

    #[test]
    fn an_unfinished_upload_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::open(dir.path()).unwrap();
        let mut writing = objects.begin().unwrap();
        writing.write(b"half").unwrap();
        drop(writing);
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_duplicate_outlives_the_original() {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::open(dir.path()).unwrap();
        let first = store(&objects, b"shared");
        let second = objects.duplicate(&first).unwrap();
        objects.remove(&[first]);
        assert_eq!(&objects.read(&[second], 0..6).unwrap()[..], b"shared");
    }

    #[test]
    fn a_sweep_removes_only_what_is_old_and_unnamed() {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::open(dir.path()).unwrap();
        let (named, orphan) = (store(&objects, b"named"), store(&objects, b"orphan"));
        // The file system's clock ticks coarsely: open until it has moved on.
        let mut later = Objects::open(dir.path()).unwrap();
        while later.opened <= objects.opened || later.sweep(&HashSet::from([named.id.clone()])).unwrap() == 0 {
            later = Objects::open(dir.path()).unwrap();
        }
        let new = store(&later, b"new");
        assert_eq!(later.sweep(&HashSet::from([named.id.clone()])).unwrap(), 0);
        assert!(later.read(&[orphan], 0..1).is_err());
        assert_eq!(&later.read(&[named, new], 0..8).unwrap()[..], b"namednew");
    }
}
