//! A command that runs in the foreground of this process: with its stdin, stdout, stderr, terminal and signals.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::fs::{Access, Mode, access};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_process, umask, waitid};
use tokio::signal::unix::{Signal as Arrivals, SignalKind, signal};

use tokio_util::sync::CancellationToken;

use crate::cli::ignores_hangup;

/// Where programs are looked for when PATH says nothing, as execvp(3) has it.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a command can't be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// There is no such program.
    NotFound,
    /// It is there, and can't be executed.
    NotExecutable,
}

/// A program that was found, and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    program: PathBuf,
    argv: Vec<OsString>,
}

impl Command {
    /// Finds the program of `argv` as execvp(3) does: by its path where it has a slash, else along `path`.
    pub(super) fn find(argv: &[OsString], path: Option<&OsStr>) -> Result<Self, Unusable> {
        let name = argv.first().filter(|name| !name.is_empty()).ok_or(Unusable::NotFound)?;
        let of = |program| Self { program, argv: argv.to_vec() };
        if name.as_encoded_bytes().contains(&b'/') {
            return usable(Path::new(name)).map(|()| of(PathBuf::from(name)));
        }
        let mut why = Unusable::NotFound;
        for folder in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
            let program = folder.join(name);
            match usable(&program) {
                Ok(()) => return Ok(of(program)),
                Err(Unusable::NotExecutable) => why = Unusable::NotExecutable,
                Err(Unusable::NotFound) => {}
            }
        }
        Err(why)
    }

    /// Runs it to its end. The signals that arrive meanwhile are its own. One that came just before, and was taken for ours,
    /// cancels `cancel`.
    pub(super) async fn run(
        &self,
        environment: &[(&str, String)],
        mask: Mode,
        mut signals: Signals,
        cancel: &CancellationToken,
    ) -> io::Result<ExitStatus> {
        let mut command = std::process::Command::new(&self.program);
        let (name, arguments) = self.argv.split_first().ok_or(io::ErrorKind::NotFound)?;
        command.arg0(name).args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        // Its files are for whom its user wants them to be for.
        let ours = umask(mask);
        let spawned = command.spawn();
        umask(ours);
        let mut child = spawned?;
        let pid = Pid::from_child(&child);
        // Until it is waited for below its pid is nobody else's: a signal can't meet a stranger.
        let mut ended = tokio::task::spawn_blocking(move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == rustix::io::Errno::INTR) {}
        });
        let mut was_told = false;
        loop {
            tokio::select! {
                biased;
                _ = &mut ended => return child.wait(),
                () = cancel.cancelled(), if !was_told => {
                    was_told = true;
                    let _ = kill_process(pid, Signal::TERM);
                }
                arrived = signals.next() => {
                    if !comes_from_terminal(arrived) {
                        // One that has just ended needs it no more.
                        let _ = kill_process(pid, arrived);
                    }
                }
            }
        }
    }
}

fn usable(program: &Path) -> Result<(), Unusable> {
    if !program.is_file() {
        return Err(Unusable::NotFound);
    }
    access(program, Access::EXEC_OK).map_err(|_| Unusable::NotExecutable)
}

/// Whether a signal is one that a terminal sends to all processes in its foreground, the command among them.
///
/// A signal doesn't tell who sent it here. In the foreground, Ctrl-C and Ctrl-\ are by far the likeliest senders, and a command
/// that gets the signal twice may take the second for "at once".
fn comes_from_terminal(arrived: Signal) -> bool {
    let in_foreground = || {
        let terminal = std::fs::File::open("/dev/tty").ok()?;
        Some(rustix::termios::tcgetpgrp(terminal).ok()? == getpgrp())
    };
    matches!(arrived, Signal::INT | Signal::QUIT) && in_foreground().unwrap_or(false)
}

/// The signals that end a process or tell it something.
pub(super) struct Signals {
    interrupt: Arrivals,
    terminate: Arrivals,
    quit: Arrivals,
    user_1: Arrivals,
    user_2: Arrivals,
    /// `None` where it is ignored, and so by the command too.
    hangup: Option<Arrivals>,
}

impl Signals {
    /// Hears all that arrive from now on.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
            hangup: if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    async fn next(&mut self) -> Signal {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.user_1.recv() => Signal::USR1,
            _ = self.user_2.recv() => Signal::USR2,
            _ = hangup => Signal::HUP,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn programs_are_found_as_execvp_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str, mode: u32| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        place("first/plain", 0o644);
        place("first/later", 0o644);
        let later = place("second/later", 0o755);
        std::fs::create_dir(first.join("folder")).unwrap();
        let path = std::env::join_paths([&first, &second]).unwrap();
        let find = |name: &str| Command::find(&[name.into(), "-x".into()], Some(&path));
        let found = Command { program: later.clone(), argv: vec!["later".into(), "-x".into()] };
        assert_eq!(find("later"), Ok(found), "what can't be executed is passed over");
        assert_eq!(find("plain"), Err(Unusable::NotExecutable));
        for missing in ["nothing", "folder", ""] {
            assert_eq!(find(missing), Err(Unusable::NotFound), "{missing:?}");
        }
        assert_eq!(find(first.join("plain").to_str().unwrap()), Err(Unusable::NotExecutable));
        assert!(find(later.to_str().unwrap()).is_ok() && find("./later").is_err());
        assert_eq!(Command::find(&[], None), Err(Unusable::NotFound));
    }
}
