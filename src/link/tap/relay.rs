//! One connection, relayed both ways. Both ways belong to one task: when it ends, both sides are closed.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;
use torn_tap::bytes::{Buf, Bytes, BytesMut};
use torn_tap::{Direction, Message, Piece};

use super::ice::Passage;
use super::order::{Event, Order};
use super::session::Session;
use super::taps::Tap;

/// How long the rest of a frame may be in coming before its beginning is passed on.
const SILENCE: Duration = Duration::from_millis(50);

/// How long a server on this machine may take to accept.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// The most that is read at a time.
const CHUNK: usize = 64 << 10;

/// Why a connection ends before both sides have closed it.
enum End {
    /// The gate ordered it.
    Cut(Box<Message>),
    /// A side was reset, or is gone.
    Reset,
}

/// Relays a connection that was accepted, to its end.
pub(super) async fn run(mut client: TcpStream, tap: Arc<Tap>, number: u64) {
    let passage = tap.shared.ice.passage(&tap.link);
    if passage.pass(|| ()).is_none() {
        return passage.thawed().await;
    }
    let dialled = tokio::select! {
        dialled = timeout(CONNECT_DEADLINE, TcpStream::connect(tap.upstream)) => dialled,
        () = passage.thawed() => return,
    };
    let Ok(Ok(mut server)) = dialled else { return };
    // A socket that refuses this is broken, which reading it tells as well.
    let _ = client.set_nodelay(true).and(server.set_nodelay(true));
    let session = Session::begin(tap, number);
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = Pump::new(&session, &passage, Direction::Requests).run(from_client, to_server);
        let back = Pump::new(&session, &passage, Direction::Answers).run(from_server, to_client);
        tokio::select! {
            ended = async { tokio::try_join!(there, back) } => ended.err(),
            () = passage.thawed() => None,
        }
    };
    if matches!(end, Some(End::Reset)) {
        // Closing them is then a reset, as it was on the other side.
        let _ = client.set_zero_linger().and(server.set_zero_linger());
    }
    drop((client, server));
    if let (Some(End::Cut(message)), Some(gate)) = (end, session.tap.shared.gate()) {
        (gate.carried_out)(session.sight(&message), Order::Cut);
    }
}

/// One direction of a connection.
struct Pump<'a> {
    session: &'a Session,
    passage: &'a Passage,
    direction: Direction,
    /// The one message that passes though its sender is frozen.
    last: Option<Message>,
}

impl<'a> Pump<'a> {
    fn new(session: &'a Session, passage: &'a Passage, direction: Direction) -> Self {
        Self { session, passage, direction, last: None }
    }

    /// Until this side closes, and passes that on.
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), End> {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(CHUNK);
            let read = if self.session.is_holding(self.direction) {
                let Ok(read) = timeout(SILENCE, from.read_buf(&mut buffer)).await else {
                    self.release(&to).await?;
                    continue;
                };
                read
            } else {
                from.read_buf(&mut buffer).await
            };
            match read {
                Ok(0) => {
                    self.release(&to).await?;
                    self.end().await;
                    to.shutdown().await.map_err(|_| End::Reset)?;
                    return Ok(());
                }
                Ok(_) => {
                    for piece in self.session.read(self.direction, buffer.split().freeze()) {
                        self.forward(piece, &to).await?;
                    }
                }
                Err(_) => {
                    self.end().await;
                    return Err(End::Reset);
                }
            }
        }
    }

    async fn release(&mut self, to: &WriteHalf<'_>) -> Result<(), End> {
        match self.session.release(self.direction) {
            Some(piece) => self.forward(piece, to).await,
            None => Ok(()),
        }
    }

    /// This side has closed: waits for ever if the other must not learn it.
    async fn end(&mut self) {
        if let Some(message) = self.last.take() {
            match self.strike(&message, Order::FreezeAfter).await {}
        }
        if self.passage.pass(|| ()).is_none() {
            pending::<()>().await;
        }
    }

    async fn forward(&mut self, piece: Piece, to: &WriteHalf<'_>) -> Result<(), End> {
        let Piece { bytes, message, ends_message } = piece;
        let (Some(message), None) = (message, &self.last) else {
            return self.pass_on(bytes, ends_message, to).await;
        };
        if self.passage.pass(|| ()).is_none() {
            return pending().await;
        }
        self.session.tell(Event::Message(&message));
        let Some(gate) = self.session.tap.shared.gate() else { return self.pass_on(bytes, ends_message, to).await };
        let order = (gate.decide)(self.session.sight(&message));
        match order {
            Order::Forward => self.pass_on(bytes, ends_message, to).await,
            Order::Delay(delay) => {
                tokio::time::sleep(delay).await;
                self.pass_on(bytes, ends_message, to).await?;
                (gate.carried_out)(self.session.sight(&message), order);
                Ok(())
            }
            Order::Cut => Err(End::Cut(Box::new(message))),
            Order::FreezeBefore | Order::FreezeAfter => {
                // Another strike was quicker: then this message is among those that do not pass.
                if !self.session.tap.shared.ice.freeze(&self.session.tap.link.client) {
                    return pending().await;
                }
                if order == Order::FreezeBefore {
                    match self.strike(&message, order).await {}
                }
                self.last = Some(message);
                self.pass_on(bytes, ends_message, to).await
            }
        }
    }

    /// Tells that the instance is frozen, and waits for its thaw, which closes this connection.
    async fn strike(&self, message: &Message, order: Order) -> Infallible {
        if let Some(gate) = self.session.tap.shared.gate() {
            (gate.carried_out)(self.session.sight(message), order);
        }
        pending().await
    }

    /// Writes bytes whose message may pass.
    async fn pass_on(&mut self, bytes: Bytes, ends_message: bool, to: &WriteHalf<'_>) -> Result<(), End> {
        let Some(message) = self.last.take() else { return self.write(bytes, to, false).await };
        self.write(bytes, to, true).await?;
        if ends_message {
            match self.strike(&message, Order::FreezeAfter).await {}
        }
        self.last = Some(message);
        Ok(())
    }

    /// Writes all of this, as long as nobody is frozen (or the bytes are exempt): that is asked before each single write.
    async fn write(&self, mut bytes: Bytes, to: &WriteHalf<'_>, is_exempt: bool) -> Result<(), End> {
        loop {
            let attempt = || to.try_write(&bytes);
            let Some(written) = (if is_exempt { Some(attempt()) } else { self.passage.pass(attempt) }) else {
                return pending().await;
            };
            match written {
                Ok(count) => bytes.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(End::Reset),
            }
            if bytes.is_empty() {
                return Ok(());
            }
            to.writable().await.map_err(|_| End::Reset)?;
        }
    }
}
