//! Exports to S3 as Parquet: begun once for a snapshot and place, and found again by whoever asks.
//!
//! AWS writes one at a time for a snapshot, and five for an account:
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.html>.

use aws_sdk_rds::types::ExportTask;

use super::RdsProvider;
use super::api::{Api, PAGE, Pages};
use super::fault::{Called, Fault, OrError, none_if_missing};
use crate::error::{ErrorKind, Result};
use crate::model::{
    ExportOf, ExportRequest, Exported, NativeId, Operation, OperationId, OperationState, SnapshotState, Work, Worker,
};
use crate::random;

const GIB: u64 = 1 << 30;

/// A place in S3.
struct Place {
    bucket: String,
    prefix: String,
}

impl Place {
    fn parse(url: &str) -> Option<Self> {
        let (bucket, prefix) = url.strip_prefix("s3://")?.split_once('/').unwrap_or((&url["s3://".len()..], ""));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let fits = (3..=63).contains(&bucket.len()) && bucket.bytes().all(plain) && !prefix.contains(char::is_control);
        fits.then(|| Self { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    }

    fn url(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{}", self.bucket, self.prefix)
    }

    fn of(task: &ExportTask) -> Self {
        let prefix = task.s3_prefix().unwrap_or_default().trim_matches('/').to_owned();
        Self { bucket: task.s3_bucket().unwrap_or_default().to_owned(), prefix }
    }
}

impl RdsProvider {
    /// Refuses what RDS has no way to do; gives the snapshot.
    pub(super) fn refuse_export<'o>(&self, of: &'o ExportOf, request: &ExportRequest) -> Result<&'o NativeId> {
        let target = &self.home.target;
        let refuse =
            |kind, reason: &str, hint: String| Err(self.home.error(kind, "export", target, reason).with_hint(hint));
        match of {
            ExportOf::Now => {
                let reason = "RDS exports snapshots, and not a database as it is now";
                refuse(
                    ErrorKind::Unsupported,
                    reason,
                    format!("name one: `snapkeep export {target}/latest --to {}`", request.to),
                )
            }
            ExportOf::Snapshot(_) if !request.databases.is_empty() || request.worker == Worker::Serverless => {
                let reason = "RDS exports the whole of a snapshot, and always beside the database";
                refuse(ErrorKind::Usage, reason, "leave out `--database` and `--serverless`".into())
            }
            ExportOf::Snapshot(id) => Ok(id),
        }
    }

    pub(super) async fn begin_export(&self, id: &NativeId, request: &ExportRequest) -> Result<Operation<Exported>> {
        let home = &self.home;
        let subject = home.id(id);
        let wrong = |reason: String| home.error(ErrorKind::Usage, "export", &subject, reason);
        let place = Place::parse(&request.to).ok_or_else(|| {
            wrong(format!("{:?} is no place in S3", request.to))
                .with_hint("write `--to s3://BUCKET/PREFIX`; a bucket has 3 to 63 letters, digits, dots and hyphens")
        })?;
        let (role, key) = self.role_and_key(&subject, request)?;
        let (api, record) = self.find("export", id).await?;
        if record.state() != SnapshotState::Available {
            return Err(home.error(ErrorKind::Busy, "export", &subject, format!("it is {}", record.status)));
        }
        let known = tasks(&api, None, Some(&record.arn)).await.or_error(home, "export", &subject)?;
        let same = |task: &&ExportTask| Place::of(task).url() == place.url() && !has_failed(task);
        if let Some(task) = known.iter().find(same) {
            return Ok(self.exported(&api, task).found());
        }
        let name = format!("sk-{}", random::letters(16));
        let call = api
            .clients
            .rds
            .start_export_task()
            .export_task_identifier(&name)
            .source_arn(&record.arn)
            .s3_bucket_name(&place.bucket)
            .set_s3_prefix(Some(place.prefix.clone()).filter(|prefix| !prefix.is_empty()))
            .iam_role_arn(role)
            .kms_key_id(key);
        let task = match call.send().await.map_err(|error| Fault::of("StartExportTask", error)) {
            // The answer was lost, and the SDK has asked again.
            Err(fault) if fault.is_taken() => {
                let found = tasks(&api, Some(&name), None).await.unwrap_or_default();
                found.into_iter().next().ok_or_else(|| fault.into_error(home, "export", &subject))?
            }
            begun => task_of(begun.or_error(home, "export", &subject)?),
        };
        Ok(self.exported(&api, &task))
    }

    /// What the export is written with: as asked for, else by the config.
    fn role_and_key(&self, subject: &str, request: &ExportRequest) -> Result<(String, String)> {
        let home = &self.home;
        let wrong = |reason: String| home.error(ErrorKind::Usage, "export", subject, reason);
        let settings = self.settings.export.as_ref();
        let needed = |asked: &Option<String>, own: Option<&String>, what: &str, flag: &str| {
            asked.clone().or(own.cloned()).ok_or_else(|| {
                let hint =
                    format!("name it: `--{}`, or {flag} in [targets.{}.export]", flag.replace('_', "-"), home.target);
                wrong(format!("RDS needs {what}")).with_hint(hint)
            })
        };
        let role = needed(
            &request.iam_role_arn,
            settings.map(|own| &own.iam_role_arn),
            "a role to write with",
            "iam_role_arn",
        )?;
        let key =
            needed(&request.kms_key_id, settings.map(|own| &own.kms_key_id), "a KMS key for the files", "kms_key_id")?;
        Ok((role, key))
    }

