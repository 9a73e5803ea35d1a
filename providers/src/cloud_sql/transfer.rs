//! Exports and imports of SQL, to and from Cloud Storage. Cloud SQL reads and writes there itself, as the instance's own service
//! account: <https://cloud.google.com/sql/docs/mysql/import-export>.

use serde_json::{Value, json};

use super::api::is_possible;
use super::begin::Ask;
use super::fault::OrError;
use super::wire::{self, Instance, Transfer};
use super::{CloudSqlProvider, Home};
use crate::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    ExportOf, ExportRequest, Exported, ImportRequest, Imported, NativeId, Operation, OperationId, OperationState, Work,
    Worker,
};
use crate::shell::shell_word;

const EXPORT: &str = "export";
const IMPORT: &str = "import into";

impl CloudSqlProvider {
    pub(super) async fn begin_export(
        &self,
        of: &ExportOf,
        request: &ExportRequest,
        run: &Run,
    ) -> Result<Operation<Exported>> {
        let subject = self.home.target.to_string();
        if let ExportOf::Snapshot(id) = of {
            return Err(self.no_export_of(id, request));
        }
        if request.iam_role_arn.is_some() || request.kms_key_id.is_some() {
            let reason = "Cloud SQL writes as the instance's own service account, and with the bucket's own key";
            let error = self.home.error(ErrorKind::Usage, EXPORT, &subject, reason);
            return Err(error.with_hint("leave out `--iam-role-arn` and `--kms-key-id`"));
        }
        let uri = self.place(EXPORT, &subject, &request.to)?;
        let instance = self.running(EXPORT, &subject).await?;
        let file_type = self.file_type(&instance, &request.databases, &subject)?;
        let context = json!({
            "uri": uri, "fileType": file_type, "databases": request.databases,
            "offload": request.worker == Worker::Serverless,
        });
        if let Some(going) = self.going_export(uri, &subject).await? {
            return Ok(self.progress_of_export(OperationId::of_export(&going.name), &going).found());
        }
        let body = json!({ "exportContext": context });
        let is_it =
            |operation: &wire::Operation| is_transfer(operation, "EXPORT", operation.export_context.as_ref(), uri);
        let ask =
            Ask { at: &self.api, action: "export", body, makes: None, is_it: &is_it, verb: EXPORT, subject: &subject };
        let begun = self.begin(ask, run).await?;
        let id = OperationId::of_export(&begun.name);
        let begun =
            wire::Operation { export_context: Some(Transfer { uri: Some(uri.into()), database: None }), ..begun };
        Ok(self.progress_of_export(id, &begun))
    }

    /// Cloud SQL has no way to read a backup but to restore it.
    fn no_export_of(&self, id: &NativeId, request: &ExportRequest) -> Error {
        let subject = self.home.id(id);
        let reason = "Cloud SQL exports an instance as it is now, and no backup";
        let databases: String =
            request.databases.iter().map(|name| format!(" --database {}", shell_word(name))).collect();
        let hint = format!(
            "export what is there now: `snapkeep export {} --to {}{databases}`; of the backup: `snapkeep restore {subject} --to NAME`, then export that",
            self.home.target,
            shell_word(&request.to)
        );
        self.home.error(ErrorKind::Unsupported, EXPORT, subject, reason).with_hint(hint)
    }

    /// One to the same file that goes on.
    async fn going_export(&self, uri: &str, subject: &str) -> Result<Option<wire::Operation>> {
        let operations = self.api.operations().await.or_error(&self.home, EXPORT, subject)?;
        let same = |operation: &wire::Operation| {
            let told = operation.export_context.as_ref();
            !operation.is_over() && told.is_some() && is_transfer(operation, "EXPORT", told, uri)
        };
        Ok(operations.into_iter().find(same))
    }

