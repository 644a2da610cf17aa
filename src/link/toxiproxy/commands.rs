//! `toxiproxy_rust` on a thread of its own: it blocks, it must not be called from async code, and a call into a hung
//! server holds its only lock for 30 s.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use tokio::sync::oneshot;
use toxiproxy_rust::client::Client;

use super::CALL_DEADLINE;
use crate::link::error::LinkError;

/// Calls that may wait for the thread.
const QUEUE: usize = 1024;

type Work = Box<dyn FnOnce(&Client) -> Result<(), String> + Send>;

struct Job {
    work: Work,
    answer: oneshot::Sender<Result<(), String>>,
}

/// The thread's queue. The thread ends when this is dropped; one that hangs in a call is left behind (it ends with that
/// call, 30 s at most) and another takes its place.
#[derive(Debug)]
pub(super) struct Commands {
    api: SocketAddr,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    jobs: SyncSender<Job>,
    generation: u64,
}

impl Commands {
    /// Starts the thread; no call is made yet.
    pub(super) fn start(api: SocketAddr) -> Result<Self, LinkError> {
        Ok(Self { api, queue: Mutex::new(Queue { jobs: start_thread(api)?, generation: 0 }) })
    }

    /// Has `work` done and waits for it, [`CALL_DEADLINE`] at most. That it succeeded only means that the server answered:
    /// the crate does not look at statuses.
    pub(super) async fn call(
        &self,
        action: &str,
        work: impl FnOnce(&Client) -> Result<(), String> + Send + 'static,
    ) -> Result<(), LinkError> {
        let (answer, answered) = oneshot::channel();
        let generation = self.queue_job(action, Job { work: Box::new(work), answer })?;
        match tokio::time::timeout(CALL_DEADLINE, answered).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(reason))) => Err(self.error(action, reason)),
            Ok(Err(_)) => {
                self.replace_thread(generation)?;
                Err(self.error(action, "toxiproxy_rust panicked".to_owned()))
            }
            Err(_) => {
                self.replace_thread(generation)?;
                Err(LinkError::Deadline { api: self.api, action: action.to_owned(), after: CALL_DEADLINE })
            }
        }
    }

    fn queue_job(&self, action: &str, job: Job) -> Result<u64, LinkError> {
        let queue = self.queue.lock().expect("nothing panics while it holds the queue");
        match queue.jobs.try_send(job) {
            // A disconnected queue means that the thread panicked: the answer's sender is gone, and the caller sees it.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(queue.generation),
            Err(TrySendError::Full(_)) => {
                Err(LinkError::Deadline { api: self.api, action: action.to_owned(), after: CALL_DEADLINE })
            }
        }
    }

    fn replace_thread(&self, generation: u64) -> Result<(), LinkError> {
        let mut queue = self.queue.lock().expect("nothing panics while it holds the queue");
        if queue.generation == generation {
            *queue = Queue { jobs: start_thread(self.api)?, generation: generation + 1 };
        }
        Ok(())
    }

    /// The crate has one kind of error, text: `POST error: …` when the request failed, else the server's no.
    fn error(&self, action: &str, reason: String) -> LinkError {
        let action = action.to_owned();
        if ["GET error", "POST error", "DELETE error"].iter().any(|prefix| reason.starts_with(prefix)) {
            LinkError::Unreachable { api: self.api, action, reason }
        } else {
            LinkError::Refused { api: self.api, action, reason }
        }
    }
}

fn start_thread(api: SocketAddr) -> Result<SyncSender<Job>, LinkError> {
    let (jobs, queue) = sync_channel(QUEUE);
    std::thread::Builder::new().name("links".to_owned()).spawn(move || work(api, &queue)).map_err(|error| {
        LinkError::Unreachable { api, action: "start its client's thread".to_owned(), reason: error.to_string() }
    })?;
    Ok(jobs)
}

fn work(api: SocketAddr, queue: &Receiver<Job>) {
    let client = Client::new(api);
    while let Ok(job) = queue.recv() {
        // Nobody waits any more: a late change would undo what was done since.
        if !job.answer.is_closed() {
            let _ = job.answer.send((job.work)(&client));
        }
    }
}
