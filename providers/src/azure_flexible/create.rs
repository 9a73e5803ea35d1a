//! Making a backup, once for a key, and following it.

use std::time::Duration;

use chrono::Utc;
use tokio::time::sleep;

use super::record::Record;
use super::wire::Server;
use super::{Flavor, FlexibleProvider};
use crate::Run;
use crate::azure::begin::{Begun, Standing, Turn, settled_after};
use crate::azure::fault::{OrError, into_error};
use crate::azure::names::{self, Named};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{CreateRequest, Operation, OperationId, OperationState, Origin, Snapshot, SnapshotState, Work};
use crate::shell::shell_word;

const VERB: &str = "snapshot";
/// How often what Azure says is done is looked for, with pauses that double.
const LOOKS: u32 = 4;

impl FlexibleProvider {
    pub(super) async fn begin_snapshot(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        let home = &self.home;
        let records = self.records(VERB).await?;
        if let Some(key) = &request.key {
            if let Some(made) = self.of_key(key, &records).await {
                return Ok(made);
            }
            if let Some(going) = self.going(key).await? {
                return Ok(going.found());
            }
        }
        let server = self.server(VERB).await?;
        let on_demand = records.iter().filter(|record| record.is_on_demand()).count() as u64;
        self.refuse_impossible(&server, on_demand)?;
        if !request.tags.is_empty() {
            run.reporter.warn(&format!("{} keeps no tags of a backup: they are left out", self.flavor.product()));
        }
        self.desk.forget_stale().await;
        self.ask(&names::of_backup(&home.target, request.key.as_deref(), Utc::now()), request.key.as_deref(), run).await
    }

    /// The one that was made with a key and has not failed.
    async fn of_key(&self, key: &str, records: &[Record]) -> Option<Operation<Snapshot>> {
        let record = records.iter().find(|record| {
            let failed = matches!(record.state(), SnapshotState::Failed | SnapshotState::Deleting);
            let marks = record.marks(&self.home).is_some_and(|marks| marks.is_of_key(key));
            marks && !failed && record.origin(&self.home) == Origin::Owned
        })?;
        let server = self.server(VERB).await.ok();
        Some(progress(OperationId::new(record.native.as_str()), self.snapshot(record, server.as_ref())).found())
    }

    /// One of this key that was asked for and may go on, by whichever process.
    async fn going(&self, key: &str) -> Result<Option<Operation<Snapshot>>> {
        for name in self.desk.bookmarks.names().await? {
            let same = Named::parse(&name).is_some_and(|named| named.is_of(&self.home.target) && named.is_of_key(key));
            if !same {
                continue;
            }
            match self.look_at_snapshot(&OperationId::new(name)).await {
                Ok(Operation { state: OperationState::Failed(_), .. }) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                found => return found.map(Some),
            }
        }
        Ok(None)
    }

    /// What Azure would say later, or in words that don't tell what to do.
    fn refuse_impossible(&self, server: &Server, on_demand: u64) -> Result<()> {
        let (home, product) = (&self.home, self.flavor.product());
        let refuse =
            |kind, reason: String, hint: String| Err(home.error(kind, VERB, &home.target, reason).with_hint(hint));
        if server.is_in_state("Stopped") || server.is_in_state("Stopping") {
            let reason = format!("the server is {}, and {product} makes no backup of it", server.state());
            return refuse(ErrorKind::Failed, reason, self.start_command());
        }
        if self.flavor == Flavor::Postgresql && (server.is_burstable() || is_premium_v2(server)) {
            let what = if server.is_burstable() { "the Burstable tier" } else { "Premium SSD v2" };
            let reason = format!("{product} makes no backups on demand of a server with {what}");
            let hint = format!(
                "its automatic ones are there: `snapkeep list {}`; for others dump it: a target with provider = \"postgresql\"",
                home.target
            );
            return refuse(ErrorKind::Unsupported, reason, hint);
        }
        let most = self.flavor.most_on_demand();
        if on_demand >= most {
            let reason = format!("the server has {on_demand} backups on demand, and {product} permits {most}");
            let hint = format!(
                "delete one: `snapkeep list {0} --origin owned`; with a `retention` in the target: `snapkeep prune apply {0} --yes`",
                home.target
            );
            return refuse(ErrorKind::Quota, reason, hint);
        }
        Ok(())
    }

    pub(super) fn start_command(&self) -> String {
        format!("start it: {}", self.az("start"))
    }

    /// A command of Azure's own CLI for the server.
    pub(super) fn az(&self, verb: &str) -> String {
        let crate::azure::Home { subscription, group, server, .. } = &self.home;
        let (service, group) = (self.flavor.command(), shell_word(group));
        format!(
            "az {service} flexible-server {verb} --subscription {subscription} --resource-group {group} --name {server}"
        )
    }

