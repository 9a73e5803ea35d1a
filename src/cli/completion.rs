//! `snapkeep completion` and `snapkeep man`

use clap::Args;
use clap_complete::Shell;

use super::{App, command};
use crate::failure::Failure;

/// Print completions for a shell
#[derive(Debug, Args)]
pub(super) struct Completion {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

impl Completion {
    pub(super) fn run(&self, app: &App) -> u8 {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "snapkeep", &mut text);
        app.print(&text)
    }
}

/// Print the manual page, or that of a verb, in roff
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The verb; without it, the page of snapkeep itself
    #[arg(value_name = "VERB")]
    verb: Option<String>,
}

impl Man {
    pub(super) fn run(&self, app: &App) -> u8 {
        let mut root = command();
        root.build();
        let page = match &self.verb {
            None => Some(root),
            Some(verb) => root.find_subcommand(verb).cloned(),
        };
        let Some(page) = page else {
            let verb = self.verb.as_deref().unwrap_or_default();
            let failure = Failure::usage(format!("there is no verb {verb:?}")).with_hint("see `snapkeep --help`");
            app.report.failure(&failure);
            return failure.exit;
        };
        let mut text = Vec::new();
        match clap_mangen::Man::new(page).render(&mut text) {
            Ok(()) => app.print(&text),
            Err(error) => app.stdout_failed(&error),
        }
    }
}
