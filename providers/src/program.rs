//! Programs of the user's own, such as hooks: started without a shell, given an input, heard line by line, and stopped with
//! their children when their time is over.
//!
//! They inherit the environment as it is. What they leave running when they end well is theirs, and not waited for.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::dump::child::{LAST_WORDS, Pipes, Program, STDERR_LINE_BYTES, STDERR_LINES, Stopper};

/// A program to run.
#[derive(Clone, Debug)]
pub struct Call {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where it runs, and what a relative path of it is relative to.
    pub folder: PathBuf,
    /// Variables besides those of this process.
    pub environment: Vec<(&'static str, String)>,
    /// What it can read on its stdin, and need not.
    pub input: String,
    /// How long it may take.
    pub limit: Duration,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// By itself, or by whom.
    pub ending: Ending,
    /// The last lines of its stderr.
    pub stderr: String,
}

/// Why a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Itself(ExitStatus),
    /// It was stopped when its time was over.
    TimedOut,
    /// It was stopped as nobody waited for it any more.
    Cancelled,
}

impl Call {
    /// The file name of the program.
    pub fn name(&self) -> String {
        let path = self.argv.first().map(Path::new);
        path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Runs it to its end; `heard` gets each line of its stdout and stderr. The error is why it could not be started.
    ///
    /// At its limit, when `cancel` is cancelled, and when the future is dropped, its process group gets SIGTERM and, after
    /// a grace, SIGKILL.
    pub async fn run(
        self,
        cancel: &CancellationToken,
        heard: impl Fn(&str) + Clone + Send + 'static,
    ) -> io::Result<Ended> {
        let [path, arguments @ ..] = self.argv.as_slice() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it names no program"));
        };
        // A name without a slash is looked for in PATH.
        let path = if path.contains('/') { self.folder.join(path) } else { PathBuf::from(path) };
        let mut program = Program::own(path, &self.folder).args(arguments);
        for (name, value) in &self.environment {
            program = program.env(name, value);
        }
        let (running, pipes) = program.spawn_open()?;
        let stopper = StopWhenDropped(running.stopper());
        let (tail, said) = listen(pipes, self.input, heard);
        let mut ended = tokio::task::spawn_blocking(move || {
            let ended = running.wait();
            // Nothing is ever sent: it ends with both outputs, or too late.
            let _ = said.recv_timeout(LAST_WORDS);
            ended
        });
        let stopped = tokio::select! {
            biased;
            ended = &mut ended => return Ok(Ended { ending: Ending::Itself(status(ended)?), stderr: tail.text() }),
            () = cancel.cancelled() => Ending::Cancelled,
            () = tokio::time::sleep(self.limit) => Ending::TimedOut,
        };
        stopper.0.stop();
        status(ended.await)?;
        Ok(Ended { ending: stopped, stderr: tail.text() })
    }
}

fn status(ended: Result<io::Result<crate::dump::child::Ended>, tokio::task::JoinError>) -> io::Result<ExitStatus> {
    Ok(ended.map_err(io::Error::other)??.status)
}

/// Serves the pipes from threads of their own, which end with the pipes; the receiver hears when both outputs have ended.
fn listen(pipes: Pipes, input: String, heard: impl Fn(&str) + Clone + Send + 'static) -> (Tail, Receiver<()>) {
    let Pipes { mut stdin, stdout, stderr } = pipes;
    let (tail, (open, ended)) = (Tail::default(), channel::<()>());
    // One that doesn't read, or ends before, is no failure.
    std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let (says, holds): (_, Sender<()>) = (heard.clone(), open.clone());
    std::thread::spawn(move || {
        lines(stdout, &says);
        drop(holds);
    });
    let kept = tail.clone();
    std::thread::spawn(move || {
        lines(stderr, &|line| {
            kept.push(line);
            heard(line);
        });
        drop(open);
    });
    (tail, ended)
}

