//! Shares of the targets, for several processes that divide them among themselves without a word.

use std::fmt;
use std::str::FromStr;

use snapkeep_providers::model::TargetName;

use super::share_of;

/// One of `count` shares of all targets, written `index/count`, counted from 0 as Kubernetes counts the pods of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// Whether the target is in this share. It is in exactly one, the same on every machine and in every version.
    pub(crate) fn holds(self, target: &TargetName) -> bool {
        share_of(&["shard", target.as_str()], self.count.into()) == u64::from(self.index)
    }
}

/// Why a share was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidShard {
    /// It isn't two numbers.
    Form,
    /// There is no share of this number.
    Beyond(u32),
}

impl fmt::Display for InvalidShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form | Self::Beyond(0) => f.write_str("write I/N, share I of N: 0/4, 1/4, 2/4 and 3/4 are all"),
            Self::Beyond(count) => {
                write!(f, "shares are counted from 0, so the last of {count} is {}/{count}", count - 1)
            }
        }
    }
}

impl std::error::Error for InvalidShard {}

impl FromStr for Shard {
    type Err = InvalidShard;

    fn from_str(text: &str) -> Result<Self, InvalidShard> {
        let (index, count) = text.split_once('/').ok_or(InvalidShard::Form)?;
        let number = |text: &str| text.parse().map_err(|_| InvalidShard::Form);
        let (index, count) = (number(index)?, number(count)?);
        if index < count { Ok(Self { index, count }) } else { Err(InvalidShard::Beyond(count)) }
    }
}
