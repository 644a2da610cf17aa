//! What an answer says.

use std::sync::Arc;

use super::api;
use super::cursor::{Cursor, named};
use super::request::topic;
use crate::connection::Pending;
use crate::framing::Frame;
use crate::ledger::{Ledger, Topics};
use crate::message::{Direction, Failure, Manner, Message, Partition};

/// Reads an answer and takes its request from those that wait; `None` if there is none.
pub(crate) fn read(frame: &Frame, pending: &mut Pending, ledger: &Ledger) -> Option<Message> {
    let mut cursor = Cursor::of(frame);
    let correlation = cursor.int32().expect("a frame begins with its whole header");
    let asked = pending.take(correlation)?;
    let Manner::Kafka { key, version } = asked.manner else { unreachable!("the connection speaks Kafka") };
    let mut message = Message::new(Direction::Answers, correlation, frame.length);
    message.answer_to(Some(&asked));
    // The answer has topics of its own, perhaps better named by now.
    let target = message.target.take();
    if let Some(is_flexible) = api::find(key).and_then(|api| api.is_flexible(version)) {
        let mut body = Body { version, message: &mut message, topics: ledger.topics(), error: 0 };
        // The header of this one answer is never flexible: it comes before versions are agreed on.
        let has_tags = is_flexible && key != api::API_VERSIONS;
        let header = cursor.become_flexible(has_tags);
        let is_read = header.and_then(|()| body.read(key, &mut cursor)).is_some();
        let error = body.error;
        message.is_whole = frame.is_whole() && is_read;
        if error != 0 {
            let name = api::error_name(error);
            message.failure = Some(Failure { code: error.into(), name, ..Failure::default() });
        }
    }
    message.target = message.target.or(target);
    if key == api::FETCH && message.returned > 0 {
        message.is_background = false;
    }
    Some(message)
}

/// Reads the fields of an answer into its message.
struct Body<'a> {
    version: i16,
    message: &'a mut Message,
    topics: &'a Topics,
    /// The first error.
    error: i16,
}

