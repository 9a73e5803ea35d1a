//! What `doctor` looks at for one target.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep_providers::model::{Debris, ListScope, Listing, Origin, Quota, Snapshot, SnapshotState};
use snapkeep_providers::settings::ProviderSettings;
use snapkeep_providers::{ErrorKind, on_the_way};

use super::super::App;
use super::super::rows::About;
use super::{Findings, within};
use crate::catalog::{self, Catalog, Opened};
use crate::config::{Retention, Target};
use crate::failure::Failure;
use crate::plan::{self, Refusal};
use crate::units;

/// From this percentage of a quota on it is told.
const NEARLY_FULL: u64 = 80;

/// What was found of a target, and the stores that its snapshots are in.
pub(super) struct Looked<'c> {
    pub(super) findings: Findings<'c>,
    pub(super) stores: Vec<String>,
}

/// Looks at a target. All is asked at once, and each waited for no longer than `limit`.
pub(super) async fn examine<'c>(app: &App, config: &'c Catalog, target: &'c Target, limit: Duration) -> Looked<'c> {
    let _task = app.report.task(target.name.as_str(), "checking");
    let mut findings = Findings::new(About::Target(&target.name));
    let mut stores = target.store.clone();
    let name = &target.name;
    let opened = match within(limit, name, catalog::open(config, target)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(failure)) | Err(failure) => {
            findings.add("provider", Err(failure));
            return Looked { findings, stores };
        }
    };
    let (provider, scope) = (&opened.provider, &opened.scope);
    let (checks, state, listing, quotas, debris, held) = tokio::join!(
        within(limit, name, provider.examine()),
        within(limit, format!("the state of {name}"), scope.probe()),
        within(limit, format!("the snapshots of {name}"), opened.list(ListScope::Own)),
        within(limit, format!("the quotas of {name}"), provider.quotas()),
        within(limit, format!("the debris of {name}"), provider.debris()),
        within(limit, format!("the stores of {name}"), opened.held_stores()),
    );
    match checks {
        Ok(checks) => findings.extend(checks),
        Err(late) => findings.add("provider", Err(late)),
    }
    if let Some(endpoint) = endpoint(&target.settings) {
        findings.extend([on_the_way(endpoint, &format!("targets.{name}"))]);
    }
    findings.add("state", state.flatten());
    let policy = target.retention.as_ref().and_then(|name| config.retention.get(name));
    findings.policy(target, policy);
    findings.snapshots(&opened, policy, listing.flatten(), app.now);
    match quotas {
        Ok(quotas) => findings.quotas(target, quotas.map_err(Failure::from)),
        Err(late) => findings.quotas(target, Err(late)),
    }
    match debris {
        Ok(debris) => findings.debris(debris.map_err(Failure::from), app.now),
        Err(late) => findings.debris(Err(late), app.now),
    }
    // That they can't be told, the list says.
    stores.extend(held.ok().and_then(Result::ok).unwrap_or_default());
    Looked { findings, stores }
}

impl Findings<'_> {
    fn policy(&mut self, target: &Target, policy: Option<&Retention>) {
        for warning in policy.map(|policy| target.cannot_meet(policy)).unwrap_or_default() {
            let hint = "ask for less, and keep dumps of the database for longer: a target of its own";
            self.advise("retention", warning, hint);
        }
    }

    fn snapshots(
        &mut self,
        opened: &Opened,
        policy: Option<&Retention>,
        listing: Result<Listing, Failure>,
        now: DateTime<Utc>,
    ) {
        let Listing { snapshots, problems, clock_ahead } = match listing {
            Ok(listing) => listing,
            Err(failure) => return self.add("snapshots", Err(failure)),
        };
        let failed = snapshots.iter().filter(|snapshot| snapshot.state == SnapshotState::Failed).count();
        let age = newest_good(snapshots.iter()).map(|created| units::duration(now - created));
        let age = age.map_or_else(|| "none is good".to_owned(), |age| format!("the newest good one is {age} old"));
        self.add("snapshots", Ok(format!("{}, {age}{}", snapshots.len(), some(failed, "failed"))));
        let is_whole = problems.is_empty();
        for problem in problems {
            self.add("snapshots", Err(problem.into()));
        }
        if let Some(max_age) = policy.and_then(|policy| TimeDelta::from_std(policy.max_age?.duration()).ok()) {
            let owned: Vec<&Snapshot> = snapshots.iter().filter(|snapshot| snapshot.origin == Origin::Owned).collect();
            match age_of(&owned, max_age, now) {
                // A newer one may be among those that could not be read.
                Err(_) if !is_whole => {}
                found if owned.is_empty() => {
                    let told = found.err().map(|refusal| refusal.to_string()).unwrap_or_default();
                    self.advise("age", told, format!("make the first one: `snapkeep create {}`", opened.name()));
                }
                found => self.add("age", found.map_err(|refusal| stale(&refusal, opened))),
            }
        }
        self.clock(clock_ahead);
    }

    fn quotas(&mut self, target: &Target, quotas: Result<Vec<Quota>, Failure>) {
        match quotas {
            Ok(quotas) => quotas.iter().for_each(|quota| self.quota(target, quota)),
            Err(failure) => self.add("quota", Err(failure)),
        }
    }

    fn quota(&mut self, target: &Target, quota: &Quota) {
        let Quota { name, used, limit } = quota;
        let detail = format!("{used} of {limit} {name}");
        if used.saturating_mul(100) < limit.saturating_mul(NEARLY_FULL) {
            return self.add("quota", Ok(detail));
        }
        let hint = format!("make room with `snapkeep prune plan {}`, or ask the cloud for more", target.name);
        self.advise("quota", detail, hint);
    }

    fn debris(&mut self, debris: Result<Vec<Debris>, Failure>, now: DateTime<Utc>) {
        match debris {
            Ok(debris) if debris.is_empty() => self.add("debris", Ok("none".into())),
            Ok(debris) => {
                let bytes = units::bytes(debris.iter().map(|debris| debris.size_bytes).sum());
                let old = debris.iter().filter(|debris| now - debris.touched_at > plan::GRACE).count();
                let names: Vec<&str> = debris.iter().take(3).map(|debris| debris.native_id.as_str()).collect();
                let names = names.join(", ");
                let detail = format!("{} unfinished, {bytes}: {names}{}", debris.len(), some(old, "older than 24 h"));
                let hint = "`snapkeep create` and `snapkeep prune apply` sweep what is older than 24 h";
                self.advise("debris", detail, hint);
            }
            Err(failure) if failure.kind == ErrorKind::NotFound => self.add("debris", Ok("none".into())),
            Err(failure) => self.add("debris", Err(failure)),
        }
    }
}

