//! The one writer of `history.jsonl`, on a thread of its own: callers queue entries and go on.
//!
//! The queue is bounded (a full one blocks its callers: nothing is dropped), the file is flushed every 200 ms, so that
//! a killed harness loses at most the last moment. When writing fails (disk full), [`Recorder::failure`] says so from
//! then on and further entries are refused; the run ends itself.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::entry::{Entry, Nanos};

/// Entries that may wait for the writer.
const QUEUE: usize = 1 << 16;

/// How often the file is flushed.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// The only source of `at`: nanoseconds of the monotonic clock since the run began.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose zero is now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Nanos {
        Nanos::try_from(self.origin.elapsed().as_nanos()).expect("a run lasts less than 584 years")
    }

    /// The instant of a time of this clock.
    pub fn instant(&self, at: Nanos) -> Instant {
        self.origin + Duration::from_nanos(at)
    }
}

/// How long the writer lets entries gather once it has written all there were. While it waits for the queue itself,
/// the next entry must wake it, which costs its sender more than the entry: at 5,000 operations a second a fifth of all
/// the CPU.
const GATHER: Duration = Duration::from_millis(2);

/// Sees every entry on the writer's thread, in the order of the file, just before it is written.
pub type Listener = Box<dyn FnMut(&Entry) + Send>;

/// A handle to the writer; cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    clock: Clock,
    queue: SyncSender<Entry>,
    failure: Arc<OnceLock<String>>,
}

/// The writer's thread. [`Writer::finish`] waits until everything queued is on disk.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<io::Result<()>>,
    path: PathBuf,
}

impl Recorder {
    /// Creates the file (which must not exist) and starts its writer.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, clock: Clock) -> io::Result<(Self, Writer)> {
        Self::create_with(path, clock, Box::new(|_| {}))
    }

    /// The same, with a listener.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create_with(path: &Path, clock: Clock, listener: Listener) -> io::Result<(Self, Writer)> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let (queue, entries) = sync_channel(QUEUE);
        let failure = Arc::new(OnceLock::new());
        let shared = Arc::clone(&failure);
        let thread = std::thread::Builder::new().name("history".to_owned()).spawn(move || {
            let written = write_all(file, &entries, listener);
            if let Err(error) = &written {
                let _ = shared.set(error.to_string());
                // Keep taking entries, so that nobody blocks on a full queue until the run has ended itself.
                while entries.recv().is_ok() {}
            }
            written
        })?;
        Ok((Self { clock, queue, failure }, Writer { thread, path: path.to_owned() }))
    }

    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Now, by the run's clock.
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Queues an entry.
    pub fn record(&self, entry: Entry) {
        // The writer outlives every handle; after a failure it takes and drops, and `failure` tells the run.
        let _ = self.queue.send(entry);
    }

    /// Why the history can no longer be written, once that is so.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

impl Writer {
    /// Waits for the last entry to reach the disk. Every [`Recorder`] must be dropped before, or this waits for it.
    ///
    /// # Errors
    /// When something could not be written.
    pub fn finish(self) -> io::Result<()> {
        let written = self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the history's writer panicked")));
        written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
    }
}

fn write_all(file: File, entries: &Receiver<Entry>, mut listener: Listener) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 16, file);
    let mut line = Vec::with_capacity(4096);
    let mut flushed = Instant::now();
    loop {
        let first = match entries.recv_timeout(FLUSH_EVERY) {
            Ok(entry) => Some(entry),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let is_idle = first.is_none();
        // At most one queue's worth at a time, so that a flood does not keep the file from being flushed.
        for entry in first.into_iter().chain(entries.try_iter().take(QUEUE)) {
            listener(&entry);
            line.clear();
            serde_json::to_writer(&mut line, &entry)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        if flushed.elapsed() >= FLUSH_EVERY {
            file.flush()?;
            flushed = Instant::now();
        }
        if !is_idle {
            std::thread::sleep(GATHER);
        }
    }
    file.flush()?;
    file.get_ref().sync_all()
}
