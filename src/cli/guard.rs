//! `snapkeep guard`: a command that may break a database runs only after a good snapshot of it is there.
//!
//! Stdout is the command's alone. What is to be said is said on stderr, and what went wrong before the command ran is a document
//! on stdout only where a document was asked for.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use snapkeep_providers::model::{Hold, ListScope, Snapshot, VerifyLevel};
use snapkeep_providers::shell::shell_word;
use snapkeep_providers::{ErrorKind, Support};

use self::command::{Command, Signals, Unusable};
use super::create::key;
use super::following::{Came, Waiting};
use super::making::Making;
use super::telling::told_of;
use super::verify::{self, LevelArg};
use super::{App, Mode, Outcome};
use crate::catalog::{self, Catalog, Opened};
use crate::config::{Config, NotifiedAction, Target};
use crate::failure::{Code, Failure};
use crate::hooks;
use crate::pin::Pinned;
use crate::{marks, units};

mod command;

/// How long a snapshot is held after the command failed: somebody has to notice first.
const AFTER_FAILURE: TimeDelta = TimeDelta::days(7);
/// The exit codes of a shell for a command that it can't find or can't execute.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Make sure of a good snapshot, then run a command that may break the database; exits as the command does
#[derive(Debug, Args)]
pub(super) struct Guard {
    /// The target
    #[arg(value_name = "TARGET")]
    target: String,
    /// Take the newest good one of ours if it is at most this old: 24h; without this, one is always made
    #[arg(long, value_name = "AGE", value_parser = crate::config::elapsed)]
    max_age: Option<Duration>,
    /// Verify it first, unless it passed that already [default level: what the config says, or archive]
    #[arg(long, value_enum, value_name = "LEVEL")]
    verify: Option<Option<LevelArg>>,
    /// Hold it for this long: 7d. While the command runs it is held anyway, and when that fails for 7 days more
    #[arg(long, value_name = "TIME", value_parser = crate::config::elapsed)]
    hold: Option<Duration>,
    /// The key of the snapshot, should one be made: the same key for the same target is the same snapshot
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<String>,
    /// A label for it, besides the target's own; may be given several times
    #[arg(long, value_name = "K=V", value_parser = super::list::tag)]
    tag: Vec<(String, String)>,
    /// How long the making of it may take: 2h
    #[arg(long, value_name = "TIME", value_parser = crate::config::elapsed)]
    timeout: Option<Duration>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Guard {
    pub(super) async fn run(&self, app: &App) -> u8 {
        match self.guard(app).await {
            Ok(code) => code,
            Err(failure) => app.finish(&Outcome::<Snapshot>::failed(failure)),
        }
    }

    /// Gives the command's own exit code; a failure when it did not run.
    async fn guard(&self, app: &App) -> Result<u8, Vec<Failure>> {
        // A name that was mistyped is found before hours have gone into a snapshot.
        let path = std::env::var_os("PATH");
        let command = Command::find(&self.command, path.as_deref()).map_err(|why| vec![self.unusable(why)])?;
        let config = app.load()?;
        let target = catalog::target(&config, &self.target).map_err(|failure| vec![failure])?;
        let done = self.with(app, &config, target, &command).await;
        config.notices().flush().await;
        done.map_err(|failure| vec![failure.of(&self.target)])
    }

    async fn with(&self, app: &App, config: &Catalog, target: &Target, command: &Command) -> Result<u8, Failure> {
        let opened = app.asking(catalog::open(config, target)).await?;
        let fresh = self.fresh(app, &opened).await?;
        if app.mode == Mode::DryRun {
            self.tell_intent(app, config, target, fresh.as_ref());
            return Ok(0);
        }
        let snapshot = self.secure(app, config, target, &opened, fresh).await?;
        self.during(app, config, &opened, &snapshot, command).await
    }

    /// The newest good snapshot of ours, where it is young enough. What could not be read may hide a newer one, and that is no
    /// matter.
    async fn fresh(&self, app: &App, opened: &Opened) -> Result<Option<Snapshot>, Failure> {
        let Some(limit) = self.max_age else { return Ok(None) };
        let listing = app.asking(opened.list(ListScope::Own)).await?;
        // What others made, others may delete.
        let newest = listing.snapshots.iter().find(|snapshot| snapshot.counts());
        Ok(newest.filter(|snapshot| is_fresh(snapshot.created_at, limit, app.now)).cloned())
    }

    /// Makes a snapshot where none is fresh, and verifies it where that is asked for. One that was there and turns out to be bad
    /// gives way to a new one.
    async fn secure(
        &self,
        app: &App,
        config: &Catalog,
        target: &Target,
        opened: &Opened,
        fresh: Option<Snapshot>,
    ) -> Result<Snapshot, Failure> {
        if let Some(snapshot) = fresh {
            let age = snapshot.created_at.map(|created| units::duration(app.now - created)).unwrap_or_default();
            app.report.info_of(Some(target.name.as_str()), &format!("{} is {age} old, and will do", snapshot.id));
            match self.verified(app, config, target, opened, &snapshot).await {
                Ok(()) => return Ok(snapshot),
                Err(failure) if failure.kind == ErrorKind::Verification => {
                    app.report.warn(&format!("{}; another one is made", failure.message));
                }
                Err(failure) => return Err(failure),
            }
        }
        let snapshot = self.make(app, config, target, opened).await?;
        self.verified(app, config, target, opened, &snapshot).await?;
        Ok(snapshot)
    }

    async fn make(&self, app: &App, config: &Catalog, target: &Target, opened: &Opened) -> Result<Snapshot, Failure> {
        let waiting = Waiting { no_wait: false, timeout: self.timeout };
        let making = Making { app, target, key: self.key.as_deref(), tags: &self.tag, waiting: &waiting };
        let telling = app.telling(config, NotifiedAction::Create, target);
        let came = making.make(opened).await;
        telling.end(told_of(&came));
        let (made, mut failed) = match came? {
            Came::Done(made, failed) => (made, failed),
            Came::Begun(_) | Came::NotTried => (Vec::new(), Vec::new()),
        };
        // A hook that may stop what comes next has done so.
        if let Some(hook) = failed.iter().position(hooks::is_of_hook) {
            return Err(failed.swap_remove(hook));
        }
        // A copy that is missing is to be told; the database is safe without it.
        failed.iter().for_each(|failure| app.report.warn(&failure.message));
        let count = made.len();
        let good = made.into_iter().find(Snapshot::is_good);
        good.ok_or_else(|| {
            let message = format!("{} has no good snapshot to go back to: none of the {count} made is", target.name);
            Failure::new(ErrorKind::Failed, message).with_hint(format!("see `snapkeep list {}`", target.name))
        })
    }

    async fn verified(
        &self,
        app: &App,
        config: &Catalog,
        target: &Target,
        opened: &Opened,
        snapshot: &Snapshot,
    ) -> Result<(), Failure> {
        let Some(level) = self.verify else { return Ok(()) };
        let request = verify::request(config, target, level.map(VerifyLevel::from));
        if snapshot.verified.as_ref().is_some_and(|verified| verified.ok && verified.level >= request.level) {
            return Ok(());
        }
        let looked = verify::look(app, opened, snapshot, &request).await?;
        // The worst is told first.
        match looked.failures.into_iter().max_by_key(|failure| failure.kind == ErrorKind::Verification) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Runs the command while the snapshot is held.
    async fn during(
        &self,
        app: &App,
        config: &Catalog,
        opened: &Opened,
        snapshot: &Snapshot,
        command: &Command,
    ) -> Result<u8, Failure> {
        let target = opened.name();
        if let Some(time) = self.hold {
            let reason = format!("guard: before {}", self.shown());
            hold(opened, snapshot, reason, TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)).await?;
        }
        let pinned = Pinned::hold(&opened.scope, &snapshot.native_id, "kept for what `guard` runs").await?;
        let running = async {
            // Held from here on, it can't go any more; it may have gone before.
            if !app.asking(async { Ok(opened.get(&snapshot.native_id).await?.snapshot) }).await?.is_good() {
                let message = format!("{} is no longer good", snapshot.id);
                return Err(Failure::new(ErrorKind::Failed, message).with_hint("run it again"));
            }
            let message = format!("{} is held; now {}", snapshot.id, self.shown());
            app.report.info_of(Some(target.as_str()), &message);
            let environment =
                [("SNAPKEEP_SNAPSHOT_ID", snapshot.id.to_string()), ("SNAPKEEP_TARGET", target.to_string())];
            // From the first line on they are heard, from the second on they are not ours: none is lost in between.
            let signals = Signals::listen().map_err(|error| self.not_run(&error))?;
            app.relays.store(true, Ordering::SeqCst);
            let status = if app.cancel.is_cancelled() {
                Err(Failure::new(ErrorKind::Interrupted, "interrupted before the command ran"))
            } else {
                let running = command.run(&environment, app.inherited_mask, signals, &app.cancel);
                running.await.map_err(|error| self.not_run(&error))
            };
            app.relays.store(false, Ordering::SeqCst);
            let status = status?;
            // Before the other hold goes.
            if !status.success() {
                self.tell_failure(app, config, opened, snapshot, status).await;
            }
            Ok(status)
        };
        let status = pinned.during(running).await?;
        if status.success() {
            app.report.info_of(Some(target.as_str()), &format!("{} is done", self.shown()));
        }
        Ok(code_of(status))
    }

    /// Says how to get back what was there before the command, and holds it for as long as somebody may need.
    async fn tell_failure(
        &self,
        app: &App,
        config: &Catalog,
        opened: &Opened,
        snapshot: &Snapshot,
        status: ExitStatus,
    ) {
        let ended = Ended(status);
        let reason = format!("guard: {} {ended}", self.shown());
        let held = match hold(opened, snapshot, reason, AFTER_FAILURE).await {
            Ok(Some(until)) => format!("held until {} UTC", units::time(until)),
            Ok(None) => "held until it is released".to_owned(),
            Err(failure) => {
                app.report.warn(&format!("{} can't be held: {}", snapshot.id, failure.message));
                "not held".to_owned()
            }
        };
        let message = format!("{} {ended}; {} is from before it, {held}", self.shown(), snapshot.id);
        let failure =
            Failure { code: Code::Command, exit: code_of(status), ..Failure::new(ErrorKind::Failed, message) };
        let back = way_back(config, opened, snapshot);
        app.report.failure(&failure.with_hint(format!("to go back: `{back}`")).of(opened.name()));
    }

    fn tell_intent(&self, app: &App, config: &Catalog, target: &Target, fresh: Option<&Snapshot>) {
        let what = match fresh {
            Some(snapshot) => format!("take {}", snapshot.id),
            None => "make a snapshot".to_owned(),
        };
        let level = self.verify.map(|level| verify::request(config, target, level.map(VerifyLevel::from)).level);
        let verify = level.map(|level| format!(", verify it: {level}")).unwrap_or_default();
        let message = format!("would {what}{verify}, hold it, and run {}", self.shown());
        app.report.info_of(Some(target.name.as_str()), &message);
    }

    /// The program alone: its arguments may hold what is nobody's business.
    fn shown(&self) -> String {
        format!("`{}`", self.command.first().map(|name| name.to_string_lossy()).unwrap_or_default())
    }

    fn not_run(&self, error: &std::io::Error) -> Failure {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => Unusable::NotFound,
            _ => Unusable::NotExecutable,
        };
        Failure { causes: vec![error.to_string()], ..self.unusable(why) }
    }

