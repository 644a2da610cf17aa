//! A conversation of any bytes, in any chunks, with beginnings released at any time: what goes in comes out, in each
//! direction, and no more than the limit is held back meanwhile.
#![no_main]

use torn_tap::bytes::Bytes;
use torn_tap::framing::LIMIT;
use torn_tap::{Connection, Direction, Ledger, Piece, Protocol, Topics};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let protocol = if first & 1 == 0 { Protocol::Mongodb } else { Protocol::Kafka };
    let mut ledger = Ledger::new(Topics::default());
    let mut connection = Connection::open(protocol, &mut ledger);
    let mut sides = [Side::new(Direction::Requests), Side::new(Direction::Answers)];
    // Each chunk has two bytes before it: which way and whether to release, and how long.
    while let [what, length, more @ ..] = rest {
        let (chunk, after) = more.split_at(more.len().min(usize::from(*length)));
        rest = after;
        let side = &mut sides[usize::from(what & 1)];
        side.sent.extend_from_slice(chunk);
        let pieces = connection.read(side.direction, Bytes::copy_from_slice(chunk), &mut ledger);
        side.take(pieces);
        if what & 2 != 0 {
            side.take(connection.release(side.direction, &mut ledger));
            assert_eq!(side.got, side.sent, "everything was released");
        }
        assert!(side.sent.len() - side.got.len() <= LIMIT, "more than the limit is held");
        assert_eq!(connection.is_holding(side.direction), side.sent.len() > side.got.len());
    }
    for side in &mut sides {
        side.take(connection.release(side.direction, &mut ledger));
        assert_eq!(side.got, side.sent, "what goes in comes out");
    }
    connection.close(&mut ledger);
    assert_eq!(ledger.counters.connections_open, 0);
});

struct Side {
    direction: Direction,
    sent: Vec<u8>,
    got: Vec<u8>,
}

impl Side {
    fn new(direction: Direction) -> Self {
        Self { direction, sent: Vec::new(), got: Vec::new() }
    }

    fn take(&mut self, pieces: impl IntoIterator<Item = Piece>) {
        for piece in pieces {
            assert!(!piece.bytes.is_empty(), "a piece holds something");
            self.got.extend_from_slice(&piece.bytes);
            assert!(self.sent.starts_with(&self.got), "what goes in comes out");
        }
    }
}
