//! The command line: one file per verb. Flags become domain values here; deciding and acting happens below.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use snapkeep_providers::{ErrorKind, Run};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::allocator;
use crate::catalog::{Catalog, Opener};
use crate::config::{self, Surroundings};
use crate::failure::{self, Failure, INTERRUPTED, TERMINATED, exit_of};
use crate::render::{self, Format, Paint, Row};
use crate::report::{Colour, Level, LogFormat, Report};

mod completion;
mod config_command;
mod copy;
mod create;
mod delete;
mod demo;
mod discover;
mod doctor;
mod export;
mod following;
mod guard;
mod hold;
mod hooking;
mod import;
#[cfg(feature = "bench")]
mod in_memory;
mod latest;
mod list;
mod making;
mod newest;
mod operations;
mod pass;
mod prune;
pub mod reference;
mod restore;
mod rows;
mod run;
mod schema;
mod serve;
mod show;
mod status;
mod targets;
mod telling;
mod tf_external;
mod usage;
mod verify;
mod wait;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub use in_memory::{fill_clouds, in_memory};

/// How long children may take to end when the process does; a little longer than the grace that a child has.
const CHILDREN_LIMIT: Duration = Duration::from_secs(6);

/// Snapshots of databases, wherever they live: one verb set and one JSON for clouds and dumps.
#[derive(Debug, Parser)]
#[command(name = "snapkeep", version, propagate_version = false, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten, next_help_heading = "Global options")]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
A snapshot is named TARGET/ID, by a prefix of the ID that is unique, by TARGET/latest or TARGET/latest-verified.
Start with `snapkeep demo`: the whole cycle on a SQLite file, nothing to set up.";

#[derive(Debug, Args)]
struct Global {
    /// How results are printed on stdout
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        env = "SNAPKEEP_OUTPUT",
        hide_env_values = true,
        default_value_t,
        value_name = "FORMAT"
    )]
    output: Format,
    /// The config file [default: $SNAPKEEP_CONFIG, ./snapkeep.toml, the user's, /etc/snapkeep/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Never ask; fail instead
    #[arg(long, global = true)]
    no_input: bool,
    /// Say what would be done, and do nothing
    #[arg(long, global = true)]
    dry_run: bool,
    /// How messages are printed on stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Say more
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// When to colour messages and tables
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Demo),
    Targets(targets::Targets),
    List(list::List),
    Show(show::Show),
    Latest(latest::Latest),
    Create(create::Create),
    Wait(wait::Wait),
    Operations(operations::Operations),
    Status(status::Status),
    Copy(copy::Copy),
    Restore(restore::Restore),
    Export(export::Export),
    Import(import::Import),
    Delete(delete::Delete),
    Hold(hold::Hold),
    Release(hold::Release),
    Adopt(hold::Adopt),
    Prune(prune::Prune),
    Verify(verify::Verify),
    Guard(guard::Guard),
    Run(run::RunSchedule),
    Serve(serve::Serve),
    Doctor(doctor::Doctor),
    TfExternal(tf_external::TfExternal),
    Config(config_command::ConfigCommand),
    Schema(schema::SchemaCommand),
    Completion(completion::Completion),
    Man(completion::Man),
}

/// What every verb has at hand.
#[derive(Clone)]
struct App {
    format: Format,
    out: Out,
    paint: Paint,
    report: Report,
    cancel: CancellationToken,
    now: DateTime<Utc>,
    config: Option<PathBuf>,
    opener: Opener,
    mode: Mode,
    asks: Asks,
    /// Whether a signal is meant for a command that runs in the foreground, and is passed on to it.
    relays: Arc<AtomicBool>,
    /// Whether what is stopped, or meets a lock, is taken up again by itself: then nobody is told that it failed.
    takes_up: bool,
    /// Told when the config is to be read again, by SIGHUP; `None` where that is a reason to stop.
    reloads: Option<Arc<Notify>>,
    /// What this process's files were to be for before they became its owner's alone.
    inherited_mask: rustix::fs::Mode,
}

