//! Restoring into a new instance or cluster, from a snapshot or to a moment; never onto what is there.
//!
//! What a snapshot doesn't carry is taken from the source where that is still there and in the same region.

use std::collections::BTreeMap;

use aws_sdk_rds::types::Tag;
use chrono::{DateTime, TimeDelta, Utc};

use super::api::{Api, Database, Family, From};
use super::fault::{Called, Fault, OrError, none_if_missing};
use super::record::Record;
use super::shape::Shape;
use super::{Home, RdsProvider, instance, names, tags};
use crate::aws::profile_option;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    NativeId, Operation, OperationId, OperationState, Origin, RestoreOptions, RestoreRequest, RestoreTo, Restored, Work,
};
use crate::random;

impl RdsProvider {
    pub(super) async fn begin_restore(&self, id: &NativeId, request: &RestoreRequest) -> Result<Operation<Restored>> {
        let subject = self.home.id(id);
        let name = self.new_name(&subject, request)?;
        let (api, record) = self.find("restore", id).await?;
        self.refuse_restore(&subject, &record)?;
        let engine = record.engine.clone().unwrap_or_default();
        let (source, mut warnings) = self.source_in(&subject).await?;
        let Database { mut shape, tags, .. } = source.unwrap_or_default();
        if api.region != self.home.region {
            shape = shape.elsewhere();
            warnings.push(format!(
                "it is in {}: groups of the source's region are not taken over; AWS takes its defaults for what `--set` doesn't say",
                api.region
            ));
        } else if shape.option_group.is_none() && record.origin(&self.home) != Origin::Shared {
            shape.option_group.clone_from(&record.option_group);
        }
        if !warnings.is_empty() {
            shape.publicly_accessible.get_or_insert(false); // AWS's default may be the internet
        }
        let shape = self.shape(shape, &subject, &request.options, Moment::Snapshot)?;
        let new = New { api: &api, name: &name, shape, tags, verb: "restore", subject: &subject };
        self.restore_new(&From::Snapshot(&record.name, &engine), new, warnings, Vec::new()).await
    }

    pub(super) async fn begin_restore_to_time(
        &self,
        time: DateTime<Utc>,
        request: &RestoreRequest,
    ) -> Result<Operation<Restored>> {
        let home = &self.home;
        let subject = format!("{} to {}", home.target, time.format("%Y-%m-%dT%H:%M:%SZ"));
        let name = self.new_name(&subject, request)?;
        let (Some(source), warnings) = self.source_in(&subject).await? else {
            return Err(self.no_database("restore"));
        };
        let out_of_reach = |reason: String| {
            let hint = format!("choose a snapshot: `snapkeep list {}`", home.target);
            home.error(ErrorKind::NotFound, "restore", &subject, reason).with_hint(hint)
        };
        let (earliest, latest) = source.restorable;
        if let Some(latest) = latest.filter(|latest| time > *latest) {
            return Err(out_of_reach(format!("the latest moment that AWS can restore is {}", latest.to_rfc3339())));
        }
        if let Some(earliest) = earliest.filter(|earliest| time < *earliest) {
            return Err(out_of_reach(format!("the earliest moment that AWS can restore is {}", earliest.to_rfc3339())));
        }
        let shape = self.shape(source.shape, &subject, &request.options, Moment::Between)?;
        let new = New { api: &self.api, name: &name, shape, tags: source.tags, verb: "restore", subject: &subject };
        self.restore_new(&From::Time(&home.database, time), new, warnings, Vec::new()).await
    }

    /// The name of what is to be made, in lower case as RDS keeps it.
    fn new_name(&self, subject: &str, request: &RestoreRequest) -> Result<String> {
        let error = |kind, reason: String| self.home.error(kind, "restore", subject, reason);
        let RestoreTo::New(name) = &request.to else {
            let reason = "RDS restores into something new only".to_owned();
            return Err(error(ErrorKind::Unsupported, reason).with_hint("give a new name with `--to NAME`"));
        };
        let name = name.to_ascii_lowercase();
        if name.len() > 63 || !names::is_possible(&name) || name.contains(':') {
            let reason = format!("{name:?} can't be the name of a {}", self.home.family.noun());
            return Err(error(ErrorKind::Usage, reason)
                .with_hint("use 1 to 63 letters, digits and single hyphens, a letter first"));
        }
        if name == self.home.database {
            let reason = "that is the source itself, which is never restored onto".to_owned();
            return Err(error(ErrorKind::Refused, reason).with_hint("choose another name with `--to NAME`"));
        }
        Ok(name)
    }

