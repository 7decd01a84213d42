//! The output folder: made and tried before the work, filled after it.
//!
//! A rehearsal that can't keep its report should say so in its first second,
//! not in its last.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Story;
use crate::base::{Failure, Kind, Result};

/// Name of the page in the output folder.
pub const PAGE: &str = "report.html";

/// Makes the folder if it isn't there and tries to write into it.
///
/// # Errors
/// `local`: a file stands in the way, or the folder takes no files.
pub fn prepare(folder: &Path) -> Result<()> {
    if folder.exists() && !folder.is_dir() {
        return Err(Failure::new(Kind::Local, format!("the output folder `{}` is a file", folder.display()))
            .hint("name another folder with `--out`")
            .on(folder.display().to_string()));
    }
    std::fs::create_dir_all(folder)
        .and_then(|()| tempfile::Builder::new().prefix(".stagepost-").tempfile_in(folder))
        .map(drop)
        .map_err(|e| unwritable(folder, &e))
}

/// Writes the page of a story and answers where it is. A page that was there
/// is replaced in one step, so that a reader never sees half of one.
///
/// # Errors
/// `local`: the folder can't be written.
pub fn write_page(folder: &Path, story: &Story) -> Result<PathBuf> {
    write(folder, PAGE, super::html::page(story).as_bytes())
}

/// Writes any file of the output folder in one step.
///
/// # Errors
/// `local`: the folder can't be written.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = folder.join(name);
    let put = || -> std::io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".stagepost-");
        #[cfg(unix)]
        {
            // A temporary file is private by default; a report is meant to be read.
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(std::fs::Permissions::from_mode(0o644));
        }
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(&path)?;
        Ok(())
    };
    put().map_err(|e| unwritable(folder, &e))?;
    Ok(path)
}

fn unwritable(folder: &Path, e: &std::io::Error) -> Failure {
    Failure::new(Kind::Local, format!("the output folder `{}` can't be written: {}", folder.display(), plain(e)))
        .hint("name a folder that you may write to with `--out`")
        .on(folder.display().to_string())
}

/// The system's words without its number: `permission denied`.
pub fn plain(e: &std::io::Error) -> String {
    let text = e.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_tried_and_left_empty() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = root.path().join("a/b");
        prepare(&folder).expect("the folder can be made");
        assert_eq!(std::fs::read_dir(&folder).expect("it is there").count(), 0);
        let path =
            write(&folder, "x.txt", b"one").and_then(|_| write(&folder, "x.txt", b"two")).expect("it can be written");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"two");
        assert_eq!(std::fs::read_dir(&folder).expect("it is there").count(), 1);
    }

    #[test]
    fn a_file_in_the_way_is_named_with_a_remedy() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let file = root.path().join("out");
        std::fs::write(&file, "").expect("it can be written");
        let failure = prepare(&file).expect_err("a file is no folder");
        assert!(failure.message.ends_with("is a file"));
        let failure = prepare(&file.join("below")).expect_err("a file is no folder");
        assert_eq!(failure.kind, Kind::Local);
        assert!(failure.hint.is_some_and(|h| h.contains("--out")));
    }
}
