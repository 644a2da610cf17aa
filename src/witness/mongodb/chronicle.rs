//! From looks at one member to what happened to it (pure).

use mongodb::bson::oid::ObjectId;

use super::ledger::WITNESS;
use super::look::Look;
use crate::history::entry::{ClusterEvent, ClusterStep, Nanos};

/// The state of a member that does not answer.
const DOWN: &str = "DOWN";

/// What was last known of one member.
#[derive(Debug)]
pub(super) struct Chronicle {
    member: String,
    state: Option<String>,
    /// Its last election, also after it stepped down.
    election: Option<ObjectId>,
    /// Its process and its rollback id. A start after a crash raises the id by one, though nothing is rolled back by it.
    rollback_id: Option<(Option<ObjectId>, i64)>,
}

impl Chronicle {
    /// Nothing is known yet.
    pub(super) fn new(member: &str) -> Self {
        Self { member: member.to_owned(), state: None, election: None, rollback_id: None }
    }

    /// What has happened since the last look; `None` is a member that does not answer.
    pub(super) fn take(&mut self, at: Nanos, look: Option<&Look>) -> Vec<ClusterEvent> {
        let mut events = Vec::new();
        let state = look.map_or(DOWN, |look| &look.state);
        let election = look.and_then(|look| look.election);
        let was = self.state.replace(state.to_owned());
        if let Some(election) = election
            && self.election.replace(election) != Some(election)
        {
            let term = look.and_then(|look| look.term);
            let detail = term.map(|term| format!("term {term}"));
            events.push(ClusterEvent { term, detail, ..self.event(at, ClusterStep::Elected) });
        } else if was.as_deref() != Some(state) {
            let has_stepped_down = was.as_deref() == Some("PRIMARY") && look.is_some();
            let step = if has_stepped_down { ClusterStep::SteppedDown } else { ClusterStep::State };
            events.push(ClusterEvent { detail: Some(state.to_owned()), ..self.event(at, step) });
        }
        if let Some(look) = look
            && let Some(now) = look.rollback_id
            && let Some((process, then)) = self.rollback_id.replace((look.process, now))
            && now > then + i64::from(process != look.process)
        {
            let detail = Some(format!("rollback id {then} → {now}"));
            events.push(ClusterEvent { detail, ..self.event(at, ClusterStep::RolledBack) });
        }
        events
    }

    fn event(&self, at: Nanos, step: ClusterStep) -> ClusterEvent {
        ClusterEvent { member: Some(self.member.clone()), ..ClusterEvent::new(at, WITNESS, step) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(state: &str, term: i64, rollback_id: i64) -> Look {
        let mut id = [0; 12];
        id[4..].copy_from_slice(&term.to_be_bytes());
        let election = (state == "PRIMARY").then(|| ObjectId::from_bytes(id));
        Look { state: state.to_owned(), election, term: Some(term), rollback_id: Some(rollback_id), process: None }
    }

    /// What a member's looks come to, each event as `step detail`.
    fn told(looks: &[Option<Look>]) -> Vec<String> {
        let mut chronicle = Chronicle::new("mongodb-1");
        let events = looks.iter().flat_map(|look| chronicle.take(7, look.as_ref()));
        events.map(|event| format!("{:?} {}", event.event, event.detail.unwrap_or_default())).collect()
    }

    #[test]
    fn an_old_primary_that_comes_back_is_rolled_back_and_told_so_once() {
        let primary = Some(look("PRIMARY", 1, 1));
        let looks = [primary.clone(), primary, None, None, Some(look("ROLLBACK", 2, 1)), Some(look("SECONDARY", 2, 2))];
        let expected =
            ["Elected term 1", "State DOWN", "State ROLLBACK", "State SECONDARY", "RolledBack rollback id 1 → 2"];
        assert_eq!(told(&looks), expected);
    }

    #[test]
    fn a_primary_that_was_only_paused_was_not_elected_again() {
        let primary = Some(look("PRIMARY", 3, 1));
        let looks = [primary.clone(), None, primary, Some(look("SECONDARY", 4, 1)), Some(look("PRIMARY", 5, 1))];
        let expected = ["Elected term 3", "State DOWN", "State PRIMARY", "SteppedDown SECONDARY", "Elected term 5"];
        assert_eq!(told(&looks), expected);
    }

    #[test]
    fn a_start_after_a_crash_is_no_rollback_and_one_that_follows_is() {
        let restarted = |rollback_id| {
            let process = Some(ObjectId::from_bytes([7; 12]));
            Some(Look { process, ..look("SECONDARY", 2, rollback_id) })
        };
        let looks = [Some(look("SECONDARY", 1, 1)), None, restarted(2), restarted(3)];
        let expected = ["State SECONDARY", "State DOWN", "State SECONDARY", "RolledBack rollback id 2 → 3"];
        assert_eq!(told(&looks), expected);
        let looks = [Some(look("SECONDARY", 1, 1)), restarted(3)];
        assert_eq!(told(&looks), ["State SECONDARY", "RolledBack rollback id 1 → 3"]);
    }

    #[test]
    fn two_elections_of_one_member_between_two_looks_are_told_as_one() {
        assert_eq!(
            told(&[Some(look("PRIMARY", 3, 1)), Some(look("PRIMARY", 5, 1))]),
            ["Elected term 3", "Elected term 5"]
        );
    }
}
