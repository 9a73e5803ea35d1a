//! Secrets: how the config refers to them, and a type that can't be printed by accident.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::dump::child::Program;
use crate::error::{Error, ErrorKind, Result};

/// How long a secret's command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// Where a secret is found. The config never holds the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-secret" = true))]
pub enum SecretRef {
    /// The name of an environment variable.
    Env(String),
    /// The path of a file, relative to the config file; one newline at its end is dropped.
    File(PathBuf),
    /// A program and its arguments, run without a shell; what it prints is the secret, less one newline at its end.
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
            Self::Command(argv) => run(argv).await,
        }
    }
}

async fn run(argv: &[String]) -> Result<Secret> {
    let [program, arguments @ ..] = argv else {
        return Err(unreadable("an empty command", "it names no program"));
    };
    let subject = format!("command {program}");
    // In a process group of its own: a helper that it started is stopped with it.
    let captured = Program::new(program)
        .args(arguments)
        .ask("", COMMAND_LIMIT)
        .await
        .map_err(|error| unreadable(&subject, "it can't be run").with_source(error))?;
    if captured.timed_out {
        return Err(unreadable(&subject, &format!("it took longer than {} s", COMMAND_LIMIT.as_secs())));
    }
    if !captured.status.success() {
        return Err(unreadable(&subject, &format!("it ended with {}", captured.status)).with_source(captured.stderr));
    }
    let text = String::from_utf8(captured.stdout).map_err(|_| unreadable(&subject, "it did not print UTF-8"))?;
    Ok(Secret::new(without_newline(text)))
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
    async fn a_file_loses_one_newline_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("pw"), " a b \n\n").unwrap();
        let secret = SecretRef::File("pw".into()).resolve(dir.path()).await.unwrap();
        assert_eq!(secret.expose(), " a b \n");
    }

    #[tokio::test]
    async fn a_command_that_fails_is_an_error_without_its_output() {
        let argv = ["sh", "-c", "echo hunter2; exit 3"].map(String::from).to_vec();
        let error = SecretRef::Command(argv).resolve(Path::new(".")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn a_command_that_no_one_waits_for_is_stopped_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = "sleep 600 & echo $! > \"$1.new\"; mv \"$1.new\" \"$1\"; wait";
        let mut argv = ["sh", "-c", script, "sh"].map(String::from).to_vec();
        argv.push(pid.display().to_string());
        let secret = SecretRef::Command(argv);
        let begun = async {
            while !pid.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = secret.resolve(Path::new(".")) => panic!("it sleeps"),
            () = begun => {}
        }
        let stat = format!("/proc/{}/stat", std::fs::read_to_string(pid).unwrap().trim());
        let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z"));
        while runs() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
