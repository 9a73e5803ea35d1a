//! What a person sees while a command works: progress, warnings, errors. All of it on stderr.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use schemars::JsonSchema;
use serde::Serialize;
use snapkeep_providers::{Progress, Reporter};

use crate::failure::Failure;
use crate::{render, units};

/// How often a line tells of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How stderr is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Whether what goes to this stream is coloured.
    pub(crate) fn is_for(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}

/// How much to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Errors only.
    Quiet,
    /// Results, warnings, progress.
    Normal,
    /// What is done and why.
    Verbose,
}

/// A line on stderr with `--log-format json`.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "level", rename_all = "snake_case")]
pub(crate) enum Message<'a> {
    /// What is done and why; with `--verbose`.
    Debug(Said<'a>),
    /// Progress, and what was done.
    Info(Said<'a>),
    /// Something to look at; nothing failed by it.
    Warning(Said<'a>),
    /// What went wrong; the same as in a document's `errors`.
    Error(&'a Failure),
}

/// What a person should know.
#[derive(Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct Said<'a> {
    /// The target that it is about; null where it is about none.
    target: Option<&'a str>,
    /// The text, for people.
    message: &'a str,
}

impl Said<'_> {
    fn text(&self) -> String {
        match self.target {
            Some(target) => format!("{target}: {}", self.message),
            None => self.message.to_owned(),
        }
    }
}

/// The way to stderr, shared by everything that runs.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    format: LogFormat,
    level: Level,
    colour: bool,
    bars: Option<MultiProgress>,
}

impl Report {
    pub(crate) fn new(format: LogFormat, level: Level, colour: Colour) -> Self {
        let colour = colour.is_for(&std::io::stderr());
        let shows_bars = std::io::stderr().is_terminal() && format == LogFormat::Text && level >= Level::Normal;
        let bars = shows_bars.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { format, level, colour: colour && format == LogFormat::Text, bars }
    }

    /// Prints a message as the format has it.
    fn say(&self, message: &Message<'_>) {
        let text = match self.format {
            LogFormat::Json => serde_json::to_string(message).unwrap_or_default(),
            LogFormat::Text => self.text(message),
        };
        self.write(&text);
    }

    fn text(&self, message: &Message<'_>) -> String {
        match message {
            Message::Debug(said) | Message::Info(said) => said.text(),
            Message::Warning(said) => format!("{}: {}", self.paint("33", "warning"), said.text()),
            Message::Error(failure) => self.text_of_failure(failure),
        }
    }

