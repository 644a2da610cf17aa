//! A file in blocks of whole lines: several threads read and parse, and the caller gets what became of each block in the
//! order of the file. A thread reads its blocks itself, so that their bytes are already near it when it parses them.
//! Every queue has a bound, so a slow caller holds up the others and memory does not grow with the file; what came of a
//! block is written over by a later one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

/// How much is read at once. Large enough for its texts to repeat, small enough for the tables of a block to stay in the
/// processor's cache.
const SIZE: usize = 1 << 20;

/// Results of one thread that may wait for the caller.
const WAITING: usize = 2;

/// Something whose bytes can be read from any place.
pub trait Source: Sync {
    /// Reads what stands at a place: fewer bytes than there is room for only at the end.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, place: u64, room: &mut [u8]) -> io::Result<usize>;
}

impl Source for File {
    fn read(&self, place: u64, room: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < room.len() {
            match self.read_at(&mut room[filled..], place + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Whole lines; the last line of the file may lack its line break.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl From<&str> for Block {
    fn from(lines: &str) -> Self {
        Self::from(lines.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Block {
    fn from(bytes: Vec<u8>) -> Self {
        Self { start: 0, end: bytes.len(), bytes }
    }
}

impl Block {
    /// All of it, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        simdutf8::basic::from_utf8(&self.bytes[self.start..self.end]).ok()
    }

    /// The lines without their line breaks, each with whether it has one.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let mut rest = &self.bytes[self.start..self.end];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (line, is_whole) = match memchr::memchr(b'\n', rest) {
                Some(end) => (&rest[..end], true),
                None => (rest, false),
            };
            rest = &rest[line.len() + usize::from(is_whole)..];
            Some((line, is_whole))
        })
    }

    /// Reads the lines that begin in the part of this number, be it that they end in a later one. False at the end.
    fn fill(&mut self, source: &impl Source, number: u64) -> io::Result<bool> {
        // The byte before the part says whether a line begins with it.
        let before = u64::from(number > 0);
        let place = number * SIZE as u64 - before;
        let size = SIZE + before as usize;
        self.bytes.resize(size, 0);
        let mut length = source.read(place, &mut self.bytes)?;
        let mut is_end = length < size;
        (self.start, self.end) = (0, 0);
        if length <= before as usize {
            return Ok(false);
        }
        if before > 0 {
            match memchr::memchr(b'\n', &self.bytes[..length]) {
                // A line begins after the last byte of the part, or none does: then it is a later one's.
                Some(end) if end + 1 < size => self.start = end + 1,
                _ => return Ok(true),
            }
        }
        self.end = length;
        while !is_end && !self.bytes[..length].ends_with(b"\n") {
            let more = SIZE.min(1 << 14);
            self.bytes.resize(length + more, 0);
            let count = source.read(place + length as u64, &mut self.bytes[length..])?;
            is_end = count < more;
            match memchr::memchr(b'\n', &self.bytes[length..length + count]) {
                Some(end) => {
                    self.end = length + end + 1;
                    return Ok(true);
                }
                None => length += count,
            }
            self.end = length;
        }
        Ok(true)
    }
}

/// How many threads read and parse: as many as there are cores, of which the caller needs only a part.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(2, usize::from).clamp(2, 8)
}

/// Reads to the end, or until `fold` says no. `parse` is given a result of an earlier block to write over.
///
/// # Errors
/// When the source cannot be read: the outer one. What `fold` says: the inner one.
pub fn in_order<T, E>(
    source: &impl Source,
    threads: usize,
    parse: impl Fn(&Block, &mut T) + Sync,
    mut fold: impl FnMut(&mut T) -> Result<(), E>,
) -> io::Result<Result<(), E>>
where
    T: Default + Send,
{
    thread::scope(|scope| {
        let mut outputs = Vec::new();
        for first in 0..threads {
            let (output, results) = sync_channel::<io::Result<T>>(WAITING);
            let (results_back, old_results) = channel::<T>();
            let parse = &parse;
            scope.spawn(move || {
                let numbers = (first as u64..).step_by(threads);
                work(source, numbers, &output, &old_results, parse);
            });
            outputs.push((results, results_back));
        }
        for place in 0.. {
            let (results, results_back) = &outputs[place % threads];
            // Whose turn it is has come to the end, and so has everybody after it.
            let Ok(result) = results.recv() else { break };
            let mut result = result?;
            if let Err(error) = fold(&mut result) {
                return Ok(Err(error));
            }
            // Whoever parsed it may have ended by now.
            let _ = results_back.send(result);
        }
        Ok(Ok(()))
    })
}

/// Reads and parses the blocks of one thread.
fn work<T: Default>(
    source: &impl Source,
    numbers: impl Iterator<Item = u64>,
    output: &SyncSender<io::Result<T>>,
    old_results: &Receiver<T>,
    parse: &impl Fn(&Block, &mut T),
) {
    let mut block = Block::default();
    for number in numbers {
        let result = match block.fill(source, number) {
            Ok(true) => {
                let mut result = old_results.try_recv().unwrap_or_default();
                parse(&block, &mut result);
                Ok(result)
            }
            Ok(false) => return,
            Err(error) => Err(error),
        };
        // After an error, or when the caller has heard enough, there is nothing more to do.
        let is_error = result.is_err();
        if output.send(result).is_err() || is_error {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Source for &str {
        fn read(&self, place: u64, room: &mut [u8]) -> io::Result<usize> {
            let rest = self.as_bytes().get(place as usize..).unwrap_or_default();
            let count = rest.len().min(room.len());
            room[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }
    }

    fn lines_of(text: &str) -> Vec<(String, bool)> {
        let mut all = Vec::new();
        let parse = |block: &Block, lines: &mut Vec<(String, bool)>| {
            lines.clear();
            lines.extend(block.lines().map(|(line, is_whole)| (String::from_utf8_lossy(line).into_owned(), is_whole)));
        };
        let read: io::Result<Result<(), ()>> = in_order(&text, 2, parse, |lines| {
            all.append(lines);
            Ok(())
        });
        read.unwrap().unwrap();
        all
    }

    #[test]
    fn lines_come_in_the_order_of_the_file_whatever_their_length() {
        let lengths = [0, 1, SIZE - 1, SIZE, SIZE + 1, 3 * SIZE, 0, 7, SIZE - 12, SIZE - 1, SIZE - 1, 5 * SIZE + 3, 2];
        let expected: Vec<String> =
            lengths.iter().zip('a'..).map(|(length, letter)| letter.to_string().repeat(*length)).collect();
        let text = expected.join("\n") + "\n";
        let found = lines_of(&text);
        assert!(found.iter().all(|(_, is_whole)| *is_whole));
        assert!(found.into_iter().map(|(line, _)| line).eq(expected));
    }

    #[test]
    fn a_last_line_without_its_break_is_told_apart() {
        assert_eq!(lines_of("a\nb"), [("a".to_owned(), true), ("b".to_owned(), false)]);
        assert_eq!(lines_of("a\n"), [("a".to_owned(), true)]);
        assert_eq!(lines_of(""), []);
        let long = "b".repeat(SIZE + 3);
        assert_eq!(lines_of(&format!("a\n{long}")), [("a".to_owned(), true), (long, false)]);
    }

    #[test]
    fn a_caller_that_has_heard_enough_ends_the_reading() {
        let text = "line\n".repeat(SIZE);
        let mut taken = 0;
        let read = in_order(
            &text.as_str(),
            2,
            |_: &Block, (): &mut ()| {},
            |()| {
                taken += 1;
                if taken == 3 { Err("enough") } else { Ok(()) }
            },
        );
        assert_eq!((read.unwrap(), taken), (Err("enough"), 3));
    }

    #[test]
    fn a_source_that_fails_says_so_after_what_it_gave() {
        struct Failing;
        impl Source for Failing {
            fn read(&self, place: u64, room: &mut [u8]) -> io::Result<usize> {
                if place >= 2 * SIZE as u64 - 1 {
                    return Err(io::Error::other("the disk is gone"));
                }
                room.fill(b'\n');
                Ok(room.len())
            }
        }
        let mut lines = 0;
        let count = |block: &Block, found: &mut usize| *found = block.lines().count();
        let read: io::Result<Result<(), ()>> = in_order(&Failing, 2, count, |found| {
            lines += *found;
            Ok(())
        });
        assert_eq!((read.unwrap_err().to_string().as_str(), lines), ("the disk is gone", 2 * SIZE));
    }
}
