//! AWS RDS: snapshots of DB instances, and of Aurora and Multi-AZ clusters.
//!
//! It translates between the RDS API and the model. What is ours is told by tags, so that any machine with the same
//! config sees the same. It waits for nothing: what takes AWS minutes is an operation.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::join_all;

use crate::aws::{Account, Clients};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Check, CopyRequest, CopyTo, CreateRequest, Debris, Details, ExportOf, ExportRequest, Exported, ListScope, Listing,
    NativeId, Operation, OperationId, Origin, Quota, RestoreRequest, Restored, ShareRequest, Snapshot, SnapshotState,
    TargetName, Verification, VerifyRequest,
};
use crate::owner::Owner;
use crate::settings::AwsRds;
use crate::{Capabilities, Found, Provider, Run, Support};

use api::{Api, Family, Which};
use fault::OrError;
use record::Record;

mod api;
mod by_hand;
mod check;
mod cluster;
mod copy;
mod create;
mod delete;
mod discover;
mod export;
mod fault;
mod instance;
mod names;
mod permissions;
mod record;
mod restore;
mod shape;
mod tags;
mod verify;

const NAME: &str = "aws_rds";

/// Where a target's database is, and through whom.
#[derive(Clone, Debug)]
struct Home {
    owner: Owner,
    account: Account,
    region: String,
    endpoint: Option<String>,
    family: Family,
    /// The instance's or cluster's name.
    database: String,
}

impl Deref for Home {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.owner
    }
}

impl Home {
    fn new(target: &TargetName, settings: &AwsRds) -> Result<Self> {
        let (family, database) = identifier(settings).ok_or_else(|| {
            let reason = "it names no instance and no cluster";
            Error::new(ErrorKind::Usage, NAME, "open", target, reason)
                .with_hint("set `db_instance_identifier` or `db_cluster_identifier`")
        })?;
        Ok(Self::of_database(target, settings, family, database))
    }

    fn of_database(target: &TargetName, settings: &AwsRds, family: Family, database: &str) -> Self {
        let AwsRds { region, profile, role_arn, external_id, endpoint, .. } = settings.clone();
        let account = Account { profile, role_arn, external_id };
        let database = database.to_ascii_lowercase(); // as RDS keeps it
        Self { owner: Owner { provider: NAME, target: target.clone() }, account, region, endpoint, family, database }
    }

    /// The same in another region.
    fn at(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }
}

fn identifier(settings: &AwsRds) -> Option<(Family, &str)> {
    let AwsRds { db_instance_identifier, db_cluster_identifier, .. } = settings;
    let instance = db_instance_identifier.as_deref().map(|name| (Family::Instance, name));
    instance.or(db_cluster_identifier.as_deref().map(|name| (Family::Cluster, name)))
}

/// Told without the account, which only AWS could tell. Of two accounts in one state, targets of one name for databases of
/// one name in one region share locks, and the marks of snapshots that have one name too.
pub(crate) fn identity(settings: &AwsRds) -> String {
    let endpoint = settings.endpoint.as_ref().map(|endpoint| format!(" at {}", endpoint.trim_end_matches('/')));
    let (noun, name) = identifier(settings).map_or(("", ""), |(family, name)| (family.noun(), name));
    format!("{NAME} {} {noun} {}{}", settings.region, name.to_ascii_lowercase(), endpoint.unwrap_or_default())
}

/// Opens a target; asks AWS nothing.
pub(crate) async fn open(
    target: &TargetName,
    settings: &AwsRds,
    clients: &Clients,
    held_regions: &[String],
) -> Result<Arc<dyn Provider>> {
    let home = Home::new(target, settings)?;
    if let Some(endpoint) = &home.endpoint {
        crate::objects::check_endpoint(endpoint).map_err(|reason| {
            home.error(ErrorKind::Usage, "open", target, format!("its endpoint can't be used: {reason}"))
        })?;
    }
    refuse_copies(&home, settings)?;
    let copied = settings.copy_to.iter().map(|copy| &copy.region);
    let regions: BTreeSet<&String> = copied.chain(held_regions).filter(|region| **region != home.region).collect();
    let api = open_region(&home, clients, &home.region).await;
    let elsewhere = join_all(regions.into_iter().map(|region| open_region(&home, clients, region))).await;
    let (settings, clients) = (settings.clone(), clients.clone());
    let (identity, elsewhere) = (identity(&settings), Mutex::new(elsewhere));
    Ok(Arc::new(RdsProvider { identity, home, api, elsewhere, settings, clients }))
}

