//! Deleting what is ours to delete, as soon as its state permits.

use std::time::Duration;

use tokio::time::sleep;

use super::RdsProvider;
use super::fault::{OrError, none_if_missing};
use crate::error::{ErrorKind, Result};
use crate::model::{NativeId, Origin, SnapshotState};

/// The pauses between tries while the snapshot's state does not permit it.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

impl RdsProvider {
    pub(super) async fn remove(&self, id: &NativeId) -> Result<()> {
        let home = &self.home;
        let (api, record) = match self.find("delete", id).await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let never = match record.origin(home) {
            Origin::Owned | Origin::Manual => None,
            Origin::Automated if record.name.starts_with("awsbackup:") || record.made_by == "awsbackup" => {
                Some("AWS Backup made it, and only AWS Backup deletes it")
            }
            Origin::Automated => Some("it is an automated one, which goes when its retention ends"),
            Origin::Shared => Some("it is another account's"),
        };
        if let Some(reason) = never {
            return Err(home.error(ErrorKind::Unsupported, "delete", home.id(id), reason));
        }
        if record.state() == SnapshotState::Deleting {
            return Ok(());
        }
        for pause in PAUSES {
            match none_if_missing(api.delete(&record.name).await) {
                Ok(()) => return Ok(()),
                // Also when the answer to the first try was lost.
                Err(fault) if fault.is_of_state() => match api.get(&record.name).await {
                    Ok(found) if found.as_ref().is_none_or(|now| now.state() == SnapshotState::Deleting) => {
                        return Ok(());
                    }
                    _ => sleep(pause).await,
                },
                Err(fault) => return Err(fault.into_error(home, "delete", home.id(id))),
            }
        }
        none_if_missing(api.delete(&record.name).await).or_error(home, "delete", home.id(id))
    }
}
