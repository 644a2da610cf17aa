//! What an operation declares: its effects and the events it must lead to, with its own values filled in by the rules of
//! the requests themselves.
//!
//! A template that is exactly one variable, as nearly all are, takes the value as it was read; any other is rendered.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;
use torn_scan::outline::{Fields, Form};

use super::name::{Cell, Name, Names};
use crate::scenario::template::{JsonTemplate, Template};

/// How an effect moves a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// It sinks by the value.
    Subtract,
    /// It rises by the value.
    Add,
    /// It becomes the value.
    Set,
}

/// One field of one effect, with the operation's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Move {
    /// Which field of the collection.
    pub field: u16,
    /// How.
    pub motion: Motion,
    /// By how much, or what it becomes.
    pub value: Cell,
}

/// A text that depends on the operation. None where the manifest's text is no template: validation refuses that, and a
/// hand-edited one leaves its operations undeclared instead of misread.
pub(super) type Text = Option<Template>;

#[derive(Debug)]
pub(super) struct EffectSchema {
    pub(super) collection: u16,
    pub(super) entity: Text,
    pub(super) moves: Vec<(u16, Motion, Option<JsonTemplate>)>,
}

#[derive(Debug)]
pub(super) struct EventSchema {
    pub(super) topic: u16,
    pub(super) kind: String,
    pub(super) subject: Text,
}

/// What an answer tells of one document. Its version and fields are named by their places in [`super::schema::Schema::kept`].
#[derive(Debug)]
pub struct AnswerSchema {
    /// The collection.
    pub collection: u16,
    pub(super) entity: Text,
    /// The version.
    pub version: u16,
    /// Fields of the collection, and what is kept of them.
    pub fields: Vec<(u16, u16)>,
}

/// One kind of operation.
#[derive(Debug)]
pub struct KindSchema {
    /// Its name in the manifest.
    pub name: String,
    pub(super) effects: Vec<EffectSchema>,
    pub(super) events: Vec<EventSchema>,
    pub(super) entity: Option<Text>,
    /// What its answers tell of documents.
    pub answers: Vec<AnswerSchema>,
    /// `ok` without a change is no anomaly.
    pub may_be_empty: bool,
    /// Some effect is on a collection whose documents name their operation: such a change says that it took effect.
    pub is_observed: bool,
    /// The variables that its templates name, and how their values lie in a row: as text, then as they are.
    pub(super) variables: Vec<String>,
    pub(super) row: Fields,
}

impl KindSchema {
    /// How many events it leads to.
    pub fn event_count(&self) -> usize {
        self.events.len()
    }

    /// Whether some effect takes from this field of this collection.
    pub fn takes_from(&self, collection: u16, field: u16) -> bool {
        let moves =
            self.effects.iter().filter(|effect| effect.collection == collection).flat_map(|effect| &effect.moves);
        moves.into_iter().any(|(place, motion, _)| *place == field && *motion == Motion::Subtract)
    }

    /// Lays out a row for what the templates name.
    pub(super) fn lay_out(&mut self) {
        let texts = self.effects.iter().map(|effect| &effect.entity).chain(&self.entity);
        let texts = texts.chain(self.events.iter().map(|event| &event.subject));
        let texts = texts.chain(self.answers.iter().map(|answer| &answer.entity));
        let mut named: Vec<&str> = texts.flatten().flat_map(Template::variables).collect();
        let amounts = self.effects.iter().flat_map(|effect| &effect.moves);
        named.extend(amounts.filter_map(|(_, _, amount)| amount.as_ref()).flat_map(JsonTemplate::variables));
        named.sort_unstable();
        named.dedup();
        self.variables = named.into_iter().filter(|name| *name != "operation").map(str::to_owned).collect();
        for name in &self.variables {
            self.row.keep(std::slice::from_ref(name), Form::Text);
            self.row.keep(std::slice::from_ref(name), Form::Cell);
        }
    }

    /// The document that one of its answers tells of; none when a variable has no value.
    pub(super) fn answered(
        &self,
        answer: &AnswerSchema,
        parameters: &IndexMap<String, Value>,
        operation: Name,
        row: &[Cell],
        names: &mut Names,
    ) -> Option<Name> {
        let values = Values { kind: self, parameters, operation, row, rendered: OnceCell::new() };
        values.text(&answer.entity, names)
    }

