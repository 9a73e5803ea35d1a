//! Lists, creates, restores and prunes database snapshots. The binary is a thin shell around this library.

pub mod config;