/// Each line that is not empty; a long one in pieces.
fn lines(pipe: impl Read, heard: &dyn Fn(&str)) {
    let (mut pipe, mut line) = (BufReader::new(pipe), Vec::new());
    loop {
        line.clear();
        match (&mut pipe).take(STDERR_LINE_BYTES as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        if !text.trim_end().is_empty() {
            heard(text.trim_end());
        }
    }
}

/// The last lines of an output.
#[derive(Clone, Debug, Default)]
struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == STDERR_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Stops a program that no one waits for any more; nothing, of one that has ended.
struct StopWhenDropped(Stopper);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn sh(script: &str) -> Call {
        Call {
            argv: ["/bin/sh", "-c", script].map(String::from).to_vec(),
            folder: "/".into(),
            environment: Vec::new(),
            input: String::new(),
            limit: Duration::from_secs(30),
        }
    }

    async fn run(call: Call) -> (Ended, Vec<String>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = heard.clone();
        let hear = move |line: &str| hears.lock().unwrap().push(line.to_owned());
        let ended = call.run(&CancellationToken::new(), hear).await.unwrap();
        let mut heard = heard.lock().unwrap().clone();
        heard.sort();
        (ended, heard)
    }

    #[tokio::test]
    async fn it_gets_input_and_environment_and_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("hook"), "#!/bin/sh\necho \"$SK $PWD $1\"; cat; echo bad >&2; exit 3\n")
            .unwrap();
        rustix::fs::chmod(folder.path().join("hook"), rustix::fs::Mode::RWXU).unwrap();
        let base = folder.path().canonicalize().unwrap();
        let call = Call {
            argv: ["./hook", "it's"].map(String::from).to_vec(),
            folder: base.clone(),
            environment: vec![("SK", "x y".into())],
            input: "in".into(),
            ..sh("")
        };
        let (ended, heard) = run(call).await;
        assert!(matches!(ended.ending, Ending::Itself(status) if status.code() == Some(3)), "{ended:?}");
        assert_eq!(ended.stderr, "bad");
        assert_eq!(heard, ["bad".to_owned(), "in".to_owned(), format!("x y {} it's", base.display())]);
    }

    #[tokio::test]
    async fn one_that_reads_nothing_is_not_waited_for() {
        let call = Call { input: "x".repeat(1 << 20), ..sh("exit 0") };
        assert!(matches!(run(call).await.0.ending, Ending::Itself(status) if status.success()));
    }

    #[tokio::test]
    async fn one_that_leaves_a_child_with_its_outputs_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let (ended, heard) =
            run(Call { folder: folder.path().into(), ..sh("sleep 60 & echo $! > pid; echo said") }).await;
        assert!(matches!(ended.ending, Ending::Itself(status) if status.success()));
        assert_eq!(heard, ["said"]);
        assert!(begun.elapsed() < Duration::from_secs(20));
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap().trim().parse().unwrap();
        let child = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_stopped_with_its_children() {
        let call = Call { limit: Duration::from_millis(100), ..sh("echo begun >&2; sleep 60 & wait") };
        let (ended, _) = run(call).await;
        assert_eq!((ended.ending, ended.stderr.as_str()), (Ending::TimedOut, "begun"));
    }

    #[tokio::test]
    async fn one_that_is_cancelled_is_stopped() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let ended = sh("sleep 60").run(&cancel, |_| {}).await.unwrap();
        assert_eq!(ended.ending, Ending::Cancelled);
    }

    #[tokio::test]
    async fn one_that_prints_without_end_is_kept_short() {
        let (ended, _) = run(sh("i=0; while [ $i -lt 500 ]; do echo \"line $i\" >&2; i=$((i+1)); done")).await;
        assert_eq!(ended.stderr.lines().count(), STDERR_LINES);
        assert!(ended.stderr.ends_with("line 499"));
    }

    #[tokio::test]
    async fn one_that_is_not_there_is_an_error() {
        let call = Call { argv: vec!["no-such-program".into()], ..sh("") };
        let error = call.run(&CancellationToken::new(), |_| {}).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
