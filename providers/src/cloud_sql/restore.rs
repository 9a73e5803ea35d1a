//! Restoring: into a new instance, here or in another project; over the instance itself; to a moment, by a clone.
//!
//! What Google would refuse only after minutes is refused before the call:
//! <https://cloud.google.com/sql/docs/mysql/backup-recovery/restore>.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::api::{Api, is_instance, is_possible, is_project};
use super::begin::Ask;
use super::fault::OrError;
use super::options;
use super::record::{Address, Record, engine_and_version};
use super::wire::{self, Backup, Instance};
use super::{CloudSqlProvider, Home};
use crate::Run;
use crate::error::{ErrorKind, Result};
use crate::model::{NativeId, Operation, OperationId, RestoreRequest, RestoreTo, Restored, Work};
use crate::shell::shell_word;

const VERB: &str = "restore";

/// What is restored: a backup, its own address in the project where it has one, and what its instance was like.
pub(super) struct Source {
    pub(super) record: Record,
    backup: Option<String>,
    /// As it was when the backup was made, or as it is now.
    pub(super) instance: Option<Instance>,
}

impl CloudSqlProvider {
    pub(super) async fn begin_restore(
        &self,
        id: &NativeId,
        request: &RestoreRequest,
        run: &Run,
    ) -> Result<Operation<Restored>> {
        let subject = self.home.id(id);
        match &request.to {
            RestoreTo::New(name) => {
                let to = self.destination(&subject, name)?;
                let source = self.source(VERB, id).await?;
                let settings = options::instance(source.instance.as_ref(), &request.options)
                    .map_err(|reason| self.home.error(ErrorKind::Usage, VERB, &subject, reason))?;
                self.restore_as(&source, &to, settings, (VERB, &subject), run).await
            }
            RestoreTo::InPlace => {
                if let Some(name) = request.options.keys().next() {
                    let reason = format!("an instance that is there keeps its settings: {name} can't be set");
                    return Err(self.home.error(ErrorKind::Usage, VERB, &subject, reason));
                }
                let source = self.source(VERB, id).await?;
                self.restore_in_place(&source, &subject, run).await
            }
        }
    }

    /// The backup that is to be restored, refused where it is not whole.
    pub(super) async fn source(&self, verb: &str, id: &NativeId) -> Result<Source> {
        let (record, raw) = self.find(verb, id).await?;
        self.home.refuse_unavailable(verb, &self.home.id(id), (record.state(), &record.status))?;
        let backup = match &record.address {
            Address::Project(_) => Some(raw),
            Address::Run(run) => self.backup_of_run(verb, run).await?,
        };
        let backup = backup.map(|backup| self.home.parsed::<Backup>(verb, &backup)).transpose()?;
        let then = backup.as_ref().and_then(|backup| backup.instance_settings.clone());
        let instance = match then.filter(|then| !then.settings.is_null()) {
            Some(then) => Some(then),
            None => self.api.instance().await.or_error(&self.home, verb, self.home.id(id))?,
        };
        Ok(Source { record, backup: backup.map(|backup| backup.name), instance })
    }

