//! Copies in other regions, and sharing with other accounts.
//!
//! What AWS would refuse only after minutes, or by a copy that turns `failed`, is refused before the call:
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_CopySnapshot.html>.

use std::time::Duration;

use aws_sdk_kms::types::KeyManagerType;
use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};

use super::api::{Api, NewCopy};
use super::fault::{Fault, OrError};
use super::record::Record;
use super::tags::{self, Copy, New};
use super::{RdsProvider, names};
use crate::Run;
use crate::error::{ErrorKind, Result};
use crate::model::{CopyRequest, CopyTo, NativeId, Operation, OperationState, Origin, ShareRequest, Snapshot};

/// How long to queue while as many copies go on as AWS permits, and the first and longest pause meanwhile.
const QUEUE: Duration = Duration::from_secs(30 * 60);
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// How often a copy is tried again under another name after it has failed.
const TRIES: usize = 5;

/// Where a copy goes, and how.
struct To<'t> {
    region: &'t str,
    kms_key_id: Option<&'t str>,
    option_group: Option<&'t str>,
}

impl RdsProvider {
    /// Begins a copy, unless the region has one of the same snapshot under the same key that has not failed.
    pub(super) async fn begin_copy(
        &self,
        id: &NativeId,
        request: &CopyRequest,
        run: &Run,
    ) -> Result<Operation<Snapshot>> {
        let CopyTo::Region { region, kms_key_id, option_group_name } = &request.to else {
            let reason = "a snapshot of RDS is in a region, not in a store";
            return Err(self
                .home
                .error(ErrorKind::Unsupported, "copy", self.home.id(id), reason)
                .with_hint("name a region: `--to-region REGION`"));
        };
        let to = To { region, kms_key_id: kms_key_id.as_deref(), option_group: option_group_name.as_deref() };
        let (api, record) = self.find("copy", id).await?;
        if to.kms_key_id.is_none() && *region == api.region && record.is_owned_by(&self.home) {
            return Ok(self.operation(&record, region).found());
        }
        self.refuse_copy(id, &record, &api.region, &to)?;
        let opened = self.region(region).await;
        if to.option_group.is_none() && *region != api.region {
            warn_of_options(&record, run);
        }
        // A moment that is unknown must not be made up, and only names the copy.
        let moment = record.moment(&self.home).unwrap_or(DateTime::<Utc>::UNIX_EPOCH);
        for nth in 0..TRIES {
            let key = (nth > 0).then(|| format!("{} {nth}", to.kms_key_id.unwrap_or_default()));
            let key = key.as_deref().or(to.kms_key_id);
            let name = names::of_copy(&self.home.target, moment, &record.arn, region, key);
            let operation = self.copy_as(&name, id, &record, &opened, &to, run).await?;
            // Found as it was left: a new one is named anew.
            if !matches!(operation.state, OperationState::Failed(_)) {
                return Ok(operation);
            }
        }
        let reason = format!("{TRIES} copies of it in {region} have failed");
        let hint = format!("see `snapkeep list {} --state failed`", self.home.target);
        Err(self.home.error(ErrorKind::Failed, "copy", self.home.id(id), reason).with_hint(hint))
    }

