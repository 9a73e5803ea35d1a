//! Lists, creates, restores and prunes database snapshots. The binary is a thin shell around this library.

pub mod cli;
pub mod config;

mod allocator;
mod apply;
mod bookmarks;
mod budget;
mod catalog;
mod copies;
mod failure;
mod history;
mod hooks;
mod journal;
mod lock;
mod marks;
mod notices;
mod operate;
mod packed;
mod page;
mod pin;
pub mod plan;
mod plan_file;
mod render;
mod report;
pub mod retention;
mod retry;
mod schedule;
mod standing;
mod state;
mod units;
mod wall;
