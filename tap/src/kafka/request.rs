//! What a request says.

use std::sync::Arc;

use super::cursor::{Cursor, named};
use super::{api, batch};
use crate::framing::Frame;
use crate::ledger::{Ledger, Topics};
use crate::message::{Asked, Direction, Manner, Message, Partition, Producer};

/// Reads a request; with what to remember of it, if it wants an answer.
pub(crate) fn read(frame: &Frame, ledger: &Ledger) -> (Message, Option<Asked>) {
    let mut cursor = Cursor::of(frame);
    let mut header = || Some((cursor.int16()?, cursor.int16()?, cursor.int32()?));
    let (key, version, correlation) = header().expect("a frame begins with its whole header");
    let mut message = Message::new(Direction::Requests, correlation, frame.length);
    message.name = api::name(key);
    let client = cursor.text();
    message.client = client.and_then(named);
    if let Some(api) = api::find(key) {
        message.is_background = api.is_background;
        if let (Some(_), Some(is_flexible)) = (client, api.is_flexible(version)) {
            let mut body = Body { version, message: &mut message, topics: ledger.topics() };
            let is_read = cursor.become_flexible(is_flexible).and_then(|()| body.read(key, &mut cursor)).is_some();
            message.is_whole = frame.is_whole() && is_read;
        }
    }
    let asked = (message.acks != Some(0)).then(|| Asked {
        correlation,
        name: message.name.clone(),
        database: None,
        target: message.target.clone(),
        transaction: None,
        is_background: message.is_background,
        commits: message.commits,
        manner: Manner::Kafka { key, version },
    });
    (message, asked)
}

/// Reads the fields of a request into its message.
struct Body<'a> {
    version: i16,
    message: &'a mut Message,
    topics: &'a Topics,
}

impl Body<'_> {
    fn read(&mut self, key: i16, cursor: &mut Cursor<'_>) -> Option<()> {
        match key {
            api::PRODUCE => self.produce(cursor),
            api::FETCH => self.fetch(cursor),
            api::OFFSET_COMMIT => self.offset_commit(cursor),
            api::TXN_OFFSET_COMMIT => {
                self.message.transactional_id = named(cursor.text()?);
                self.group(cursor)?;
                cursor.skip(8 + 2)?;
                if self.version >= 3 {
                    // Generation, member, instance.
                    cursor.skip(4)?;
                    cursor.text()?;
                    cursor.text()?;
                }
                self.each_topic(cursor, false, |version, cursor| {
                    let number = cursor.int32()?;
                    cursor.skip(if version >= 2 { 8 + 4 } else { 8 })?;
                    cursor.text()?;
                    Some((number, 0, None))
                })
            }
            api::END_TXN => {
                self.message.transactional_id = named(cursor.text()?);
                cursor.skip(8 + 2)?;
                self.message.commits = Some(cursor.boolean()?);
                Some(())
            }
            api::JOIN_GROUP | api::SYNC_GROUP | api::HEARTBEAT | api::LEAVE_GROUP => self.group(cursor),
            _ => Some(()),
        }
    }

    fn group(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.message.group = named(cursor.text()?);
        Some(())
    }

    fn produce(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        if self.version >= 3 {
            self.message.transactional_id = named(cursor.text()?);
        }
        self.message.acks = Some(cursor.int16()?);
        cursor.skip(4)?;
        self.each_topic(cursor, self.version >= 13, |_, cursor| {
            let number = cursor.int32()?;
            let (length, records) = cursor.bytes()?;
            Some((number, length, batch::producer(records)))
        })
    }

    fn fetch(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let version = self.version;
        // Replica, longest wait, least bytes, most bytes, isolation, session and its epoch.
        let before = [(true, 8), (version < 15, 4), (version >= 3, 4), (version >= 4, 1), (version >= 7, 8)];
        cursor.skip(before.into_iter().filter_map(|(is_there, length)| is_there.then_some(length)).sum())?;
        self.each_topic(cursor, version >= 13, |version, cursor| {
            let number = cursor.int32()?;
            let rest = [(true, 8 + 4), (version >= 5, 8), (version >= 9, 4), (version >= 12, 4)];
            cursor.skip(rest.into_iter().filter_map(|(is_there, length)| is_there.then_some(length)).sum())?;
            Some((number, 0, None))
        })
    }

    fn offset_commit(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let version = self.version;
        self.group(cursor)?;
        if version >= 1 {
            cursor.skip(4)?;
            cursor.text()?;
        }
        if version >= 7 {
            cursor.text()?;
        }
        if (2..=4).contains(&version) {
            cursor.skip(8)?;
        }
        self.each_topic(cursor, version >= 10, |version, cursor| {
            let number = cursor.int32()?;
            cursor.skip(8)?;
            cursor.skip(if version == 1 { 8 } else { 0 })?;
            cursor.skip(if version >= 6 { 4 } else { 0 })?;
            cursor.text()?;
            Some((number, 0, None))
        })
    }

    /// An array of topics, each with an array of partitions: number, bytes, producer.
    fn each_topic(
        &mut self,
        cursor: &mut Cursor<'_>,
        has_ids: bool,
        read: impl Fn(i16, &mut Cursor<'_>) -> Option<(i32, u64, Option<Producer>)>,
    ) -> Option<()> {
        for _ in 0..cursor.count()? {
            let topic = topic(cursor, has_ids, self.topics)?;
            for _ in 0..cursor.count()? {
                let (number, bytes, producer) = read(self.version, cursor)?;
                self.message.returned += bytes;
                let topic = Arc::clone(&topic);
                self.message.add_partition(Partition { topic, number, bytes, error: 0, producer });
                cursor.tags()?;
            }
            cursor.tags()?;
        }
        Some(())
    }
}

/// A topic by name or by id.
pub(super) fn topic(cursor: &mut Cursor<'_>, has_id: bool, topics: &Topics) -> Option<Arc<str>> {
    if has_id { cursor.uuid().map(|id| topics.name(id)) } else { cursor.text().map(Arc::from) }
}