    fn refuse_restore(&self, subject: &str, record: &Record) -> Result<()> {
        self.refuse_unavailable("restore", subject, record)?;
        if record.origin(&self.home) == Origin::Shared && record.encrypted == Some(true) {
            // <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ShareSnapshot.html>
            let reason = "it is encrypted and another account's: AWS restores a copy of it only";
            let hint = format!("snapkeep copy {subject} --to-region {} --kms-key-id KEY", self.home.region);
            return Err(self.home.error(ErrorKind::Unsupported, "restore", subject, reason).with_hint(hint));
        }
        Ok(())
    }

    /// The source as it is now, and what is to be said when it is gone.
    pub(super) async fn source_in(&self, subject: &str) -> Result<(Option<Database>, Vec<String>)> {
        let home = &self.home;
        let source = self.api.database(&home.database).await.or_error(home, "restore", subject)?;
        let Some(mut source) = source else {
            let gone = format!(
                "{} is gone: AWS takes its defaults for what `--set` doesn't say, such as the security group",
                home.database
            );
            return Ok((None, vec![gone]));
        };
        // The instances of a cluster have what the cluster doesn't tell: class, parameter group, access.
        if let Some(member) = source.members.first() {
            let found = instance::databases(&self.api.clients.rds, Some(member)).await;
            let found = none_if_missing(found).or_error(home, "restore", subject)?;
            take_over(&mut source.shape, found.into_iter().next().map(|member| member.shape));
        }
        Ok((Some(source), Vec::new()))
    }

    fn shape(&self, source: Shape, subject: &str, options: &RestoreOptions, moment: Moment) -> Result<Shape> {
        let wrong = |reason| self.home.error(ErrorKind::Usage, "restore", subject, reason);
        let shape = source.without_defaults().with(options, self.home.family).map_err(wrong)?;
        if self.home.family == Family::Cluster {
            refuse_unused(&shape, options, moment).map_err(wrong)?;
        }
        Ok(shape)
    }

    /// Begins it, and gives a cluster its instance.
    pub(super) async fn restore_new(
        &self,
        from: &From<'_>,
        new: New<'_>,
        warnings: Vec<String>,
        mut marks: Vec<Tag>,
    ) -> Result<Operation<Restored>> {
        let New { api, name, shape, tags, verb, subject } = new;
        let home = self.home.at(&api.region);
        let token = random::letters(16);
        marks.extend(tags::taken_over(&tags));
        marks.extend(tags::of_restore(&home.target, &token));
        let gets_instance = home.family == Family::Cluster && shape.cluster_class.is_none();
        self.refuse_taken(api, &home, (verb, subject, name), gets_instance.then(|| member_name(name))).await?;
        let pass_on = marks.clone();
        if gets_instance {
            marks.push(tags::of_instance(&shape.member_text()));
        }
        let made = match api.restore(from, name, &shape, marks).await {
            Err(fault) if fault.is_taken() => lost_answer(api, name, &token, fault).await,
            made => made,
        };
        let made = match made {
            Err(fault) if fault.is_taken() => return Err(taken(self, &home, verb, subject, name)),
            made => made.or_error(&home, verb, subject)?,
        };
        if gets_instance {
            let given = give_instance(api, &made, &shape, pass_on).await;
            given.or_error(&home, verb, subject).map_err(|error| {
                let again = home.id(self.restore_id(&api.region, name));
                error.with_hint(format!("the cluster {name} is there: `snapkeep wait {again}` makes its instance"))
            })?;
        }
        let restored = Restored { to: made.name.clone(), warnings };
        let state = match self.progress(api, &made, self.restore_id(&api.region, name)).await {
            Ok(Operation { state: OperationState::Done(_), .. }) => OperationState::Done(restored),
            Ok(Operation { state: OperationState::Failed(error), .. }) => OperationState::Failed(error),
            // It is begun, whether or not one look at it succeeds.
            Ok(_) | Err(_) => OperationState::Running { so_far: Some(restored), percent: made.percent },
        };
        Ok(Operation::begun(self.restore_id(&api.region, name), state))
    }

