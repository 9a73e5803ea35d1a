//! `snapkeep config`

use clap::{Args, Subcommand};

use super::rows::ConfigProblems;
use super::{App, Outcome};
use crate::schedule;

/// Check the config file, or print its JSON Schema
#[derive(Debug, Args)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Read the config file and show every problem at its place; nothing is contacted
    Check,
    /// Print the JSON Schema of the config file, for editors
    Schema,
}

impl ConfigCommand {
    pub(super) fn run(&self, app: &App) -> u8 {
        match self.verb {
            ConfigVerb::Schema => {
                let text = serde_json::to_string_pretty(&crate::config::schema()).unwrap_or_default();
                app.print(format!("{text}\n").as_bytes())
            }
            ConfigVerb::Check => match app.load() {
                Ok(config) => {
                    let count = |count: usize, what| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
                    let (targets, stores) =
                        (count(config.targets.len(), "target"), count(config.stores.len(), "store"));
                    let message = format!("{}: {targets}, {stores}, no problem", config.path.display());
                    app.report.info(&message);
                    for target in config.targets.values() {
                        let policy = target.retention.as_ref().and_then(|name| config.retention.get(name));
                        for warning in policy.map(|policy| target.cannot_meet(policy)).unwrap_or_default() {
                            app.report.warn_of(Some(target.name.as_str()), &warning);
                        }
                    }
                    for (name, schedule) in &config.schedules {
                        if schedule::targets(&config, schedule).is_empty() {
                            app.report.warn(&format!("the schedule {name} has no target: it never runs"));
                        }
                    }
                    app.finish(&Outcome::<ConfigProblems>::new())
                }
                Err(failures) => app.finish(&Outcome::<ConfigProblems>::failed(failures)),
            },
        }
    }
}
