//! Azure: the promises of the contract, and what faults do, against its Resource Manager in this process.

mod astray;
mod cloud;
mod conformance;
mod doctor;
mod flexible;
mod killed;
mod random;
mod sql;
