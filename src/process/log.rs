//! The end of a log file, for error messages.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::secret::Secret;

/// How much of a file's end is looked at.
const TAIL_BYTES: u64 = 64 * 1024;

/// A line is cut after this many characters: mongod writes some of several thousand.
const LINE_CHARACTERS: usize = 400;

/// The last `count` lines of a file; none if it cannot be read.
pub fn last_lines(path: &Path, count: usize) -> Vec<String> {
    last_lines_without(&[], path, count)
}

/// The same without what nobody may say, even if the file does.
pub(super) fn last_lines_without(secrets: &[Secret], path: &Path, count: usize) -> Vec<String> {
    let Ok(mut file) = File::open(path) else { return Vec::new() };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut tail = Vec::new();
    if file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).is_err() || file.read_to_end(&mut tail).is_err() {
        return Vec::new();
    }
    // Before a line is cut: half a secret is not recognized.
    let text = Secret::all_hidden_in(secrets, &String::from_utf8_lossy(&tail));
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| shortened(line, LINE_CHARACTERS)).collect()
}

/// The last lines of a log, below each other, for an error message.
pub fn log_end(path: &Path, count: usize) -> String {
    indented(&last_lines(path, count))
}

/// Whether the end of a file holds `words`, in upper or lower case.
pub fn mentions(path: &Path, words: &str) -> bool {
    last_lines(path, usize::MAX).iter().any(|line| line.to_lowercase().contains(&words.to_lowercase()))
}

/// Lines of a log as they stand below an error message.
pub(super) fn indented(lines: &[String]) -> String {
    if lines.is_empty() {
        return "  (the log is empty)".to_owned();
    }
    lines.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

/// A text that ends with an ellipsis where it was cut.
pub(super) fn shortened(line: &str, characters: usize) -> String {
    match line.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_come_in_order_without_blank_ones_and_are_cut() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.log");
        std::fs::write(&path, format!("one\ntwo\n\n{}\n", "x".repeat(1000))).expect("it is writable");
        let lines = last_lines(&path, 2);
        assert_eq!(lines[0], "two");
        assert_eq!(lines[1].chars().count(), LINE_CHARACTERS + 1);
        assert_eq!(last_lines(&path, 9).len(), 3);
        assert!(last_lines(&folder.path().join("none"), 5).is_empty());
    }

    #[test]
    fn a_secret_is_taken_out_of_a_line_before_the_line_is_cut() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.log");
        // The cut falls into the secret.
        std::fs::write(&path, format!("{}hunter2\nat hunter2\n", "x".repeat(LINE_CHARACTERS - 3))).expect("writable");
        let lines = last_lines_without(&[Secret::new("hunter2")], &path, 2);
        assert!(lines[0].ends_with("xxx***"), "{lines:?}");
        assert_eq!(lines[1], "at ***");
    }
}