/// Where results go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    Stdout,
    Nowhere,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout => std::io::stdout().lock().write(bytes),
            Self::Nowhere => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout => std::io::stdout().lock().flush(),
            Self::Nowhere => Ok(()),
        }
    }
}

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Act,
    DryRun,
}

/// Whether a person may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    OnTerminal,
    Never,
}

/// What a verb did: the exit code depends on how many targets are done and which failed.
struct Outcome<T> {
    items: Vec<T>,
    done: usize,
    failures: Vec<Failure>,
}

impl<T> Outcome<T> {
    fn new() -> Self {
        Self { items: Vec::new(), done: 0, failures: Vec::new() }
    }

    fn failed(failures: Vec<Failure>) -> Self {
        Self { failures, ..Self::new() }
    }

    /// Adds what became of one target.
    fn add(&mut self, result: Result<T, Failure>) {
        match result {
            Ok(item) => {
                self.items.push(item);
                self.done += 1;
            }
            Err(failure) => self.failures.push(failure),
        }
    }
}

impl<T> From<Result<T, Failure>> for Outcome<T> {
    fn from(result: Result<T, Failure>) -> Self {
        let mut outcome = Self::new();
        outcome.add(result);
        outcome
    }
}

impl<T> From<Result<Option<T>, Vec<Failure>>> for Outcome<T> {
    /// Of one target; there is nothing to show of a dry run.
    fn from(result: Result<Option<T>, Vec<Failure>>) -> Self {
        match result {
            Ok(Some(item)) => Ok(item).into(),
            Ok(None) => Self { done: 1, ..Self::new() },
            Err(failures) => Self::failed(failures),
        }
    }
}

impl App {
    fn new(global: &Global, now: DateTime<Utc>, inherited_mask: rustix::fs::Mode) -> Self {
        let level = match (global.quiet, global.verbose) {
            (true, _) => Level::Quiet,
            (_, true) => Level::Verbose,
            _ => Level::Normal,
        };
        Self {
            format: global.output,
            out: Out::Stdout,
            paint: if global.color.is_for(&std::io::stdout()) { Paint::Coloured } else { Paint::Plain },
            report: Report::new(global.log_format, level, global.color),
            cancel: CancellationToken::new(),
            now,
            config: global.config.clone(),
            opener: Opener::default(),
            mode: if global.dry_run { Mode::DryRun } else { Mode::Act },
            asks: if global.no_input { Asks::Never } else { Asks::OnTerminal },
            relays: Arc::default(),
            takes_up: false,
            reloads: None,
            inherited_mask,
        }
    }

    /// Finds and reads the config.
    fn load(&self) -> Result<Catalog, Vec<Failure>> {
        let found = config::find(self.config.as_deref(), &Surroundings::of_process());
        let path = found.map_err(|error| failure::of_config(&error))?;
        self.report.debug(&format!("config: {}", path.display()));
        let config = config::load(&path).map_err(|error| failure::of_config(&error))?;
        Ok(Catalog::of(config).opened_by(self.opener.clone()))
    }

    /// The surroundings of the work on one target.
    fn run(&self, target: &str, verb: &'static str) -> (std::sync::Arc<crate::report::Task>, Run) {
        let task = self.report.task(target, verb);
        (task.clone(), Run { reporter: task, cancel: self.cancel.child_token() })
    }

    /// Does work that changes nothing: a signal ends it at once, also while a store or a server doesn't answer.
    async fn looking<T>(&self, work: impl Future<Output = Result<T, Vec<Failure>>>) -> Result<T, Vec<Failure>> {
        self.asking(async { Ok(work.await) }).await.map_err(|failure| vec![failure])?
    }

