//! A manifest made ready for millions of entries: pointers split, templates parsed, names turned into places in a
//! table. It adds no meaning of its own.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use serde_json::Value;

use super::entry::Record;
use super::name::{Cell, Names};
use crate::scenario::manifest::{Collection, Consumer, ConsumerMode, Manifest, OperationSpec, Topic};
use crate::scenario::resolved::Resolved;
use crate::scenario::template::{JsonTemplate, Template};

/// A JSON pointer, split once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl Path {
    /// Splits a pointer (RFC 6901).
    pub fn new(pointer: &str) -> Self {
        Self(pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
    }

    /// What stands there.
    pub fn find<'value>(&self, value: &'value Value) -> Option<&'value Value> {
        self.0.iter().try_fold(value, |value, token| match value {
            Value::Object(fields) => fields.get(token),
            Value::Array(items) => token.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        })
    }

    /// The pointer as text.
    pub fn show(&self) -> String {
        self.0.join("/")
    }
}

/// A key or id as text: a string as it is, an object id as hex, else compact JSON; null is none.
pub fn text_of(value: &Value) -> Option<Cow<'_, str>> {
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

/// Where in a record something stands.
#[derive(Debug)]
enum Locator {
    Header(String),
    Payload(Path),
}

impl Locator {
    fn new(text: &str) -> Self {
        text.strip_prefix("header:")
            .map_or_else(|| Self::Payload(Path::new(text)), |name| Self::Header(name.to_owned()))
    }

    fn text<'record>(&self, record: &'record Record) -> Option<Cow<'record, str>> {
        match self {
            Self::Header(name) => record.headers.get(name).map(|text| Cow::Borrowed(text.as_str())),
            Self::Payload(path) => path.find(&record.payload).and_then(text_of),
        }
    }
}

/// What the variables of one operation stand for.
#[derive(Debug, Clone, Copy)]
pub struct Variables<'operation> {
    /// The operation id, `{operation}`.
    pub operation: &'operation str,
    /// What was drawn for it.
    pub values: &'operation BTreeMap<String, Value>,
}

/// A text that depends on the operation, by the rules of the requests themselves. None where the manifest's text is no
/// template: validation refuses that, and a hand-edited one leaves its operations undeclared instead of misread.
type Text = Option<Template>;

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

#[derive(Debug)]
struct EffectSchema {
    collection: u16,
    entity: Text,
    moves: Vec<(u16, Motion, Option<JsonTemplate>)>,
}

#[derive(Debug)]
struct EventSchema {
    topic: u16,
    kind: String,
    subject: Text,
}

/// What an answer tells of one document, by the names under which its fields are kept.
#[derive(Debug)]
pub struct AnswerSchema {
    /// The collection.
    pub collection: u16,
    entity: Text,
    /// The version.
    pub version: String,
    /// Fields of the collection.
    pub fields: Vec<(u16, String)>,
}

/// One kind of operation.
#[derive(Debug)]
pub struct KindSchema {
    /// Its name in the manifest.
    pub name: String,
    effects: Vec<EffectSchema>,
    events: Vec<EventSchema>,
    entity: Option<Text>,
    /// What its answers tell of documents.
    pub answers: Vec<AnswerSchema>,
    /// `ok` without a change is no anomaly.
    pub may_be_empty: bool,
    /// Some effect is on a collection whose documents name their operation: such a change says that it took effect.
    pub is_observed: bool,
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
    operation: Locator,
    event: Locator,
    source: Locator,
    kind: Locator,
    subject: Locator,
    sequence: Locator,
    /// The payload's fields that consumers' views are made of.
    pub inputs: Vec<Path>,
}

/// What a record says of itself.
#[derive(Debug)]
pub struct Labels<'record> {
    /// The operation id.
    pub operation: Cow<'record, str>,
    /// The event id, without its source.
    pub event: Cow<'record, str>,
    /// Who made it.
    pub source: Cow<'record, str>,
    /// The event type.
    pub kind: Cow<'record, str>,
    /// The entity.
    pub subject: Cow<'record, str>,
    /// The entity's version.
    pub sequence: Option<i64>,
}

impl TopicSchema {
    /// Reads a record's labels, or says which one is missing. A missing source or sequence is no obstacle.
    pub fn labels<'record>(&self, record: &'record Record) -> Result<Labels<'record>, &'static str> {
        Ok(Labels {
            operation: self.operation.text(record).ok_or("operation id")?,
            event: self.event.text(record).ok_or("event id")?,
            source: self.source.text(record).unwrap_or_default(),
            kind: self.kind.text(record).ok_or("event type")?,
            subject: self.subject.text(record).ok_or("subject")?,
            sequence: self.sequence.text(record).and_then(|text| text.trim().parse().ok()),
        })
    }
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
    parameters: IndexMap<String, Value>,
    collection_index: HashMap<String, u16>,
    topic_index: HashMap<String, u16>,
    kind_index: HashMap<String, u16>,
}

/// What one operation declares: its effects and the events it must lead to.
#[derive(Debug, Default, PartialEq)]
pub struct Declaration {
    /// Per effect: collection, entity, moves.
    pub effects: Vec<(u16, String, Vec<Move>)>,
    /// Per event: topic, type, subject.
    pub events: Vec<(u16, String, String)>,
    /// The entity the operation is about.
    pub entity: Option<String>,
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
    pub fn declare(&self, kind: u16, variables: Variables<'_>, names: &mut Names) -> Option<Declaration> {
        let kind = &self.kinds[usize::from(kind)];
        let operation = OnceCell::new();
        let value_of = |name: &str| match name {
            "operation" => Some(operation.get_or_init(|| Value::String(variables.operation.to_owned()))),
            _ => variables.values.get(name).or_else(|| self.parameters.get(name)),
        };
        let text = |template: &Text| template.as_ref()?.text(value_of).ok();
        let mut declaration = Declaration::default();
        for effect in &kind.effects {
            let mut moves = Vec::with_capacity(effect.moves.len());
            for (field, motion, amount) in &effect.moves {
                let value = match amount.as_ref()? {
                    JsonTemplate::Constant(value) => Cell::read(Some(value), names),
                    template => Cell::read(Some(&template.value(&value_of).ok()?), names),
                };
                moves.push(Move { field: *field, motion: *motion, value });
            }
            declaration.effects.push((effect.collection, text(&effect.entity)?, moves));
        }
        for event in &kind.events {
            declaration.events.push((event.topic, event.kind.clone(), text(&event.subject)?));
        }
        if let Some(entity) = &kind.entity {
            declaration.entity = Some(text(entity)?);
        }
        Some(declaration)
    }

    /// The document that an answer tells of; none when a variable has no value.
    pub fn answered(&self, answer: &AnswerSchema, variables: Variables<'_>) -> Option<String> {
        let operation = Value::String(variables.operation.to_owned());
        let value_of = |name: &str| match name {
            "operation" => Some(&operation),
            _ => variables.values.get(name).or_else(|| self.parameters.get(name)),
        };
        answer.entity.as_ref()?.text(value_of).ok()
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
            let fields = fields.map(|(field, kept)| (self.field(collection, field), kept.clone())).collect();
            let (entity, version) = (Template::parse(&answer.entity).ok(), answer.version.clone());
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
    }
}
