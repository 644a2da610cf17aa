//! Changes of documents: rows of an outbox, and states that operations and events bring about.

use std::mem;

use torn_scan::batch;

use super::{Document, Fold, NONE};
use crate::history::attribution::{State, application, is_judged, owner};
use crate::history::entry::ChangeKind;
use crate::history::facts::{Change, Effect, Mark, NO_OPERATION, Owner, Row};
use crate::history::name::{Cell, Name};
use crate::history::schema::row;

impl Fold {
    pub(super) fn document_at(&mut self, collection: u16, id: Name) -> usize {
        let by_name = &mut self.document_by_name[usize::from(collection)];
        if by_name.len() <= id.index() {
            by_name.resize(id.index() + 1, NONE);
        }
        let place = &mut by_name[id.index()];
        if *place == NONE {
            *place = self.documents.len() as u32;
            self.documents.push(Document {
                print: None,
                final_print: None,
                id,
                last: NONE,
                collection,
                is_there: false,
            });
        }
        *place as usize
    }

    pub(super) fn change(&mut self, line: u64, change: &batch::Change, cells: &[Cell]) {
        let id = self.names[change.id.index()];
        let document = self.document_at(change.collection, id);
        self.documents[document].print = (change.kind != ChangeKind::Delete).then_some(change.print);
        if !matches!(change.kind, ChangeKind::Setup | ChangeKind::Snapshot) {
            self.facts.activity.add(change.at);
        }
        let schema = &self.facts.schema.collections[usize::from(change.collection)];
        let mark = Mark { line, at: change.at };
        if schema.outbox.is_some() {
            self.row(mark, document, change.kind, &cells[change.row as usize..]);
        } else {
            self.take_row(change.row, cells, schema.row.count());
            self.state_change(mark, document, change.kind);
        }
    }

    fn row(&mut self, mark: Mark, document: usize, kind: ChangeKind, cells: &[Cell]) {
        let known = &mut self.documents[document];
        if kind == ChangeKind::Delete {
            let row = mem::replace(&mut known.last, NONE);
            if row != NONE {
                self.facts.rows[row as usize].removed = Some(mark);
            }
            return;
        }
        let is_published = cells[row::PUBLISHED] != Cell::Missing;
        if known.last != NONE {
            let row = &mut self.facts.rows[known.last as usize];
            row.published = if is_published { row.published.or(Some(mark)) } else { None };
            return;
        }
        known.last = self.facts.rows.len() as u32;
        let (collection, id) = (known.collection, known.id);
        let text = |place: usize| cells[place].renamed(&self.names).text().unwrap_or(self.facts.nothing);
        let row = Row {
            collection,
            id,
            operation: self.facts.traced(text(row::OPERATION)),
            event: text(row::EVENT),
            kind: text(row::KIND),
            subject: text(row::SUBJECT),
            inserted: mark,
            published: is_published.then_some(mark),
            removed: None,
        };
        self.facts.rows.push(row);
    }

    fn state_change(&mut self, mark: Mark, document: usize, kind: ChangeKind) {
        let known = &mut self.documents[document];
        let facts = &mut self.facts;
        let collection = &facts.schema.collections[usize::from(known.collection)];
        // A second insert without a delete in between is a new incarnation all the same.
        let is_first = matches!(kind, ChangeKind::Insert | ChangeKind::Setup | ChangeKind::Snapshot);
        let last = (known.is_there && !is_first).then_some(known.last);
        let before = last.map(|last| {
            let Change { entity, version, stamp, cells: (start, count), .. } = facts.changes[last as usize];
            State { entity, version, stamp, cells: &facts.cells[start as usize..(start + count) as usize] }
        });
        let is_deleted = kind == ChangeKind::Delete;
        if is_deleted {
            self.row.fill(Cell::Missing);
        }
        let mut after = State::of(known.id, &self.row);
        if let Some(before) = before.filter(|_| is_deleted) {
            after.entity = before.entity;
        }
        let is_judged = is_judged(kind, before.as_ref());
        let key = owner(collection, before.as_ref(), &after).filter(|_| is_judged);
        let belongs = match key {
            None => Owner::Unattributed,
            Some(key) => match facts.operation_by_name.get(key.index()) {
                Some(&operation) if operation != NO_OPERATION => Owner::Operation(operation),
                _ => Owner::NeverSent(key),
            },
        };
        let place = facts.changes.len() as u32;
        for &consumer in collection.consumers.iter().filter(|_| is_judged) {
            let schema = &facts.schema.consumers[usize::from(consumer)];
            if let Some((key, event)) = application(schema, before.as_ref(), &after, &mut facts.names) {
                let operation = match facts.operation_by_name.get(key.index()) {
                    Some(&place) if place != NO_OPERATION => facts.operations[place as usize].id,
                    _ => key,
                };
                facts.effects.push(Effect { consumer, change: place, operation, event, group: None });
            }
        }
        let cells = (facts.cells.len() as u32, after.cells.len() as u32);
        let (entity, version, stamp) = (after.entity, after.version, after.stamp);
        facts.cells.extend(after.cells);
        facts.changes.push(Change {
            mark,
            collection: known.collection,
            id: known.id,
            entity,
            kind,
            before: last,
            version,
            stamp,
            owner: belongs,
            is_judged,
            cells,
        });
        known.last = place;
        known.is_there = !is_deleted;
    }
}
