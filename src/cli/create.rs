//! `snapkeep create`

use std::sync::Arc;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use clap::Args;
use futures::{StreamExt, stream};
use snapkeep_providers::model::{CreateRequest, Operation, OperationState, RowCounts, Snapshot};
use snapkeep_providers::{ErrorKind, Provider, Run};
use tokio::time::Instant;

use super::rows::OperationRow;
use super::{App, Mode, Outcome};
use crate::apply::{self, Applied};
use crate::catalog::{self, Catalog, Opened};
use crate::config::Target;
use crate::failure::Failure;
use crate::lock::Lock;
use crate::operate;
use crate::report::Task;
use crate::units;

/// How many targets are worked on at once.
const CONCURRENCY: usize = 4;

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
    /// Don't wait for a cloud to finish; a dump is finished when the command returns
    #[arg(long)]
    no_wait: bool,
    /// How long to wait: 2h. A cloud's operation goes on after that, a dump is stopped
    #[arg(long, value_name = "TIME", value_parser = crate::config::elapsed)]
    timeout: Option<Duration>,
}

fn key(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 256 || text.contains(char::is_control) {
        return Err("a key has 1 to 256 bytes and no control characters".into());
    }
    Ok(text.to_owned())
}

/// What became of one target.
enum Made {
    /// The snapshot and its copies in other stores, and why there is none in some.
    Done(Vec<Snapshot>, Vec<Failure>),
    GoingOn(OperationRow),
    NotTried,
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
        let made: Vec<Result<Made, Failure>> = stream::iter(targets)
            .map(|target| async { self.create(app, &config, target).await.map_err(|failure| failure.of(&target.name)) })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        let (mut snapshots, mut operations) = (Outcome::new(), Outcome::new());
        for result in made {
            match result {
                Ok(Made::Done(made, failed)) if self.no_wait => {
                    made.iter().for_each(|snapshot| operations.add(Ok(done_row(snapshot))));
                    operations.failures.extend(failed);
                }
                Ok(Made::Done(made, failed)) => {
                    made.into_iter().for_each(|snapshot| snapshots.add(Ok(snapshot)));
                    snapshots.failures.extend(failed);
                }
                Ok(Made::GoingOn(row)) => operations.add(Ok(row)),
                Ok(Made::NotTried) => snapshots.done += 1,
                Err(failure) if self.no_wait => operations.failures.push(failure),
                Err(failure) => snapshots.failures.push(failure),
            }
        }
        if self.no_wait { app.finish(&operations) } else { app.finish(&snapshots) }
    }

    /// Nothing was tried: a document of the kind that it would have been.
    fn refused(&self, app: &App, failures: Vec<Failure>) -> u8 {
        if self.no_wait {
            app.finish(&Outcome::<OperationRow>::failed(failures))
        } else {
            app.finish(&Outcome::<Snapshot>::failed(failures))
        }
    }

    async fn create(&self, app: &App, config: &Catalog, target: &Target) -> Result<Made, Failure> {
        if app.cancel.is_cancelled() {
            return Err(Failure::new(ErrorKind::Interrupted, format!("{}: interrupted before it began", target.name)));
        }
        let opened = app.asking(catalog::open(config, target)).await?;
        let provider = &*opened.provider;
        if app.mode == Mode::DryRun {
            return self.try_out(app, provider).await;
        }
        let (task, run) = app.run(target.name.as_str(), "create");
        let lock = opened.lock("create", run.cancel.clone()).await?;
        let made = self.make(app, &opened, &lock, target, (task, run)).await;
        lock.release().await;
        made
    }

    /// Makes the snapshot, under the lock of its target.
    async fn make(
        &self,
        app: &App,
        opened: &Opened,
        lock: &Lock,
        target: &Target,
        (task, run): (Arc<Task>, Run),
    ) -> Result<Made, Failure> {
        let provider = &*opened.provider;
        let request = self.request(target);
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let begun = chrono::Utc::now().trunc_subsecs(3); // as exact as a manifest is
        let operation = operate::within(deadline, &run, provider.create(&request, &run)).await;
        let mut operation = operation.map_err(|failure| app.or_lock_lost(failure))?;
        if self.no_wait && matches!(operation.state, OperationState::Running { .. }) {
            return Ok(Made::GoingOn(running_row(provider, &operation)));
        }
        let copies = std::mem::take(&mut operation.copies);
        let mut made = vec![operate::wait(provider, operation, deadline, &run).await?];
        let mut failed = Vec::new();
        for copy in copies {
            match copy {
                Ok(snapshot) => made.push(snapshot),
                Err(error) => failed.push(Failure::from(error).of(&target.name)),
            }
        }
        // A store that just failed would only fail again, and as slowly.
        if failed.is_empty() {
            sweep(app, opened, lock).await;
        }
        let told: Vec<String> =
            made.iter().map(|snapshot| tell(snapshot, begun, task.elapsed(), "with the same key")).collect();
        drop((task, run));
        told.iter().for_each(|line| app.report.info(line));
        Ok(Made::Done(made, failed))
    }

    fn request(&self, target: &Target) -> CreateRequest {
        let mut tags = target.tags.clone();
        tags.extend(self.tag.iter().cloned());
        let row_counts = match target.verify.row_counts {
            Some(true) => RowCounts::Record,
            Some(false) | None => RowCounts::Skip,
        };
        CreateRequest { key: self.key.clone(), tags, row_counts }
    }

    /// Checks what would be needed, and makes nothing.
    async fn try_out(&self, app: &App, provider: &dyn Provider) -> Result<Made, Failure> {
        let checks = tokio::select! {
            biased;
            () = app.cancel.cancelled() => return Err(Failure::new(ErrorKind::Interrupted, "interrupted")),
            checks = provider.check() => checks,
        };
        for check in checks {
            check.outcome?;
        }
        app.report.info(&format!("{}: would make a snapshot; everything that it needs is there", provider.target()));
        Ok(Made::NotTried)
    }
}