impl Body<'_> {
    fn read(&mut self, key: i16, cursor: &mut Cursor<'_>) -> Option<()> {
        let version = self.version;
        match key {
            api::PRODUCE => self.produce(cursor),
            api::FETCH => self.fetch(cursor),
            api::METADATA => self.metadata(cursor),
            api::OFFSET_COMMIT => {
                cursor.skip(if version >= 3 { 4 } else { 0 })?;
                self.each_topic(cursor, version >= 10, number_and_error)
            }
            api::TXN_OFFSET_COMMIT => {
                cursor.skip(4)?;
                self.each_topic(cursor, false, number_and_error)
            }
            api::ADD_PARTITIONS_TO_TXN => self.add_partitions(cursor),
            api::LIST_OFFSETS => {
                cursor.skip(if version >= 2 { 4 } else { 0 })?;
                self.each_topic(cursor, false, |version, cursor| {
                    let (number, _, error) = number_and_error(version, cursor)?;
                    if version == 0 {
                        let offsets = cursor.count()?;
                        cursor.skip(offsets.checked_mul(8)?)?;
                    } else {
                        cursor.skip(if version >= 4 { 8 + 8 + 4 } else { 8 + 8 })?;
                    }
                    Some((number, 0, error))
                })
            }
            api::OFFSET_FETCH => self.offset_fetch(cursor),
            api::FIND_COORDINATOR => self.find_coordinator(cursor),
            api::CREATE_TOPICS => self.create_topics(cursor),
            api::API_VERSIONS | api::SASL_HANDSHAKE | api::SASL_AUTHENTICATE => self.complain(cursor),
            // How long the client was held back, then the error.
            _ => {
                let first = match key {
                    api::JOIN_GROUP => 2,
                    api::HEARTBEAT | api::LEAVE_GROUP | api::SYNC_GROUP => 1,
                    _ => 0,
                };
                cursor.skip(if version >= first { 4 } else { 0 })?;
                self.complain(cursor)
            }
        }
    }

    fn note(&mut self, error: i16) {
        if self.error == 0 {
            self.error = error;
        }
    }

    /// An error code.
    fn complain(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let error = cursor.int16()?;
        self.note(error);
        Some(())
    }

    fn produce(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.each_topic(cursor, self.version >= 13, |version, cursor| {
            let (number, _, error) = number_and_error(version, cursor)?;
            // Offsets and times.
            cursor.skip(8)?;
            cursor.skip(if version >= 2 { 8 } else { 0 })?;
            cursor.skip(if version >= 5 { 8 } else { 0 })?;
            if version >= 8 {
                for _ in 0..cursor.count()? {
                    cursor.skip(4)?;
                    cursor.text()?;
                    cursor.tags()?;
                }
                cursor.text()?;
            }
            Some((number, 0, error))
        })
    }

    fn fetch(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let version = self.version;
        cursor.skip(if version >= 1 { 4 } else { 0 })?;
        if version >= 7 {
            self.complain(cursor)?;
            cursor.skip(4)?;
        }
        self.each_topic(cursor, version >= 13, |version, cursor| {
            let (number, _, error) = number_and_error(version, cursor)?;
            // Offsets.
            cursor.skip(8)?;
            cursor.skip(if version >= 4 { 8 } else { 0 })?;
            cursor.skip(if version >= 5 { 8 } else { 0 })?;
            if version >= 4 {
                for _ in 0..cursor.count()? {
                    cursor.skip(8 + 8)?;
                    cursor.tags()?;
                }
            }
            cursor.skip(if version >= 11 { 4 } else { 0 })?;
            let (length, _) = cursor.bytes()?;
            Some((number, length, error))
        })
    }

    fn metadata(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let version = self.version;
        cursor.skip(if version >= 3 { 4 } else { 0 })?;
        for _ in 0..cursor.count()? {
            cursor.skip(4)?;
            cursor.text()?;
            cursor.skip(4)?;
            if version >= 1 {
                cursor.text()?;
            }
            cursor.tags()?;
        }
        if version >= 2 {
            cursor.text()?;
        }
        cursor.skip(if version >= 1 { 4 } else { 0 })?;
        for _ in 0..cursor.count()? {
            self.complain(cursor)?;
            let name = cursor.text()?;
            if version >= 10 {
                let id = cursor.uuid()?;
                if !name.is_empty() && id != [0; 16] {
                    self.topics.learn(id, name);
                }
            }
            cursor.skip(usize::from(version >= 1))?;
            for _ in 0..cursor.count()? {
                cursor.skip(2 + 4 + 4)?;
                cursor.skip(if version >= 7 { 4 } else { 0 })?;
                cursor.skip_int32s()?;
                cursor.skip_int32s()?;
                if version >= 5 {
                    cursor.skip_int32s()?;
                }
                cursor.tags()?;
            }
            cursor.skip(if version >= 8 { 4 } else { 0 })?;
            cursor.tags()?;
        }
        Some(())
    }

    fn add_partitions(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.skip(4)?;
        if self.version < 4 {
            return self.each_topic(cursor, false, number_and_error);
        }
        self.complain(cursor)?;
        for _ in 0..cursor.count()? {
            cursor.text()?;
            self.each_topic(cursor, false, number_and_error)?;
            cursor.tags()?;
        }
        Some(())
    }

    fn offset_fetch(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let version = self.version;
        cursor.skip(if version >= 3 { 4 } else { 0 })?;
        let groups = if version >= 8 { cursor.count()? } else { 1 };
        for _ in 0..groups {
            if version >= 8 {
                cursor.text()?;
            }
            self.each_topic(cursor, version >= 10, |version, cursor| {
                let number = cursor.int32()?;
                cursor.skip(if version >= 5 { 8 + 4 } else { 8 })?;
                cursor.text()?;
                Some((number, 0, cursor.int16()?))
            })?;
            if version >= 2 {
                self.complain(cursor)?;
            }
            if version >= 8 {
                cursor.tags()?;
            }
        }
        Some(())
    }

    fn find_coordinator(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.skip(if self.version >= 1 { 4 } else { 0 })?;
        if self.version < 4 {
            return self.complain(cursor);
        }
        for _ in 0..cursor.count()? {
            cursor.text()?;
            cursor.skip(4)?;
            cursor.text()?;
            cursor.skip(4)?;
            self.complain(cursor)?;
            cursor.text()?;
            cursor.tags()?;
        }
        Some(())
    }

    /// The first topic; the configuration of each is not read.
    fn create_topics(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.skip(if self.version >= 2 { 4 } else { 0 })?;
        if cursor.count()? > 0 {
            self.message.target = named(cursor.text()?);
            cursor.skip(if self.version >= 7 { 16 } else { 0 })?;
            self.complain(cursor)?;
        }
        Some(())
    }

    /// An array of topics, each with an array of partitions: number, bytes, error.
    fn each_topic(
        &mut self,
        cursor: &mut Cursor<'_>,
        has_ids: bool,
        read: impl Fn(i16, &mut Cursor<'_>) -> Option<(i32, u64, i16)>,
    ) -> Option<()> {
        for _ in 0..cursor.count()? {
            let topic = topic(cursor, has_ids, self.topics)?;
            for _ in 0..cursor.count()? {
                let (number, bytes, error) = read(self.version, cursor)?;
                self.message.returned += bytes;
                self.note(error);
                let topic = Arc::clone(&topic);
                self.message.add_partition(Partition { topic, number, bytes, error, producer: None });
                cursor.tags()?;
            }
            cursor.tags()?;
        }
        Some(())
    }
}

fn number_and_error(_version: i16, cursor: &mut Cursor<'_>) -> Option<(i32, u64, i16)> {
    Some((cursor.int32()?, 0, cursor.int16()?))
}