    /// The same of work that fails in one way.
    async fn asking<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Failure::new(ErrorKind::Interrupted, "interrupted")),
            done = work => done,
        }
    }

    /// An interruption that no one asked for is the loss of the target's lock.
    fn or_lock_lost(&self, failure: Failure) -> Failure {
        if !failure.is_interruption() || self.cancel.is_cancelled() {
            return failure;
        }
        let message = "the lock of the target was lost to another process, and the work was stopped";
        let lost = Failure::new(ErrorKind::Locked, message).with_hint("look for what else works on it, then try again");
        match failure.operation {
            None => lost,
            // What the cloud does goes on all the same.
            operation => Failure { operation, hint: failure.hint, ..lost },
        }
    }

    /// Says what was noticed of a target, though it went well.
    fn warn(&self, target: &str, warnings: &[String]) {
        warnings.iter().for_each(|warning| self.report.warn_of(Some(target), warning));
    }

    /// Prints the result and the failures, and gives the exit code.
    fn finish<T: Row>(&self, outcome: &Outcome<T>) -> u8 {
        let Outcome { items, done, failures } = outcome;
        failures.iter().for_each(|failure| self.report.failure(failure));
        if failures.iter().any(Failure::is_usage) && items.is_empty() {
            return exit_of(*done, failures);
        }
        let mut out = std::io::BufWriter::new(self.out);
        match render::print(&mut out, self.format, items, failures, self.now, self.paint) {
            Ok(()) => exit_of(*done, failures),
            // That nobody reads on changes nothing of what was done.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => exit_of(*done, failures),
            Err(error) => self.stdout_failed(&error),
        }
    }

    /// Prints text that is the result itself.
    fn print(&self, text: &[u8]) -> u8 {
        let mut out = self.out;
        match out.write_all(text).and_then(|()| out.flush()) {
            Ok(()) => 0,
            Err(error) => self.stdout_failed(&error),
        }
    }

    /// A reader that has seen enough, such as `head`, is no failure.
    fn stdout_failed(&self, error: &std::io::Error) -> u8 {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return 0;
        }
        let failure = Failure::new(ErrorKind::Failed, format!("cannot write to stdout: {error}"));
        self.report.failure(&failure);
        failure.exit
    }
}

/// Runs one command line to its exit code. `inherited_mask` is the umask for the commands that it runs for its user.
pub fn main(arguments: impl Iterator<Item = OsString>, inherited_mask: rustix::fs::Mode) -> u8 {
    command_line(arguments, inherited_mask, Opener::default())
}

fn command_line(arguments: impl Iterator<Item = OsString>, inherited_mask: rustix::fs::Mode, opener: Opener) -> u8 {
    let words: Vec<OsString> = arguments.collect();
    let format = usage::wanted(&words);
    if format == LogFormat::Json {
        usage::report_panics();
    }
    let parsed = command().try_get_matches_from(words).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage::print(&error, format),
    };
    let mut global = cli.global;
    if let Verb::TfExternal(_) = cli.verb {
        // Its protocol has one line on stderr, and only for an error.
        (global.quiet, global.verbose) = (true, false);
    }
    let mut app = App { opener, ..App::new(&global, Utc::now(), inherited_mask) };
    if let Verb::Serve(_) = cli.verb {
        allocator::share();
        app.reloads = Some(Arc::default());
    }
    match cli.verb {
        Verb::Config(verb) => verb.run(&app),
        Verb::Schema(verb) => verb.run(&app),
        Verb::Completion(verb) => verb.run(&app),
        Verb::Man(verb) => verb.run(&app),
        verb => in_runtime(&app, verb),
    }
}

/// The whole command line, as clap knows it.
fn command() -> clap::Command {
    Cli::command()
}

fn in_runtime(app: &App, verb: Verb) -> u8 {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let message = format!("cannot start: {error}");
            app.report.failure(&Failure::new(ErrorKind::Failed, message));
            return 1;
        }
    };
    let code = runtime.block_on(async {
        let terminated = watch_signals(app);
        let code = run(app, verb).await;
        if code == INTERRUPTED && terminated.is_cancelled() { TERMINATED } else { code }
    });
    // A thread that is stuck in a read must not keep the process; a child is worth waiting for.
    runtime.shutdown_background();
    snapkeep_providers::leave_nothing(CHILDREN_LIMIT);
    code
}

