//! Looks at every member of a replica set a few times a second: follows the primary, and tells what happened to whom.
//!
//! The harness cannot let the driver find the primary: the members know each other by names that only processes behind
//! links resolve. Of two that call themselves primary, the one of the later election is (`electionId` rises with the
//! term).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use mongodb::bson::oid::ObjectId;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::chronicle::Chronicle;
use super::connection::Member;
use super::look::{Look, look};
use crate::history::entry::Entry;
use crate::witness::journal::Journal;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(150);

/// Looks once, then goes on in a task for each member, so that a silent one does not delay the news of the others. Gives
/// the number of the member that is primary; without one it stays with the last.
pub(super) async fn start(members: Arc<[Member]>, journal: Journal) -> (watch::Receiver<usize>, JoinSet<()>) {
    let mut tasks = JoinSet::new();
    if members.len() < 2 {
        return (watch::channel(0).1, tasks);
    }
    let looks = join_all(members.iter().map(look)).await;
    let claims: Vec<Option<ObjectId>> = looks.iter().map(|look| look.as_ref()?.election).collect();
    let (current, receiver) = watch::channel(latest(&claims).unwrap_or(0));
    let board = Arc::new(Board { claims: Mutex::new(claims), current });
    for (place, look) in looks.into_iter().enumerate() {
        let chronicle = Chronicle::new(&members[place].name);
        let mut pilot = Pilot { members: Arc::clone(&members), place, chronicle, journal: journal.clone() };
        pilot.tell(look.as_ref());
        tasks.spawn(pilot.follow(Arc::clone(&board)));
    }
    (receiver, tasks)
}

/// The member that won the latest election, of those that claim to be primary.
pub(super) fn latest(claims: &[Option<ObjectId>]) -> Option<usize> {
    let claims = claims.iter().enumerate().filter_map(|(place, election)| Some(((*election)?, place)));
    claims.max().map(|(_, place)| place)
}

/// Who claims to be primary, by place, and who therefore is.
struct Board {
    claims: Mutex<Vec<Option<ObjectId>>>,
    current: watch::Sender<usize>,
}

impl Board {
    fn note(&self, place: usize, election: Option<ObjectId>) {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims[place] = election;
        if let Some(primary) = latest(&claims) {
            self.current.send_if_modified(|current| std::mem::replace(current, primary) != primary);
        }
    }
}

/// Watches one member.
struct Pilot {
    members: Arc<[Member]>,
    place: usize,
    chronicle: Chronicle,
    journal: Journal,
}

impl Pilot {
    async fn follow(mut self, board: Arc<Board>) {
        loop {
            tokio::time::sleep(PAUSE).await;
            let look = look(&self.members[self.place]).await;
            board.note(self.place, look.as_ref().and_then(|look| look.election));
            self.tell(look.as_ref());
        }
    }

    fn tell(&mut self, look: Option<&Look>) {
        for event in self.chronicle.take(self.journal.now(), look) {
            self.journal.tell(Entry::Cluster(event));
        }
    }
}
