//! Proof that a snapshot restores: it is restored into a scratch instance or cluster, which is deleted again.
//!
//! RDS shows nobody a snapshot's bytes, so the lower levels can't be had. A scratch one is told by its tags; nothing
//! without them is ever deleted here.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::api::{Api, Database, From};
use super::fault::OrError;
use super::restore::New;
use super::shape::Shape;
use super::{Home, RdsProvider, names, tags};
use crate::Run;
use crate::aws::profile_option;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Debris, NativeId, Operation, OperationId, Restored, SnapshotState, Verification, VerifyRequest};
use crate::trial::{self, Trial};

const VERB: &str = "verify";
/// How often it is looked how far the scratch one is.
const PAUSE: Duration = Duration::from_secs(10);
/// How often a deletion is tried while the scratch one is in a state that doesn't permit it.
const TRIES: usize = 120;

/// One restore on trial.
struct Scratch<'v> {
    provider: &'v RdsProvider,
    api: Api,
    record: super::Record,
    name: String,
    subject: String,
}

#[async_trait]
impl Trial for Scratch<'_> {
    fn thing(&self) -> &'static str {
        match self.provider.home.family {
            super::Family::Instance => "scratch instance",
            super::Family::Cluster => "scratch cluster",
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn error(&self, kind: ErrorKind, reason: &str) -> Error {
        self.provider.home.error(kind, VERB, &self.subject, reason)
    }

    fn pauses(&self) -> (Duration, Duration) {
        (PAUSE, PAUSE)
    }

    async fn begin(&self) -> Result<Operation<Restored>> {
        self.provider.begin_scratch(&self.api, &self.record, &self.name, &self.subject).await
    }

    async fn look(&self, id: &OperationId) -> Result<Operation<Restored>> {
        self.provider.look_at_restore(id).await
    }

    async fn blame(&self, error: Error) -> Error {
        self.provider.blame(&self.api, &self.name, &self.subject, error).await
    }

    async fn discard(&self) -> Result<()> {
        self.provider.discard_scratch_in(&self.api, &self.name).await
    }

    fn by_hand(&self) -> String {
        self.provider.delete_command(&self.api, &self.name)
    }
}

impl RdsProvider {
    pub(super) async fn prove(&self, id: &NativeId, request: &VerifyRequest, run: &Run) -> Result<Verification> {
        let (home, subject) = (&self.home, self.home.id(id));
        let error = |kind, reason: &str| home.error(kind, VERB, &subject, reason);
        trial::refuse_level("RDS", &subject, (request, run), error)?;
        let (api, record) = self.find(VERB, id).await?;
        if record.state() != SnapshotState::Available {
            return Err(error(ErrorKind::Busy, &format!("it is not available, but {}", record.status)));
        }
        let name = names::of_scratch();
        trial::prove(&Scratch { provider: self, api, record, name, subject }, run).await
    }

    async fn begin_scratch(
        &self,
        api: &Api,
        record: &super::Record,
        name: &str,
        subject: &str,
    ) -> Result<Operation<Restored>> {
        let mut shape = self.scratch_shape(api, subject).await?;
        shape.option_group.clone_from(&record.option_group);
        let shape = shape.without_defaults();
        let engine = record.engine.clone().unwrap_or_default();
        let new = New { api, name, shape, tags: BTreeMap::new(), verb: VERB, subject };
        let marks = vec![tags::of_scratch()];
        self.restore_new(&From::Snapshot(&record.name, &engine), new, Vec::new(), marks).await
    }

    /// What AWS could not bring back is bad; that it had no room or no network for it says nothing.
    async fn blame(&self, api: &Api, name: &str, subject: &str, error: Error) -> Error {
        let status = match api.database(name).await {
            Ok(Some(found)) => found.status,
            _ => return error,
        };
        if status != "incompatible-restore" {
            return error;
        }
        let reason = format!("AWS could not restore it: the state is {status}");
        self.home.error(ErrorKind::Verification, VERB, subject, reason)
    }

    /// Like the source, but in one zone, out of reach from the internet, and free to be deleted.
    async fn scratch_shape(&self, api: &Api, subject: &str) -> Result<Shape> {
        let source = self.source_in(subject).await?.0.map(|source| source.shape).unwrap_or_default();
        let source = if api.region == self.home.region { source } else { source.elsewhere() };
        Ok(Shape {
            multi_az: source.multi_az.map(|_| false),
            deletion_protection: Some(false),
            publicly_accessible: Some(false),
            backup_days: (self.home.family == super::Family::Instance).then_some(0), // a first backup may take hours
            logs: None,
            ..source
        })
    }

    /// Scratch instances and clusters that a killed process has left. Who may not look has none.
    pub(super) async fn scratch(&self) -> Result<Vec<Debris>> {
        let mut found = Vec::new();
        for api in self.regions() {
            match api.databases().await {
                Err(fault) if fault.is_denied() => {}
                there => {
                    found.extend(there.or_error(
                        &self.home,
                        "look for what verifications left of",
                        &self.home.target,
                    )?);
                }
            }
        }
        let ours = found.into_iter().filter(|found| is_scratch(&self.home, found));
        Ok(Debris::in_cloud(ours.map(|found| (found.name, found.created_at))))
    }

    pub(super) async fn discard_scratch(&self, name: &str) -> Result<()> {
        // Its name is nobody else's in any region.
        for api in self.regions() {
            self.discard_scratch_in(&api, name).await?;
        }
        Ok(())
    }

    /// The commands that delete a scratch one in a region.
    fn delete_command(&self, api: &Api, name: &str) -> String {
        let home = self.home.at(&api.region);
        let how = format!(
            "--skip-final-snapshot --region {}{}",
            home.region,
            profile_option(home.account.profile.as_deref())
        );
        let cluster = format!(" && aws rds delete-db-cluster --db-cluster-identifier {name} {how}");
        let (instance, cluster) = match home.family {
            super::Family::Instance => (name.to_owned(), String::new()),
            super::Family::Cluster => (super::restore::member_name(name), cluster),
        };
        format!("aws rds delete-db-instance --db-instance-identifier {instance} {how}{cluster}")
    }

    async fn discard_scratch_in(&self, api: &Api, name: &str) -> Result<()> {
        let home = self.home.at(&api.region);
        let left = |error: Error| error.with_hint(trial::left(&self.delete_command(api, name)));
        for nth in 1.. {
            let found = api.database(name).await.or_error(&home, "delete", name).map_err(left)?;
            let Some(found) = found.filter(|found| is_scratch(&home, found)) else { return Ok(()) };
            match api.discard(&found).await {
                Ok(()) => return Ok(()),
                Err(fault) if fault.is_of_state() && found.status == "deleting" => return Ok(()),
                Err(fault) if fault.is_of_state() && nth < TRIES => sleep(PAUSE).await,
                Err(fault) => return Err(left(fault.into_error(&home, "delete", name))),
            }
        }
        Ok(())
    }
}

/// Whether it was made here for a verification of this target.
fn is_scratch(home: &Home, found: &Database) -> bool {
    found.name.starts_with(names::SCRATCH) && tags::is_scratch(&found.tags, &home.target)
}