async fn run(app: &App, verb: Verb) -> u8 {
    match verb {
        Verb::Demo(verb) => verb.run(app).await,
        Verb::Targets(verb) => verb.run(app).await,
        Verb::List(verb) => verb.run(app).await,
        Verb::Show(verb) => verb.run(app).await,
        Verb::Latest(verb) => verb.run(app).await,
        Verb::Create(verb) => verb.run(app).await,
        Verb::Wait(verb) => verb.run(app).await,
        Verb::Operations(verb) => verb.run(app).await,
        Verb::Status(verb) => verb.run(app).await,
        Verb::Copy(verb) => verb.run(app).await,
        Verb::Restore(verb) => verb.run(app).await,
        Verb::Export(verb) => verb.run(app).await,
        Verb::Import(verb) => verb.run(app).await,
        Verb::Delete(verb) => verb.run(app).await,
        Verb::Hold(verb) => verb.run(app).await,
        Verb::Release(verb) => verb.run(app).await,
        Verb::Adopt(verb) => verb.run(app).await,
        Verb::Prune(verb) => verb.run(app).await,
        Verb::Verify(verb) => verb.run(app).await,
        Verb::Guard(verb) => verb.run(app).await,
        Verb::Run(verb) => verb.run(app).await,
        Verb::Serve(verb) => verb.run(app).await,
        Verb::Doctor(verb) => verb.run(app).await,
        Verb::TfExternal(verb) => verb.run(app).await,
        Verb::Config(verb) => verb.run(app),
        Verb::Schema(verb) => verb.run(app),
        Verb::Completion(verb) => verb.run(app),
        Verb::Man(verb) => verb.run(app),
    }
}

/// Ctrl-C, SIGTERM and SIGHUP cancel what runs; a second one ends the process at once. The token tells of SIGTERM.
fn watch_signals(app: &App) -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = CancellationToken::new();
    let heeds_hangup = !ignores_hangup(); // a handler would end that
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals else {
        app.report.warn("signals can't be watched: stop this process only when it is idle");
        return terminated;
    };
    let (cancel, by_term, report) = (app.cancel.clone(), terminated.clone(), app.report.clone());
    let (relays, reloads) = (app.relays.clone(), app.reloads.clone());
    tokio::spawn(async move {
        let is_term = loop {
            let is_term = tokio::select! {
                _ = interrupt.recv() => false,
                _ = terminate.recv() => true,
                _ = hangup.recv(), if heeds_hangup || reloads.is_some() => match &reloads {
                    Some(reloads) => {
                        reloads.notify_one();
                        continue;
                    }
                    // The terminal is gone: nobody will press Ctrl-C any more.
                    None => true,
                },
            };
            if !relays.load(Ordering::SeqCst) {
                break is_term;
            }
        };
        if is_term {
            by_term.cancel();
        }
        report.info("stopping; once more to stop at once");
        cancel.cancel();
        let code = tokio::select! {
            _ = interrupt.recv() => INTERRUPTED,
            _ = terminate.recv() => TERMINATED,
        };
        snapkeep_providers::leave_nothing(Duration::ZERO);
        std::process::exit(code.into());
    });
    terminated
}

/// Whether SIGHUP is ignored, as `nohup` has it: bit 0 of SigIgn in /proc/self/status (proc(5)).
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Asks a question on the terminal; `None` when no one may or can be asked.
fn confirm(app: &App, question: &str) -> Option<bool> {
    use std::io::{BufRead, IsTerminal};
    if app.asks == Asks::Never || !std::io::stdin().is_terminal() {
        return None;
    }
    app.report.info(&format!("{question} [y/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
impl App {
    /// What a command line has at hand, and its verb.
    fn of(line: &str) -> (Self, Verb) {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
        (Self::new(&cli.global, Utc::now(), rustix::fs::Mode::empty()), cli.verb)
    }
}
