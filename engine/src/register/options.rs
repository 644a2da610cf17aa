//! What the judge may use.

/// How a history is judged. The default is what anyone wants; the rest is for comparing the ways with one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Each key by itself, in parallel. Otherwise one search over a map of all keys.
    pub partition: bool,
    /// Whether the fast paths may decide; otherwise the search decides alone.
    pub shortcuts: bool,
    /// What the search may use to look at fewer orders.
    pub reductions: Reductions,
}

impl Default for Options {
    fn default() -> Self {
        Self { partition: true, shortcuts: true, reductions: Reductions::ALL }
    }
}

/// A way to look at fewer orders without missing the only right one. Each is proved where it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reduction {
    /// An operation that only observes, and may be next, is next.
    Observations = 1,
    /// Of operations under way that do the same, the one that completes first goes first; of open ones, which never
    /// complete, the one invoked first.
    Interchangeable = 1 << 1,
    /// Values that nobody compares with anything are one value; open writes of it are dropped where nobody can tell.
    Unobservable = 1 << 2,
    /// Where a certain value is needed now, somebody must still be able to bring it.
    Demand = 1 << 3,
    /// An open operation takes effect only where the next one sees it.
    SeenAtOnce = 1 << 4,
    /// A write that nobody will see goes right before the next write.
    Absorption = 1 << 5,
    /// What failed with more open operations at hand fails with fewer.
    Dominance = 1 << 6,
}

/// A set of [`Reduction`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reductions(u8);

impl Reductions {
    /// All of them.
    pub const ALL: Self = Self(0x7f);
    /// None: every order is tried, each configuration once.
    pub const NONE: Self = Self(0);

    /// This set and `reduction`.
    #[must_use]
    pub const fn with(self, reduction: Reduction) -> Self {
        Self(self.0 | reduction as u8)
    }

    /// This set without `reduction`.
    #[must_use]
    pub const fn without(self, reduction: Reduction) -> Self {
        Self(self.0 & !(reduction as u8))
    }

    /// Whether `reduction` is in the set.
    pub const fn has(self, reduction: Reduction) -> bool {
        self.0 & reduction as u8 != 0
    }
}
