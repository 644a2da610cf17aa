//! What is known of one connection, from its opening to its end, however it ends.

use std::sync::{Arc, Mutex, MutexGuard};

use torn_tap::bytes::Bytes;
use torn_tap::{Connection, Direction, Piece};

use super::order::{Event, Sight};
use super::taps::Tap;

/// A connection as it is read. Dropping it ends it: the observer hears which requests were never answered.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tap: Arc<Tap>,
    pub(super) number: u64,
    connection: Mutex<Option<Connection>>,
}

impl Session {
    pub(super) fn begin(tap: Arc<Tap>, number: u64) -> Self {
        let connection = Connection::open(tap.protocol, &mut tap.ledger());
        let session = Self { tap, number, connection: Mutex::new(Some(connection)) };
        session.tell(Event::Opened);
        session
    }

    /// The pieces that can be relayed now.
    pub(super) fn read(&self, direction: Direction, bytes: Bytes) -> Vec<Piece> {
        let (pieces, opaque) = {
            let mut connection = self.connection();
            let connection = connection.as_mut().expect("it ends with the session");
            let before = connection.opaque(direction);
            let pieces = connection.read(direction, bytes, &mut self.tap.ledger());
            (pieces, connection.opaque(direction).filter(|_| before.is_none()))
        };
        if let Some(reason) = opaque {
            self.tell(Event::Opaque(direction, reason));
        }
        pieces
    }

    /// What is held back.
    pub(super) fn release(&self, direction: Direction) -> Option<Piece> {
        self.connection().as_mut()?.release(direction, &mut self.tap.ledger())
    }

    pub(super) fn is_holding(&self, direction: Direction) -> bool {
        self.connection().as_ref().is_some_and(|connection| connection.is_holding(direction))
    }

    pub(super) fn sight<'a>(&'a self, message: &'a torn_tap::Message) -> Sight<'a> {
        Sight { link: &self.tap.link, connection: self.number, message }
    }

    pub(super) fn tell(&self, event: Event<'_>) {
        if let Some(observer) = self.tap.shared.observer() {
            observer(&self.tap.link, self.number, event);
        }
    }

    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().expect("nothing panics with it")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(connection) = self.connection().take() else { return };
        let unanswered = connection.close(&mut self.tap.ledger());
        self.tell(Event::Ended(&unanswered));
    }
}
