//! What `targets check` and `doctor` ask of Google. Nothing here changes anything.

use super::fault::{OrError, into_error, is_busy, is_denied, is_missing};
use super::record::engine_and_version;
use super::wire::Instance;
use super::{CloudSqlProvider, Home};
use crate::error::{Error, ErrorKind, Result};
use crate::gcp::permissions;
use crate::model::Check;
use crate::need::Need;

/// <https://cloud.google.com/sql/docs/mysql/iam-permissions>. Whether backups may be deleted is found out by deleting one that
/// there isn't.
pub(super) const NEEDS: &[Need] = &[
    Need::required(
        "list",
        &["cloudsql.backupRuns.list", "cloudsql.backupRuns.get", "cloudsql.instances.list", "cloudsql.instances.get"],
    ),
    Need::required("create", &["cloudsql.backupRuns.create"]),
    Need::on_demand("restore", &["cloudsql.instances.restoreBackup", "cloudsql.instances.create"]),
    Need::on_demand("restore --time", &["cloudsql.instances.clone", "cloudsql.instances.create"]),
    Need::on_demand(
        "verify",
        &["cloudsql.instances.restoreBackup", "cloudsql.instances.create", "cloudsql.instances.delete"],
    ),
    Need::on_demand("export", &["cloudsql.instances.export"]),
    Need::on_demand("import", &["cloudsql.instances.import"]),
];

/// A run that no instance has: ids are milliseconds since 1970.
const NO_RUN: &str = "1";

impl CloudSqlProvider {
    /// The error of an instance that isn't there.
    pub(super) fn no_instance(&self, verb: &str) -> Error {
        let Home { owner, project, instance, .. } = &self.home;
        let target = &owner.target;
        let reason = format!("there is no instance {instance} in the project {project}");
        self.home.error(ErrorKind::NotFound, verb, target, reason).with_hint(format!(
            "see what is there: `snapkeep targets list --discover`, then correct `instance` or `project` of [targets.{target}]"
        ))
    }

    pub(super) async fn check_all(&self) -> Vec<Check> {
        let instance = self.api.instance().await.or_error(&self.home, "check", &self.home.target);
        let instance = instance.and_then(|found| found.ok_or_else(|| self.no_instance("check")));
        let mut checks = vec![self.check_instance(&instance)];
        if let Ok(instance) = &instance {
            checks.push(self.check_survival(instance));
        }
        checks.push(Check::new("snapshots", self.check_list().await));
        let is_missing = instance.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if !is_missing {
            checks.push(Check::new("delete", self.check_deletion().await));
        }
        checks
    }

    pub(super) async fn examine_all(&self) -> Vec<Check> {
        let Home { owner, project, .. } = &self.home;
        let who = self.api.client.credentials(format!("project {project}")).await;
        let mut checks: Vec<Check> = std::iter::once(who).chain(self.check_all().await).collect();
        checks.extend(permissions::check(owner, &self.resource_manager, project, NEEDS).await);
        checks
    }

    fn check_instance(&self, found: &Result<Instance>) -> Check {
        let instance = match found {
            Ok(instance) => instance,
            Err(error) => return Check::new("database", Err(error.repeated())),
        };
        let Instance { name, state, region, database_version, .. } = instance;
        let engine = engine_and_version(database_version);
        let place = region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
        if instance.is_stopped() {
            let check = Check::new("database", Ok(format!("instance {name}{place}, {engine}, stopped")));
            return check.with_advice(self.start_command());
        }
        Check::new("database", Ok(format!("instance {name}{place}, {engine}, {state}")))
    }

    /// What becomes of the backups when somebody deletes the instance.
    fn check_survival(&self, instance: &Instance) -> Check {
        let survives = "backups stay when the instance is deleted";
        if instance.has("/retainBackupsOnDelete") {
            return Check::new("retention", Ok(survives.into()));
        }
        let Home { instance: name, project, .. } = &self.home;
        let is_final = instance.has("/finalBackupConfig/enabled");
        let last = if is_final { ", but for a last one that Google makes then" } else { "" };
        let check = Check::new("retention", Ok(format!("backups go when the instance is deleted{last}")));
        check.with_advice(format!(
            "keep them: gcloud sql instances patch {name} --retain-backups-on-delete --project {project}"
        ))
    }

    /// One page: that it is permitted, not what there is.
    async fn check_list(&self) -> Result<String> {
        let (home, subject) = (&self.home, format!("backups of {}", self.home.target));
        self.api.first_runs().await.or_error(home, "list", &subject)?;
        let warnings = self.api.backups(|_| {}).await.or_error(home, "list", &subject)?;
        match warnings.first() {
            Some(warning) => Err(home.incomplete("list", subject, warning)),
            None => Ok("they can be listed".into()),
        }
    }

    /// Deletes a run that there isn't: Google looks at permissions first. The role `cloudsql.editor` has no permission to.
    async fn check_deletion(&self) -> Result<String> {
        let home = &self.home;
        match self.api.delete_run(NO_RUN).await {
            Err(fault) if is_missing(&fault) || is_busy(&fault) => Ok("it is permitted".into()),
            Err(fault) if is_denied(&fault) => {
                let error = into_error(fault, home, "delete backups of", &home.target);
                let hint = "give the role the permission cloudsql.backupRuns.delete, which roles/cloudsql.editor lacks; see docs/gcp.md";
                Err(error.with_hint(hint))
            }
            asked => asked.or_error(home, "delete backups of", &home.target).map(|_| "it is permitted".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::need::{block_of_docs, lacking};

    #[test]
    fn the_role_of_the_docs_has_all_that_is_asked_for() {
        let role = block_of_docs("gcp.md", "yaml", "includedPermissions");
        let has = |name: &str| role.lines().any(|line| line == format!("- {name}"));
        for need in NEEDS {
            assert_eq!(lacking(need.names, has), [""; 0], "{}", need.verb);
        }
    }
}
