//! `snapkeep create`

use clap::Args;
use futures::{StreamExt, stream};
use snapkeep_providers::model::Snapshot;
use snapkeep_providers::{ErrorKind, Provider};
use tokio::sync::Semaphore;

use super::following::{Came, Waiting};
use super::making::Making;
use super::rows::OperationRow;
use super::telling::told_of;
use super::{App, Mode, Outcome};
use crate::catalog::{self, Catalog};
use crate::config::{NotifiedAction, Target};
use crate::failure::Failure;
use crate::hooks;
use crate::journal::Doing;

/// How many dumps are made at once.
const DUMPS: usize = 4;
/// How many targets are worked on at once: clouds do the work, and one waits for hours.
const CONCURRENCY: usize = 64;

/// Make a snapshot of each target
#[derive(Debug, Args)]
pub(super) struct Create {
    /// The targets
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<String>,
    /// The same key for the same target is the same snapshot
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<String>,
    /// A label, besides the target's own; may be given several times
    #[arg(long, value_name = "K=V", value_parser = super::list::tag)]
    tag: Vec<(String, String)>,
    #[command(flatten)]
    waiting: Waiting,
}

pub(super) fn key(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 256 || text.contains(char::is_control) {
        return Err("a key has 1 to 256 bytes and no control characters".into());
    }
    Ok(text.to_owned())
}

impl Create {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let (config, names) = match app.load() {
            Ok(config) => (config, &self.targets),
            Err(failures) => return self.refused(app, failures),
        };
        let targets = match catalog::targets(&config, names) {
            Ok(targets) => targets,
            Err(failures) => return self.refused(app, failures),
        };
        let dumps = Semaphore::new(DUMPS);
        let made: Vec<Result<Came<Snapshot>, Failure>> = stream::iter(targets)
            .map(|target| async {
                let _turn = if target.settings.is_dump() { dumps.acquire().await.ok() } else { None };
                let telling = app.telling(&config, NotifiedAction::Create, target);
                let made = self.create(app, &config, target).await.map_err(|failure| failure.of(&target.name));
                telling.end(told_of(&made));
                made
            })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        let (mut snapshots, mut operations) = (Outcome::new(), Outcome::new());
        for result in made {
            match result {
                Ok(Came::Done(made, failed)) if self.waiting.no_wait => {
                    made.iter()
                        .for_each(|snapshot| operations.add(Ok(OperationRow::of_snapshot(snapshot, Doing::Create))));
                    operations.failures.extend(failed);
                }
                Ok(Came::Done(made, failed)) => {
                    made.into_iter().for_each(|snapshot| snapshots.add(Ok(snapshot)));
                    snapshots.failures.extend(failed);
                }
                Ok(Came::Begun(row)) => operations.add(Ok(row)),
                Ok(Came::NotTried) => snapshots.done += 1,
                Err(failure) if self.waiting.no_wait => operations.failures.push(failure),
                Err(failure) => snapshots.failures.push(failure),
            }
        }
        let code = if self.waiting.no_wait { app.finish(&operations) } else { app.finish(&snapshots) };
        config.notices().flush().await;
        code
    }

    /// Nothing was tried: a document of the kind that it would have been.
    fn refused(&self, app: &App, failures: Vec<Failure>) -> u8 {
        if self.waiting.no_wait {
            app.finish(&Outcome::<OperationRow>::failed(failures))
        } else {
            app.finish(&Outcome::<Snapshot>::failed(failures))
        }
    }

    async fn create(&self, app: &App, config: &Catalog, target: &Target) -> Result<Came<Snapshot>, Failure> {
        if app.cancel.is_cancelled() {
            return Err(Failure::new(ErrorKind::Interrupted, format!("{}: interrupted before it began", target.name)));
        }
        let opened = app.asking(catalog::open(config, target)).await?;
        if app.mode == Mode::DryRun {
            let tried = self.try_out(app, &*opened.provider).await?;
            hooks::announced(target).iter().for_each(|line| app.report.info(line));
            return Ok(tried);
        }
        Making { app, target, key: self.key.as_deref(), tags: &self.tag, waiting: &self.waiting }.make(&opened).await
    }

    /// Checks what would be needed, and makes nothing.
    async fn try_out(&self, app: &App, provider: &dyn Provider) -> Result<Came<Snapshot>, Failure> {
        let checks = tokio::select! {
            biased;
            () = app.cancel.cancelled() => return Err(Failure::new(ErrorKind::Interrupted, "interrupted")),
            checks = provider.check() => checks,
        };
        for check in checks {
            check.outcome?;
        }
        let message = "would make a snapshot; everything that it needs is there";
        app.report.info_of(Some(provider.target().as_str()), message);
        Ok(Came::NotTried)
    }
}
