//! Child processes that can always be stopped: each in a process group of its own, its stderr kept short and
//! free of secrets.
//!
//! No shell is ever involved, and a secret never goes into an argument.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::live;
use super::server::SecretFile;
use crate::secret::Secret;

/// How long a child may take to end after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait for what it printed last, after its end: a child that it left running may hold its outputs for ever.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(500);
/// How much of its stdout is kept in memory, where that is wanted; more is an error.
const CAPTURED_BYTES: u64 = 64 << 20;
/// How much of a child's stderr is kept: its end, where tools say what went wrong. What follows the words for which it was
/// stopped doesn't push them out.
pub(crate) const STDERR_LINES: usize = 40;
pub(crate) const STDERR_LINE_BYTES: usize = 2_000;

/// A program to run: path, arguments, environment, and the secrets that its output must not show.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    secrets: Vec<Secret>,
    kept: Vec<Arc<SecretFile>>,
    kind: Kind,
}

/// What its surroundings are.
#[derive(Clone, Debug)]
enum Kind {
    /// One that snapkeep knows: no variable redirects it, and it speaks English.
    ClientTool,
    /// The user's own: the environment as it is, and this folder.
    Own(PathBuf),
}

/// The ends of pipes to and from a child.
pub(crate) struct Pipes {
    pub(crate) stdin: PipeWriter,
    pub(crate) stdout: PipeReader,
    pub(crate) stderr: PipeReader,
}

/// Variables by which a user's shell could redirect a client tool; none reaches a child.
const FOREIGN_PREFIXES: [&str; 4] = ["PG", "MYSQL", "MARIADB", "LC_"];

impl Program {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            secrets: Vec::new(),
            kept: Vec::new(),
            kind: Kind::ClientTool,
        }
    }

    /// The user's own program, to be run in `folder` with the environment as it is.
    pub(crate) fn own(path: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        Self { kind: Kind::Own(folder.into()), ..Self::new(path) }
    }

    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn args<I: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = I>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// Output that shows this secret shows `***` instead.
    pub(crate) fn redacting(mut self, secret: Option<&Secret>) -> Self {
        self.secrets.extend(secret.cloned());
        self
    }

    /// Keeps a file that the program reads for as long as it runs.
    pub(crate) fn keeping(mut self, file: &Arc<SecretFile>) -> Self {
        self.kept.push(file.clone());
        self
    }

    /// The program's file name, for messages.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).process_group(0);
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        if let Kind::Own(folder) = &self.kind {
            command.current_dir(folder).envs(environment);
            return command;
        }
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text == "LANGUAGE" || text == "LANG" || FOREIGN_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.env("LC_ALL", "C").envs(environment);
        command
    }

    /// Starts it with its stdout in a pipe.
    pub(crate) fn spawn_reading(&self) -> io::Result<(Running, PipeReader)> {
        let (reader, writer) = io::pipe()?;
        // A larger pipe saves context switches; a refusal (a user's pipe quota) costs only speed.
        let _ = rustix::pipe::fcntl_setpipe_size(&reader, 1 << 20);
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let running = self.start(&mut command, |_| true)?;
        drop(command); // our copy of the writing end, or the pipe would never end
        Ok((running, reader))
    }

    /// Starts it with its stdin in a pipe and its stdout dropped. `goes_on` sees each line of stderr; when it says
    /// `false` the child is stopped.
    pub(crate) fn spawn_writing(
        &self,
        goes_on: impl FnMut(&str) -> bool + Send + 'static,
    ) -> io::Result<(Running, ChildStdin)> {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = self.start(&mut command, goes_on)?;
        let stdin = running.child.stdin.take().ok_or_else(|| io::Error::other("the child has no stdin"))?;
        Ok((running, stdin))
    }

    /// Runs it to its end with `input`, and keeps what it prints. Blocks; stopped after `limit`.
    pub(crate) fn capture(&self, input: &str, limit: Duration) -> io::Result<Captured> {
        self.start_asking()?.answer(input.to_owned(), limit)
    }

    /// As [`Program::capture`], and stopped as well when the future is dropped.
    pub(crate) async fn ask(&self, input: &str, limit: Duration) -> io::Result<Captured> {
        let running = self.start_asking()?;
        let _stop = StopWhenDropped(running.stopper());
        let input = input.to_owned();
        tokio::task::spawn_blocking(move || running.answer(input, limit)).await.map_err(io::Error::other)?
    }

    /// Starts it with all three in pipes that the caller serves.
    pub(crate) fn spawn_open(&self) -> io::Result<(Running, Pipes)> {
        let ((theirs_in, stdin), (stdout, theirs_out), (stderr, theirs_err)) = (io::pipe()?, io::pipe()?, io::pipe()?);
        let mut command = self.command();
        command.stdin(theirs_in).stdout(theirs_out).stderr(theirs_err);
        let running = self.start(&mut command, |_| true)?;
        drop(command); // our copies of the child's ends, or the pipes would never end
        Ok((running, Pipes { stdin, stdout, stderr }))
    }

    fn start_asking(&self) -> io::Result<Running> {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.start(&mut command, |_| true)
    }

    fn start(&self, command: &mut Command, goes_on: impl FnMut(&str) -> bool + Send + 'static) -> io::Result<Running> {
        let (mut child, stopper) = live::child(|| {
            let child = command.spawn()?;
            let group = Group { leader: Some(Pid::from_child(&child)), stopping: false };
            let stopper = Stopper { group: Arc::new(Mutex::new(group)) };
            Ok(((child, stopper.clone()), stopper))
        })?;
        let stderr = child.stderr.take().map(|pipe| {
            let (secrets, stopper) = (self.secrets.clone(), stopper.clone());
            std::thread::spawn(move || keep_end(BufReader::new(pipe), &secrets, &stopper, goes_on))
        });
        Ok(Running { child, stopper, stderr, reaped: false, _kept: self.kept.clone() })
    }
}

