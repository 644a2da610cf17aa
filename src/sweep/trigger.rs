//! The moment to strike: counts messages as they pass until the one that is meant. Pure: it decides, the taps carry out.

use super::point::{Action, Manner, MessageName};
use super::recording::{Kind, Seen};

/// What a tap is to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Let it pass.
    Pass,
    /// Close its connection instead.
    Cut,
    /// Hold it and all else of its client: it is about to be killed.
    FreezeBefore,
    /// Let it pass as the last thing that its client hears.
    FreezeAfter,
}

/// Waits for one message.
#[derive(Debug)]
pub struct Trigger {
    kind: Kind,
    nth: u32,
    manner: Manner,
    action: Action,
    count: u32,
    /// The request whose answer is waited for.
    awaited: Option<(u64, i32)>,
    is_done: bool,
}

impl Trigger {
    /// For an action at a message that passes from now on.
    pub fn new(message: &MessageName, manner: Manner, action: Action) -> Self {
        let kind = Kind::named(message);
        Self { kind, nth: message.nth, manner, action, count: 0, awaited: None, is_done: false }
    }

    /// How many such messages have come.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether it has struck.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Looks at a message before it passes.
    pub fn decide(&mut self, seen: &Seen) -> Decision {
        if self.is_done || !self.kind.is_of(seen) {
            return Decision::Pass;
        }
        let conversation = (seen.connection, seen.correlation);
        let strikes = match (self.manner, seen.is_answer) {
            (Manner::Call, false) => {
                self.count += 1;
                if self.count == self.nth && self.action.is_on_answer() {
                    self.awaited = Some(conversation);
                }
                self.count == self.nth && !self.action.is_on_answer()
            }
            (Manner::Call, true) => self.awaited == Some(conversation),
            (Manner::Delivery, true) if seen.brings => {
                self.count += 1;
                self.count == self.nth
            }
            (Manner::Delivery, _) => false,
        };
        if !strikes {
            return Decision::Pass;
        }
        self.is_done = true;
        match self.action {
            Action::DropRequest | Action::DropAnswer => Decision::Cut,
            Action::KillBefore | Action::KillAfterRequest => Decision::FreezeBefore,
            Action::KillAfterAnswer => Decision::FreezeAfter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Link;

    fn seen(connection: u64, correlation: i32, is_answer: bool) -> Seen {
        Seen {
            at: 0,
            link: Link::new("api-1", "mongodb"),
            connection,
            correlation,
            is_answer,
            command: "update".to_owned(),
            target: None,
            is_background: false,
            brings: is_answer && correlation > 1,
        }
    }

    fn name(nth: u32) -> MessageName {
        MessageName {
            client: "api-1".to_owned(),
            server: "mongodb".to_owned(),
            command: "update".to_owned(),
            target: None,
            nth,
        }
    }

    /// What is decided about two requests that are answered in the other order.
    fn decided(manner: Manner, action: Action, nth: u32) -> [Decision; 4] {
        let mut trigger = Trigger::new(&name(nth), manner, action);
        let passing = [seen(1, 1, false), seen(2, 2, false), seen(2, 2, true), seen(1, 1, true)];
        let decided = passing.map(|seen| trigger.decide(&seen));
        assert!(trigger.is_done());
        decided
    }

    #[test]
    fn each_action_falls_on_the_request_or_on_its_own_answer() {
        use Decision::{Cut, FreezeAfter, FreezeBefore, Pass};
        let call = |action, nth| decided(Manner::Call, action, nth);
        assert_eq!(call(Action::DropRequest, 2), [Pass, Cut, Pass, Pass]);
        assert_eq!(call(Action::KillBefore, 1), [FreezeBefore, Pass, Pass, Pass]);
        assert_eq!(call(Action::DropAnswer, 1), [Pass, Pass, Pass, Cut]);
        assert_eq!(call(Action::KillAfterRequest, 2), [Pass, Pass, FreezeBefore, Pass]);
        assert_eq!(call(Action::KillAfterAnswer, 1), [Pass, Pass, Pass, FreezeAfter]);
    }

    #[test]
    fn without_a_target_any_is_meant() {
        let mut message = seen(1, 1, false);
        message.target = Some("products".to_owned());
        let decide = |target: Option<&str>| {
            let name = MessageName { target: target.map(str::to_owned), ..name(1) };
            Trigger::new(&name, Manner::Call, Action::DropRequest).decide(&message)
        };
        assert_eq!(decide(None), Decision::Cut);
        assert_eq!(decide(Some("products")), Decision::Cut);
        assert_eq!(decide(Some("orders")), Decision::Pass);
    }

    #[test]
    fn of_a_delivery_only_answers_that_bring_something_count() {
        use Decision::{Cut, Pass};
        assert_eq!(decided(Manner::Delivery, Action::DropAnswer, 1), [Pass, Pass, Cut, Pass]);
    }
}
