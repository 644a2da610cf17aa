//! What an exit code means, and errors that carry one.

/// The exit codes, for the end of `torn --help`.
pub const HELP: &str = "\
Exit codes: 0 as expected, 1 not as expected, 2 unknown (too little was seen to judge), 3 the harness or its
environment failed, 64 wrong usage, 130 interrupted. Of several runs the first of 130, 3, 1, 2, 0.";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything as expected.
    AsExpected,
    /// Something not as expected, or a threshold missed.
    NotAsExpected,
    /// Too little was seen to judge.
    Unknown,
    /// The harness or its environment failed: no verdict.
    Failed,
    /// Wrong usage: a flag, a scenario, a manifest.
    Usage,
    /// Interrupted by the user.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::AsExpected => 0,
            Self::NotAsExpected => 1,
            Self::Unknown => 2,
            Self::Failed => 3,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }

    /// The exit of a code that a subcommand returned.
    pub fn from_code(code: u8) -> Self {
        match code {
            0 => Self::AsExpected,
            1 => Self::NotAsExpected,
            2 => Self::Unknown,
            64 => Self::Usage,
            130 => Self::Interrupted,
            _ => Self::Failed,
        }
    }

    /// Of two runs the one that the exit code tells of: the first of 130, 3, 1, 2, 0.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        const ORDER: [Exit; 6] =
            [Exit::Interrupted, Exit::Usage, Exit::Failed, Exit::NotAsExpected, Exit::Unknown, Exit::AsExpected];
        ORDER.into_iter().find(|exit| *exit == self || *exit == other).expect("every exit is in the order")
    }
}

/// An error and the exit code it leads to.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What to print.
    pub error: anyhow::Error,
}

impl Failure {
    /// Wrong usage.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }
}

/// Anything without a code of its own is a failure of the harness or its environment.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: Exit::Failed, error: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn of_several_runs_the_worst_news_wins() {
        use Exit::{AsExpected, Failed, Interrupted, NotAsExpected, Unknown};
        assert_eq!(AsExpected.merge(Unknown), Unknown);
        assert_eq!(Unknown.merge(NotAsExpected), NotAsExpected);
        assert_eq!(NotAsExpected.merge(Failed), Failed);
        assert_eq!(Failed.merge(Interrupted), Interrupted);
        assert_eq!(AsExpected.merge(AsExpected), AsExpected);
    }
}
