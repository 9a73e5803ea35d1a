//! Azure SQL: the promises of the contract, and the real binary, against the Resource Manager in this process.

mod bacpac;
mod cloud;
mod conformance;
mod create;
mod delete;
mod killed;
mod random;
mod read;
mod restore;
mod verify;