    /// What the engine's files are, refused where Google would refuse the databases late.
    fn file_type(&self, instance: &Instance, databases: &[String], subject: &str) -> Result<&'static str> {
        let needs_one = |engine: &str| {
            let reason = format!("of {engine} one database is exported at a time");
            let error = self.home.error(ErrorKind::Usage, EXPORT, subject, reason);
            Err(error.with_hint("name it: `--database NAME`"))
        };
        match &*instance.database_version {
            version if version.starts_with("POSTGRES") && databases.len() != 1 => needs_one("PostgreSQL"),
            version if version.starts_with("SQLSERVER") && databases.len() != 1 => needs_one("SQL Server"),
            version if version.starts_with("SQLSERVER") => Ok("BAK"),
            _ => Ok("SQL"),
        }
    }

    pub(super) async fn begin_import(&self, request: &ImportRequest, run: &Run) -> Result<Operation<Imported>> {
        let subject = self.home.target.to_string();
        let uri = self.place(IMPORT, &subject, &request.from)?;
        let instance = self.running(IMPORT, &subject).await?;
        let is_bak = instance.database_version.starts_with("SQLSERVER");
        let mut context = json!({ "uri": uri, "fileType": if is_bak { "BAK" } else { "SQL" } });
        let optional = [("database", &request.database), ("importUser", &request.user)];
        for (name, value) in optional {
            if let Some(value) = value {
                context[name] = Value::from(value.as_str());
            }
        }
        let body = json!({ "importContext": context });
        let is_it =
            |operation: &wire::Operation| is_transfer(operation, "IMPORT", operation.import_context.as_ref(), uri);
        let ask =
            Ask { at: &self.api, action: "import", body, makes: None, is_it: &is_it, verb: IMPORT, subject: &subject };
        let begun = self.begin(ask, run).await?;
        let id = OperationId::of_import(&begun.name);
        let read = Transfer { uri: Some(uri.into()), database: request.database.clone() };
        Ok(self.progress_of_import(id, &wire::Operation { import_context: Some(read), ..begun }))
    }

    /// The instance, which must run.
    async fn running(&self, verb: &str, subject: &str) -> Result<Instance> {
        let instance = self.api.instance().await.or_error(&self.home, verb, subject)?;
        let instance = instance.ok_or_else(|| self.no_instance(verb))?;
        if instance.is_stopped() {
            let error = self.home.error(ErrorKind::Failed, verb, subject, "the instance is stopped");
            return Err(error.with_hint(self.start_command()));
        }
        Ok(instance)
    }

    fn place<'u>(&self, verb: &str, subject: &str, url: &'u str) -> Result<&'u str> {
        let place = url.strip_prefix("gs://").and_then(|place| place.split_once('/'));
        match place {
            Some((bucket, object)) if !bucket.is_empty() && !object.is_empty() && !url.contains(char::is_control) => {
                Ok(url)
            }
            _ => {
                let reason = format!("{url:?} is no file in Cloud Storage");
                let error = self.home.error(ErrorKind::Usage, verb, subject, reason);
                Err(error.with_hint("write gs://BUCKET/FILE.sql.gz; with .gz at its end it is compressed"))
            }
        }
    }

    pub(super) async fn look_at_export(&self, operation: &OperationId) -> Result<Operation<Exported>> {
        let found = match operation.work() {
            Work::Export(name) => self.transfer(operation, name, "EXPORT").await?,
            _ => return Err(self.home.no_operation(&self.home.id(operation))),
        };
        Ok(self.progress_of_export(operation.clone(), &found))
    }

    pub(super) async fn look_at_import(&self, operation: &OperationId) -> Result<Operation<Imported>> {
        let found = match operation.work() {
            Work::Import(name) => self.transfer(operation, name, "IMPORT").await?,
            _ => return Err(self.home.no_operation(&self.home.id(operation))),
        };
        Ok(self.progress_of_import(operation.clone(), &found))
    }

    async fn transfer(&self, id: &OperationId, name: &str, kind: &str) -> Result<wire::Operation> {
        let subject = self.home.id(id);
        if !is_possible(name) {
            return Err(self.home.no_operation(&subject));
        }
        let found = self.api.operation(name).await.or_error(&self.home, "look at", &subject)?;
        found.filter(|found| found.operation_type == kind).ok_or_else(|| self.home.no_operation(&subject))
    }

    fn progress_of_export(&self, id: OperationId, operation: &wire::Operation) -> Operation<Exported> {
        let to = operation.export_context.as_ref().and_then(|context| context.uri.clone()).unwrap_or_default();
        let exported = Exported {
            name: operation.name.clone(),
            snapshot: None,
            to,
            provider_state: operation.status.clone(),
            size_bytes: None,
            warnings: Vec::new(),
        };
        self.with_access(self.progress_of(EXPORT, id, operation, exported), operation, "objectAdmin")
    }

    fn progress_of_import(&self, id: OperationId, operation: &wire::Operation) -> Operation<Imported> {
        let Transfer { uri, database } = operation.import_context.clone().unwrap_or_default();
        let database = database.filter(|database| !database.is_empty());
        let imported = Imported { from: uri.unwrap_or_default(), database, warnings: Vec::new() };
        self.with_access(self.progress_of(IMPORT, id, operation, imported), operation, "objectViewer")
    }

    /// Says who must be let into the bucket, where that is what went wrong.
    fn with_access<T>(&self, followed: Operation<T>, operation: &wire::Operation, role: &str) -> Operation<T> {
        let OperationState::Failed(error) = followed.state else { return followed };
        let denied = operation.troubles().is_some_and(|words| words.to_ascii_lowercase().contains("permission"));
        let Home { instance, project, .. } = &self.home;
        let hint = || {
            format!(
                "give roles/storage.{role} on the bucket to the instance's own account, which this tells: gcloud sql instances describe {instance} --project {project} --format='value(serviceAccountEmailAddress)'"
            )
        };
        let state = OperationState::Failed(if denied { error.with_hint(hint()) } else { error });
        Operation { state, ..followed }
    }

    /// How far the cloud is with what makes `result`.
    pub(super) fn progress_of<T>(
        &self,
        verb: &str,
        id: OperationId,
        operation: &wire::Operation,
        result: T,
    ) -> Operation<T> {
        let state = match (operation.troubles(), operation.is_over()) {
            (Some(troubles), _) => OperationState::Failed(self.operation_failed(verb, &self.home.id(&id), troubles)),
            (None, true) => OperationState::Done(result),
            (None, false) => OperationState::Running { so_far: Some(result), percent: None },
        };
        Operation::begun(id, state)
    }
}

/// Whether an operation is the transfer of that file, as far as it tells.
fn is_transfer(operation: &wire::Operation, kind: &str, told: Option<&Transfer>, uri: &str) -> bool {
    let other = told.and_then(|transfer| transfer.uri.as_deref()).is_some_and(|told| told != uri);
    operation.operation_type == kind && !other
}
