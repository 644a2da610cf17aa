//! Axis `write_concern`: how many members of the replica set must have a write before the client is told of it. It holds
//! for every write of the api, those in transactions included.
//!
//! `majority`:
//!
//! *What it promises*: what a client was told survives the loss of any minority of the members, and of all of them at
//! once, because a majority acknowledges only what is in its journals.
//!
//! *How it breaks*: it does not; it waits. A primary that is cut off from the others acknowledges nothing.
//!
//! `one`, **broken when a primary is lost**:
//!
//! *What it does*: the primary acknowledges alone, from its memory.
//!
//! *What it promises*: nothing that a new primary does not take back.
//!
//! *How it breaks*: whoever becomes primary continues from what it has. What the old one acknowledged and could not hand
//! on any more is rolled back when it returns, state and outbox row together: acknowledged writes are lost, and the
//! pieces that they took are sold again (oversold). An old primary that is cut off goes on like this until it
//! notices, about one election timeout. On a single node, a kill loses what was not yet in the journal.

use mongodb::options::{Acknowledgment, WriteConcern};

/// The values of the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Writes {
    /// Told when most members have it.
    Majority,
    /// Told when the primary has it.
    One,
}

impl Writes {
    /// What the driver is asked for.
    pub(super) fn concern(self) -> WriteConcern {
        match self {
            Self::Majority => WriteConcern::majority(),
            Self::One => WriteConcern::from(Acknowledgment::Nodes(1)),
        }
    }
}
