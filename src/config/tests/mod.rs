//! The config as a whole: whole files in, whole messages out.

use std::path::Path;

use super::{Config, parse};

mod crons;
mod errors;
mod example;
mod files;
mod schemas;
mod secrets;

/// What `parse` says of a file that is wrong.
fn complaint(text: &str) -> String {
    parse(text, Path::new("snapkeep.toml")).expect_err("the config should be refused").to_string()
}

fn good(text: &str) -> Config {
    parse(text, Path::new("/etc/snapkeep/config.toml")).unwrap_or_else(|error| panic!("{error}"))
}