    pub(super) async fn look_at_export(&self, operation: &OperationId) -> Result<Operation<Exported>> {
        let subject = self.home.id(operation);
        let missing = || self.home.error(ErrorKind::NotFound, "find", &subject, "there is no such operation");
        let Work::Export(name) = operation.work() else { return Err(missing()) };
        for api in self.regions() {
            let found = none_if_missing(tasks(&api, Some(name), None).await);
            let found = found.or_error(&self.home, "look at", &subject)?;
            if let Some(task) = found.iter().find(|task| task.export_task_identifier() == Some(name)) {
                return Ok(self.exported(&api, task));
            }
        }
        Err(missing())
    }

    fn exported(&self, api: &Api, task: &ExportTask) -> Operation<Exported> {
        let name = task.export_task_identifier().unwrap_or_default();
        let id = OperationId::of_export(name);
        let status = task.status().unwrap_or_default();
        let snapshot = task.source_arn().and_then(|arn| arn.splitn(7, ':').nth(6)).map(NativeId::new);
        let exported = Exported {
            name: name.to_owned(),
            snapshot,
            to: Place::of(task).url(),
            provider_state: status.to_ascii_lowercase(),
            size_bytes: task
                .total_extracted_data_in_gb()
                .and_then(|size| u64::try_from(size).ok())
                .filter(|size| *size > 0)
                .map(|size| size * GIB),
            warnings: task.warning_message().map(str::to_owned).into_iter().collect(),
        };
        let state = match status.to_ascii_uppercase().as_str() {
            "COMPLETE" => OperationState::Done(exported),
            _ if has_failed(task) => {
                let cause = task.failure_cause().unwrap_or("AWS tells no cause");
                let reason = format!("the export is {}", status.to_ascii_lowercase());
                let error = self.home.error(ErrorKind::Failed, "export", self.home.id(&id), reason);
                OperationState::Failed(error.with_source(cause.to_owned()).with_hint(format!(
                    "see whether the role may write there: aws rds describe-export-tasks --export-task-identifier {name} --region {}",
                    api.region
                )))
            }
            _ => OperationState::Running {
                so_far: Some(exported),
                percent: task.percent_progress().and_then(|percent| u8::try_from(percent).ok()),
            },
        };
        Operation::begun(id, state)
    }
}

/// The export tasks of a name, or of a snapshot.
async fn tasks(api: &Api, name: Option<&str>, source_arn: Option<&str>) -> Called<Vec<ExportTask>> {
    let mut found = Vec::new();
    let mut pages = Pages::of("DescribeExportTasks");
    loop {
        let call = api
            .clients
            .rds
            .describe_export_tasks()
            .set_export_task_identifier(name.map(str::to_owned))
            .set_source_arn(source_arn.map(str::to_owned))
            .max_records(PAGE)
            .set_marker(pages.marker());
        let answer = call.send().await.map_err(|error| Fault::of("DescribeExportTasks", error))?;
        found.extend(answer.export_tasks.unwrap_or_default());
        if pages.end_with(answer.marker)? {
            return Ok(found);
        }
    }
}

/// What `StartExportTask` answers is a task, by another type.
fn task_of(answer: aws_sdk_rds::operation::start_export_task::StartExportTaskOutput) -> ExportTask {
    ExportTask::builder()
        .set_export_task_identifier(answer.export_task_identifier)
        .set_source_arn(answer.source_arn)
        .set_s3_bucket(answer.s3_bucket)
        .set_s3_prefix(answer.s3_prefix)
        .set_status(answer.status)
        .set_percent_progress(answer.percent_progress)
        .set_total_extracted_data_in_gb(answer.total_extracted_data_in_gb)
        .set_failure_cause(answer.failure_cause)
        .set_warning_message(answer.warning_message)
        .build()
}

fn has_failed(task: &ExportTask) -> bool {
    let status = task.status().unwrap_or_default().to_ascii_uppercase();
    ["FAILED", "CANCELED", "CANCELING"].contains(&status.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_s3_is_a_bucket_and_a_prefix() {
        let url = |text: &str| Place::parse(text).map(|place| place.url());
        assert_eq!(url("s3://bucket"), Some("s3://bucket".into()));
        assert_eq!(url("s3://bucket/a/b/"), Some("s3://bucket/a/b".into()));
        for wrong in ["", "bucket", "s3://", "s3:///a", "s3://b u", "https://bucket", "s3://a\nb/c"] {
            assert_eq!(url(wrong), None, "{wrong:?}");
        }
    }
}