    /// The row of an operation's values.
    pub(super) fn read(&self, values: &BTreeMap<String, Value>, names: &mut Names, cells: &mut Vec<Cell>) -> u32 {
        self.row.read_map(|name| values.get(name), names, cells)
    }
}

/// What one operation declares; its memory serves the next one.
#[derive(Debug, Default, PartialEq)]
pub struct Declaration {
    /// Per effect: collection, entity, and how many of the moves are its own.
    pub effects: Vec<(u16, Name, usize)>,
    /// The moves of all effects.
    pub moves: Vec<Move>,
    /// Per event: topic, type, subject.
    pub events: Vec<(u16, Name, Name)>,
    /// The entity the operation is about.
    pub entity: Option<Name>,
}

impl Declaration {
    fn clear(&mut self) {
        self.effects.clear();
        self.moves.clear();
        self.events.clear();
        self.entity = None;
    }

    /// Fills in what an operation declares; none, and nothing filled in, when a variable has no value.
    pub(super) fn fill_in(
        &mut self,
        kind: &KindSchema,
        parameters: &IndexMap<String, Value>,
        operation: Name,
        row: &[Cell],
        names: &mut Names,
    ) -> Option<()> {
        self.clear();
        let values = Values { kind, parameters, operation, row, rendered: OnceCell::new() };
        let filled = self.try_fill_in(&values, names);
        if filled.is_none() {
            self.clear();
        }
        filled
    }

    fn try_fill_in(&mut self, values: &Values<'_>, names: &mut Names) -> Option<()> {
        for effect in &values.kind.effects {
            for (field, motion, amount) in &effect.moves {
                let value = values.cell(amount.as_ref()?, names)?;
                self.moves.push(Move { field: *field, motion: *motion, value });
            }
            self.effects.push((effect.collection, values.text(&effect.entity, names)?, effect.moves.len()));
        }
        for event in &values.kind.events {
            self.events.push((event.topic, names.intern(&event.kind), values.text(&event.subject, names)?));
        }
        if let Some(entity) = &values.kind.entity {
            self.entity = Some(values.text(entity, names)?);
        }
        Some(())
    }
}

/// What the variables of one operation stand for.
struct Values<'operation> {
    kind: &'operation KindSchema,
    parameters: &'operation IndexMap<String, Value>,
    operation: Name,
    row: &'operation [Cell],
    /// The values again, for templates that must be rendered.
    rendered: OnceCell<BTreeMap<&'operation str, Value>>,
}

impl Values<'_> {
    /// As text, and as it is; none where the operation has no such value of its own.
    fn find(&self, variable: &str) -> Option<(Name, Cell)> {
        if variable == "operation" {
            return Some((self.operation, Cell::Text(self.operation)));
        }
        let place = self.kind.variables.iter().position(|name| name == variable)?;
        Some((self.row[2 * place].text()?, self.row[2 * place + 1]))
    }

    fn text(&self, template: &Text, names: &mut Names) -> Option<Name> {
        let template = template.as_ref()?;
        if let Some((text, _)) = template.variable().and_then(|variable| self.find(variable)) {
            return Some(text);
        }
        let text = template.text(|name| self.value(name, names)).ok()?;
        Some(names.intern(&text))
    }

    fn cell(&self, template: &JsonTemplate, names: &mut Names) -> Option<Cell> {
        let value = match template {
            JsonTemplate::Constant(value) => return Some(Cell::read(Some(value), names)),
            JsonTemplate::Text(text) => {
                if let Some((_, cell)) = text.variable().and_then(|variable| self.find(variable)) {
                    return Some(cell);
                }
                template.value(&|name: &str| self.value(name, names)).ok()?
            }
            JsonTemplate::Array(_) | JsonTemplate::Object(_) => {
                template.value(&|name: &str| self.value(name, names)).ok()?
            }
        };
        Some(Cell::read(Some(&value), names))
    }

    fn value(&self, variable: &str, names: &Names) -> Option<&Value> {
        let rendered = self.rendered.get_or_init(|| {
            let own = self.kind.variables.iter().filter_map(|name| {
                let (text, cell) = self.find(name)?;
                let text = names.text(text);
                let value = match cell {
                    Cell::Text(_) => Value::from(text),
                    _ => serde_json::from_str(text).expect("only strings are kept as another text than their JSON"),
                };
                Some((name.as_str(), value))
            });
            own.chain([("operation", Value::from(names.text(self.operation)))]).collect()
        });
        rendered.get(variable).or_else(|| self.parameters.get(variable))
    }
}
