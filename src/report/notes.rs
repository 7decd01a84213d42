//! The notes of a run beside its journal, a JSON line each, so that its page can
//! be made later: `.stagepost/notes/RUN.jsonl`.
//!
//! They are for people and prove nothing; what happened stands in the journal.
//! A line that can't be written stops the notes, never the run.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::base::{Failure, Kind, Result};
use crate::run::narrate::{Narrator, Note, What};

/// Where the notes of a run are kept in a project.
pub fn path(project: &Path, run: &str) -> PathBuf {
    project.join(".stagepost/notes").join(format!("{run}.jsonl"))
}

/// Takes notes into a file, once it is named; those before are dropped.
#[derive(Debug, Default)]
pub struct NotesFile(Mutex<Option<File>>);

impl NotesFile {
    /// Names the file. The notes of a run that goes on are added to those of its
    /// earlier processes.
    ///
    /// # Errors
    /// `local`: it can't be written.
    pub fn begin(&self, path: &Path) -> Result<()> {
        let open = || {
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            OpenOptions::new().create(true).append(true).open(path)
        };
        let file = open().map_err(|e| {
            Failure::new(
                Kind::Local,
                format!("the notes of the run can't be kept in {}: {}", path.display(), super::folder::plain(&e)),
            )
            .hint("the run is recorded all the same; `stagepost report` will tell less of it")
        })?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }
}

impl Narrator for NotesFile {
    fn note(&self, note: &Note) {
        // How far a step is says nothing afterwards.
        if matches!(note.what, What::Progress { .. }) {
            return;
        }
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = file.as_mut() else { return };
        let line = format!("{}\n", super::lines::note(note));
        if open.write_all(line.as_bytes()).is_err() {
            // The disk is full, as a rule; the journal will say so.
            *file = None;
        }
    }
}

/// Reads the notes of a run; none, if none were kept. A line that was cut off, as
/// by a full disk, is passed over.
///
/// # Errors
/// `local`: the file is there and can't be read.
pub fn read(path: &Path) -> Result<Vec<Note>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Failure::new(
            Kind::Local,
            format!("the notes of the run, {}, can't be read: {}", path.display(), super::folder::plain(&e)),
        )
        .hint("look at the rights of .stagepost/notes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(what: What) -> Note {
        Note { time: jiff::Timestamp::UNIX_EPOCH, what }
    }

    #[test]
    fn notes_are_read_back_and_those_of_a_second_process_are_added() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = path(folder.path(), "r1");
        assert!(read(&path).expect("none is no failure").is_empty());
        let all = [
            What::StepBegan { id: 1, primitive: "set_mx".into(), subject: "contoso.test".into() },
            What::StepEnded { id: 1, ok: true, changed: 2, text: "two".into() },
            What::WavePlanned {
                name: "wave-01".into(),
                last: String::new(),
                waves: 1,
                group: String::new(),
                about: String::new(),
                seats: 3,
                profiles: 3,
                bytes: None,
                unknown_sizes: 0,
                hours_without_old_mail: Some(1.5),
                hours_apart: None,
                days: Some((1, 2)),
                crossing: 0,
            },
            What::Answered { text: "Start?".into(), granted: false, by: "ann".into() },
        ];
        for half in all.chunks(2) {
            let file = NotesFile::default();
            file.note(&note(What::Said { text: "too early".into() }));
            file.begin(&path).expect("the folder may be written");
            half.iter().for_each(|what| file.note(&note(what.clone())));
            file.note(&note(What::Progress { id: 1, done: 1, total: 2, unit: String::new(), text: String::new() }));
        }
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut f| f.write_all(b"{\"time\":\"2026-"))
            .expect("it is ours");
        let text = |notes: Vec<Note>| notes.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>();
        assert_eq!(text(read(&path).expect("readable")), text(all.into_iter().map(note).collect()));
    }
}
