//! What is wrong with a command line, where errors are to be JSON: clap's own text has many lines.
//!
//! The line could not be read then, so the wish for JSON is looked for in its words.

use std::ffi::OsString;
use std::panic::PanicHookInfo;

use clap::error::ErrorKind as Wrong;
use snapkeep_providers::ErrorKind;

use crate::failure::Failure;
use crate::report::{Colour, Level, LogFormat, Report};

/// The format that a command line asks for, whatever else is wrong with it.
pub(super) fn wanted(words: &[OsString]) -> LogFormat {
    // What comes after `--` is another command's.
    let own = || words.iter().take_while(|word| *word != "--");
    let by_two = own().zip(own().skip(1)).any(|(option, value)| option == "--log-format" && value == "json");
    if by_two || own().any(|word| word == "--log-format=json") { LogFormat::Json } else { LogFormat::Text }
}

/// Prints what clap found: help and version on stdout with 0, anything else on stderr with 2.
pub(super) fn print(error: &clap::Error, format: LogFormat) -> u8 {
    if format == LogFormat::Json && error.use_stderr() {
        let failure = failure(error.kind(), &error.render().to_string());
        Report::new(format, Level::Normal, Colour::Never).failure(&failure);
        return failure.exit;
    }
    let _ = error.print();
    u8::try_from(error.exit_code()).unwrap_or(2)
}

/// Clap's text in short: its first paragraph is what is wrong, then come tips and the usage.
fn failure(kind: Wrong, text: &str) -> Failure {
    if kind == Wrong::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::usage("a verb is missing").with_hint(see(text));
    }
    let mut paragraphs = text.trim().split("\n\n").map(in_one_line);
    let message = paragraphs.next().unwrap_or_default();
    let tip = paragraphs.find_map(|paragraph| paragraph.strip_prefix("tip: ").map(ToOwned::to_owned));
    Failure::usage(message.strip_prefix("error: ").unwrap_or(&message)).with_hint(tip.unwrap_or_else(|| see(text)))
}

/// The usage, where clap tells it.
fn see(text: &str) -> String {
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    usage.map_or_else(|| "see `snapkeep --help`".to_owned(), |usage| format!("usage: {usage}"))
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Makes a panic one line too.
pub(super) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        Report::new(LogFormat::Json, Level::Normal, Colour::Never).failure(&of_panic(panic));
    }));
}

fn of_panic(panic: &PanicHookInfo<'_>) -> Failure {
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    let why = panic.payload_as_str().map(|why| format!(": {why}")).unwrap_or_default();
    Failure::new(ErrorKind::Failed, format!("snapkeep panicked{place}{why}"))
        .with_hint("please report this: it is a bug")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn json_is_wanted_by_the_words_before_those_of_another_command() {
        let wanted = |line: &str| wanted(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for json in ["snapkeep --log-format json lsit", "snapkeep list --frob --log-format=json"] {
            assert_eq!(wanted(json), LogFormat::Json, "{json}");
        }
        for text in ["snapkeep list", "snapkeep --log-format text list json", "snapkeep guard a -- x --log-format json"]
        {
            assert_eq!(wanted(text), LogFormat::Text, "{text}");
        }
    }

    #[test]
    fn a_panic_is_told_with_its_place_and_reason() {
        let told = Arc::new(Mutex::new(String::new()));
        let (there, before) = (told.clone(), std::panic::take_hook());
        let place = std::thread::current().id();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == place {
                *there.lock().unwrap() = of_panic(panic).message;
            }
        }));
        let caught = std::panic::catch_unwind(|| panic!("a {} that is broken", "thing"));
        std::panic::set_hook(before);
        assert!(caught.is_err());
        let told = told.lock().unwrap();
        assert!(told.starts_with("snapkeep panicked at src/cli/usage.rs:"), "{told}");
        assert!(told.ends_with(": a thing that is broken"), "{told}");
    }
}
