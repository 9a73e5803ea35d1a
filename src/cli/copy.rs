//! `snapkeep copy`

use std::sync::Arc;

use chrono::SubsecRound;
use clap::{ArgGroup, Args};
use snapkeep_providers::model::{CopyRequest, CopyTo, Snapshot};
use snapkeep_providers::{ErrorKind, Run};

use super::create::tell;
use super::{App, Mode, Outcome};
use crate::catalog::{self, Catalog, Opened, SnapshotRef};
use crate::config::{Config, Target, nearest};
use crate::failure::Failure;
use crate::marks::Marks;
use crate::operate;
use crate::report::Task;

/// Copy a snapshot to another store or region
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("to").required(true))]
pub(super) struct Copy {
    /// The snapshot
    #[arg(value_name = "ID")]
    id: SnapshotRef,
    /// A store of the config, for a dump
    #[arg(long, value_name = "STORE", group = "to")]
    to_store: Option<String>,
    /// A region, for a cloud's snapshot
    #[arg(long, value_name = "REGION", group = "to")]
    to_region: Option<String>,
    /// The KMS key in that region: an id, ARN or alias
    #[arg(long, value_name = "KEY", requires = "to_region")]
    kms_key_id: Option<String>,
    /// The option group in that region, for AWS engines whose snapshots need one
    #[arg(long, value_name = "NAME", requires = "to_region")]
    option_group_name: Option<String>,
}

impl Copy {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let copied = match app.load() {
            Ok(config) => self.copy(app, &config).await.map_err(|failure| vec![failure.of(&self.id.target)]),
            Err(failures) => Err(failures),
        };
        app.finish(&copied.unwrap_or_else(Outcome::failed))
    }

    async fn copy(&self, app: &App, config: &Catalog) -> Result<Outcome<Snapshot>, Failure> {
        let target = catalog::target(config, &self.id.target)?;
        let request = self.request(config)?;
        let opened = app.asking(catalog::open(config, target)).await?;
        let (task, run) = app.run(target.name.as_str(), "copy");
        if app.mode == Mode::DryRun {
            let snapshot = app.asking(opened.resolve(&self.id)).await?;
            let to = self.to_store.as_ref().or(self.to_region.as_ref()).map_or("", String::as_str);
            app.report.info(&format!("{}: would copy {} to {to}", target.name, snapshot.id));
            return Ok(Outcome { done: 1, ..Outcome::new() });
        }
        let lock = opened.lock("copy", run.cancel.clone()).await?;
        let copied = self.make(app, &opened, &request, target, (task, run)).await;
        lock.release().await;
        copied
    }

    /// Makes the copy, under the lock of its target.
    async fn make(
        &self,
        app: &App,
        opened: &Opened,
        request: &CopyRequest,
        target: &Target,
        (task, run): (Arc<Task>, Run),
    ) -> Result<Outcome<Snapshot>, Failure> {
        let snapshot = app.asking(opened.resolve(&self.id)).await?;
        if !self.to_store.as_ref().is_some_and(|store| target.store.contains(store)) {
            opened.remember(&request.to).await?;
        }
        let begun = chrono::Utc::now().trunc_subsecs(3); // as exact as a manifest is
        let copied = opened.provider.copy(&snapshot.native_id, request, &run).await;
        let operation = copied.map_err(|error| app.or_lock_lost(error.into()))?;
        let mut copy = operate::wait(&*opened.provider, operation, None, &run).await?;
        // What was there already may be known to be bad.
        app.asking(Marks::of(&opened.scope, &copy.native_id)).await?.apply(&mut copy);
        if copy.verified.as_ref().is_some_and(|verified| !verified.ok) {
            return Err(bad(&copy, &snapshot));
        }
        let told = tell(&copy, begun, task.elapsed(), "a copy of the same dump");
        drop((task, run));
        app.report.info(&told);
        Ok(Ok(copy).into())
    }

    fn request(&self, config: &Config) -> Result<CopyRequest, Failure> {
        let to = match (&self.to_store, &self.to_region) {
            (Some(name), _) => match config.stores.get(name) {
                Some(settings) => CopyTo::Store { name: name.clone(), settings: Box::new(settings.clone()) },
                None => return Err(unknown_store(config, name)),
            },
            (None, Some(region)) => CopyTo::Region {
                region: region.clone(),
                kms_key_id: self.kms_key_id.clone(),
                option_group_name: self.option_group_name.clone(),
            },
            (None, None) => return Err(Failure::usage("say where to: `--to-store STORE` or `--to-region REGION`")),
        };
        Ok(CopyRequest { to })
    }
}

/// What is there already is no copy of what was asked for.
fn bad(copy: &Snapshot, of: &Snapshot) -> Failure {
    let (message, hint) = if copy.id == of.id {
        let message = format!("cannot copy {}: it is there already, and a verification found it bad", of.id);
        (message, format!("use another one: `snapkeep list {}`", of.target))
    } else {
        let message = format!("cannot copy {}: {} is there already, and a verification found it bad", of.id, copy.id);
        (message, format!("delete it first: `snapkeep delete {} --yes`", copy.id))
    };
    Failure::new(ErrorKind::Verification, message).with_hint(hint)
}

fn unknown_store(config: &Config, name: &str) -> Failure {
    let names: Vec<&str> = config.stores.keys().map(String::as_str).collect();
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("there is: {}", names.join(", ")),
    };
    let message = format!("there is no store {name:?} in {}", config.path.display());
    Failure::usage(message).with_hint(hint)
}
