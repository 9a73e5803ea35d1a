//! What `targets check` and `doctor` ask of AWS. Nothing here changes anything.

use super::RdsProvider;
use super::api::{Database, Family, Which};
use super::fault::{Fault, OrError};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Check, Quota};
use crate::random;

impl RdsProvider {
    /// The database; an error when there is none of that name.
    pub(super) async fn exists(&self, verb: &str) -> Result<Database> {
        let home = &self.home;
        let found = self.api.database(&home.database).await.or_error(home, verb, &home.target)?;
        found.ok_or_else(|| self.no_database(verb))
    }

    /// The error of a database that isn't there.
    pub(super) fn no_database(&self, verb: &str) -> Error {
        let home = &self.home;
        let (noun, key) = (home.family.noun(), home.family.config_key());
        let reason = format!("there is no {noun} {} in {}", home.database, home.region);
        home.error(ErrorKind::NotFound, verb, &home.target, reason).with_hint(format!(
            "see what is there: `snapkeep targets list --discover`, then correct `{key}` or `region`"
        ))
    }

    pub(super) async fn check_all(&self) -> Vec<Check> {
        let (database, snapshots, deletion) =
            tokio::join!(self.check_database(), self.check_list(), self.check_deletion());
        let mut checks =
            vec![Check::new("database", database), Check::new("snapshots", snapshots), Check::new("delete", deletion)];
        for api in self.elsewhere() {
            let outcome = match self.read_elsewhere(&api).await {
                super::Read { problem: Some(problem), .. } => Err(problem),
                super::Read { snapshots, .. } => Ok(format!("{}: {} copies", api.region, snapshots.len())),
            };
            checks.push(Check::new("copies", outcome));
        }
        checks
    }

    async fn check_database(&self) -> Result<String> {
        let home = &self.home;
        let found = self.exists("check").await?;
        if let Some(cluster) = &found.cluster {
            let reason = format!("it belongs to the cluster {cluster}, which has the snapshots");
            return Err(home
                .error(ErrorKind::Unsupported, "check", &home.target, reason)
                .with_hint(format!("write db_cluster_identifier = {cluster:?} instead of db_instance_identifier")));
        }
        Ok(format!("{} {}, {}, {}", home.family.noun(), found.name, found.engine_and_version(), found.status))
    }

    /// One page: that it is permitted, not what there is.
    async fn check_list(&self) -> Result<String> {
        let home = &self.home;
        let which = Which { database: Some(&home.database), ..Which::default() };
        self.api.page(which, None).await.or_error(home, "list", &home.target)?;
        Ok(format!("they can be listed in {}", home.region))
    }

    /// Deletes a name that nothing has: AWS looks at permissions first.
    async fn check_deletion(&self) -> Result<String> {
        let home = &self.home;
        let name = format!("sk-check-{}", random::letters(20));
        match self.api.delete(&name).await {
            Err(fault) if fault.is_missing() => Ok("it is permitted".into()),
            Err(fault) if fault.is_denied() => {
                let error = fault.into_error(home, "delete snapshots of", &home.target);
                let hint = "permit it, also for names sk-check-*, which nothing has and this tries; see docs/aws.md";
                Err(error.with_hint(hint))
            }
            asked => asked.or_error(home, "delete snapshots of", &home.target).map(|()| String::new()),
        }
    }

    /// The quotas of manual snapshots in each region that new ones go to.
    pub(super) async fn ask_quotas(&self) -> Result<Vec<Quota>> {
        let home = &self.home;
        let (own, words) = match home.family {
            Family::Instance => ("ManualSnapshots", "manual snapshots"),
            Family::Cluster => ("ManualClusterSnapshots", "manual cluster snapshots"),
        };
        let mut quotas = Vec::new();
        for api in self.regions() {
            let asked = api.clients.rds.describe_account_attributes().send().await;
            let asked = asked.map_err(|error| Fault::of("DescribeAccountAttributes", error));
            let answer = asked.or_error(home, "read the quotas of", format!("{} in {}", home.target, api.region))?;
            let told = answer.account_quotas.unwrap_or_default();
            let told = told.into_iter().find(|quota| quota.account_quota_name.as_deref() == Some(own));
            quotas.extend(told.and_then(|quota| {
                let (used, limit) = (u64::try_from(quota.used?).ok()?, u64::try_from(quota.max?).ok()?);
                Some(Quota { name: format!("{words} in {}", api.region), used, limit })
            }));
        }
        Ok(quotas)
    }
}
