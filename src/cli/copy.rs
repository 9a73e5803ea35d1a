//! `snapkeep copy`

use std::sync::Arc;

use clap::{ArgGroup, Args};
use snapkeep_providers::model::{CopyRequest, CopyTo, NativeId, ShareRequest, Snapshot};
use snapkeep_providers::{ErrorKind, Run};

use super::following::{Came, Waiting};
use super::making::tell;
use super::rows::{OperationRow, State};
use super::{App, Mode};
use crate::catalog::{self, Catalog, Opened, SnapshotRef};
use crate::config::{Config, Target, nearest};
use crate::copies::{self, Made};
use crate::failure::Failure;
use crate::journal::{Doing, Entry, Kept};
use crate::marks::Marks;
use crate::operate::{self, Begun};
use crate::report::Task;

/// Copy a snapshot to another store or region, or share it with other accounts
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
pub(super) struct Copy {
    /// The snapshot
    #[arg(value_name = "ID")]
    id: SnapshotRef,
    /// A store of the config, for a dump
    #[arg(long, value_name = "STORE", group = "what", conflicts_with = "to_region")]
    to_store: Option<String>,
    /// A region, for a cloud's snapshot
    #[arg(long, value_name = "REGION", group = "what")]
    to_region: Option<String>,
    /// The KMS key in that region: an id, ARN or alias
    #[arg(long, value_name = "KEY", requires = "to_region")]
    kms_key_id: Option<String>,
    /// The option group in that region, for AWS engines whose snapshots need one
    #[arg(long, value_name = "NAME", requires = "to_region")]
    option_group_name: Option<String>,
    /// Let this account restore and copy it: the new copy, or without one the snapshot itself; may be given several times
    #[arg(long, value_name = "ACCOUNT", group = "what", value_parser = account)]
    share_with: Vec<String>,
    /// Let this account do that no longer; may be given several times
    #[arg(long, value_name = "ACCOUNT", group = "what", value_parser = account)]
    unshare_with: Vec<String>,
    #[command(flatten)]
    waiting: Waiting,
}

/// What AWS calls everybody.
const ALL: &str = "all";

fn account(text: &str) -> Result<String, String> {
    let is_id = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_id || text == ALL { Ok(text.to_owned()) } else { Err("an account's id has 12 digits".into()) }
}

/// What is done with the snapshot.
struct Asked {
    copy: Option<CopyRequest>,
    share: Option<ShareRequest>,
}