    /// Asks for a backup of this name, when it is the server's turn. What was waited for may be another's of the same key.
    async fn ask(&self, name: &str, key: Option<&str>, run: &Run) -> Result<Operation<Snapshot>> {
        let (home, id) = (&self.home, OperationId::new(name));
        let made = || async move {
            let Some(key) = key else { return Ok(None) };
            Ok(self.of_key(key, &self.records(VERB).await?).await)
        };
        let send = || self.api.create_backup(name);
        match self.desk.begin_in_turn((name, None), (&home.server, run), made, send).await? {
            Turn::Found(found) => Ok(found),
            Turn::Asked(Ok(Begun::Runs(asked))) => Ok(running(id, None).again_in(asked)),
            // It goes on, whether or not one look at it succeeds.
            Turn::Asked(Ok(Begun::Done | Begun::Lost)) => {
                let looked = self.look_at_snapshot(&id).await;
                Ok(looked.unwrap_or_else(|_| running(id, None)))
            }
            Turn::Asked(Err(fault)) => Err(into_error(fault, home, VERB, &home.target)),
        }
    }

    /// By the name that was asked for, or by that which Azure gave.
    pub(super) async fn look_at_snapshot(&self, operation: &OperationId) -> Result<Operation<Snapshot>> {
        let (home, subject) = (&self.home, self.home.id(operation));
        let Work::Snapshot(name) = operation.work() else { return Err(home.no_operation(&subject)) };
        let standing = self.desk.look(name).await?.or_error(home, "look at", &subject)?;
        match &standing {
            Standing::Runs { percent, pause } => {
                return Ok(running(operation.clone(), *percent).again_in(*pause));
            }
            Standing::Failed(words) => {
                self.desk.forget(name).await;
                return Ok(Operation::begun(operation.clone(), OperationState::Failed(self.failed(&subject, words))));
            }
            Standing::Forgotten | Standing::Over | Standing::Unseen | Standing::Never => {}
        }
        let looks = if matches!(standing, Standing::Over) { LOOKS } else { 1 };
        if let Some(found) = self.seen(operation, name, looks).await? {
            self.desk.forget(name).await;
            return Ok(found);
        }
        match standing {
            Standing::Unseen => Ok(running(operation.clone(), None)),
            Standing::Forgotten => Err(home.no_operation(&subject)),
            // It is not forgotten: this machine's clock may be wrong, and another process know better.
            Standing::Never => {
                Ok(Operation::begun(operation.clone(), OperationState::Failed(self.never(&subject, name))))
            }
            _ => {
                let reason = "Azure says that it is done, and shows no such backup";
                let error = home.error(ErrorKind::Failed, VERB, &subject, reason);
                self.desk.forget(name).await;
                Ok(Operation::begun(operation.clone(), OperationState::Failed(error)))
            }
        }
    }

    /// The backup of a name, as an operation that goes by that name.
    async fn seen(&self, operation: &OperationId, name: &str, looks: u32) -> Result<Option<Operation<Snapshot>>> {
        for look in 0..looks {
            if look > 0 {
                sleep(Duration::from_millis(250) * 2_u32.pow(look)).await;
            }
            let found = match self.seek("find", name).await? {
                Some((record, _)) => Some(record),
                None => self.renamed(name).await?,
            };
            if let Some(record) = found {
                let server = self.server("find").await.ok();
                return Ok(Some(progress(operation.clone(), self.snapshot(&record, server.as_ref()))));
            }
        }
        Ok(None)
    }

    /// The backup that was asked for by a name of ours, by the name that MySQL gave it.
    async fn renamed(&self, name: &str) -> Result<Option<Record>> {
        if self.flavor == Flavor::Postgresql || Named::parse(name).is_none() {
            return Ok(None);
        }
        let asked = format!("-{name}").to_ascii_lowercase();
        let records = self.records("find").await?;
        Ok(records.into_iter().find(|record| record.native.to_ascii_lowercase().ends_with(&asked)))
    }

    fn failed(&self, subject: &str, words: &str) -> Error {
        let error = self.home.error(ErrorKind::Failed, VERB, subject, "the backup was begun and failed");
        error.with_source(words.to_owned())
    }

    fn never(&self, subject: &str, name: &str) -> Error {
        let reason = format!("its answer was lost, and {} later Azure shows nothing of it", settled_after());
        let error = self.home.error(ErrorKind::Unavailable, VERB, subject, reason);
        let named = Named::parse(name);
        let key = named.as_ref().and_then(Named::key).map(|key| format!(" --key {}", shell_word(key)));
        error.with_hint(format!("try again: `snapkeep create {}{}`", self.home.target, key.unwrap_or_default()))
    }
}

impl Flavor {
    /// What Azure's own CLI calls it.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Postgresql => "postgres",
        }
    }
}

pub(super) fn is_premium_v2(server: &Server) -> bool {
    let kind = server.properties().storage.and_then(|storage| storage.kind);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("PremiumV2_LRS"))
}

/// How far it is.
fn progress(id: OperationId, snapshot: Snapshot) -> Operation<Snapshot> {
    let state = match snapshot.state {
        SnapshotState::Available => OperationState::Done(snapshot),
        SnapshotState::Failed | SnapshotState::Deleting => {
            let word = snapshot.provider_state.as_deref().unwrap_or_default().to_owned();
            let error = Error::new(ErrorKind::Failed, snapshot.provider.as_ref(), VERB, &snapshot.id, "it failed");
            OperationState::Failed(error.with_source(word))
        }
        SnapshotState::Pending | SnapshotState::Unknown => {
            OperationState::Running { so_far: Some(snapshot), percent: None }
        }
    };
    Operation::begun(id, state)
}

fn running(id: OperationId, percent: Option<u8>) -> Operation<Snapshot> {
    Operation::begun(id, OperationState::Running { so_far: None, percent })
}
