//! PostgreSQL's long-term backups: Azure writes them as files into a container of ours, and keeps a record of them.
//!
//! They outlive the server's retention. Azure neither restores nor deletes one by its API: so they are exports, and are listed only
//! where everything is.
//! <https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-backup-restore#long-term-retention>

use std::cmp::Reverse;
use std::sync::Arc;

use chrono::Utc;
use url::Url;

use super::FlexibleProvider;
use super::wire::{LongTerm, LongTermProperties};
use crate::azure::begin::{Begun, Standing};
use crate::azure::fault::{OrError, into_error};
use crate::azure::names::{self, Named, is_backup};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Details, ExportOf, ExportRequest, Exported, Listing, NativeId, Operation, OperationId, OperationState, Origin,
    Snapshot, SnapshotId, SnapshotState, Tags, Work, Worker,
};

const VERB: &str = "export";

impl FlexibleProvider {
    /// Long-term backups beside the others. Where none can be had, as no container is named, nobody is asked.
    pub(super) async fn add_long_term(&self, listing: &mut Listing) {
        if self.container.is_none() {
            return;
        }
        let subject = format!("long-term backups of {}", self.home.target);
        match self.api.long_term_backups().await.or_error(&self.home, "list", &subject) {
            Ok(found) => listing.snapshots.extend(found.into_iter().filter_map(|found| self.as_snapshot(found))),
            Err(problem) => listing.problems.push(problem),
        }
        listing.snapshots.sort_by_key(|snapshot| Reverse(snapshot.created_at));
    }

    fn as_snapshot(&self, found: LongTerm) -> Option<Snapshot> {
        let LongTerm { name, properties } = found;
        let native = NativeId::new(properties.backup_name.or(name)?);
        let status = properties.status.unwrap_or_default();
        let target = self.home.target.clone();
        Some(Snapshot {
            id: SnapshotId { target: target.clone(), native: native.clone() },
            native_id: native,
            target,
            provider: self.home.provider.into(),
            origin: Origin::Automated,
            state: match status.to_ascii_lowercase().as_str() {
                "succeeded" => SnapshotState::Available,
                "running" => SnapshotState::Pending,
                "failed" | "cancelled" | "canceled" => SnapshotState::Failed,
                _ => SnapshotState::Unknown,
            },
            provider_state: Some(status.into()),
            created_at: properties.start_time,
            completed_at: properties.end_time,
            size_bytes: properties.data_transferred_in_bytes,
            engine: Some(self.flavor.engine().into()),
            engine_version: None,
            location: None,
            encrypted: None,
            key: None,
            hold: None,
            verified: None,
            expires_at: None,
            tags: Arc::new(Tags::new()),
            locked_until: None,
        })
    }

    pub(super) async fn begin_long_term(&self, of: &ExportOf, request: &ExportRequest) -> Result<Operation<Exported>> {
        let (home, subject) = (&self.home, self.home.target.to_string());
        let container = self.container_of(of, request).await?;
        let going = self.api.long_term_backups().await.or_error(home, VERB, &subject)?.into_iter().find(|found| {
            let name = found.properties.backup_name.as_ref().or(found.name.as_ref());
            let own = name.and_then(|name| Named::parse(name)).is_some_and(|named| named.is_of(&home.target));
            own && is_running(&found.properties)
        });
        if let Some(name) = going.and_then(|found| found.properties.backup_name.or(found.name)) {
            return self.look_at_long_term(&OperationId::of_export(&name)).await.map(Operation::found);
        }
        if let Some(going) = self.going_export().await? {
            return Ok(going.found());
        }
        let name = names::of_backup(&home.target, None, Utc::now());
        let prepared = self.api.prepare_long_term(&name).await.or_error(home, VERB, &subject)?;
        let containers = prepared.pointer("/properties/numberOfContainers").and_then(serde_json::Value::as_u64);
        if let Some(containers) = containers.filter(|containers| *containers > 1) {
            let reason =
                format!("Azure wants {containers} containers for a server of this size, and one is configured");
            return Err(home.error(ErrorKind::Unsupported, VERB, &subject, reason));
        }
        let id = OperationId::of_export(&name);
        let begun = self.desk.begin((id.as_str(), None), self.api.start_long_term(&name, &container)).await?;
        match begun {
            Ok(Begun::Runs(asked)) => Ok(self.exporting(id, &name, None).again_in(asked)),
            Ok(Begun::Done | Begun::Lost) => {
                let looked = self.look_at_long_term(&id).await;
                Ok(looked.unwrap_or_else(|_| self.exporting(id, &name, None)))
            }
            Err(fault) => {
                let said = fault.to_string();
                let hidden = without(&said, &container);
                let error = into_error(fault, home, VERB, &subject);
                Err(if said == hidden { error } else { error.with_source(hidden) })
            }
        }
    }