    fn unusable(&self, why: Unusable) -> Failure {
        let (exit, reason) = match why {
            Unusable::NotFound => (NOT_FOUND, "is not found"),
            Unusable::NotExecutable => (NOT_EXECUTABLE, "can't be executed"),
        };
        let failure = Failure::new(ErrorKind::Failed, format!("the command {} {reason}", self.shown()));
        Failure { code: Code::Command, exit, ..failure }
            .with_hint("what is a shell's own needs a shell: `-- sh -c '...'`")
    }
}

fn is_fresh(created: Option<DateTime<Utc>>, limit: Duration, now: DateTime<Utc>) -> bool {
    let limit = TimeDelta::from_std(limit).unwrap_or(TimeDelta::MAX);
    created.is_some_and(|created| now - created <= limit)
}

/// Holds a snapshot for `time` from now on at least, and gives until when it is held then; `None` for until it is released.
async fn hold(
    opened: &Opened,
    snapshot: &Snapshot,
    reason: String,
    time: TimeDelta,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let until = Utc::now().checked_add_signed(time).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let hold = Hold { reason, until: Some(until) };
    let longer = marks::hold_at_least(&opened.scope, &snapshot.native_id, &hold).await?;
    Ok(longer.map_or(Some(until), |longer| longer.until))
}

/// The command that brings back what a snapshot holds: over the target where its provider can, else beside it.
fn way_back(config: &Config, opened: &Opened, snapshot: &Snapshot) -> String {
    // Whoever types it may be anywhere.
    let file = config.path.file_name().map_or_else(|| config.path.clone(), |name| config.base.join(name));
    let config = shell_word(&file.display().to_string());
    let (id, target) = (shell_word(&snapshot.id.to_string()), opened.name());
    match opened.provider.capabilities().in_place {
        Support::Yes => format!("snapkeep --config {config} restore {id} --in-place --confirm {target}"),
        Support::No => {
            // A name that every cloud takes.
            let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
            let name: String = target.as_str().chars().map(plain).take(40).collect();
            format!("snapkeep --config {config} restore {id} --to {}-restored", name.trim_matches('-'))
        }
    }
}

/// As a shell tells it in `$?`.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// How a command that failed ended.
struct Ended(ExitStatus);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.signal()) {
            (Some(code), _) => write!(f, "ended with exit status {code}"),
            (None, Some(signal)) => write!(f, "was ended by signal {signal}"),
            (None, None) => f.write_str("ended"),
        }
    }
}
