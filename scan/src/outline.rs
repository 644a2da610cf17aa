//! Which fields of documents, records and operations are kept. Everything else is looked at only to see that it is JSON.

use std::borrow::Cow;

use serde_json::Value;

use crate::name::{Cell, Name, Names};

/// In what form a value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With its type; null as if it were not there.
    Cell,
    /// As a key or id: a string as it is, an object id as hex, anything else as compact JSON; null is none.
    Key,
    /// As text in a template: a string as it is, anything else, null too, as compact JSON.
    Text,
    /// Only an integer.
    Integer,
    /// Whether it says yes: 1 unless it is missing, null or false.
    Flag,
}

impl Form {
    /// A value in this form.
    pub fn of(self, value: &Value, names: &mut Names) -> Cell {
        match (self, value) {
            (Self::Cell, value) => Cell::read(Some(value), names),
            (Self::Key, value) => key_of(value).map_or(Cell::Missing, |text| Cell::Text(names.intern(&text))),
            (Self::Text, Value::String(text)) => Cell::Text(names.intern(text)),
            (Self::Text, value) => Cell::Text(names.intern(&value.to_string())),
            (Self::Integer, value) => value.as_i64().map_or(Cell::Missing, Cell::Integer),
            (Self::Flag, Value::Null | Value::Bool(false)) => Cell::Missing,
            (Self::Flag, _) => Cell::Integer(1),
        }
    }

    /// A string in this form, once it is interned.
    pub(crate) fn of_text(self, text: Name) -> Cell {
        match self {
            Self::Cell | Self::Key | Self::Text => Cell::Text(text),
            Self::Integer => Cell::Missing,
            Self::Flag => Cell::Integer(1),
        }
    }
}

/// A key or id as text: a string as it is, an object id as hex, else compact JSON; null is none.
pub fn key_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Object(fields) if fields.len() == 1 => match fields.get("$oid") {
            Some(Value::String(hex)) => Some(Cow::Borrowed(hex)),
            _ => Some(Cow::Owned(value.to_string())),
        },
        other => Some(Cow::Owned(other.to_string())),
    }
}

/// What is kept at one place of a value and below it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) slots: Vec<(u16, Form)>,
    /// In ascending order of their keys.
    pub(crate) children: Vec<(String, Node)>,
}

impl Node {
    fn add(&mut self, path: &[String], slot: u16, form: Form) {
        let Some((key, rest)) = path.split_first() else {
            self.slots.push((slot, form));
            return;
        };
        let place = match self.children.binary_search_by(|(known, _)| known.cmp(key)) {
            Ok(place) => place,
            Err(place) => {
                self.children.insert(place, (key.clone(), Self::default()));
                place
            }
        };
        self.children[place].1.add(rest, slot, form);
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.children.is_empty()
    }

    /// What is kept of the field of this name. There are few: most are told apart by their length.
    pub(crate) fn child(&self, key: &str) -> Option<&Self> {
        self.children.iter().find(|(known, _)| known == key).map(|(_, child)| child)
    }

    /// Empties the cells of everything below.
    pub(crate) fn forget_below(&self, cells: &mut [Cell]) {
        for (_, child) in &self.children {
            for (slot, _) in &child.slots {
                cells[usize::from(*slot)] = Cell::Missing;
            }
            child.forget_below(cells);
        }
    }

    /// Keeps what is to be kept of a value.
    pub(crate) fn read(&self, value: &Value, names: &mut Names, cells: &mut [Cell]) {
        for (slot, form) in &self.slots {
            cells[usize::from(*slot)] = form.of(value, names);
        }
        for (key, child) in &self.children {
            let found = match value {
                Value::Object(fields) => fields.get(key),
                Value::Array(items) => key.parse::<usize>().ok().and_then(|place| items.get(place)),
                _ => None,
            };
            if let Some(found) = found {
                child.read(found, names, cells);
            }
        }
    }
}

/// What is kept of one JSON value: a row of cells, one for each slot.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    pub(crate) root: Node,
    pub(crate) count: u16,
}