    async fn copy_as(
        &self,
        name: &str,
        id: &NativeId,
        record: &Record,
        to: &Api,
        how: &To<'_>,
        run: &Run,
    ) -> Result<Operation<Snapshot>> {
        let home = self.home.at(&to.region);
        let subject = || format!("{} to {}", self.home.id(id), to.region);
        if let Some(known) = to.get(name).await.or_error(&home, "copy", subject())? {
            return Ok(self.operation(&known, &to.region).found());
        }
        let marks = record.marks();
        let copy = Copy { of: &record.arn, created_at: record.moment(&self.home) };
        let key = marks.key.filter(|_| record.is_owned_by(&self.home));
        let (target, own) = (&self.home.target, &self.home.region);
        let new = New { target, home: own, name, key, tags: &tags::plain(&record.tags), copy: Some(copy) };
        let tags = new.tags().map_err(|reason| home.error(ErrorKind::Usage, "copy", subject(), reason))?;
        let call =
            NewCopy { source_arn: &record.arn, name, tags, kms_key_id: how.kms_key_id, option_group: how.option_group };
        let begun = Instant::now();
        let mut pause = PAUSES.0;
        let mut told = false;
        loop {
            match to.copy(&call).await {
                Ok(copy) => return Ok(self.operation(&copy, &to.region)),
                // The answer was lost, and the SDK has asked again.
                Err(fault) if fault.is_taken() => {
                    let found = to.get(name).await.and_then(|found| found.ok_or(fault));
                    return found.or_error(&home, "copy", subject()).map(|copy| self.operation(&copy, &to.region));
                }
                Err(fault) if fault.is_copy_cap() && begun.elapsed() < QUEUE => {
                    if !std::mem::replace(&mut told, true) {
                        run.reporter
                            .warn("as many copies between regions go on as AWS permits; waiting for one to end");
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(fault) => return Err(fault.into_error(&home, "copy", subject())),
            }
        }
    }

    fn refuse_copy(&self, id: &NativeId, record: &Record, from: &str, to: &To<'_>) -> Result<()> {
        let error = |kind, reason: &str| self.home.error(kind, "copy", self.home.id(id), reason);
        self.refuse_unavailable("copy", &self.home.id(id), record)?;
        let shared = record.origin(&self.home) == Origin::Shared;
        // <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CopyDBSnapshot.html>, PreSignedUrl
        if record.arn.starts_with("arn:aws-us-gov:") && record.encrypted == Some(true) && from != to.region {
            let reason = "in GovCloud AWS wants a presigned URL for an encrypted copy between regions";
            return Err(error(ErrorKind::Unsupported, reason).with_hint("aws rds copy-db-snapshot --source-region ..."));
        }
        if record.encrypted == Some(true) && to.kms_key_id.is_none() && (from != to.region || shared) {
            let why = if shared { "shared by another account" } else { "encrypted, and keys are a region's own" };
            let reason = format!("it is {why}: the copy needs a KMS key of {}", to.region);
            return Err(
                error(ErrorKind::Usage, &reason).with_hint("name one: `--kms-key-id KEY`, or `kms_key_id` in copy_to")
            );
        }
        Ok(())
    }

    /// Lets accounts in and out.
    pub(super) async fn change_sharing(&self, id: &NativeId, request: &ShareRequest) -> Result<Vec<String>> {
        let home = &self.home;
        let refuse = |kind, reason: &str| home.error(kind, "share", home.id(id), reason);
        if request.with.iter().any(|account| account == "all") {
            return Err(refuse(ErrorKind::Refused, "`all` would make it public, for every account of AWS"));
        }
        let (api, record) = self.find("share", id).await?;
        match record.origin(home) {
            Origin::Owned | Origin::Manual => {}
            Origin::Automated => {
                let hint = format!("copy it first: `snapkeep copy {} --to-region {}`", home.id(id), api.region);
                return Err(refuse(ErrorKind::Unsupported, "AWS shares manual snapshots only").with_hint(hint));
            }
            Origin::Shared => return Err(refuse(ErrorKind::Unsupported, "it is another account's")),
        }
        if !request.with.is_empty() && record.encrypted == Some(true) {
            self.refuse_managed_key(&api, id, &record).await?;
        }
        let shared = api.share(&record.name, &request.with, &request.without).await;
        shared.or_error(home, "share", home.id(id))
    }

    /// Nobody else can be let in to a key that AWS manages:
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/share-encrypted-snapshot.html>.
    async fn refuse_managed_key(&self, api: &Api, id: &NativeId, record: &Record) -> Result<()> {
        let Some(key) = &record.kms_key_id else { return Ok(()) };
        let asked = api.clients.kms.describe_key().key_id(key).send().await;
        let manager = match asked.map_err(|error| Fault::of("kms:DescribeKey", error)) {
            Ok(answer) => answer.key_metadata.and_then(|key| key.key_manager),
            // Who may not ask leaves it to AWS to refuse.
            Err(fault) if fault.is_denied() || fault.is("NotFound") => None,
            Err(fault) => return Err(fault.into_error(&self.home, "share", self.home.id(id))),
        };
        if manager != Some(KeyManagerType::Aws) {
            return Ok(());
        }
        let id = self.home.id(id);
        let reason = "it is encrypted with the key that AWS manages, which no other account can use";
        let hint = format!(
            "copy it under a key of your own: `snapkeep copy {id} --to-region {} --kms-key-id KEY --share-with ACCOUNT`",
            api.region
        );
        Err(self.home.error(ErrorKind::Unsupported, "share", id, reason).with_hint(hint))
    }
}

/// AWS refuses some engines' snapshots without their option group, and takes others along without it.
fn warn_of_options(record: &Record, run: &Run) {
    if let Some(group) = record.option_group.as_ref().filter(|group| !group.starts_with("default:")) {
        run.reporter.warn(&format!(
            "its option group {group} is not taken along to another region; name one with `--option-group-name`"
        ));
    }
}
