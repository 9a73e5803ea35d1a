//! Lists, creates, restores and prunes database snapshots. The binary is a thin shell around this library.

pub mod cli;
pub mod config;

mod catalog;
mod failure;
mod operate;
mod render;
mod report;
mod units;
