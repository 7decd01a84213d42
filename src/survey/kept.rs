//! What a survey has read so far, beside the file that it will become.
//!
//! JSON lines, only ever appended to: a head that says of whom, then one line for
//! each page. A line is written whole and synced before the next page is asked for;
//! of a survey that was killed in the middle of a line all but this line counts. It
//! holds the company's own names and no secret, is readable by its owner alone, and
//! goes away when the company file is there.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{Failure, Kind, Result};

/// The form of these lines; another one is not gone on with.
const FORM: u32 = 1;
/// What was read longer ago is read anew: facts of different weeks would
/// contradict each other.
const FRESH: SignedDuration = SignedDuration::from_hours(24);

/// The first line.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Head {
    survey: u32,
    /// Digest of profile, tenant and lab.
    of: String,
    began: Timestamp,
}

/// One page, or the news that a read began again.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    read: String,
    rows: Vec<Value>,
    /// Link to the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// What was kept of this read before counts no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    anew: bool,
}

/// What is there of one read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sofar {
    /// Rows of all pages so far.
    pub rows: Vec<Value>,
    /// Where the next page is; none of a read that is whole.
    pub next: Option<String>,
}

/// Everything that was read.
pub struct Kept {
    file: Option<File>,
    path: PathBuf,
    began: Timestamp,
    resumed: bool,
    reads: BTreeMap<String, Sofar>,
}

/// `company.json` → `company.json.part`.
pub fn path_beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

impl Kept {
    /// Opens what an earlier survey of the same source left beside `out`, or
    /// begins. `now` is real time.
    ///
    /// # Errors
    /// The file can't be made or read, or another survey is writing it.
    pub fn open(out: &Path, of: &str, now: Timestamp) -> Result<Kept> {
        let path = path_beside(out);
        let wrong = |e: std::io::Error| {
            Failure::new(Kind::Local, format!("{} can't be written", path.display()))
                .detail(e.to_string())
                .hint("name a file in a folder that may be written with `--out`")
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(Kind::Local, format!("another survey is writing {}", path.display()))
                    .hint("wait for its end, or name another file with `--out`"));
            }
            // Where a file system knows no locks, two surveys are the user's to prevent.
            Err(TryLockError::Error(_)) => {}
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(wrong)?;
        let (head, reads, good) = understood(&bytes);
        let fits = |head: &Head| {
            head.survey == FORM && head.of == of && now.duration_since(head.began).abs() <= FRESH && !reads.is_empty()
        };
        let mut kept = Kept { file: None, path: path.clone(), began: now, resumed: false, reads: BTreeMap::new() };
        match head.filter(fits) {
            Some(head) => {
                file.set_len(good).map_err(wrong)?;
                file.seek(SeekFrom::End(0)).map_err(wrong)?;
                (kept.began, kept.resumed, kept.reads) = (head.began, true, reads);
                kept.file = Some(file);
            }
            None => {
                file.set_len(0).map_err(wrong)?;
                file.seek(SeekFrom::Start(0)).map_err(wrong)?;
                kept.file = Some(file);
                kept.line(&Head { survey: FORM, of: of.to_owned(), began: now })?;
            }
        }
        Ok(kept)
    }

    /// Rows in memory only.
    #[cfg(test)]
    pub fn of_rows(began: Timestamp, rows: impl IntoIterator<Item = (&'static str, Vec<Value>)>) -> Kept {
        let reads = rows.into_iter().map(|(name, rows)| (name.to_owned(), Sofar { rows, next: None })).collect();
        Kept { file: None, path: PathBuf::new(), began, resumed: false, reads }
    }

    /// When the survey began, by the clock on the wall.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Whether an earlier survey is gone on with.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many reads are whole.
    pub fn whole(&self) -> usize {
        self.reads.values().filter(|r| r.next.is_none()).count()
    }

    /// What is there of a read; none if it has not begun.
    pub fn read(&self, name: &str) -> Option<&Sofar> {
        self.reads.get(name)
    }

    /// Rows of a read; none if it was refused.
    pub fn rows(&self, name: &str) -> &[Value] {
        self.reads.get(name).map_or(&[], |r| r.rows.as_slice())
    }

    /// Keeps a page, on disk before in memory.
    ///
    /// # Errors
    /// It can't be written.
    pub fn page(&mut self, name: &str, rows: Vec<Value>, next: Option<String>) -> Result<()> {
        let page = Page { read: name.to_owned(), rows, next, anew: false };
        self.line(&page)?;
        enter(&mut self.reads, page);
        Ok(())
    }

    /// Forgets what was kept of a read: it begins again.
    ///
    /// # Errors
    /// It can't be written.
    pub fn anew(&mut self, name: &str) -> Result<()> {
        let page = Page { read: name.to_owned(), rows: Vec::new(), next: None, anew: true };
        self.line(&page)?;
        enter(&mut self.reads, page);
        Ok(())
    }

    /// The company file is there: what was kept for it goes.
    ///
    /// # Errors
    /// It can't be taken away; it holds the company's own names.
    pub fn remove(self) -> Result<()> {
        drop(self.file);
        std::fs::remove_file(&self.path).map_err(|e| {
            Failure::new(Kind::Local, format!("{} can't be taken away", self.path.display()))
                .detail(e.to_string())
                .hint("delete it: the company file is whole, and this one holds what was read for it")
        })
    }

    fn line<T: Serialize>(&mut self, value: &T) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text =
            serde_json::to_string(value).map_err(|e| Failure::internal(format!("a page has no form: {e}")))?;
        text.push('\n');
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(|e| {
            Failure::new(Kind::Local, format!("{} can't be written", self.path.display()))
                .detail(e.to_string())
                .hint("make room on the disk, then run the same command again: it goes on from there")
        })
    }
}