    /// One that was asked for here and is not in Azure's list yet.
    async fn going_export(&self) -> Result<Option<Operation<Exported>>> {
        for name in self.desk.bookmarks.names().await? {
            let id = OperationId::new(name);
            let Work::Export(export) = id.work() else { continue };
            if !Named::parse(export).is_some_and(|named| named.is_of(&self.home.target)) {
                continue;
            }
            match self.look_at_long_term(&id).await {
                Ok(going @ Operation { state: OperationState::Running { .. }, .. }) => return Ok(Some(going)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// One long-term backup, where there is one of that name; else the `error` of there being none.
    pub(super) async fn long_term_details(&self, id: &NativeId, error: Error) -> Result<Details> {
        if self.container.is_none() || !is_backup(id.as_str()) {
            return Err(error);
        }
        let found = self.api.long_term_backup(id.as_str()).await.or_error(&self.home, "read", self.home.id(id))?;
        let Some((found, snapshot)) = found.and_then(|found| Some((found.clone(), self.as_snapshot(found)?))) else {
            return Err(error);
        };
        let record = serde_json::json!({ "name": found.name, "status": found.properties.status });
        let by_hand = vec!["# its files are in the long-term container: restore them with pg_restore".to_owned()];
        Ok(Details { snapshot, record, by_hand })
    }

    /// The address with its signature, where the request is one that Azure can do.
    async fn container_of(&self, of: &ExportOf, request: &ExportRequest) -> Result<String> {
        let (home, target) = (&self.home, &self.home.target);
        let refuse = |kind, reason: &str, hint: String| Err(home.error(kind, VERB, target, reason).with_hint(hint));
        if let ExportOf::Snapshot(id) = of {
            let hint = format!("export what is there now: `snapkeep export {target} --to {}`", request.to);
            return refuse(ErrorKind::Unsupported, &format!("Azure exports a server as it is now, and not {id}"), hint);
        }
        let Some((reference, base)) = &self.container else {
            let hint = match self.flavor {
                super::Flavor::Mysql => "dump it: a target with provider = \"mysql\" and a store".to_owned(),
                super::Flavor::Postgresql => format!(
                    "give [targets.{target}] `long_term_container`, a container's address with a signature, by reference"
                ),
            };
            return refuse(ErrorKind::Unsupported, "there is nowhere for Azure to write a long-term backup", hint);
        };
        let unused = request.iam_role_arn.is_some()
            || request.kms_key_id.is_some()
            || !request.databases.is_empty()
            || request.worker != Worker::Usual;
        if unused {
            let hint = "leave out `--iam-role-arn`, `--kms-key-id`, `--database` and `--serverless`".to_owned();
            return refuse(ErrorKind::Usage, "Azure writes all of the server, with the signature of the config", hint);
        }
        let secret = reference.resolve(base).await?;
        let hint = || format!("look at `long_term_container` of [targets.{target}], and give `--to` the same address");
        let Ok(mut known) = Url::parse(secret.expose()) else {
            return refuse(ErrorKind::Usage, "its container's address is none", hint());
        };
        known.set_query(None);
        let asked = Url::parse(&request.to).ok();
        if asked.is_none_or(|asked| asked.as_str().trim_end_matches('/') != known.as_str().trim_end_matches('/')) {
            return refuse(ErrorKind::Usage, &format!("its container is {known}"), hint());
        }
        Ok(secret.expose().to_owned())
    }

    /// By the name of the backup.
    pub(super) async fn look_at_long_term(&self, operation: &OperationId) -> Result<Operation<Exported>> {
        let (home, subject) = (&self.home, self.home.id(operation));
        let missing = || home.no_operation(&subject);
        let Work::Export(name) = operation.work() else { return Err(missing()) };
        if !is_backup(name) || self.api.is_mysql() {
            return Err(missing());
        }
        let standing = self.desk.look(operation.as_str()).await?.or_error(home, "look at", &subject)?;
        let failed = |words: String| {
            let error = home.error(ErrorKind::Failed, VERB, &subject, "the long-term backup was begun and failed");
            Operation::begun(operation.clone(), OperationState::Failed(error.with_source(words)))
        };
        match standing {
            Standing::Runs { percent, pause } => {
                return Ok(self.exporting(operation.clone(), name, percent).again_in(pause));
            }
            Standing::Failed(words) => {
                self.desk.forget(operation.as_str()).await;
                return Ok(failed(self.hidden(words).await));
            }
            Standing::Forgotten | Standing::Over | Standing::Unseen | Standing::Never => {}
        }
        let found = self.api.long_term_backup(name).await.or_error(home, "look at", &subject)?;
        let Some(LongTerm { properties, .. }) = found else {
            return if matches!(standing, Standing::Unseen) {
                Ok(self.exporting(operation.clone(), name, None))
            } else {
                Err(missing())
            };
        };
        if is_running(&properties) {
            let percent = properties.percent_complete.map(|percent| percent.clamp(0.0, 100.0) as u8);
            return Ok(self.exporting(operation.clone(), name, percent));
        }
        self.desk.forget(operation.as_str()).await;
        match properties.status.as_deref().unwrap_or_default() {
            status if status.eq_ignore_ascii_case("succeeded") => {
                let size_bytes = properties.data_transferred_in_bytes.or(properties.datasource_size_in_bytes);
                Ok(Operation::done(operation.clone(), self.exported(name, status, size_bytes)))
            }
            status => {
                let words = [properties.error_code, properties.error_message];
                let words: Vec<String> = words.into_iter().flatten().collect();
                let words = if words.is_empty() { format!("it is {status}") } else { words.join(": ") };
                Ok(failed(self.hidden(words).await))
            }
        }
    }

    /// Azure's words without the signature that it was told.
    async fn hidden(&self, words: String) -> String {
        let Some((reference, base)) = &self.container else { return words };
        match reference.resolve(base).await {
            Ok(container) => without(&words, container.expose()),
            Err(_) => "Azure's words are left out, as the signature in them could not be told".to_owned(),
        }
    }

    fn exporting(&self, id: OperationId, name: &str, percent: Option<u8>) -> Operation<Exported> {
        let so_far = Some(self.exported(name, "Running", None));
        Operation::begun(id, OperationState::Running { so_far, percent })
    }

    fn exported(&self, name: &str, status: &str, size_bytes: Option<u64>) -> Exported {
        Exported {
            name: name.to_owned(),
            snapshot: None,
            to: "its long-term container".to_owned(),
            provider_state: status.to_owned(),
            size_bytes,
            warnings: Vec::new(),
        }
    }

    /// For `targets check`: whether Azure could make one, and what the newest is.
    pub(super) async fn check_long_term(&self) -> Option<Result<String, Error>> {
        self.container.as_ref()?;
        let subject = format!("long-term backups of {}", self.home.target);
        let found = self.api.long_term_backups().await.or_error(&self.home, "list", &subject);
        Some(found.map(|found| {
            let newest = found.iter().filter_map(|found| found.properties.end_time).max();
            match newest {
                Some(newest) => format!("{} long-term backups, the last of {}", found.len(), newest.format("%Y-%m-%d")),
                None => "no long-term backup yet".to_owned(),
            }
        }))
    }
}

/// A text without what is secret of an address: its query, and the signature in it as it may be written.
fn without(text: &str, address: &str) -> String {
    let Ok(url) = Url::parse(address) else { return text.replace(address, "***") };
    let signatures = url.query_pairs().filter(|(name, _)| name == "sig").map(|(_, value)| value.into_owned());
    let secrets = url.query().map(str::to_owned).into_iter().chain(signatures).filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(&secret, "***"))
}

fn is_running(properties: &LongTermProperties) -> bool {
    properties.status.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("running"))
}
