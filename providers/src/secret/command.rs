//! Secrets that a command prints: run once for all who want them at the same time, and remembered for a minute.
//!
//! A hundred targets that share a reference would ask the vault a hundred times at once otherwise.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex as Lock, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Secret, unreadable, without_newline};
use crate::dump::child::{Program, Stderr};
use crate::error::Result;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// For how long what it printed is taken for what it would print: a password that was changed is read soon after.
const KEPT: Duration = Duration::from_secs(60);
/// A shorter line is no secret, but it may be a word that an explanation needs.
const SHORTEST: usize = 4;

/// What a command said last; whoever runs it holds it.
type Slot = Arc<Mutex<Option<Answer>>>;

/// The commands that were asked. There is one list for the process, as its targets are opened apart from each other.
static ANSWERS: LazyLock<Lock<HashMap<Vec<String>, Slot>>> = LazyLock::new(Lock::default);

#[derive(Debug)]
struct Answer {
    said: Result<Secret>,
    ended: Instant,
}

impl Answer {
    /// Whether it will do for who asked at `asked`: an error only for who was waiting for it.
    fn holds_for(&self, asked: Instant) -> bool {
        match &self.said {
            Ok(_) => asked < self.ended + KEPT,
            Err(_) => asked <= self.ended,
        }
    }
}

/// The same for another; the cause of an error is kept in words.
fn repeated(said: &Result<Secret>) -> Result<Secret> {
    match said {
        Ok(secret) => Ok(secret.clone()),
        Err(error) => Err(error.repeated()),
    }
}

fn slot(argv: &[String]) -> Slot {
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    answers.entry(argv.to_vec()).or_default().clone()
}

/// What the command prints, or printed a short while ago.
pub(super) async fn answer(argv: &[String]) -> Result<Secret> {
    let (slot, asked) = (slot(argv), Instant::now());
    let mut last = slot.lock().await;
    if let Some(answer) = last.as_ref().filter(|answer| answer.holds_for(asked)) {
        return repeated(&answer.said);
    }
    let said = run(argv).await;
    *last = Some(Answer { said: repeated(&said), ended: Instant::now() });
    said
}

/// Runs the command again the next time.
pub(super) async fn forget(argv: &[String]) {
    *slot(argv).lock().await = None;
}

async fn run(argv: &[String]) -> Result<Secret> {
    let [program, arguments @ ..] = argv else {
        return Err(unreadable("an empty command", "it names no program"));
    };
    let subject = format!("command {program}");
    // In a process group of its own: a helper that it started is stopped with it.
    let captured = Program::new(program).args(arguments).ask("", LIMIT).await.map_err(|error| {
        let error_of_start = unreadable(&subject, "it can't be run").with_source(error);
        error_of_start.with_hint(format!("install {program}, or name it by its whole path"))
    })?;
    // The arguments stay in the config: nobody knows what is in them.
    let hint = "run it by hand as the same user, with its output to /dev/null, and see what it says";
    let said = |reason: &str| unreadable(&subject, reason).with_hint(hint);
    if captured.timed_out {
        return Err(said(&format!("it took longer than {} s", LIMIT.as_secs())));
    }
    if !captured.status.success() {
        let stderr = without(&captured.stderr.0, &captured.stdout);
        return Err(said(&format!("it ended with {}", captured.status)).with_source(Stderr(stderr)));
    }
    let text = String::from_utf8(captured.stdout).map_err(|_| said("it did not print UTF-8"))?;
    match without_newline(text) {
        text if text.is_empty() => Err(said("it printed nothing")),
        text => Ok(Secret::new(text)),
    }
}

/// What a command said on stderr, less what it printed: some print the secret there too.
fn without(stderr: &str, stdout: &[u8]) -> String {
    let printed = String::from_utf8_lossy(stdout);
    let mut lines: Vec<&str> = printed.lines().map(str::trim).filter(|line| line.len() >= SHORTEST).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
    lines.iter().fold(stderr.to_owned(), |text, line| text.replace(line, "***"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::{ErrorKind, causes};
    use crate::secret::SecretRef;

    /// A command that notes each of its runs in `folder`, then does what `script` says.
    fn noting(folder: &Path, script: &str) -> SecretRef {
        let mut argv = ["sh", "-c", &format!("echo >> \"$1/runs\"; {script}"), "sh"].map(String::from).to_vec();
        argv.push(folder.display().to_string());
        SecretRef::Command(argv)
    }

    fn runs(folder: &Path) -> usize {
        std::fs::read(folder.join("runs")).map_or(0, |noted| noted.len())
    }

    #[tokio::test]
    async fn a_command_runs_once_for_all_who_name_it() {
        let folder = tempfile::tempdir().unwrap();
        let secret = noting(folder.path(), "echo hunter2");
        let asked = (0..100).map(|_| secret.resolve(Path::new(".")));
        let said = futures::future::join_all(asked).await;
        assert!(said.iter().all(|said| said.as_ref().unwrap().expose() == "hunter2"));
        assert_eq!(runs(folder.path()), 1);
        secret.resolve_anew(Path::new(".")).await.unwrap();
        assert_eq!(runs(folder.path()), 2, "what no longer holds is asked for again");
    }

    #[tokio::test]
    async fn an_error_is_shared_with_who_waited_for_it_and_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let secret = noting(folder.path(), "exit 3");
        let asked = (0..100).map(|_| secret.resolve(Path::new(".")));
        assert!(futures::future::join_all(asked).await.iter().all(Result::is_err));
        assert_eq!(runs(folder.path()), 1);
        secret.resolve(Path::new(".")).await.unwrap_err();
        assert_eq!(runs(folder.path()), 2);
    }

    #[test]
    fn what_was_printed_holds_for_a_minute() {
        let now = Instant::now();
        let answer = |said| Answer { said, ended: now };
        let good = answer(Ok(Secret::new("x".into())));
        assert!(good.holds_for(now + KEPT / 2) && !good.holds_for(now + KEPT));
    }

    #[tokio::test]
    async fn a_command_that_fails_is_an_error_without_its_output() {
        let argv = ["sh", "-c", "echo hunter2; echo got hunter2, and 403 >&2; exit 3"].map(String::from).to_vec();
        let error = SecretRef::Command(argv).resolve(Path::new(".")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        let told: Vec<String> = causes(&error).map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["config: cannot read the secret from command sh: it ended with exit status: 3", "got ***, and 403"]
        );
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