/// What a child printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) status: ExitStatus,
    pub(crate) timed_out: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Stderr,
}

impl Captured {
    /// What it printed, with a stand-in for what is no UTF-8.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: Stderr,
}

/// The end of a child's stderr, as an error's source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stderr(pub(crate) String);

impl std::fmt::Display for Stderr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "it printed no error" } else { &self.0 })
    }
}

impl std::error::Error for Stderr {}

/// What a child has printed so far.
#[derive(Clone, Debug, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn take(&self, mut stdout: impl Read) -> io::Result<()> {
        let mut chunk = [0; 8192];
        while (self.lock().len() as u64) < CAPTURED_BYTES {
            match stdout.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => self.lock().extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread gives, if it ends by then.
fn ended_by<T>(until: Instant, thread: JoinHandle<T>) -> Option<T> {
    while !thread.is_finished() {
        if Instant::now() >= until {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    thread.join().ok()
}

/// A running child. Dropping it stops its whole process group.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stopper: Stopper,
    stderr: Option<JoinHandle<String>>,
    reaped: bool,
    /// The child opens these when it gets to it, which may be after the program that it came from is gone.
    _kept: Vec<Arc<SecretFile>>,
}

impl Running {
    /// A handle by which another thread can stop the child.
    pub(crate) fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Gives it `input`, and keeps what it prints until it ends. Blocks; stopped after `limit`.
    fn answer(mut self, input: String, limit: Duration) -> io::Result<Captured> {
        let stopper = self.stopper();
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            let late = waiting.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
            if late {
                stopper.stop();
            }
            late
        });
        let (stdin, stdout) = (self.child.stdin.take(), self.child.stdout.take());
        let feeder = std::thread::spawn(move || {
            // A child that ends early closes its stdin; its status and stderr tell why.
            stdin.map(|mut stdin| io::Write::write_all(&mut stdin, input.as_bytes()))
        });
        let said = Said::default();
        let heard = said.clone();
        // The pipe closes after that, so a child that prints without end ends too.
        let reader = std::thread::spawn(move || stdout.map_or(Ok(()), |stdout| heard.take(stdout)));
        let status = self.reap();
        drop(done);
        let timed_out = watchdog.join().unwrap_or(false);
        // What it left running may hold its pipes for ever, and the threads with them.
        let until = Instant::now() + LAST_WORDS;
        let read = ended_by(until, reader).unwrap_or(Ok(()));
        let stderr = self.stderr.take().and_then(|thread| ended_by(until, thread)).unwrap_or_default();
        ended_by(until, feeder);
        read?;
        let stdout = said.text();
        if stdout.len() as u64 >= CAPTURED_BYTES {
            return Err(io::Error::other("it printed too much"));
        }
        Ok(Captured { status: status?, timed_out, stdout, stderr: Stderr(stderr) })
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> io::Result<Ended> {
        let status = self.reap()?;
        let stderr = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok(Ended { status, stderr: Stderr(stderr) })
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        // The pid stays ours until it is reaped, and the group is forgotten in the same breath: no later stop can
        // hit a stranger that got the number.
        let pid = Pid::from_child(&self.child);
        while let Err(error) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        let mut group = self.stopper.lock();
        if group.stopping {
            // A member that ignored SIGTERM must not outlive its leader.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        group.leader = None;
        drop(group);
        self.reaped = true;
        self.child.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            self.stopper.stop();
            let _ = self.reap();
        }
    }
}

/// Stops a child's whole process group.
#[derive(Clone, Debug)]
pub(crate) struct Stopper {
    group: Arc<Mutex<Group>>,
}

#[derive(Debug)]
struct Group {
    /// `None` once the leader is reaped.
    leader: Option<Pid>,
    stopping: bool,
}

impl Stopper {
    fn lock(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) -> bool {
        let mut group = self.lock();
        group.stopping = true;
        group.leader.is_some_and(|leader| kill_process_group(leader, signal).is_ok())
    }

    /// Whether it has not ended yet.
    pub(super) fn runs(&self) -> bool {
        self.lock().leader.is_some()
    }

    /// Whether it was asked to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// SIGKILL now.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// SIGTERM now and, from a thread of its own, SIGKILL when the grace is over. Does not wait.
    pub(crate) fn stop(&self) {
        if self.signal(Signal::TERM) {
            let stopper = self.clone();
            std::thread::spawn(move || {
                let end = Instant::now() + GRACE;
                while Instant::now() < end && stopper.lock().leader.is_some() {
                    std::thread::sleep(Duration::from_millis(20));
                }
                stopper.signal(Signal::KILL);
            });
        }
    }
}

/// Stops a child whose answer no one waits for any more.
struct StopWhenDropped(Stopper);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn keep_end(
    mut pipe: impl BufRead,
    secrets: &[Secret],
    stopper: &Stopper,
    mut goes_on: impl FnMut(&str) -> bool,
) -> String {
    let mut lines: VecDeque<String> = VecDeque::new();
    let mut line = Vec::new();
    let mut stopped = false;
    loop {
        line.clear();
        match (&mut pipe).take(STDERR_LINE_BYTES as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let text = redact(String::from_utf8_lossy(&line).trim_end(), secrets);
        let heard = stopped;
        if !goes_on(&text) {
            stopped = true;
            stopper.stop();
        }
        if text.is_empty() || (heard && lines.len() == STDERR_LINES) {
            continue;
        }
        lines.push_back(text);
        if lines.len() > STDERR_LINES {
            lines.pop_front();
        }
    }
    Vec::from(lines).join("\n")
}

fn redact(text: &str, secrets: &[Secret]) -> String {
    secrets
        .iter()
        .filter(|secret| !secret.expose().is_empty())
        .fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Program {
        Program::new("/bin/sh").args(["-c", script])
    }

    #[test]
    fn stderr_is_redacted_and_bounded() {
        let secret = Secret::new("hunter2".into());
        let script = "i=0; while [ $i -lt 500 ]; do echo \"line $i hunter2\" >&2; i=$((i+1)); done";
        let ended = sh(script).redacting(Some(&secret)).capture("", Duration::from_secs(10)).unwrap();
        assert!(!ended.stderr.0.contains("hunter2"), "{}", ended.stderr.0);
        assert_eq!(ended.stderr.0.lines().count(), STDERR_LINES);
        assert!(ended.stderr.0.ends_with("line 499 ***"));
    }

    #[test]
    fn the_words_for_which_a_child_was_stopped_are_kept() {
        let script = "trap '' TERM; echo its error >&2; i=0; while [ $i -lt 500 ]; do echo x >&2; i=$((i+1)); done";
        let (running, _stdin) = sh(script).spawn_writing(|line| line != "its error").unwrap();
        let ended = running.wait().unwrap();
        assert!(ended.stderr.0.starts_with("its error\nx\n"), "{}", ended.stderr.0);
        assert_eq!(ended.stderr.0.lines().count(), STDERR_LINES);
    }

    #[test]
    fn a_child_that_takes_too_long_is_stopped_with_its_children() {
        let started = Instant::now();
        let captured = sh("sleep 60 & wait").capture("", Duration::from_millis(100)).unwrap();
        assert!(captured.timed_out);
        assert!(!captured.status.success());
        assert!(started.elapsed() < GRACE, "the grandchild held the pipe open");
    }

    #[test]
    fn variables_of_the_users_shell_do_not_reach_a_child() {
        // cargo sets no PG variable, so the check is on the list itself and on what a child sees of LC_ALL
        let captured = sh("echo \"$LC_ALL\"").capture("", Duration::from_secs(10)).unwrap();
        assert_eq!(captured.text(), "C\n");
    }

    #[test]
    fn a_child_that_prints_without_end_is_an_error() {
        sh("yes").capture("", Duration::from_secs(60)).unwrap_err();
    }

    #[test]
    fn a_running_child_keeps_its_files() {
        let file = Arc::new(SecretFile::create("pw", "hunter2").unwrap());
        let path = file.path().to_owned();
        let program = sh("read line && cat \"$1\" >&2").arg("sh").arg(&path).keeping(&file);
        let (running, stdin) = program.spawn_writing(|_| true).unwrap();
        drop((program, file));
        io::Write::write_all(&mut { stdin }, b"go on\n").unwrap();
        assert_eq!(running.wait().unwrap().stderr.0, "hunter2");
        assert!(!path.exists());
    }

    #[test]
    fn dropping_a_running_child_ends_it() {
        let (running, reader) = sh("sleep 60").spawn_reading().unwrap();
        let stopper = running.stopper();
        drop(running);
        assert_eq!(stopper.lock().leader, None);
        drop(reader);
    }
}
