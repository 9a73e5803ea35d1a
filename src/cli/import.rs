//! `snapkeep import`

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use snapkeep_providers::Run;
use snapkeep_providers::model::{ImportRequest, Imported};

use super::export::object;
use super::following::{Transfer, Waiting, confirmed};
use super::rows::{ImportRow, State};
use super::{App, Mode, Outcome, targets};
use crate::catalog::{self, Opened};
use crate::failure::Failure;
use crate::journal::{Doing, Entry};
use crate::operate;
use crate::units;

/// Read SQL from a bucket into a target's database as it is now; make a snapshot first
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The target
    #[arg(value_name = "TARGET")]
    target: String,
    /// From where: gs://bucket/file.sql.gz
    #[arg(long, value_name = "URL", value_parser = object)]
    from: String,
    /// The target's name, to confirm that what its database holds may change
    #[arg(long, value_name = "TARGET")]
    confirm: Option<String>,
    /// The database that the statements are for, unless the file says it
    #[arg(long, value_name = "DATABASE", value_parser = NonEmptyStringValueParser::new())]
    database: Option<String>,
    /// The database's own user to import as; the cloud's choice unless set
    #[arg(long, value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

impl Import {
    pub(super) async fn run(&self, app: &App) -> u8 {
        app.finish(&Outcome::from(self.import(app).await))
    }

    /// What came of it; nothing when it was a dry run.
    async fn import(&self, app: &App) -> Result<Option<ImportRow>, Vec<Failure>> {
        let one = |failure: Failure| vec![failure.of(&self.target)];
        let config = app.load()?;
        let target = catalog::target(&config, &self.target).map_err(one)?;
        confirmed(self.confirm.as_deref(), &self.target, "importing", "changes").map_err(one)?;
        let opened = app.asking(catalog::open(&config, target)).await.map_err(one)?;
        let snapshot_first = format!("a snapshot first is wise: `snapkeep create {}`", target.name);
        if app.mode == Mode::DryRun {
            let (from, into) = (&self.from, targets::subject(&target.settings));
            app.report.info(&format!("would import {from} into {into}; {snapshot_first}"));
            return Ok(None);
        }
        let (task, run) = app.run(target.name.as_str(), "import");
        let imported = self.follow(&opened, &run).await;
        let elapsed = units::duration(task.elapsed());
        drop((task, run));
        let imported = imported.map_err(|failure| one(app.or_lock_lost(failure)))?;
        let state = imported.state;
        let row = row(&self.target, self.database.clone(), &self.from, imported);
        app.warn(&row.target, &row.warnings);
        if state == State::Done {
            let from = &row.from;
            app.report
                .info(&format!("{}: imported {from}, in {elapsed}; before the next, {snapshot_first}", row.target));
        }
        Ok(Some(row))
    }

    /// Begins an import, and follows it where that is to be waited for.
    async fn follow(&self, opened: &Opened, run: &Run) -> Result<Transfer<Imported>, Failure> {
        let deadline = self.waiting.deadline();
        let request =
            ImportRequest { from: self.from.clone(), database: self.database.clone(), user: self.user.clone() };
        // To the end: whoever works on the target meanwhile would find half of it.
        let lock = opened.lock("import", run.cancel.clone()).await?;
        let imported = async {
            let begun = opened.provider.import(&request, run);
            let operation = operate::within(deadline, opened.stopped, run, begun).await?;
            self.waiting.follow(opened, (operation, Entry::new(Doing::Import, None, None)), deadline, run).await
        };
        let imported = imported.await;
        lock.release().await;
        imported
    }
}

/// An import, into `database` and from `from` where the cloud doesn't tell.
pub(super) fn row(target: &str, database: Option<String>, from: &str, imported: Transfer<Imported>) -> ImportRow {
    let Transfer { operation, state, result, .. } = imported;
    let told = result.as_ref();
    ImportRow {
        target: target.to_owned(),
        from: told.map(|imported| &*imported.from).filter(|from| !from.is_empty()).unwrap_or(from).to_owned(),
        database: told.and_then(|imported| imported.database.clone()).or(database),
        operation,
        state,
        warnings: result.map(|imported| imported.warnings).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use snapkeep_providers::memory::{Fault, Memory, Verb};

    use super::*;

    const FROM: &str = "gs://acme/orders.sql";

    fn import(more: &str) -> Import {
        match App::of(&format!("snapkeep import orders --from {FROM} --confirm orders{more}")) {
            (_, super::super::Verb::Import(import)) => import,
            _ => panic!("{more} is no import"),
        }
    }

    fn cloud(folder: &std::path::Path) -> (Memory, Opened) {
        let memory = Memory::new("orders".parse().unwrap(), chrono::DateTime::UNIX_EPOCH).with_polls(4);
        (memory.clone(), Opened::of(Arc::new(memory), crate::state::tests::scope(folder)))
    }

    #[tokio::test(start_paused = true)]
    async fn an_import_locks_the_target_until_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let (memory, opened) = cloud(folder.path());
        let run = Run::silent();
        let missing = import("").follow(&opened, &run).await.err().unwrap();
        assert_eq!(
            (missing.exit, missing.message.as_str()),
            (4, "memory: cannot import into gs://acme/orders.sql: there is none of that id")
        );
        memory.write_database(FROM, "dumped");
        let (import, cancel) = (import(" --database shop"), run.cancel.child_token());
        let meanwhile = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            opened.lock("create", cancel).await.unwrap_err().exit
        };
        let (imported, locked) = tokio::join!(import.follow(&opened, &run), meanwhile);
        let row = row("orders", None, "", imported.unwrap());
        let shown = (row.from.as_str(), row.database.as_deref(), row.operation.as_str(), row.state);
        assert_eq!(shown, (FROM, Some("shop"), "orders/import:i1", State::Done));
        assert_eq!((memory.source(), locked), (b"dumped".to_vec(), 11));
        opened.lock("create", run.cancel.child_token()).await.unwrap().release().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_import_that_is_not_waited_for_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (memory, opened) = cloud(folder.path());
        memory.write_database(FROM, "dumped");
        let begun = import(" --no-wait").follow(&opened, &Run::silent()).await.unwrap();
        assert_eq!((begun.state, begun.operation.as_str()), (State::Running, "orders/import:i1"));
        let failure = import(" --timeout 2s").follow(&opened, &Run::silent()).await.err().unwrap();
        assert_eq!((failure.exit, failure.operation.as_deref()), (8, Some("orders/import:i2")));
        memory.script(Verb::Import, Fault::Denied);
        assert_eq!(import("").follow(&opened, &Run::silent()).await.err().unwrap().exit, 5);
    }
}