fn enter(reads: &mut BTreeMap<String, Sofar>, page: Page) {
    if page.anew {
        reads.remove(&page.read);
        return;
    }
    let sofar = reads.entry(page.read).or_default();
    sofar.rows.extend(page.rows);
    sofar.next = page.next;
}

/// What can be understood of a file, and how many of its bytes that is.
fn understood(bytes: &[u8]) -> (Option<Head>, BTreeMap<String, Sofar>, u64) {
    let mut good = 0;
    let mut head = None;
    let mut reads = BTreeMap::new();
    for line in bytes.split_inclusive(|b| *b == b'\n').take_while(|l| l.ends_with(b"\n")) {
        if head.is_none() {
            let Ok(first) = serde_json::from_slice(line) else { break };
            head = Some(first);
        } else {
            let Ok(page) = serde_json::from_slice(line) else { break };
            enter(&mut reads, page);
        }
        good += line.len();
    }
    (head, reads, good as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn moment(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

    #[test]
    fn a_survey_that_was_killed_in_the_middle_of_a_line_goes_on_after_the_last_whole_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = folder.path().join("company.json");
        let mut kept = Kept::open(&out, "us", moment(0)).expect("it begins");
        kept.page("graph.users", vec![json!({"id": 1})], Some("https://next".into())).expect("written");
        kept.page("graph.skus", vec![json!({"id": 2})], None).expect("written");
        drop(kept);
        let mut file = OpenOptions::new().append(true).open(path_beside(&out)).expect("it is there");
        file.write_all(br#"{"read":"graph.users","rows":[{"id""#).expect("written");
        drop(file);
        let mut kept = Kept::open(&out, "us", moment(60)).expect("it goes on");
        assert!(kept.is_resumed());
        assert_eq!((kept.began(), kept.whole()), (moment(0), 1));
        assert_eq!(kept.read("graph.users").and_then(|r| r.next.as_deref()), Some("https://next"));
        kept.page("graph.users", vec![json!({"id": 3})], None).expect("written");
        drop(kept);
        let kept = Kept::open(&out, "us", moment(60)).expect("it goes on");
        assert_eq!(kept.rows("graph.users"), [json!({"id": 1}), json!({"id": 3})]);
        kept.remove().expect("it goes");
        assert!(!path_beside(&out).exists());
    }

    #[test]
    fn another_profile_or_another_day_begins_anew() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = folder.path().join("company.json");
        let write = |of: &str, at: i64| {
            let mut kept = Kept::open(&out, of, moment(at)).expect("it opens");
            kept.page("graph.skus", vec![json!(1)], None).expect("written");
            (kept.is_resumed(), kept.rows("graph.skus").len())
        };
        assert_eq!(write("us", 0), (false, 1));
        assert_eq!(write("us", 86_400), (true, 2));
        assert_eq!(write("them", 0), (false, 1));
        assert_eq!(write("them", 86_401), (false, 1));
    }

    #[test]
    fn a_read_that_begins_again_forgets_its_pages() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = folder.path().join("company.json");
        let mut kept = Kept::open(&out, "us", moment(0)).expect("it begins");
        kept.page("graph.users", vec![json!(1)], Some("x".into())).expect("written");
        kept.anew("graph.users").expect("written");
        drop(kept);
        let kept = Kept::open(&out, "us", moment(0)).expect("it opens");
        assert_eq!(kept.read("graph.users"), None);
    }

    #[test]
    fn two_surveys_do_not_write_one_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = folder.path().join("company.json");
        let _first = Kept::open(&out, "us", moment(0)).expect("it begins");
        let second = Kept::open(&out, "us", moment(0)).err().expect("it is refused");
        assert!(second.message.contains("another survey"), "{second}");
    }
}
