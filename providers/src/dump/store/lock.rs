//! Snapshots that S3 lets nobody delete for a while, by Object Lock.
//!
//! Every object of a snapshot is locked before its manifest is written, and the manifest right after: what is committed
//! is locked whole. S3 itself would take the deletion of a locked object, hide it and go on keeping it, so it is asked first.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use object_store::path::Path;

use super::{Store, manifest};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Check, NativeId, TargetName};
use crate::objects::S3Bucket;
use crate::settings::ObjectLock;

impl Store {
    fn object_lock(&self) -> Option<(&S3Bucket, ObjectLock)> {
        self.objects.s3().and_then(|s3| Some((s3, s3.lock()?)))
    }

    /// Until when a snapshot that was complete then can't be deleted, where the store forbids it.
    pub(crate) fn locked_until(&self, completed_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (_, lock) = self.object_lock()?;
        // S3 keeps whole seconds.
        Some(completed_at.trunc_subsecs(0) + TimeDelta::days(lock.days.into()))
    }

    /// Makes sure that the bucket can lock, before a long dump finds out that it can't.
    pub(super) async fn check_lock(&self) -> Result<()> {
        let Some((s3, _)) = self.object_lock() else { return Ok(()) };
        if s3.can_lock().await.map_err(|error| self.error("look at the Object Lock of", self.name(), error))? {
            return Ok(());
        }
        let reason = "its bucket was made without Object Lock";
        Err(Error::new(ErrorKind::Unsupported, "store", "lock snapshots in", self.name(), reason)
            .with_hint(self.lock_hint()))
    }

    /// Whether the bucket can lock, where the config wants it to.
    pub(crate) async fn examine_lock(&self) -> Option<Check> {
        let (_, lock) = self.object_lock()?;
        let can = self.check_lock().await;
        Some(Check::new("lock", can.map(|()| format!("the bucket can lock snapshots for {} days", lock.days))))
    }

    /// Forbids the deletion of an object until then.
    pub(super) async fn lock(&self, path: &Path, until: Option<DateTime<Utc>>) -> Result<()> {
        let (Some((s3, lock)), Some(until)) = (self.object_lock(), until) else { return Ok(()) };
        let locked = s3.retain(path, lock.mode, until).await;
        locked.map_err(|error| self.error("lock", path, error).with_hint(self.lock_hint()))
    }

    fn lock_hint(&self) -> String {
        let bucket = self.objects.shown();
        let bucket = bucket.trim_start_matches("s3://").split('/').next().unwrap_or_default();
        format!(
            "the bucket must have Object Lock, and s3:PutObjectRetention be permitted: \
             aws s3api get-object-lock-configuration --bucket {bucket}"
        )
    }

    /// Refuses what is to be deleted while it is locked, which nobody can. `recorded` is what its manifest says; where the
    /// store locks, S3 is asked, since a lock may have been prolonged meanwhile.
    pub(crate) async fn refuse_locked(
        &self,
        target: &TargetName,
        native: &NativeId,
        recorded: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let path = self.path(target, native, manifest::FILE);
        let until = match self.object_lock() {
            None => recorded,
            Some((s3, _)) => match s3.retained_until(&path).await {
                Ok(until) => until,
                Err(object_store::Error::NotImplemented { .. }) => recorded,
                Err(error) => {
                    let hint = "permit s3:GetObjectRetention: what may be locked is not deleted";
                    return Err(self.error("look at the lock of", &path, error).with_hint(hint));
                }
            },
        };
        let Some(until) = until.filter(|until| *until > now) else { return Ok(()) };
        let reason = format!("it is locked until {} UTC", until.format("%Y-%m-%d %H:%M"));
        Err(Error::new(ErrorKind::Unsupported, "store", "delete", format!("{target}/{native}"), reason)
            .with_hint("wait until then; `snapkeep prune` deletes it when its policy no longer keeps it"))
    }
}
