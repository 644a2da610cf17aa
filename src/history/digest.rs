//! Lines and entries to items of a batch, of which the facts are made. A line is read by [`torn_scan`]; one of a kind that
//! batches do not hold becomes an entry. An entry that was never a line becomes the same item.

use std::str;

use torn_scan::batch::{self, Batch, Item, Print};
use torn_scan::block::Block;
use torn_scan::line::{Scanned, scan};
use torn_scan::outline::{Outline, place_of};

use super::entry::Entry;
use super::reader::NOT_TEXT;

/// What becomes of a block of lines.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// What operations, changes and records say.
    pub(super) batch: Batch,
    /// Everything else, under the numbers that the items give.
    pub(super) others: Vec<Entry>,
    /// The first line that is no entry, counted from the first of the block, from 0, and why; nothing after it is here.
    pub(super) broken: Option<(u32, String)>,
}

impl Sheet {
    /// Reads a block of lines.
    pub(super) fn read(&mut self, outline: &Outline, block: &Block) {
        self.clear();
        let text = block.text();
        let mut start = 0;
        for (line, is_whole) in block.lines() {
            let range = start..start + line.len();
            start = range.end + 1;
            let line = match text {
                Some(text) => Ok(&text[range]),
                None => str::from_utf8(line),
            };
            let read = if let Ok(line) = line {
                self.read_line(outline, line)
            } else {
                self.batch.lines += 1;
                Err(NOT_TEXT.to_owned())
            };
            if let Err(reason) = read {
                // A cut last line is no mistake: that the history has no end says enough.
                self.broken = is_whole.then(|| (self.batch.lines - 1, reason));
                return;
            }
        }
    }

    /// Takes an entry for the next line.
    pub(super) fn take(&mut self, outline: &Outline, entry: Entry) {
        self.batch.lines += 1;
        self.add(outline, entry);
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.batch.clear();
        self.others.clear();
        self.broken = None;
    }

    fn read_line(&mut self, outline: &Outline, line: &str) -> Result<(), String> {
        if scan(outline, line, &mut self.batch) == Scanned::Odd {
            let entry = serde_json::from_str(line).map_err(|error| error.to_string())?;
            self.add(outline, entry);
        }
        Ok(())
    }

    fn add(&mut self, outline: &Outline, entry: Entry) {
        if let Some(item) = self.item(outline, entry) {
            self.batch.items.push((self.batch.lines - 1, item));
        }
    }

    /// None where the entry is about a collection or topic that the outline does not name.
    fn item(&mut self, outline: &Outline, entry: Entry) -> Option<Item> {
        let Batch { names, cells, .. } = &mut self.batch;
        Some(match entry {
            Entry::Invoke(invoke) => {
                let operation = names.intern(&invoke.operation);
                let kind = place_of(&outline.kinds, &invoke.kind);
                let row = match kind {
                    Some(kind) => {
                        outline.kinds[usize::from(kind)].1.read_map(|name| invoke.values.get(name), names, cells)
                    }
                    None => cells.len() as u32,
                };
                let (at, due, released) = (invoke.at, invoke.due, invoke.released);
                let (part, client) = (invoke.part, invoke.client);
                Item::Invoke(batch::Invoke { at, due, released, operation, kind, part, client, row })
            }
            Entry::Complete(complete) => {
                let operation = names.intern(&complete.operation);
                let error = complete.error.as_ref().map(|error| names.intern(error));
                let row = outline.kept.read_map(|name| complete.kept.get(name), names, cells);
                let (at, sent, status) = (complete.at, complete.sent, complete.status);
                Item::Complete(batch::Complete { at, sent, operation, outcome: complete.outcome, status, error, row })
            }
            Entry::Change(change) => {
                let collection = place_of(&outline.collections, &change.collection)?;
                let id = names.intern(&change.id);
                let row = outline.collections[usize::from(collection)].1.read(&change.after, names, cells);
                let print = Print::of(&change.after);
                Item::Change(batch::Change { at: change.at, print, id, collection, kind: change.kind, row })
            }
            Entry::Record(record) => {
                let topic = place_of(&outline.topics, &record.topic)?;
                let header = |name: &str| record.headers.get(name).map(String::as_str);
                let row = outline.topics[usize::from(topic)].1.read(header, &record.payload, names, cells);
                let (at, offset, partition) = (record.at, record.offset, record.partition);
                Item::Record(batch::Record { at, offset, partition, topic, row })
            }
            Entry::Document(document) => {
                let collection = place_of(&outline.collections, &document.collection)?;
                let id = names.intern(&document.id);
                Item::Document(batch::Document { print: Print::of(&document.document), id, collection })
            }
            other => {
                self.others.push(other);
                Item::Other(self.others.len() as u32 - 1)
            }
        })
    }
}

#[cfg(test)]
mod tests;