    /// Restores into a new instance. Its settings are always sent along: that is how one says to Google that it is to be new.
    pub(super) async fn restore_as(
        &self,
        source: &Source,
        to: &Api,
        settings: Value,
        (verb, subject): (&'static str, &str),
        run: &Run,
    ) -> Result<Operation<Restored>> {
        let Some(backup) = &source.backup else {
            // gcloud refuses settings for a run too: <https://cloud.google.com/sdk/gcloud/reference/sql/backups/restore>.
            let reason = "Google shows no backup of the project for it, and makes new instances of those only";
            let hint = format!("make an instance, and restore onto it: `snapkeep show {subject}` has the commands");
            return Err(self.home.error(ErrorKind::Unsupported, verb, subject, reason).with_hint(hint));
        };
        let ask = Ask {
            at: to,
            makes: Some(to),
            action: "restoreBackup",
            body: json!({ "backup": backup, "restoreInstanceSettings": settings }),
            is_it: &|operation| matches!(&*operation.operation_type, "RESTORE_VOLUME" | "CREATE"),
            verb,
            subject,
        };
        let begun = self.begin(ask, run).await?;
        self.restoring(to, &begun)
    }

    /// What is restored onto an instance that is there.
    fn body(&self, source: &Source) -> Value {
        match &source.record.address {
            Address::Project(backup) => json!({ "backup": backup }),
            Address::Run(run) => {
                let Home { project, instance, .. } = &self.home;
                json!({ "restoreBackupContext": { "backupRunId": run, "instanceId": instance, "project": project } })
            }
        }
    }

    async fn restore_in_place(&self, source: &Source, subject: &str, run: &Run) -> Result<Operation<Restored>> {
        let instance = self.api.instance().await.or_error(&self.home, VERB, subject)?;
        let instance = instance.ok_or_else(|| self.no_instance(VERB))?;
        self.refuse_in_place(source, &instance, subject)?;
        let ask = Ask {
            at: &self.api,
            action: "restoreBackup",
            makes: None,
            body: self.body(source),
            is_it: &|operation| operation.operation_type == "RESTORE_VOLUME",
            verb: VERB,
            subject,
        };
        let begun = self.begin(ask, run).await?;
        self.restoring(&self.api, &begun)
    }

    /// What Google would find out late, or not say plainly.
    fn refuse_in_place(&self, source: &Source, instance: &Instance, subject: &str) -> Result<()> {
        let Home { project, instance: name, .. } = &self.home;
        let refuse =
            |kind, reason: String, hint: String| Err(self.home.error(kind, VERB, subject, reason).with_hint(hint));
        if instance.is_stopped() {
            return refuse(ErrorKind::Failed, "the instance is stopped".into(), self.start_command());
        }
        if instance.state != "RUNNABLE" {
            let hint = format!("look at it: gcloud sql instances describe {name} --project {project}");
            return refuse(ErrorKind::Busy, format!("the instance is {}", instance.state), hint);
        }
        if instance.instance_type.as_deref() == Some("READ_REPLICA_INSTANCE") {
            let hint = format!("restore into a new one: `snapkeep restore {subject} --to NAME`");
            return refuse(ErrorKind::Unsupported, "it is a replica, and follows its primary".into(), hint);
        }
        if let [first, others @ ..] = &*instance.replica_names {
            let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            let reason =
                format!("it has the replica {first}{more}, which a restore doesn't reach: delete replicas first");
            return refuse(
                ErrorKind::Refused,
                reason,
                format!("gcloud sql instances delete {} --project {project}", shell_word(first)),
            );
        }
        let version = source
            .record
            .database_version
            .as_deref()
            .filter(|version| !same_major(version, &instance.database_version));
        if let Some(version) = version {
            let (of, now) = (engine_and_version(version), engine_and_version(&instance.database_version));
            let reason = format!("the backup is of {of}, and the instance is {now}");
            let hint = format!("restore into a new one: `snapkeep restore {subject} --to NAME`");
            return refuse(ErrorKind::Unsupported, reason, hint);
        }
        let then = source.instance.as_ref().and_then(Instance::disk_gb);
        if let (Some(then), Some(now)) = (then, instance.disk_gb())
            && now < then
        {
            let reason = format!("the instance's disk has {now} GB, and the backup is of one with {then} GB");
            let hint = format!("gcloud sql instances patch {name} --storage-size={then} --project {project}");
            return refuse(ErrorKind::Unsupported, reason, hint);
        }
        Ok(())
    }

    pub(super) async fn begin_clone(
        &self,
        time: DateTime<Utc>,
        request: &RestoreRequest,
        run: &Run,
    ) -> Result<Operation<Restored>> {
        let home = &self.home;
        let moment = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let subject = format!("{} to {moment}", home.target);
        let RestoreTo::New(name) = &request.to else {
            let error =
                home.error(ErrorKind::Unsupported, VERB, &subject, "a moment is restored into a new instance only");
            return Err(error.with_hint("give a new name with `--to NAME`"));
        };
        let to = self.destination(&subject, name)?;
        let context = options::clone_context(&to.instance, &request.options);
        let mut context = context.map_err(|reason| home.error(ErrorKind::Usage, VERB, &subject, reason))?;
        context.insert("pointInTime".into(), moment.into());
        if to.project != home.project {
            context.insert("destinationProject".into(), to.project.as_str().into());
        }
        self.refuse_moment(time, &subject).await?;
        let ask = Ask {
            at: &self.api,
            action: "clone",
            body: json!({ "cloneContext": context }),
            makes: Some(&to),
            is_it: &|operation| matches!(&*operation.operation_type, "CLONE" | "CREATE_CLONE" | "CREATE"),
            verb: VERB,
            subject: &subject,
        };
        let begun = self.begin(ask, run).await?;
        self.restoring(&to, &begun)
    }

    /// Refuses a moment that the instance has no log of.
    async fn refuse_moment(&self, time: DateTime<Utc>, subject: &str) -> Result<()> {
        let home = &self.home;
        let instance = self.api.instance().await.or_error(home, VERB, subject)?;
        let instance = instance.ok_or_else(|| self.no_instance(VERB))?;
        let logs = ["/backupConfiguration/pointInTimeRecoveryEnabled", "/backupConfiguration/binaryLogEnabled"];
        if !logs.iter().any(|path| instance.has(path)) {
            let Home { project, instance: name, .. } = home;
            let reason = "point-in-time recovery is off for the instance";
            let is_mysql = instance.database_version.starts_with("MYSQL");
            let switch = if is_mysql { "--enable-bin-log" } else { "--enable-point-in-time-recovery" };
            let hint = format!(
                "choose a snapshot: `snapkeep list {}`; for later: gcloud sql instances patch {name} {switch} --project {project}",
                home.target
            );
            return Err(home.error(ErrorKind::Unsupported, VERB, subject, reason).with_hint(hint));
        }
        let times = self.api.recovery_times().await.or_error(home, VERB, subject)?;
        let out_of_reach = |which: &str, moment: DateTime<Utc>| {
            let moment = moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            let reason = format!("the {which} moment that Google can restore is {moment}");
            let hint = format!("choose a snapshot: `snapkeep list {}`", home.target);
            Err(home.error(ErrorKind::NotFound, VERB, subject, reason).with_hint(hint))
        };
        if let Some(latest) = times.latest_recovery_time.filter(|latest| time > *latest) {
            return out_of_reach("latest", latest);
        }
        if let Some(earliest) = times.earliest_recovery_time.filter(|earliest| time < *earliest) {
            return out_of_reach("earliest", earliest);
        }
        Ok(())
    }

    /// `NAME`, or `PROJECT/NAME`.
    fn destination(&self, subject: &str, text: &str) -> Result<Api> {
        let (project, name) = text.rsplit_once('/').unwrap_or((&self.home.project, text));
        if !is_instance(name) || !is_project(project) {
            let reason = format!("{text:?} can't be the name of an instance");
            return Err(self
                .home
                .error(ErrorKind::Usage, VERB, subject, reason)
                .with_hint("use small letters, digits and hyphens, a letter first; of another project PROJECT/NAME"));
        }
        Ok(self.api.at(project, name))
    }

    pub(super) async fn refuse_taken(&self, to: &Api, verb: &str, subject: &str) -> Result<()> {
        let found = to.instance().await.or_error(&self.home, verb, subject);
        let found = found.map_err(|error| match error.kind() {
            ErrorKind::Permission if to.project != self.home.project => error.with_hint(format!(
                "look at the project {}, and at the role there: see docs/gcp.md#permissions",
                to.project
            )),
            _ => error,
        });
        if found?.is_none() {
            return Ok(());
        }
        let reason = format!("there is an instance {} already", to.instance);
        let hint = "choose another name with `--to NAME`";
        Err(self.home.error(ErrorKind::Refused, verb, subject, reason).with_hint(hint))
    }

    fn restoring(&self, to: &Api, begun: &wire::Operation) -> Result<Operation<Restored>> {
        let elsewhere = if to.project == self.home.project { String::new() } else { format!("{}/", to.project) };
        let place = format!("{elsewhere}{}", to.instance);
        let id = OperationId::of_restore(&format!("{place}/{}", begun.name));
        Ok(self.progress_of_restore(id, place, begun))
    }

    fn progress_of_restore(&self, id: OperationId, to: String, operation: &wire::Operation) -> Operation<Restored> {
        let Home { instance, project, .. } = &self.home;
        let mut warnings = Vec::new();
        if to == *instance {
            // <https://cloud.google.com/sql/docs/mysql/backup-recovery/restoring>
            warnings.push(format!(
                "Google sets the instance's own backups to its defaults after a restore, look at them: gcloud sql instances describe {instance} --project {project} --format='yaml(settings.backupConfiguration)'"
            ));
        }
        self.progress_of(VERB, id, operation, Restored { to, warnings })
    }

    /// By `INSTANCE/OPERATION`, of another project `PROJECT/INSTANCE/OPERATION`.
    pub(super) async fn look_at_restore(&self, operation: &OperationId) -> Result<Operation<Restored>> {
        let subject = self.home.id(operation);
        let missing = || self.home.no_operation(&subject);
        let Work::Restore(name) = operation.work() else { return Err(missing()) };
        let (place, name) = name.rsplit_once('/').ok_or_else(missing)?;
        let to = self.destination(&subject, place).map_err(|_| missing())?;
        if !is_possible(name) {
            return Err(missing());
        }
        let mut found = to.operation(name).await.or_error(&self.home, "look at", &subject)?;
        if found.is_none() && to.project != self.home.project {
            // That of a clone may be where its source is.
            found = self.api.operation(name).await.or_error(&self.home, "look at", &subject)?;
        }
        let found = found.filter(|found| is_of(found, &to, &self.api)).ok_or_else(missing)?;
        Ok(self.progress_of_restore(operation.clone(), place.to_owned(), &found))
    }
}

/// Whether an operation is one that brings back data there, as far as it tells: a clone may name its source.
fn is_of(operation: &wire::Operation, to: &Api, source: &Api) -> bool {
    let is_clone = match &*operation.operation_type {
        "CLONE" | "CREATE_CLONE" => true,
        "RESTORE_VOLUME" | "CREATE" => false,
        _ => return false,
    };
    let on = |target: &str| target == to.instance || is_clone && target == source.instance;
    operation.target_id.as_deref().is_none_or(on)
}

/// Whether a backup of one can be restored onto the other: `MYSQL_8_0_31` and `MYSQL_8_0`.
fn same_major(a: &str, b: &str) -> bool {
    let major = |version: &str| {
        let numbers = if version.starts_with("MYSQL") { 3 } else { 2 };
        version.split('_').take(numbers).collect::<Vec<_>>().join("_")
    };
    match (a.starts_with("SQLSERVER"), b.is_empty()) {
        (_, true) => true,
        (true, _) => a == b,
        (false, _) => major(a) == major(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_fits_an_instance_of_its_major_version() {
        for (a, b, fits) in [
            ("POSTGRES_15", "POSTGRES_15", true),
            ("POSTGRES_15", "POSTGRES_16", false),
            ("MYSQL_8_0_31", "MYSQL_8_0_40", true),
            ("MYSQL_8_0", "MYSQL_8_4", false),
            ("MYSQL_8_0", "POSTGRES_15", false),
            ("SQLSERVER_2019_STANDARD", "SQLSERVER_2019_WEB", false),
            ("POSTGRES_15", "", true),
        ] {
            assert_eq!(same_major(a, b), fits, "{a} {b}");
        }
    }
}
