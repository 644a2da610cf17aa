//! Axis `read_concern`: how sure it has to be that a product is what the replica set says, and not one member alone. It
//! holds for plain reads; what a purchase decides on is the axis `stock`. All three ask what the driver holds to be the
//! primary.
//!
//! `local`, **broken when a primary is cut off**:
//!
//! *What it does*: answers what that member has.
//!
//! *How it breaks*: it tells of writes that are rolled back afterwards (dirty), and, from a primary that was deposed and
//! does not know it yet, of a state that others have long changed (stale).
//!
//! `majority`:
//!
//! *What it does*: answers what that member knows a majority to have.
//!
//! *What it promises*: nothing that it tells of is taken back.
//!
//! *How it breaks*: the answer may be stale all the same. A deposed primary that does not know it yet answers what a
//! majority had when it was cut off. And where purchases are told with write concern `one`, every answer may be: a
//! client then knows of its purchase before a majority does.
//!
//! `linearizable`:
//!
//! *What it does*: before it answers, the member has a majority confirm that it still is the primary.
//!
//! *What it promises*: no answer is older than what anybody was told before the question, and none is taken back.
//!
//! *How it breaks*: it does not; it costs a write for each read, and without a majority it gives no answer at all. The
//! client is then told 503, in good time, because a member that waits for a majority would wait forever.

use std::time::Duration;

use mongodb::options::ReadConcern;

use crate::service::database::REQUEST_TIMEOUT;

/// The values of the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Reads {
    /// What this member has.
    Local,
    /// What this member knows a majority to have.
    Majority,
    /// What a majority confirms.
    Linearizable,
}

/// How long a member asks the others: it gives up before the service does, so that no read is left waiting there.
const CONFIRMED_WITHIN: Duration = Duration::from_millis(1_500);
const _: () = assert!(CONFIRMED_WITHIN.as_millis() < REQUEST_TIMEOUT.as_millis());

impl Reads {
    /// What the driver is asked for.
    pub(super) fn concern(self) -> ReadConcern {
        match self {
            Self::Local => ReadConcern::local(),
            Self::Majority => ReadConcern::majority(),
            Self::Linearizable => ReadConcern::linearizable(),
        }
    }

    /// How long the server may take, where it waits for other members.
    pub(super) fn confirmed_within(self) -> Option<Duration> {
        (self == Self::Linearizable).then_some(CONFIRMED_WITHIN)
    }
}