/// Sweeps the debris of earlier runs. The snapshot is made: what goes wrong here is told, and no failure.
async fn sweep(app: &App, opened: &Opened, lock: &Lock) {
    let mut applied = Applied::default();
    apply::sweep(opened, &mut applied, lock, app.now).await;
    if applied.swept > 0 {
        app.report.info(&format!("{}: swept {} unfinished from before", opened.name(), applied.swept));
    }
    for failure in applied.failures {
        app.report.warn(&failure.message);
    }
}

/// What was made; `same` says what it has in common with what was asked for, when it was there before.
pub(super) fn tell(
    snapshot: &Snapshot,
    begun: chrono::DateTime<chrono::Utc>,
    elapsed: TimeDelta,
    same: &str,
) -> String {
    let size = snapshot.size_bytes.map(|size| format!(", {}", units::bytes(size))).unwrap_or_default();
    let place = snapshot.location.as_ref().and_then(|location| location.split_once(':'));
    let place = place.map(|(store, _)| format!(" in {store}")).unwrap_or_default();
    let existed = snapshot.completed_at.is_some_and(|completed| completed < begun);
    if existed {
        return format!("{}: {} is there already{place}, {same}{size}", snapshot.target, snapshot.id);
    }
    format!("{}: made {}{place}{size}, in {}", snapshot.target, snapshot.id, units::duration(elapsed))
}

fn done_row(snapshot: &Snapshot) -> OperationRow {
    let id = snapshot.id.to_string();
    OperationRow { id: id.clone(), target: snapshot.target.to_string(), snapshot: Some(id), state: "done" }
}

fn running_row(provider: &dyn Provider, operation: &Operation<Snapshot>) -> OperationRow {
    let snapshot = match &operation.state {
        OperationState::Running { so_far: Some(snapshot), .. } => Some(snapshot.id.to_string()),
        _ => None,
    };
    let target = provider.target().to_string();
    OperationRow { id: format!("{target}/{}", operation.id), target, snapshot, state: "running" }
}
