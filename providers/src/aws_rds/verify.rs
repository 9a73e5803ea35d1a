//! Proof that a snapshot restores: it is restored into a scratch instance or cluster, which is deleted again.
//!
//! RDS shows nobody a snapshot's bytes, so the lower levels can't be had. A scratch one is told by its tags; nothing
//! without them is ever deleted here.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::api::{Api, Database, From};
use super::fault::OrError;
use super::restore::New;
use super::shape::Shape;
use super::{Home, RdsProvider, names, tags};
use crate::aws::profile_option;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Debris, Finding, NativeId, Operation, Restored, SnapshotState, Verification, VerifyLevel, VerifyRequest,
};
use crate::{Run, trial};

/// How often it is looked how far the scratch one is.
const PAUSE: Duration = Duration::from_secs(10);
/// How often a deletion is tried while the scratch one is in a state that doesn't permit it.
const TRIES: usize = 120;

impl RdsProvider {
    pub(super) async fn prove(&self, id: &NativeId, request: &VerifyRequest, run: &Run) -> Result<Verification> {
        let home = &self.home;
        let unsupported = |reason: &str, hint: String| {
            Err(home.error(ErrorKind::Unsupported, "verify", home.id(id), reason).with_hint(hint))
        };
        if request.level != VerifyLevel::Restore {
            let reason = format!("RDS shows nobody a snapshot's bytes, so there is no level {}", request.level);
            return unsupported(
                &reason,
                format!("restore it on trial: `snapkeep verify {} --level restore`", home.id(id)),
            );
        }
        if !request.assertions.is_empty() {
            run.reporter.warn("assertions are not asked here: the scratch database is not connected to");
        }
        let (api, record) = self.find("verify", id).await?;
        if record.state() != SnapshotState::Available {
            let reason = format!("it is not available, but {}", record.status);
            return Err(home.error(ErrorKind::Busy, "verify", home.id(id), reason));
        }
        let name = names::of_scratch();
        // Not cut off: of a call that is under way nobody knows what it has made.
        let begun = self.begin_scratch(&api, id, &record, &name).await;
        let restored = match begun {
            Ok(operation) => tokio::select! {
                biased;
                () = run.cancel.cancelled() => {
                    Err(home.error(ErrorKind::Interrupted, "verify", home.id(id), "it was interrupted"))
                }
                restored = self.await_scratch(&api, id, &name, operation) => restored,
            },
            Err(error) => Err(error),
        };
        let left_behind = self.discard_scratch_in(&api, &name).await.err();
        let finding = match restored {
            Ok(found) => Ok(found),
            Err(error) if error.kind() == ErrorKind::Verification => Err(error),
            Err(error) => {
                return Err(match left_behind {
                    Some(left) => error.with_hint(left.hint().unwrap_or_default()),
                    None => error,
                });
            }
        };
        let findings = vec![Finding { name: "restore".into(), outcome: finding }];
        Ok(Verification { level: VerifyLevel::Restore, findings, left_behind })
    }

    async fn begin_scratch(
        &self,
        api: &Api,
        id: &NativeId,
        record: &super::Record,
        name: &str,
    ) -> Result<Operation<Restored>> {
        let subject = self.home.id(id);
        let mut shape = self.scratch_shape(api, &subject).await?;
        shape.option_group.clone_from(&record.option_group);
        let shape = shape.without_defaults();
        let engine = record.engine.clone().unwrap_or_default();
        let new = New { api, name, shape, tags: BTreeMap::new(), verb: "verify", subject: &subject };
        let marks = vec![tags::of_scratch()];
        self.restore_new(&From::Snapshot(&record.name, &engine), new, Vec::new(), marks).await
    }

    async fn await_scratch(
        &self,
        api: &Api,
        id: &NativeId,
        name: &str,
        operation: Operation<Restored>,
    ) -> Result<String> {
        let look = |id| async move { self.look_at_restore(&id).await };
        match trial::followed(operation, (PAUSE, PAUSE), look).await? {
            Ok(minutes) => Ok(format!("a scratch {} was available within {minutes} min", self.home.family.noun())),
            Err(error) => Err(self.blame(api, name, &self.home.id(id), error).await),
        }
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
        self.home.error(ErrorKind::Verification, "verify", subject, reason)
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

    async fn discard_scratch_in(&self, api: &Api, name: &str) -> Result<()> {
        let home = self.home.at(&api.region);
        let left = |error: Error| {
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
            error.with_hint(format!(
                "delete it, it costs money: aws rds delete-db-instance --db-instance-identifier {instance} {how}{cluster}"
            ))
        };
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
