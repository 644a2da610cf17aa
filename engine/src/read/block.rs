//! Bytes in pieces of whole lines, read ahead by a thread: decompression and reading run beside parsing.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::Trouble;

/// A piece is read in steps of this size, and holds whole lines: as many as fit, or one that is longer.
const STEP: usize = 1 << 20;

/// Pieces that wait to be parsed.
const AHEAD: usize = 2;

/// A piece of the text.
pub(super) struct Block {
    text: String,
    /// The line on which it begins, from 1.
    line: u32,
}

impl Block {
    /// Its lines, each with its number, without the ends of lines.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u32, &str)> {
        (self.line..).zip(self.text.lines())
    }

    /// How many bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }
}

/// Takes `bytes` apart and hands the pieces to `each`, in order, until it has no wish for more.
///
/// # Errors
/// What `each` says; when the bytes cannot be read, are no UTF-8, or a line is longer than `longest` bytes.
pub(super) fn read(
    bytes: impl Read + Send,
    longest: u64,
    mut each: impl FnMut(&Block) -> Result<bool, Trouble>,
) -> Result<(), Trouble> {
    thread::scope(|scope| {
        let (sender, receiver): (_, Receiver<Result<Block, Trouble>>) = sync_channel(AHEAD);
        scope.spawn(move || {
            if let Err(trouble) = cut(bytes, longest, &sender) {
                // Nobody listens any more when the other side has stopped for a reason of its own.
                let _ = sender.send(Err(trouble));
            }
        });
        for block in receiver {
            if !each(&block?)? {
                break;
            }
        }
        Ok(())
    })
}

fn cut(mut bytes: impl Read, longest: u64, sender: &SyncSender<Result<Block, Trouble>>) -> Result<(), Trouble> {
    let mut rest: Vec<u8> = Vec::new();
    let mut line = 1;
    loop {
        let searched = rest.len();
        rest.reserve(STEP);
        let read = bytes.by_ref().take(STEP as u64).read_to_end(&mut rest);
        let is_last = matches!(read, Ok(0));
        let whole = match memchr::memrchr(b'\n', &rest[searched..]) {
            _ if is_last => rest.len(),
            Some(end) => searched + end + 1,
            // Of a stream that breaks off, the whole lines are handed over first.
            None if read.is_err() => 0,
            None if rest.len() as u64 > longest => {
                return Err(Trouble::Line(line, format!("longer than {} MiB (--memory)", longest >> 20)));
            }
            None => continue,
        };
        let next = rest.split_off(whole);
        let block = block(std::mem::replace(&mut rest, next), line)?;
        let lines = memchr::memchr_iter(b'\n', block.text.as_bytes()).count();
        line = line.checked_add(lines as u32).ok_or_else(|| {
            Trouble::Line(u32::MAX, "a file of more lines than can be counted in 32 bits; split it".to_owned())
        })?;
        let wanted = block.text.is_empty() || sender.send(Ok(block)).is_ok();
        if is_last || !wanted || read? == 0 {
            return Ok(());
        }
    }
}

fn block(bytes: Vec<u8>, line: u32) -> Result<Block, Trouble> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let lines = memchr::memchr_iter(b'\n', before).count();
        Trouble::Line(line.saturating_add(lines as u32), "not UTF-8".to_owned())
    })?;
    Ok(Block { text, line })
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
