//! Who is meant by what it is at the moment (`primary`, `leader:purchases-0`) rather than by its name. Pure: whose name
//! that is now, the servers are asked by [`super::Roles`].

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A part that a member of a cluster plays, and that may pass to another at any time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    /// The member of the replica set that takes writes.
    Primary,
    /// The first member, by name, that follows it.
    Secondary,
    /// The broker that leads a partition.
    Leader {
        /// The manifest's name of the topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// The first broker, by name, that holds an in-sync replica of a partition and does not lead it.
    Follower {
        /// The manifest's name of the topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no role; expected primary, secondary, leader:<topic>-<partition> or follower:<topic>-<partition>")]
pub struct RoleError {
    /// The text.
    pub text: String,
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let role = match text.split_once(':') {
            None if text == "primary" => Some(Self::Primary),
            None if text == "secondary" => Some(Self::Secondary),
            Some(("leader", rest)) => partition_of(rest).map(|(topic, partition)| Self::Leader { topic, partition }),
            Some(("follower", rest)) => {
                partition_of(rest).map(|(topic, partition)| Self::Follower { topic, partition })
            }
            _ => None,
        };
        role.ok_or_else(|| RoleError { text: text.to_owned() })
    }
}

/// A topic's name may hold hyphens: the partition stands behind the last.
fn partition_of(text: &str) -> Option<(String, i32)> {
    let (topic, partition) = text.rsplit_once('-')?;
    let is_number = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    (!topic.is_empty() && is_number).then_some((topic.to_owned(), partition.parse().ok()?))
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Primary => formatter.write_str("primary"),
            Self::Secondary => formatter.write_str("secondary"),
            Self::Leader { topic, partition } => write!(formatter, "leader:{topic}-{partition}"),
            Self::Follower { topic, partition } => write!(formatter, "follower:{topic}-{partition}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn role() -> impl Strategy<Value = Role> {
        let partition = || ("[a-z][a-z.:-]{0,8}", 0..i32::MAX);
        prop_oneof![
            Just(Role::Primary),
            Just(Role::Secondary),
            partition().prop_map(|(topic, partition)| Role::Leader { topic, partition }),
            partition().prop_map(|(topic, partition)| Role::Follower { topic, partition }),
        ]
    }

    proptest! {
        #[test]
        fn a_role_reads_back_as_it_was_written(role in role()) {
            prop_assert_eq!(role.to_string().parse::<Role>(), Ok(role));
        }
    }

    #[test]
    fn what_is_no_role_is_told_with_what_would_be_one() {
        let wrong =
            ["", "Primary", "leader", "leader:", "leader:-0", "leader:a-", "leader:a--1x", "leader:a-4294967296"];
        for text in wrong {
            let error = text.parse::<Role>().expect_err(text);
            assert!(error.to_string().contains("leader:<topic>-<partition>"), "{error}");
        }
        let leader = Role::Leader { topic: "a-".to_owned(), partition: 1 };
        assert_eq!("leader:a--1".parse(), Ok(leader), "the partition stands behind the last hyphen");
    }
}
