//! `snapkeep operations`: what was begun, and whose end nobody has seen.

use clap::Args;
use futures::{StreamExt, stream};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::Work;

use super::rows::{OperationRow, State};
use super::{App, Mode, Outcome};
use crate::catalog::{self, Catalog, Opened};
use crate::config::Target;
use crate::failure::Failure;
use crate::journal::{self, Found, Standing};

/// How many targets are looked at at once.
const CONCURRENCY: usize = 8;

/// Show what was begun in a cloud and goes on, or whose end nobody has waited for
#[derive(Debug, Args)]
pub(super) struct Operations {
    /// The targets; all of them unless named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

impl Operations {
    pub(super) async fn run(&self, app: &App) -> u8 {
        app.finish(&app.looking(self.list(app)).await.unwrap_or_else(Outcome::failed))
    }

    async fn list(&self, app: &App) -> Result<Outcome<OperationRow>, Vec<Failure>> {
        let config = app.load()?;
        let targets = catalog::targets(&config, &self.targets)?;
        let listed = stream::iter(targets).map(|target| of_target(app, &config, target)).buffered(CONCURRENCY);
        let listed: Vec<_> = listed.collect().await;
        let mut outcome = Outcome::new();
        for (rows, failures) in listed {
            outcome.done += usize::from(failures.is_empty());
            outcome.items.extend(rows);
            outcome.failures.extend(failures);
        }
        Ok(outcome)
    }
}

async fn of_target(app: &App, config: &Catalog, target: &Target) -> (Vec<OperationRow>, Vec<Failure>) {
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    // What ends with its process is never kept: nobody is asked anything about dumps.
    if target.settings.is_dump() {
        return (rows, failures);
    }
    let listed = async {
        let opened = catalog::open(config, target).await?;
        let begun = journal::all(&opened.scope).await?;
        Ok::<_, Failure>((opened, begun))
    };
    match listed.await {
        Ok((opened, begun)) => {
            for found in begun {
                let (state, failure) = state(app, &opened, &found).await;
                failures.extend(failure.map(|failure| failure.of(&target.name)));
                // What ended long ago is of no use to anybody.
                if app.mode == Mode::Act && found.is_old(app.now) && !matches!(state, State::Running | State::Unknown) {
                    failures.extend(found.end(&opened.scope).await.err());
                } else {
                    rows.push(OperationRow::of(opened.name(), &found.id(), found.entry, state));
                }
            }
        }
        Err(failure) => failures.push(failure.of(&target.name)),
    }
    (rows, failures)
}

/// How far it is, and why that can't be told.
async fn state(app: &App, opened: &Opened, found: &Found) -> (State, Option<Failure>) {
    // Looking how far a restore is may take it further.
    let is_restore = matches!(found.id().work(), Work::Restore(_));
    if app.mode == Mode::DryRun && is_restore {
        return (State::Unknown, None);
    }
    match journal::look(opened, found).await {
        Ok(Standing::Running) => (State::Running, None),
        Ok(Standing::Done) => (State::Done, None),
        Ok(Standing::Failed) => (State::Failed, None),
        Ok(Standing::Gone) => (State::Gone, None),
        Ok(Standing::Unanswered) => (State::Unknown, None),
        Err(failure) if failure.kind == ErrorKind::NotFound => (State::Gone, None),
        Err(failure) => (State::Unknown, Some(failure)),
    }
}
