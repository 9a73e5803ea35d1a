//! Cloud SQL: the promises of the contract, and the real binary, against its Admin API in this process.

mod accounts;
pub(crate) mod cloud;
mod conformance;
mod create;
mod delete;
mod doctor;
mod killed;
mod random;
mod read;
mod restore;
mod together;
mod transfer;
mod verify;