/// Where a cloud's API is asked, unless at its usual address; nothing of what is no cloud.
fn endpoint(settings: &ProviderSettings) -> Option<Option<&str>> {
    Some(match settings {
        ProviderSettings::AwsRds(rds) => rds.endpoint.as_deref(),
        ProviderSettings::AzureMysql(server) => server.access.endpoint.as_deref(),
        ProviderSettings::AzurePostgresql(postgresql) => postgresql.server.access.endpoint.as_deref(),
        ProviderSettings::AzureSql(sql) => sql.access.endpoint.as_deref(),
        ProviderSettings::GcpCloudSql(sql) => sql.endpoint.as_deref(),
        ProviderSettings::Mysql(_) | ProviderSettings::Postgresql(_) | ProviderSettings::Sqlite(_) => return None,
    })
}

fn newest_good<'s>(snapshots: impl Iterator<Item = &'s Snapshot>) -> Option<DateTime<Utc>> {
    snapshots.filter(|snapshot| snapshot.is_good()).filter_map(|snapshot| snapshot.created_at).max()
}

/// How old the newest good one is; the refusal of `prune` where it is older than the policy wants.
fn age_of(owned: &[&Snapshot], max_age: TimeDelta, now: DateTime<Utc>) -> Result<String, Refusal> {
    let age = newest_good(owned.iter().copied()).map(|created| now - created);
    match age.filter(|age| *age <= max_age) {
        Some(age) => {
            let (age, max_age) = (units::duration(age), units::duration(max_age));
            Ok(format!("the newest good snapshot is {age} old, and max_age is {max_age}"))
        }
        None => Err(Refusal::Stale { age, max_age }),
    }
}

/// None is fresh enough: as of `latest --max-age`.
fn stale(refusal: &Refusal, opened: &Opened) -> Failure {
    Failure::new(ErrorKind::NotFound, format!("nothing can be pruned: {refusal}"))
        .with_hint(format!("make a new one: `snapkeep create {}`", opened.name()))
}

fn some(count: usize, what: &str) -> String {
    if count == 0 { String::new() } else { format!("; {count} {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_that_is_nearly_used_up_comes_with_advice() {
        let text = "version = 1\n[targets.a]\nprovider = \"sqlite\"\npath = \"a.db\"\nstore = \"s\"\n\
                    [stores.s]\ntype = \"local\"\npath = \"s\"\n";
        let config = crate::config::parse(text, std::path::Path::new("snapkeep.toml")).unwrap();
        let target = config.targets.values().next().unwrap();
        let mut findings = Findings::new(About::Target(&target.name));
        for used in [37, 79, 80, 100] {
            findings.quota(target, &Quota { name: "manual snapshots in eu-central-1".into(), used, limit: 100 });
        }
        let rows: Vec<_> = findings.rows.iter().map(|row| (row.detail.as_str(), row.ok, row.hint.is_some())).collect();
        assert_eq!(
            rows,
            [
                ("37 of 100 manual snapshots in eu-central-1", true, false),
                ("79 of 100 manual snapshots in eu-central-1", true, false),
                ("80 of 100 manual snapshots in eu-central-1", true, true),
                ("100 of 100 manual snapshots in eu-central-1", true, true),
            ]
        );
        assert!(findings.failures.is_empty());
    }
}