/// What would be the same snapshot, or the same copy twice.
fn refuse_copies(home: &Home, settings: &AwsRds) -> Result<()> {
    let mut seen = BTreeSet::new();
    for copy in &settings.copy_to {
        let reason = match (&copy.kms_key_id, copy.region == home.region) {
            (None, true) => format!("copy_to names its own region, {}, and no other key", copy.region),
            (key, _) if !seen.insert((&copy.region, key)) => format!("copy_to names {} twice", copy.region),
            _ => continue,
        };
        let hint = format!("correct `copy_to` of [targets.{}]", home.target);
        return Err(home.error(ErrorKind::Usage, "open", &home.target, reason).with_hint(hint));
    }
    Ok(())
}

async fn open_region(home: &Home, clients: &Clients, region: &str) -> Api {
    let clients = clients.open(&home.account, region, home.endpoint.as_deref()).await;
    Api { clients, region: region.to_owned(), family: home.family }
}

/// Every instance and cluster of the account and region.
pub(crate) async fn discover(settings: &AwsRds, clients: &Clients) -> Result<Vec<Found>> {
    discover::all(settings, clients).await
}

/// The snapshots of one instance or cluster.
struct RdsProvider {
    home: Home,
    identity: String,
    api: Api,
    /// Other regions that have copies; a copy adds the one that it goes to.
    elsewhere: Mutex<Vec<Api>>,
    settings: AwsRds,
    clients: Clients,
}

impl fmt::Debug for RdsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RdsProvider").field("home", &self.home).finish_non_exhaustive()
    }
}

/// What was read of one region.
#[derive(Default)]
struct Read {
    snapshots: Vec<Snapshot>,
    problem: Option<Error>,
}

impl RdsProvider {
    /// The other regions that have copies.
    fn elsewhere(&self) -> Vec<Api> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All regions that have snapshots, the database's own first.
    fn regions(&self) -> Vec<Api> {
        std::iter::once(self.api.clone()).chain(self.elsewhere()).collect()
    }

    /// The API of a region that a copy goes to; from now on it is looked at too.
    async fn region(&self, region: &str) -> Api {
        if let Some(known) = self.regions().into_iter().find(|api| api.region == region) {
            return known;
        }
        let api = open_region(&self.home, &self.clients, region).await;
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner).push(api.clone());
        api
    }

    /// Reads what the database's own region has of one kind.
    async fn read_home(&self, made_by: Option<&str>) -> Read {
        // RDS tells of whom a shared one is only in the answer.
        let database = Some(self.home.database.as_str()).filter(|_| made_by != Some("shared"));
        self.read(&self.api, Which { database, name: None, made_by }, |record| record.is_of(&self.home.database)).await
    }

    /// Reads the copies in another region: those that tell by their tags that they come from here. Another database there
    /// may well have the same name.
    async fn read_elsewhere(&self, api: &Api) -> Read {
        let which = Which { database: Some(&self.home.database), ..Which::default() };
        self.read(api, which, |record| self.is_copy(record)).await
    }

    async fn read(&self, api: &Api, which: Which<'_>, keep: impl Fn(&Record) -> bool) -> Read {
        let mut read = Read::default();
        let each = |record: Record| {
            if keep(&record) {
                let mut snapshot = record.snapshot(&self.home, &api.region);
                if let Some(last) = read.snapshots.last() {
                    snapshot.share(last);
                }
                read.snapshots.push(snapshot);
            }
        };
        if let Err(fault) = api.each(which, each).await {
            let home = self.home.at(&api.region);
            read.problem = Some(fault.into_error(&home, "list", format!("{} in {}", home.target, api.region)));
        }
        read
    }

    fn is_copy(&self, record: &Record) -> bool {
        record.is_of(&self.home.database) && record.is_owned_by(&self.home)
    }

    /// One snapshot, and the region that it is in.
    async fn find(&self, verb: &str, id: &NativeId) -> Result<(Api, Record)> {
        if !names::is_possible(id.as_str()) {
            return Err(self.home.missing(verb, id));
        }
        // RDS keeps names in lower case.
        let id = if id.as_str().starts_with("arn:") { id } else { &NativeId::new(id.as_str().to_ascii_lowercase()) };
        let found = self.api.get(id.as_str()).await.or_error(&self.home, verb, self.home.id(id))?;
        if let Some(record) = found.filter(|record| record.is_of(&self.home.database)) {
            return Ok((self.api.clone(), record));
        }
        let mut unread = None;
        for api in self.elsewhere() {
            match api.get(id.as_str()).await.or_error(&self.home, verb, self.home.id(id)) {
                Ok(Some(record)) if self.is_copy(&record) => return Ok((api, record)),
                Ok(_) => {}
                Err(error) => unread = Some(error),
            }
        }
        Err(unread.unwrap_or_else(|| self.home.missing(verb, id)))
    }

    /// Refuses to work with what is not whole.
    fn refuse_unavailable(&self, verb: &str, subject: &str, record: &Record) -> Result<()> {
        let error = |kind, reason: String| self.home.error(kind, verb, subject, reason);
        match record.state() {
            SnapshotState::Available => Ok(()),
            SnapshotState::Pending | SnapshotState::Unknown => {
                let reason = format!("it is not available yet, but {}", record.status);
                Err(error(ErrorKind::Busy, reason).with_hint(format!("wait for it: `snapkeep wait {subject}`")))
            }
            SnapshotState::Failed | SnapshotState::Deleting => {
                Err(error(ErrorKind::Failed, format!("it is {}", record.status)))
            }
        }
    }

    /// Ends with [`ErrorKind::Interrupted`] as soon as the run is cancelled.
    async fn unless_cancelled<T>(
        &self,
        run: &Run,
        verb: &str,
        subject: impl fmt::Display,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let stopped = || {
            let error = self.home.error(ErrorKind::Interrupted, verb, subject, "it was interrupted");
            error.with_hint(format!("see whether AWS has begun it: `snapkeep list {}`", self.home.target))
        };
        run.unless_cancelled(work, stopped).await
    }
}

