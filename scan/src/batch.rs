//! What becomes of a block of lines: small numbers that point into tables of the batch.

use crate::name::{Cell, Name, Names};
pub use crate::print::Print;
use crate::print::Scratch;
use crate::word::{ChangeKind, Outcome, Part};

/// A block of lines. Names are the batch's own; whoever puts batches together gives them names that hold for all.
#[derive(Debug, Default)]
pub struct Batch {
    /// Every text.
    pub names: Names,
    /// Rows of cells, as the outline lays them out.
    pub cells: Vec<Cell>,
    /// What the lines say, each with its line counted from the first of the block, from 0.
    pub items: Vec<(u32, Item)>,
    /// How many lines there are.
    pub lines: u32,
    pub(crate) scratch: Scratch,
}

impl Batch {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.names.clear();
        self.cells.clear();
        self.items.clear();
        self.lines = 0;
    }
}

/// What one line says. `row` is the place of its first cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item {
    /// The start of an operation.
    Invoke(Invoke),
    /// Its end.
    Complete(Complete),
    /// A change of a document.
    Change(Change),
    /// A record.
    Record(Record),
    /// A document as the final read found it.
    Document(Document),
    /// Anything else: the caller's, who keeps it under this number.
    Other(u32),
}

/// The start of an operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Invoke {
    /// When the worker sent it off.
    pub at: u64,
    /// The intended start.
    pub due: u64,
    /// When the generator released it.
    pub released: u64,
    /// The operation id.
    pub operation: Name,
    /// The operation's place in the outline; none if it does not name it.
    pub kind: Option<u16>,
    /// Warm-up or load.
    pub part: Part,
    /// Which client.
    pub client: u32,
    /// Values.
    pub row: u32,
}

/// The end of an operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Complete {
    /// When.
    pub at: u64,
    /// When the last attempt was sent.
    pub sent: u64,
    /// The operation id.
    pub operation: Name,
    /// What came out.
    pub outcome: Outcome,
    /// The last answer's status.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<Name>,
    /// What is kept of the answer.
    pub row: u32,
}

/// A change of a document of a collection that the outline names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// When.
    pub at: u64,
    /// The fingerprint of the document afterwards.
    pub print: Print,
    /// The document's id.
    pub id: Name,
    /// The collection's place in the outline.
    pub collection: u16,
    /// What was done.
    pub kind: ChangeKind,
    /// Fields afterwards.
    pub row: u32,
}

/// A record of a topic that the outline names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record {
    /// When.
    pub at: u64,
    /// Its offset.
    pub offset: i64,
    /// Its partition.
    pub partition: i32,
    /// The topic's place in the outline.
    pub topic: u16,
    /// Headers and fields of the payload.
    pub row: u32,
}

/// A document of a collection that the outline names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Document {
    /// Its fingerprint.
    pub print: Print,
    /// Its id.
    pub id: Name,
    /// The collection's place in the outline.
    pub collection: u16,
}