/// Nothing is kept.
pub(crate) static NOTHING: Fields = Fields { root: Node { slots: Vec::new(), children: Vec::new() }, count: 0 };

/// Nothing is kept of a record.
pub(crate) static NO_RECORD: Record = Record {
    headers: Vec::new(),
    payload: Fields { root: Node { slots: Vec::new(), children: Vec::new() }, count: 0 },
};

impl Fields {
    /// Keeps what stands at a path (the tokens of a JSON pointer), in the next slot.
    pub fn keep(&mut self, path: &[String], form: Form) -> u16 {
        let slot = self.count;
        self.count += 1;
        self.root.add(path, slot, form);
        slot
    }

    /// Leaves the next slot empty.
    pub fn skip(&mut self) -> u16 {
        self.count += 1;
        self.count - 1
    }

    /// How many slots there are.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Appends the row of a value.
    pub fn read(&self, value: &Value, names: &mut Names, cells: &mut Vec<Cell>) -> u32 {
        let start = cells.len();
        cells.resize(start + usize::from(self.count), Cell::Missing);
        self.root.read(value, names, &mut cells[start..]);
        start as u32
    }

    /// Appends the row of values that stand under names.
    pub fn read_map<'value>(
        &self,
        find: impl Fn(&str) -> Option<&'value Value>,
        names: &mut Names,
        cells: &mut Vec<Cell>,
    ) -> u32 {
        assert!(self.root.slots.is_empty(), "values under names are kept one by one");
        let start = cells.len();
        cells.resize(start + usize::from(self.count), Cell::Missing);
        for (key, child) in &self.root.children {
            if let Some(value) = find(key) {
                child.read(value, names, &mut cells[start..]);
            }
        }
        start as u32
    }
}

/// What is kept of a record: headers and fields of the payload, in one row.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// In ascending order of their names.
    pub(crate) headers: Vec<(String, Vec<u16>)>,
    pub(crate) payload: Fields,
}

impl Record {
    /// Keeps a header, in the next slot.
    pub fn keep_header(&mut self, name: &str) -> u16 {
        let slot = self.payload.count;
        self.payload.count += 1;
        match self.headers.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(place) => self.headers[place].1.push(slot),
            Err(place) => self.headers.insert(place, (name.to_owned(), vec![slot])),
        }
        slot
    }

    /// Keeps what stands at a path of the payload, in the next slot.
    pub fn keep(&mut self, path: &[String], form: Form) -> u16 {
        self.payload.keep(path, form)
    }

    /// How many slots there are.
    pub fn count(&self) -> u16 {
        self.payload.count
    }

    /// Appends the row of a record.
    pub fn read<'text>(
        &self,
        header: impl Fn(&str) -> Option<&'text str>,
        payload: &Value,
        names: &mut Names,
        cells: &mut Vec<Cell>,
    ) -> u32 {
        let start = cells.len();
        cells.resize(start + usize::from(self.payload.count), Cell::Missing);
        for (name, slots) in &self.headers {
            if let Some(text) = header(name) {
                let cell = Cell::Text(names.intern(text));
                for slot in slots {
                    cells[start + usize::from(*slot)] = cell;
                }
            }
        }
        self.payload.root.read(payload, names, &mut cells[start..]);
        start as u32
    }
}

/// What is kept of a history. Whatever it does not name is not kept at all.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// By the collection's name: fields of documents.
    pub collections: Vec<(String, Fields)>,
    /// By the topic's name.
    pub topics: Vec<(String, Record)>,
    /// By the operation's name: the values drawn for it.
    pub kinds: Vec<(String, Fields)>,
    /// What is kept of answers, whatever the operation.
    pub kept: Fields,
}

/// The place of a name in one of the lists of an [`Outline`]. They are short: a manifest names few things.
pub fn place_of<T>(list: &[(String, T)], name: &str) -> Option<u16> {
    list.iter().position(|(known, _)| known == name).map(|place| place as u16)
}
