//! A manifest made ready for millions of entries: pointers split, templates parsed, names turned into places in a
//! table. It adds no meaning of its own.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use serde_json::Value;
use torn_scan::outline::{self, Fields};

pub use super::declaration::{AnswerSchema, Declaration, KindSchema, Motion, Move};
use super::declaration::{EffectSchema, EventSchema};
pub use super::layout::{Labels, row};
use super::name::{Cell, Name, Names};
use crate::scenario::manifest::{Collection, Consumer, ConsumerMode, Manifest, OperationSpec, Topic};
use crate::scenario::resolved::Resolved;
use crate::scenario::template::{JsonTemplate, Template};

/// A JSON pointer, split once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(pub(super) Vec<String>);

impl Path {
    /// Splits a pointer (RFC 6901).
    pub fn new(pointer: &str) -> Self {
        Self(pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
    }

    /// The pointer as text.
    pub fn show(&self) -> String {
        self.0.join("/")
    }
}

/// Where in a record something stands.
#[derive(Debug)]
pub(super) enum Locator {
    Header(String),
    Payload(Path),
}

impl Locator {
    fn new(text: &str) -> Self {
        text.strip_prefix("header:")
            .map_or_else(|| Self::Payload(Path::new(text)), |name| Self::Header(name.to_owned()))
    }
}

/// One collection.
#[derive(Debug)]
pub struct CollectionSchema {
    /// Its name.
    pub name: String,
    /// Where the entity key stands.
    pub entity: Path,
    /// Where the version stands.
    pub version: Option<Path>,
    /// Where the operation id stands.
    pub operation: Option<Path>,
    /// Every field that the manifest names elsewhere.
    pub fields: Vec<Path>,
    /// Where the stock stands among the fields.
    pub stock: Option<u16>,
    /// Its documents are outbox rows.
    pub outbox: Option<OutboxSchema>,
    /// The consumers whose read model it is.
    pub consumers: Vec<u16>,
    /// What is read of a document, as [`row`] lays it out.
    pub row: Fields,
}

/// Where an outbox row keeps what matters.
#[derive(Debug)]
pub struct OutboxSchema {
    /// The operation id.
    pub operation: Path,
    /// The event id.
    pub event: Path,
    /// The event type.
    pub kind: Path,
    /// The entity.
    pub subject: Path,
    /// Missing, null or false while unpublished.
    pub published: Path,
}

/// One topic.
#[derive(Debug)]
pub struct TopicSchema {
    /// The manifest's name.
    pub name: String,
    pub(super) operation: Locator,
    pub(super) event: Locator,
    pub(super) source: Locator,
    pub(super) kind: Locator,
    pub(super) subject: Locator,
    pub(super) sequence: Locator,
    /// The payload's fields that consumers' views are made of.
    pub inputs: Vec<Path>,
    /// What is read of a record, as [`row`] lays it out.
    pub row: outline::Record,
}

/// One consumer.
#[derive(Debug)]
pub struct ConsumerSchema {
    /// The manifest's name.
    pub name: String,
    /// The role whose instances consume.
    pub role: String,
    /// Its topics.
    pub topics: Vec<u16>,
    /// How it treats events.
    pub mode: ConsumerMode,
    /// The collection of its view.
    pub collection: u16,
    /// The field where the view stamps the event id.
    pub event: u16,
    /// The field where it stamps the operation id.
    pub operation: u16,
    /// Fields of the view (in the collection) that rise, and by what.
    pub add: Vec<(u16, Input)>,
    /// Fields that become something.
    pub set: Vec<(u16, Input)>,
    /// The fields where the view stamps partition and offset.
    pub position: Option<(u16, u16)>,
}

/// What a view's field is made of.
#[derive(Debug, Clone)]
pub enum Input {
    /// Always the same.
    Fixed(Value),
    /// What stands at a place of the payload; by topic, the place in [`TopicSchema::inputs`].
    Payload(BTreeMap<u16, u16>),
}

/// The whole manifest.
#[derive(Debug)]
pub struct Schema {
    /// Collections in the manifest's order; views that it does not list come last.
    pub collections: Vec<CollectionSchema>,
    /// Topics.
    pub topics: Vec<TopicSchema>,
    /// Kinds of operations.
    pub kinds: Vec<KindSchema>,
    /// Consumers.
    pub consumers: Vec<ConsumerSchema>,
    /// The kept fields of answers that tell of documents, as they lie in a row.
    pub kept: Vec<String>,
    parameters: IndexMap<String, Value>,
    collection_index: HashMap<String, u16>,
    topic_index: HashMap<String, u16>,
    kind_index: HashMap<String, u16>,
}

impl Schema {
    /// Compiles the manifest of a resolved scenario.
    pub fn new(resolved: &Resolved) -> Self {
        let manifest = &resolved.manifest;
        let mut schema = Self {
            collections: Vec::new(),
            topics: manifest.topic.iter().map(|(name, topic)| compile_topic(name, topic)).collect(),
            kinds: Vec::new(),
            consumers: Vec::new(),
            kept: Vec::new(),
            parameters: resolved.parameters(),
            collection_index: HashMap::new(),
            topic_index: index(manifest.topic.keys()),
            kind_index: index(manifest.operation.keys()),
        };
        for (name, collection) in &manifest.collection {
            schema.add_collection(name, Some(collection));
        }
        for (name, consumer) in &manifest.consumer {
            schema.add_consumer(name, consumer);
        }
        for (name, operation) in &manifest.operation {
            schema.add_kind(name, operation);
        }
        schema.add_stock(manifest);
        schema.lay_out();
        schema
    }

