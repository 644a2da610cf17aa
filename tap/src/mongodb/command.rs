//! The names of commands.

use std::borrow::Cow;

/// Commands that drivers and servers send by themselves.
const BACKGROUND: &[&str] = &[
    "hello",
    "isMaster",
    "ismaster",
    "ping",
    "buildInfo",
    "buildinfo",
    "saslStart",
    "saslContinue",
    "authenticate",
    "getnonce",
    "logout",
    "endSessions",
    "refreshSessions",
    "startSession",
    "killSessions",
    "killCursors",
    "getParameter",
    "connectionStatus",
    "serverStatus",
    "whatsmyuri",
    "getLog",
    "atlasVersion",
    "replSetGetStatus",
    "replSetGetRBID",
    "replSetHeartbeat",
    "replSetUpdatePosition",
    "replSetRequestVotes",
    "_isSelf",
];

/// Commands that an application means.
const FOREGROUND: &[&str] = &[
    "insert",
    "update",
    "delete",
    "find",
    "getMore",
    "aggregate",
    "findAndModify",
    "findandmodify",
    "bulkWrite",
    "count",
    "distinct",
    "commitTransaction",
    "abortTransaction",
    "create",
    "createIndexes",
    "collMod",
    "drop",
    "dropDatabase",
    "listCollections",
    "listIndexes",
    "listDatabases",
];

/// A name that is known costs no memory.
pub(super) fn name(name: &str) -> Cow<'static, str> {
    let known = FOREGROUND.iter().chain(BACKGROUND).find(|known| **known == name);
    known.map_or_else(|| Cow::Owned(name.to_owned()), |known| Cow::Borrowed(*known))
}

pub(super) fn is_background(name: &str) -> bool {
    BACKGROUND.contains(&name)
}

/// Names of the codes that matter, for answers that do not say them (write errors).
pub(super) fn code_name(code: i32) -> Option<Cow<'static, str>> {
    let name = match code {
        50 => "MaxTimeMSExpired",
        64 => "WriteConcernTimeout",
        112 => "WriteConflict",
        121 => "DocumentValidationFailure",
        189 => "PrimarySteppedDown",
        251 => "NoSuchTransaction",
        10107 => "NotWritablePrimary",
        11000 => "DuplicateKey",
        11600 => "InterruptedAtShutdown",
        _ => return None,
    };
    Some(Cow::Borrowed(name))
}