    /// Refuses what is there already, also the instance that a cluster would get.
    async fn refuse_taken(
        &self,
        api: &Api,
        home: &Home,
        (verb, subject, name): (&str, &str, &str),
        member: Option<String>,
    ) -> Result<()> {
        if api.database(name).await.or_error(home, verb, subject)?.is_some() {
            return Err(taken(self, home, verb, subject, name));
        }
        let Some(member) = member else { return Ok(()) };
        let found = instance::databases(&api.clients.rds, Some(&member)).await;
        if none_if_missing(found).or_error(home, verb, subject)?.is_empty() {
            return Ok(());
        }
        let reason = format!("its instance would be {member}, and there is one of that name");
        let error = home.error(ErrorKind::Refused, verb, subject, reason);
        Err(error.with_hint("choose another name with `--to NAME`"))
    }

    pub(super) async fn look_at_restore(&self, operation: &OperationId) -> Result<Operation<Restored>> {
        let subject = self.home.id(operation);
        let missing = || self.home.error(ErrorKind::NotFound, "find", &subject, "there is no such operation");
        let Work::Restore(name) = operation.work() else { return Err(missing()) };
        let (region, name) = name.split_once('/').unwrap_or((&self.home.region, name));
        let api = self.regions().into_iter().find(|api| api.region == region).ok_or_else(missing)?;
        if !names::is_possible(name) {
            return Err(missing());
        }
        let found = api.database(name).await.or_error(&self.home, "look at", &subject)?;
        let found = found.filter(|found| tags::is_restored_for(&found.tags, &self.home.target));
        let Some(mut found) = found else { return Err(missing()) };
        if found.members.is_empty()
            && !has_ended(&found.status)
            && found.created_at.is_none_or(|created| Utc::now() - created < YOUNG)
            && let Some(text) = tags::instance_of(&found.tags)
        {
            let given = give_instance(&api, &found, &Shape::of_member_text(text), tags::to_pass_on(&found.tags)).await;
            given.or_error(&self.home, "restore", &subject)?;
            found = api.database(name).await.or_error(&self.home, "look at", &subject)?.unwrap_or(found);
        }
        self.progress(&api, &found, operation.clone()).await
    }

    /// The id of the restore into something of this name there.
    fn restore_id(&self, region: &str, name: &str) -> OperationId {
        if region == self.home.region {
            return OperationId::of_restore(name);
        }
        OperationId::of_restore(&format!("{region}/{name}"))
    }

    /// Done when it is available, and each instance of a cluster too.
    async fn progress(&self, api: &Api, database: &Database, id: OperationId) -> Result<Operation<Restored>> {
        let home = &self.home;
        let mut states = vec![(database.name.clone(), database.status.clone())];
        for member in &database.members {
            let found = instance::databases(&api.clients.rds, Some(member)).await;
            let found = found.or_error(home, "look at", home.id(&id))?;
            states.extend(found.into_iter().map(|member| (member.name, member.status)));
        }
        // Of an Aurora cluster without instances it is not over yet.
        let complete =
            home.family == Family::Instance || database.shape.cluster_class.is_some() || !database.members.is_empty();
        let restored = Restored { to: database.name.clone(), warnings: Vec::new() };
        let state = if let Some((name, status)) = states.iter().find(|(_, status)| has_ended(status)) {
            let reason = format!("AWS gave up on {name}: its state is {status}");
            let is_cluster = home.family == Family::Cluster && *name == database.name;
            let kind = if is_cluster { "db-cluster" } else { "db-instance" };
            let place = format!("--region {}{}", api.region, profile_option(home.account.profile.as_deref()));
            let hint =
                format!("see why: aws rds describe-events --source-type {kind} --source-identifier {name} {place}");
            let error = home.error(ErrorKind::Failed, "restore", home.id(&id), reason);
            OperationState::Failed(error.with_hint(hint))
        } else if complete && states.iter().all(|(_, status)| is_usable(status)) {
            OperationState::Done(restored)
        } else {
            OperationState::Running { so_far: Some(restored), percent: database.percent }
        };
        Ok(Operation::begun(id, state))
    }
}

/// What is to be made, and how it is spoken of.
pub(super) struct New<'n> {
    pub(super) api: &'n Api,
    pub(super) name: &'n str,
    pub(super) shape: Shape,
    /// The source's own.
    pub(super) tags: BTreeMap<String, String>,
    pub(super) verb: &'n str,
    pub(super) subject: &'n str,
}

