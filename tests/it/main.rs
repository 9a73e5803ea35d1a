//! Dumps of real databases, through the provider library. `tests/run.sh` starts the servers; without them each test says
//! on stderr that it was left out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod aws;
mod azure;
mod bad_input;
mod cli;
mod conformance;
mod cycle;
mod damage;
mod deploy;
mod doctor;
mod faults;
mod fixtures;
mod gcp;
mod guard;
mod hooks;
mod interrupted;
mod mysql;
mod notices;
mod object_lock;
mod outputs;
mod page;
mod postgresql;
mod prune;
mod recipes;
mod restic;
mod roles;
mod s3_credentials;
mod s3_uploads;
mod schema;
mod secrets;
mod serve;
mod sick_tools;
mod simulators;
mod store;
mod support;
mod terraform;
mod tls;
mod verify;
