//! Azure: the promises of the contract, and what faults do, against its Resource Manager in this process.

mod cloud;
mod conformance;
mod flexible;
mod random;