/// How long after its making a cluster without an instance is one whose restore is not over.
const YOUNG: TimeDelta = TimeDelta::hours(24);

fn take_over(shape: &mut Shape, member: Option<Shape>) {
    let Some(member) = member else { return };
    shape.class = member.class;
    shape.parameter_group = member.parameter_group;
    shape.publicly_accessible = member.publicly_accessible;
    shape.minor_upgrades = member.minor_upgrades;
}

/// An Aurora cluster that was restored has no instance until one is made. One that is new may not take it yet: then
/// whoever looks next how far it is makes it.
async fn give_instance(api: &Api, cluster: &Database, shape: &Shape, marks: Vec<Tag>) -> Called<()> {
    let name = member_name(&cluster.name);
    let shape = Shape { class: Some(shape.member_class()), ..shape.clone() };
    match instance::create_member(&api.clients.rds, cluster, &name, &shape, marks).await {
        Err(fault) if fault.is_of_state() && cluster.status != "available" => Ok(()),
        Err(fault) if fault.is_taken() => {
            let found = instance::databases(&api.clients.rds, Some(&name)).await?;
            let own = |found: &Database| found.cluster.as_deref() == Some(&*cluster.name);
            if found.iter().any(own) { Ok(()) } else { Err(fault) }
        }
        made => made,
    }
}

/// The name of the instance that a restored cluster gets.
pub(super) fn member_name(cluster: &str) -> String {
    let short: String = cluster.chars().take(61).collect();
    format!("{}-1", short.trim_end_matches('-'))
}

/// Whether a snapshot is restored, or what was between two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Snapshot,
    Between,
}

/// Refuses what the calls for clusters have no use for: it would be dropped without a word.
fn refuse_unused(shape: &Shape, options: &RestoreOptions, moment: Moment) -> Result<(), String> {
    let multi_az = shape.cluster_class.is_some();
    let unused = |name: &str| match name {
        "engine_version" => moment == Moment::Between,
        "iops" => !multi_az,
        "storage_type" => !multi_az && shape.storage_type.as_ref().is_some_and(|kind| !kind.starts_with("aurora")),
        "db_instance_class" | "db_parameter_group_name" | "availability_zone" | "auto_minor_version_upgrade" => {
            multi_az
        }
        _ => false,
    };
    let kind = if multi_az { "a Multi-AZ cluster" } else { "an Aurora cluster" };
    let with = if moment == Moment::Between { " restored to a moment" } else { "" };
    match options.keys().find(|name| unused(name)) {
        Some(name) => Err(format!("{kind}{with} can't be given the option {name}")),
        None => Ok(()),
    }
}

fn taken(provider: &RdsProvider, home: &Home, verb: &str, subject: &str, name: &str) -> Error {
    let reason = format!("there is a {} {name} already", home.family.noun());
    home.error(ErrorKind::Refused, verb, subject, reason).with_hint(format!(
        "choose another name with `--to NAME`; if it is from an earlier try: `snapkeep wait {}`",
        home.id(provider.restore_id(&home.region, name))
    ))
}

/// After an answer was lost, the SDK asks again and finds the name taken: by us, if it has our token.
async fn lost_answer(api: &Api, name: &str, token: &str, fault: Fault) -> Called<Database> {
    match api.database(name).await? {
        Some(found) if tags::is_of_restore(&found.tags, token) => Ok(found),
        _ => Err(fault),
    }
}

/// Whether it can be worked with. What AWS then does in the background may take hours.
fn is_usable(status: &str) -> bool {
    ["available", "backing-up", "storage-optimization", "storage-initialization"].contains(&status)
}

/// Whether a state is one that nothing good comes after without a person, by the tables of states in the user guides:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>.
pub(super) fn has_ended(status: &str) -> bool {
    const ENDED: &[&str] = &[
        "failed",
        "restore-error",
        "storage-full",
        "insufficient-capacity",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
        "cloning-failed",
        "migration-failed",
        "deleting",
        "stopped",
    ];
    status.starts_with("incompatible-") || ENDED.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_that_end_badly_end_the_wait() {
        for status in ["failed", "incompatible-restore", "incompatible-network", "restore-error", "storage-full"] {
            assert!(has_ended(status), "{status}");
        }
        for status in ["creating", "backing-up", "available", "modifying", "configuring-enhanced-monitoring", ""] {
            assert!(!has_ended(status), "{status}");
        }
    }
}
