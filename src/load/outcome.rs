//! What an answer, or its absence, says about an operation. The one place that decides it.

use crate::history::entry::Outcome;

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A whole answer came, with this status.
    Answered(u16),
    /// No connection was ever established: nothing was sent.
    NeverSent,
    /// The request may have arrived, but no whole answer came: a timeout, a reset, an end in mid-answer.
    Unanswered,
}

/// The outcome of one attempt. A status that the manifest does not list says nothing.
pub fn of_attempt(ending: Ending, ok: &[u16], fail: &[u16]) -> Outcome {
    match ending {
        Ending::Answered(status) if ok.contains(&status) => Outcome::Ok,
        Ending::Answered(status) if fail.contains(&status) => Outcome::Fail,
        Ending::NeverSent => Outcome::Fail,
        Ending::Answered(_) | Ending::Unanswered => Outcome::Info,
    }
}

/// The outcome of an operation after one more attempt: `ok` if one attempt was, `fail` only if every attempt was.
pub fn of_operation(before: Option<Outcome>, attempt: Outcome) -> Outcome {
    match (before, attempt) {
        (None, attempt) => attempt,
        (Some(Outcome::Ok), _) | (_, Outcome::Ok) => Outcome::Ok,
        (Some(Outcome::Fail), Outcome::Fail) => Outcome::Fail,
        (Some(_), _) => Outcome::Info,
    }
}

/// Whether a client would try again. A status that certainly had no effect is a clear answer (sold out): asking again
/// would only repeat it. A connection that was refused is no answer.
pub fn is_worth_retrying(ending: Ending, attempt: Outcome) -> bool {
    match attempt {
        Outcome::Ok => false,
        Outcome::Fail => ending == Ending::NeverSent,
        Outcome::Info => true,
    }
}

#[cfg(test)]
mod tests {
    use super::Ending::{Answered, NeverSent, Unanswered};
    use super::Outcome::{Fail, Info, Ok};
    use super::*;

    #[test]
    fn an_attempt_is_judged_by_the_manifests_statuses() {
        let table = [
            (Answered(201), Ok, false),
            (Answered(409), Fail, false),
            (Answered(500), Info, true),
            (Answered(200), Info, true),
            (NeverSent, Fail, true),
            (Unanswered, Info, true),
        ];
        for (ending, outcome, again) in table {
            let judged = of_attempt(ending, &[201], &[409]);
            assert_eq!(judged, outcome, "{ending:?}");
            assert_eq!(is_worth_retrying(ending, judged), again, "{ending:?}");
        }
    }

    #[test]
    fn an_operation_is_ok_if_one_attempt_was_and_fail_only_if_every_attempt_was() {
        let table: [(&[Outcome], Outcome); 8] = [
            (&[Ok], Ok),
            (&[Fail], Fail),
            (&[Info], Info),
            (&[Fail, Fail], Fail),
            (&[Fail, Info], Info),
            (&[Info, Fail], Info),
            (&[Info, Fail, Ok], Ok),
            (&[Fail, Info, Fail], Info),
        ];
        for (attempts, outcome) in table {
            let judged = attempts.iter().fold(None, |before, attempt| Some(of_operation(before, *attempt)));
            assert_eq!(judged, Some(outcome), "{attempts:?}");
        }
    }
}