    /// A closed stderr is no reason to fail: there is no one left to tell.
    fn write(&self, text: &str) {
        let write = || {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(crate) fn debug(&self, message: &str) {
        if self.level >= Level::Verbose {
            self.say(&Message::Debug(Said { target: None, message }));
        }
    }

    pub(crate) fn info(&self, message: &str) {
        self.info_of(None, message);
    }

    /// What is about a target; as a text it begins with the target's name.
    pub(crate) fn info_of(&self, target: Option<&str>, message: &str) {
        if self.level >= Level::Normal {
            self.say(&Message::Info(Said { target, message }));
        }
    }

    pub(crate) fn warn(&self, message: &str) {
        self.warn_of(None, message);
    }

    /// A warning for those too who want to hear of errors only.
    pub(crate) fn warn_always(&self, message: &str) {
        self.say(&Message::Warning(Said { target: None, message }));
    }

    /// A warning that is about a target; as a text it begins with the target's name.
    pub(crate) fn warn_of(&self, target: Option<&str>, message: &str) {
        if self.level >= Level::Normal {
            self.say(&Message::Warning(Said { target, message }));
        }
    }

    /// An error, what caused it, and what to do.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.say(&Message::Error(failure));
    }

    fn text_of_failure(&self, failure: &Failure) -> String {
        let mut text = format!("{}: {}", self.paint("31", "error"), failure.subject_and_message());
        for cause in &failure.causes {
            text += &format!("\n{}: {}", self.paint("31", "caused by"), indent(cause));
        }
        if let Some(hint) = &failure.hint {
            text += &format!("\n{}: {hint}", self.paint("36", "hint"));
        }
        text
    }

    /// All of it in one line, for a program that shows just that.
    pub(crate) fn one_line(&self, failures: &[Failure]) {
        let Some(joined) = Failure::joined(failures) else { return };
        match self.format {
            LogFormat::Json => self.failure(&joined),
            LogFormat::Text => self.write(&format!("error: {}", render::visible(&joined.in_one_line()))),
        }
    }

    /// Where the work on one target reports to.
    pub(crate) fn task(&self, target: &str, verb: &'static str) -> Arc<Task> {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::no_length());
            bar.set_style(
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.set_message(format!("{target}: {verb}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let now = Instant::now();
        let state = TaskState { shown: now };
        Arc::new(Task {
            report: self.clone(),
            target: target.to_owned(),
            verb,
            bar,
            begun: now,
            state: Mutex::new(state),
        })
    }
}

fn indent(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// The progress of one piece of work.
pub(crate) struct Task {
    report: Report,
    target: String,
    verb: &'static str,
    bar: Option<ProgressBar>,
    begun: Instant,
    state: Mutex<TaskState>,
}

struct TaskState {
    shown: Instant,
}

impl Task {
    /// The time since it began.
    pub(crate) fn elapsed(&self) -> TimeDelta {
        TimeDelta::from_std(self.begun.elapsed()).unwrap_or_default()
    }

    /// Whether it is time to show something again.
    fn is_due(&self) -> bool {
        let every = if self.bar.is_some() { Duration::from_millis(100) } else { LINE_EVERY };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let due = state.shown.elapsed() >= every;
        if due {
            state.shown = Instant::now();
        }
        due
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Reporter for Task {
    fn progress(&self, progress: Progress) {
        if !self.is_due() {
            return;
        }
        let text = format!("{} {}", self.verb, describe(progress, self.begun.elapsed()));
        match &self.bar {
            Some(bar) => bar.set_message(format!("{}: {text}", self.target)),
            None => self.report.info_of(Some(&self.target), &text),
        }
    }

    fn warn(&self, message: &str) {
        self.report.warn_of(Some(&self.target), message);
    }
}

/// `1.2 GiB of about 4.0 GiB, 300.0 MiB stored, 45.0 MiB/s, 27s`
fn describe(progress: Progress, elapsed: Duration) -> String {
    let Progress { read_bytes, stored_bytes, estimated_bytes, percent } = progress;
    let mut parts = Vec::new();
    if let Some(percent) = percent {
        parts.push(format!("{percent} %"));
    }
    if read_bytes > 0 {
        let of = estimated_bytes.filter(|&estimate| estimate >= read_bytes);
        let of = of.map(|estimate| format!(" of about {}", units::bytes(estimate))).unwrap_or_default();
        parts.push(format!("{}{of}", units::bytes(read_bytes)));
    }
    if stored_bytes > 0 {
        let word = if read_bytes > 0 { " stored" } else { "" };
        parts.push(format!("{}{word}", units::bytes(stored_bytes)));
    }
    let rate = (read_bytes.max(stored_bytes) as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
    if rate > 0 {
        parts.push(format!("{}/s", units::bytes(rate)));
    }
    parts.push(units::duration(TimeDelta::from_std(elapsed).unwrap_or_default()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_bytes_rate_and_time() {
        let progress =
            Progress { read_bytes: 3 << 30, stored_bytes: 1 << 30, estimated_bytes: Some(4 << 30), percent: None };
        let text = describe(progress, Duration::from_secs(64));
        assert_eq!(text, "3.0 GiB of about 4.0 GiB, 1.0 GiB stored, 48.0 MiB/s, 1m 4s");
        let beyond = Progress { estimated_bytes: Some(1), ..progress };
        assert!(
            !describe(beyond, Duration::from_secs(64)).contains("of about"),
            "an estimate that was wrong is dropped"
        );
        let polled = Progress { percent: Some(40), ..Progress::default() };
        assert_eq!(describe(polled, Duration::from_secs(5)), "40 %, 5s");
    }
}