impl Copy {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let came = match app.load() {
            Ok(config) => self.copy(app, &config).await.map_err(|failure| vec![failure.of(&self.id.target)]),
            Err(failures) => Err(failures),
        };
        self.waiting.finish(app, came)
    }

    async fn copy(&self, app: &App, config: &Catalog) -> Result<Came<Snapshot>, Failure> {
        let target = catalog::target(config, &self.id.target)?;
        let asked = Asked { copy: self.copy_request(config)?, share: self.share_request()? };
        let opened = app.asking(catalog::open(config, target)).await?;
        let (task, run) = app.run(target.name.as_str(), "copy");
        if app.mode == Mode::DryRun {
            let snapshot = app.asking(opened.resolve(&self.id)).await?;
            app.report.info(&format!("{}: would {}", target.name, self.intent(&snapshot)));
            return Ok(Came::NotTried);
        }
        let lock = opened.lock("copy", run.cancel.clone()).await?;
        let came = self.act(app, target, &opened, &asked, (task, run)).await;
        lock.release().await;
        came.map_err(|failure| app.or_lock_lost(failure))
    }

    /// Copies and shares, under the lock of the target.
    async fn act(
        &self,
        app: &App,
        target: &Target,
        opened: &Opened,
        asked: &Asked,
        (task, run): (Arc<Task>, Run),
    ) -> Result<Came<Snapshot>, Failure> {
        let snapshot = app.asking(opened.resolve(&self.id)).await?;
        let Some(request) = &asked.copy else {
            share(app, opened, &snapshot.native_id, asked).await?;
            return Ok(Came::Done(vec![snapshot], Vec::new()));
        };
        let own = self.to_store.as_ref().is_some_and(|store| target.store.contains(store));
        let came = self.make(app, opened, &snapshot, (request, own), (task, run)).await?;
        if let Came::Done(copies, _) = &came {
            for copy in copies {
                share(app, opened, &copy.native_id, asked).await?;
            }
        }
        Ok(came)
    }

    async fn make(
        &self,
        app: &App,
        opened: &Opened,
        snapshot: &Snapshot,
        (request, own): (&CopyRequest, bool),
        (task, run): (Arc<Task>, Run),
    ) -> Result<Came<Snapshot>, Failure> {
        let (provider, deadline) = (&*opened.provider, self.waiting.deadline());
        let at = Begun::now();
        let copying = provider.copy(&snapshot.native_id, request, &run);
        let copying = operate::within(deadline, opened.stopped, &run, copying);
        // The target's own stores are looked at anyway.
        let operation = if own { copying.await } else { opened.begin_copy(&request.to, copying).await }?;
        let entry = Entry::new(Doing::Copy, None, None).answered(&operation);
        let kept = Kept::begun(opened, entry.clone(), &operation, &run).await;
        if self.waiting.no_wait && operate::is_running(&operation) {
            return Ok(Came::Begun(OperationRow::of(provider.target(), &operation.id, entry, State::Running)));
        }
        let begun = Begun::of(at, &operation);
        let copied = operate::wait(provider, operation, deadline, &run).await;
        kept.settle(opened, copied.as_ref().err()).await;
        let mut copy = copied?;
        // What was there already may be known to be bad.
        app.asking(Marks::of(&opened.scope, &copy.native_id)).await?.apply(&mut copy);
        if copy.verified.as_ref().is_some_and(|verified| !verified.ok) {
            return Err(bad(&copy, snapshot));
        }
        let same = match request.to {
            CopyTo::Store { .. } => "a copy of the same dump",
            CopyTo::Region { .. } => copies::SAME,
        };
        let made = Made { snapshot: copy, begun, same };
        let told = tell(&made, task.elapsed());
        drop((task, run));
        app.report.info_of(Some(made.snapshot.target.as_str()), &told);
        if self.waiting.no_wait {
            return Ok(Came::Begun(OperationRow::of_snapshot(&made.snapshot, Doing::Copy)));
        }
        Ok(Came::Done(vec![made.snapshot], Vec::new()))
    }

    /// What would be done, in words.
    fn intent(&self, snapshot: &Snapshot) -> String {
        let to = self.to_store.as_ref().or(self.to_region.as_ref());
        let copy = to.map(|to| format!("copy {} to {to}", snapshot.id));
        let what = if copy.is_some() { "the copy".to_owned() } else { snapshot.id.to_string() };
        let with = |verb: &str, accounts: &[String]| {
            (!accounts.is_empty()).then(|| format!("{verb} {what} with {}", accounts.join(", ")))
        };
        let (share, unshare) = (with("share", &self.share_with), with("unshare", &self.unshare_with));
        [copy, share, unshare].into_iter().flatten().collect::<Vec<_>>().join(", and ")
    }

    fn copy_request(&self, config: &Config) -> Result<Option<CopyRequest>, Failure> {
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
            (None, None) if self.waiting.no_wait || self.waiting.timeout.is_some() => {
                return Err(Failure::usage("sharing is done at once: there is nothing to wait for"));
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(CopyRequest { to }))
    }

    fn share_request(&self) -> Result<Option<ShareRequest>, Failure> {
        let (with, without) = (self.share_with.clone(), self.unshare_with.clone());
        if with.is_empty() && without.is_empty() {
            return Ok(None);
        }
        if with.iter().any(|account| account == ALL) {
            let message = format!("cannot share {} with all: everybody could restore it and read the data", self.id);
            return Err(Failure::new(ErrorKind::Refused, message).with_hint("name accounts: `--share-with ACCOUNT`"));
        }
        if let Some(both) = with.iter().find(|account| without.contains(account)) {
            return Err(Failure::usage(format!("account {both} is to be let in and shut out")));
        }
        if self.waiting.no_wait {
            return Err(Failure::usage("a copy can't be shared before it is there")
                .with_hint("share it when `snapkeep wait` has ended: `snapkeep copy ID --share-with ACCOUNT`"));
        }
        Ok(Some(ShareRequest { with, without }))
    }
}

/// Lets accounts in and shuts them out, as asked, and says who is in now.
async fn share(app: &App, opened: &Opened, native: &NativeId, asked: &Asked) -> Result<(), Failure> {
    let Some(request) = &asked.share else { return Ok(()) };
    let id = format!("{}/{native}", opened.name());
    let accounts = opened.provider.share(native, request).await?;
    if accounts.iter().any(|account| account == ALL) {
        app.report.warn(&format!("{id} is public: everybody can restore it"));
    } else if accounts.is_empty() {
        app.report.info(&format!("{id}: no other account can restore it"));
    } else {
        app.report.info(&format!("{id}: other accounts that can restore it: {}", accounts.join(", ")));
    }
    Ok(())
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
        None if names.is_empty() => "there is no store in it; the snapshots of a cloud are copied `--to-region`".into(),
        None => format!("there is: {}", names.join(", ")),
    };
    let message = format!("there is no store {name:?} in {}", config.path.display());
    Failure::usage(message).with_hint(hint)
}
