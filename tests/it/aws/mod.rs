//! AWS RDS: the promises of the contract, and the real binary, against RDS in this process and against moto.

use crate::support::Rds;

mod accounts;
mod afterwards;
pub(crate) mod cloud;
mod clusters;
mod conformance;
mod copy;
mod create;
mod delete;
mod doctor;
mod killed;
mod life;
mod moto;
mod moto_verbs;
mod operations;
mod read;
mod restore;
mod tf_external;

/// An environment with the simulator's keys and nothing else to look for.
pub(crate) const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", Rds::KEY), ("AWS_SECRET_ACCESS_KEY", Rds::SECRET), ("AWS_EC2_METADATA_DISABLED", "true")];