    /// The place of a collection.
    pub fn collection(&self, name: &str) -> Option<u16> {
        self.collection_index.get(name).copied()
    }

    /// The place of a topic.
    pub fn topic(&self, name: &str) -> Option<u16> {
        self.topic_index.get(name).copied()
    }

    /// The place of a kind of operation.
    pub fn kind(&self, name: &str) -> Option<u16> {
        self.kind_index.get(name).copied()
    }

    /// Fills in what an operation declares; none when a variable has no value.
    pub fn declare(
        &self,
        kind: u16,
        operation: Name,
        row: &[Cell],
        names: &mut Names,
        declaration: &mut Declaration,
    ) -> Option<()> {
        declaration.fill_in(&self.kinds[usize::from(kind)], &self.parameters, operation, row, names)
    }

    /// The document that an answer tells of; none when a variable has no value.
    pub fn answered(
        &self,
        kind: u16,
        answer: &AnswerSchema,
        operation: Name,
        row: &[Cell],
        names: &mut Names,
    ) -> Option<Name> {
        self.kinds[usize::from(kind)].answered(answer, &self.parameters, operation, row, names)
    }

    fn add_collection(&mut self, name: &str, collection: Option<&Collection>) -> u16 {
        let place = u16::try_from(self.collections.len()).expect("a manifest has few collections");
        self.collection_index.insert(name.to_owned(), place);
        self.collections.push(CollectionSchema {
            name: name.to_owned(),
            entity: Path::new(collection.map_or("/_id", |collection| &collection.entity)),
            version: collection.and_then(|collection| collection.version.as_deref()).map(Path::new),
            operation: collection.and_then(|collection| collection.operation.as_deref()).map(Path::new),
            fields: Vec::new(),
            stock: None,
            outbox: collection.and_then(|collection| collection.outbox.as_ref()).map(|outbox| OutboxSchema {
                operation: Path::new(&outbox.operation),
                event: Path::new(&outbox.event),
                kind: Path::new(&outbox.kind),
                subject: Path::new(&outbox.subject),
                published: Path::new(&outbox.published),
            }),
            consumers: Vec::new(),
            row: Fields::default(),
        });
        place
    }

    fn add_consumer(&mut self, name: &str, consumer: &Consumer) {
        let place = u16::try_from(self.consumers.len()).expect("a manifest has few consumers");
        let view = &consumer.view;
        let collection =
            self.collection(&view.collection).unwrap_or_else(|| self.add_collection(&view.collection, None));
        self.collections[usize::from(collection)].consumers.push(place);
        let topics: Vec<u16> = consumer.topics.iter().filter_map(|topic| self.topic(topic)).collect();
        let add = view.add.iter().map(|(field, value)| {
            let input = match value {
                Value::String(pointer) => self.payload_input(&topics, pointer),
                fixed => Input::Fixed(fixed.clone()),
            };
            (self.field(collection, field), input)
        });
        let add = add.collect();
        let set = view.set.iter().map(|(field, pointer)| {
            let input = self.payload_input(&topics, pointer);
            (self.field(collection, field), input)
        });
        let set = set.collect();
        let position = view.position.as_ref();
        let position =
            position.map(|place| (self.field(collection, &place.partition), self.field(collection, &place.offset)));
        let consumer = ConsumerSchema {
            name: name.to_owned(),
            role: consumer.role.clone(),
            topics,
            mode: consumer.mode,
            collection,
            event: self.field(collection, &view.event),
            operation: self.field(collection, &view.operation),
            add,
            set,
            position,
        };
        self.consumers.push(consumer);
    }

