//! Secrets: how the config refers to them, and a type that can't be printed by accident.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

mod command;

/// Where a secret is found. The config never holds the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-secret" = true))]
pub enum SecretRef {
    /// The name of an environment variable.
    Env(String),
    /// The path of a file, relative to the config file; one newline at its end is dropped.
    File(PathBuf),
    /// A program and its arguments, run without a shell; what it prints is the secret, less one newline at its end. It is run
    /// once for all who name it within a minute.
    Command(#[schemars(length(min = 1))] Vec<String>),
}

impl SecretRef {
    /// Reads the secret. Never logs it and never puts it into an error.
    pub async fn resolve(&self, base: &Path) -> Result<Secret> {
        match self {
            Self::Env(name) => {
                let value = std::env::var(name).map_err(|_| {
                    unreadable(&format!("environment variable {name}"), "it is not set, or not UTF-8")
                        .with_hint(format!("set it: export {name}=..."))
                })?;
                Ok(Secret::new(value))
            }
            Self::File(path) => {
                let path = base.join(path);
                let text = tokio::fs::read_to_string(&path).await.map_err(|error| {
                    unreadable(&format!("file {}", path.display()), "it can't be read").with_source(error)
                })?;
                Ok(Secret::new(without_newline(text)))
            }
            Self::Command(argv) => command::answer(argv).await,
        }
    }

    /// The same where what was read last no longer holds: a command is run again.
    pub(crate) async fn resolve_anew(&self, base: &Path) -> Result<Secret> {
        if let Self::Command(argv) = self {
            command::forget(argv).await;
        }
        self.resolve(base).await
    }
}

fn unreadable(subject: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Permission, "config", "read the secret from", subject, reason)
}

fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

/// A secret in memory; prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The secret itself. Name the place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars() {
        let secret = Secret::new("hunter2".into());
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }

    #[tokio::test]
    async fn a_command_that_leaves_something_running_has_said_all_when_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        // It ends by itself, with the pipes still its own.
        let command = ["sh", "-c", "setsid sleep 20 & echo hunter2"].map(ToOwned::to_owned);
        let begun = std::time::Instant::now();
        let secret = SecretRef::Command(command.to_vec()).resolve(dir.path()).await.unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert!(begun.elapsed() < std::time::Duration::from_secs(15));
    }

    #[tokio::test]
    async fn a_file_loses_one_newline_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("pw"), " a b \n\n").unwrap();
        let secret = SecretRef::File("pw".into()).resolve(dir.path()).await.unwrap();
        assert_eq!(secret.expose(), " a b \n");
    }
}