#[async_trait]
impl Provider for RdsProvider {
    fn target(&self) -> &TargetName {
        &self.home.target
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            tags: Support::Yes,
            adopt: Support::Yes,
            reuses_ids: Support::Yes,
            in_place: Support::No,
            point_in_time: Support::Yes,
            delete: Support::Yes,
            delete_automated: Support::No,
        }
    }

    async fn check(&self) -> Vec<Check> {
        self.check_all().await
    }

    async fn examine(&self) -> Vec<Check> {
        let (checks, (who, verbs)) = tokio::join!(self.check_all(), self.examine_caller());
        std::iter::once(who).chain(checks).chain(verbs).collect()
    }

    async fn list(&self, scope: ListScope) -> Result<Listing> {
        let mut kinds = vec![None];
        if self.home.family == Family::Instance {
            kinds.push(Some("awsbackup")); // clusters' are among the others
        }
        if scope == ListScope::AllOrigins {
            kinds.extend([Some("shared"), Some("public")]);
        }
        let elsewhere = self.elsewhere();
        let (own, others) = tokio::join!(
            join_all(kinds.into_iter().map(|kind| self.read_home(kind))),
            join_all(elsewhere.iter().map(|api| self.read_elsewhere(api)))
        );
        let mut listing = Listing { clock_ahead: self.api.clients.clock.ahead(), ..Listing::default() };
        let mut nothing_read = true;
        for read in own.into_iter().chain(others) {
            nothing_read &= read.problem.is_some() && read.snapshots.is_empty();
            // There may be thousands: what is first is not moved.
            if listing.snapshots.is_empty() {
                listing.snapshots = read.snapshots;
            } else {
                listing.snapshots.extend(read.snapshots);
            }
            listing.problems.extend(read.problem);
        }
        if nothing_read && !listing.problems.is_empty() {
            return Err(listing.problems.swap_remove(0));
        }
        if listing.snapshots.is_empty() && listing.problems.is_empty() {
            self.exists("list").await?;
        }
        // A copy holds the same moment as what it is a copy of, and comes after it.
        let is_copy = |snapshot: &Snapshot| snapshot.location.as_deref() != Some(&*self.home.region);
        fn order(snapshot: &Snapshot, is_copy: bool) -> impl Ord {
            (Reverse(snapshot.created_at), is_copy, &snapshot.native_id)
        }
        listing.snapshots.sort_unstable_by(|a, b| order(a, is_copy(a)).cmp(&order(b, is_copy(b))));
        // One that is told of under two origins is one.
        listing.snapshots.dedup_by(|b, a| a.native_id == b.native_id && a.location == b.location);
        Ok(listing)
    }

    async fn get(&self, id: &NativeId) -> Result<Details> {
        let (api, record) = self.find("read", id).await?;
        let snapshot = record.snapshot(&self.home, &api.region);
        Ok(Details { record: record.json(), by_hand: by_hand::lines(&self.home, &api.region, &record), snapshot })
    }

    async fn create(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        self.unless_cancelled(run, "snapshot", &self.home.target, self.begin_snapshot(request)).await
    }

    async fn copy(&self, id: &NativeId, request: &CopyRequest, run: &Run) -> Result<Operation<Snapshot>> {
        self.unless_cancelled(run, "copy", self.home.id(id), self.begin_copy(id, request, run)).await
    }

    fn copies(&self) -> Vec<CopyTo> {
        let copies = self.settings.copy_to.iter().cloned();
        copies
            .map(|copy| CopyTo::Region {
                region: copy.region,
                kms_key_id: copy.kms_key_id,
                option_group_name: copy.option_group_name,
            })
            .collect()
    }

    async fn reach(&self, to: &CopyTo) -> Result<()> {
        let CopyTo::Region { region, .. } = to else { return Ok(()) };
        let api = open_region(&self.home, &self.clients, region).await;
        let home = self.home.at(region);
        let which = Which { database: Some(&self.home.database), ..Which::default() };
        api.page(which, None).await.or_error(&home, "copy to", region).map(drop)
    }

    async fn share(&self, id: &NativeId, request: &ShareRequest) -> Result<Vec<String>> {
        self.change_sharing(id, request).await
    }

    async fn adopt(&self, id: &NativeId) -> Result<()> {
        let (api, record) = self.find("adopt", id).await?;
        let refuse = |kind, reason: &str| self.home.error(kind, "adopt", self.home.id(id), reason);
        if record.origin(&self.home) != Origin::Manual {
            return Err(refuse(ErrorKind::Unsupported, "it is not a manual one, and others delete it"));
        }
        if let Some(other) = record.marks().target.filter(|other| *other != self.home.target.as_str()) {
            let hint = format!(
                "take that tag off first: aws rds remove-tags-from-resource --resource-name {} --tag-keys snapkeep:target",
                record.arn
            );
            return Err(refuse(ErrorKind::Refused, &format!("by its tags it is the target {other}'s")).with_hint(hint));
        }
        let tags = tags::of_owner(&self.home.target, &self.home.region, &record.name);
        api.add_tags(&record.arn, tags).await.or_error(&self.home, "adopt", self.home.id(id))
    }

    async fn poll(&self, operation: &OperationId) -> Result<Operation<Snapshot>> {
        let (api, record) = self.find("find", &NativeId::new(operation.as_str())).await?;
        Ok(self.operation(&record, &api.region))
    }

    async fn restore(&self, id: &NativeId, request: &RestoreRequest, run: &Run) -> Result<Operation<Restored>> {
        self.unless_cancelled(run, "restore", self.home.id(id), self.begin_restore(id, request)).await
    }

    async fn restore_to_time(
        &self,
        time: DateTime<Utc>,
        request: &RestoreRequest,
        run: &Run,
    ) -> Result<Operation<Restored>> {
        self.unless_cancelled(run, "restore", &self.home.target, self.begin_restore_to_time(time, request)).await
    }

    async fn poll_restore(&self, operation: &OperationId) -> Result<Operation<Restored>> {
        self.look_at_restore(operation).await
    }

    async fn export(&self, of: &ExportOf, request: &ExportRequest, run: &Run) -> Result<Operation<Exported>> {
        let id = self.refuse_export(of, request)?;
        self.unless_cancelled(run, "export", self.home.id(id), self.begin_export(id, request)).await
    }

    async fn poll_export(&self, operation: &OperationId) -> Result<Operation<Exported>> {
        self.look_at_export(operation).await
    }

    async fn verify(&self, id: &NativeId, request: &VerifyRequest, run: &Run) -> Result<Verification> {
        self.prove(id, request, run).await
    }

    async fn delete(&self, id: &NativeId) -> Result<()> {
        self.remove(id).await
    }

    async fn debris(&self) -> Result<Vec<Debris>> {
        self.scratch().await
    }

    async fn sweep(&self, debris: &Debris) -> Result<()> {
        self.discard_scratch(debris.native_id.as_str()).await
    }

    async fn quotas(&self) -> Result<Vec<Quota>> {
        self.ask_quotas().await
    }
}