    fn payload_input(&mut self, topics: &[u16], pointer: &str) -> Input {
        let places = topics.iter().map(|&topic| {
            let inputs = &mut self.topics[usize::from(topic)].inputs;
            (topic, place_of(inputs, Path::new(pointer)))
        });
        Input::Payload(places.collect())
    }

    fn add_kind(&mut self, name: &str, operation: &OperationSpec) {
        let mut effects = Vec::new();
        let mut is_observed = false;
        for effect in &operation.effect {
            let Some(collection) = self.collection(&effect.collection) else { continue };
            is_observed |= self.collections[usize::from(collection)].operation.is_some();
            let parts = [(&effect.subtract, Motion::Subtract), (&effect.add, Motion::Add), (&effect.set, Motion::Set)];
            let mut moves = Vec::new();
            for (fields, motion) in parts {
                for (field, value) in fields {
                    moves.push((self.field(collection, field), motion, JsonTemplate::parse(value).ok()));
                }
            }
            effects.push(EffectSchema { collection, entity: Template::parse(&effect.entity).ok(), moves });
        }
        let mut answers = Vec::new();
        for answer in &operation.answer {
            let Some(collection) = self.collection(&answer.collection) else { continue };
            let fields = answer.fields.iter();
            let fields = fields.map(|(field, kept)| (self.field(collection, field), self.kept(kept))).collect();
            let (entity, version) = (Template::parse(&answer.entity).ok(), self.kept(&answer.version));
            answers.push(AnswerSchema { collection, entity, version, fields });
        }
        let events = operation.event.iter().filter_map(|event| {
            let topic = self.topic(&event.topic)?;
            Some(EventSchema { topic, kind: event.kind.clone(), subject: Template::parse(&event.subject).ok() })
        });
        self.kinds.push(KindSchema {
            name: name.to_owned(),
            events: events.collect(),
            effects,
            entity: operation.entity.as_deref().map(|text| Template::parse(text).ok()),
            answers,
            may_be_empty: operation.may_be_empty,
            is_observed,
            variables: Vec::new(),
            row: Fields::default(),
        });
    }

    fn add_stock(&mut self, manifest: &Manifest) {
        for (name, stock) in &manifest.stock {
            if let Some(collection) = self.collection(name) {
                let field = self.field(collection, &stock.field);
                self.collections[usize::from(collection)].stock = Some(field);
            }
        }
    }

    fn kept(&mut self, name: &str) -> u16 {
        let place = self.kept.iter().position(|known| known == name).unwrap_or_else(|| {
            self.kept.push(name.to_owned());
            self.kept.len() - 1
        });
        u16::try_from(place).expect("a manifest keeps few fields of answers")
    }

    fn field(&mut self, collection: u16, pointer: &str) -> u16 {
        place_of(&mut self.collections[usize::from(collection)].fields, Path::new(pointer))
    }
}

fn place_of(paths: &mut Vec<Path>, path: Path) -> u16 {
    let place = paths.iter().position(|known| *known == path).unwrap_or_else(|| {
        paths.push(path);
        paths.len() - 1
    });
    u16::try_from(place).expect("a manifest names few fields")
}

fn index<'name>(names: impl Iterator<Item = &'name String>) -> HashMap<String, u16> {
    names.zip(0..).map(|(name, place)| (name.clone(), place)).collect()
}

fn compile_topic(name: &str, topic: &Topic) -> TopicSchema {
    TopicSchema {
        name: name.to_owned(),
        operation: Locator::new(&topic.operation),
        event: Locator::new(&topic.event),
        source: Locator::new(&topic.source),
        kind: Locator::new(&topic.kind),
        subject: Locator::new(&topic.subject),
        sequence: Locator::new(&topic.sequence),
        inputs: Vec::new(),
        row: outline::Record::default(),
    }
}
