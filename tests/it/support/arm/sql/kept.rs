//! Long-term backups of databases, which outlive them and their servers.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Change;
use super::database::Database;
use super::databases::one_or_all;
use crate::support::arm::call::{Call, Outcome, not_found, refuse};
use crate::support::arm::operation::Addresses;
use crate::support::arm::servers::same_place;
use crate::support::arm::world::{World, time};

/// A long-term backup.
#[derive(Clone, Debug)]
pub(crate) struct LongTermRetention {
    pub(super) of: Database,
    subscription: String,
    group: String,
    server: String,
    pub(crate) name: String,
    pub(crate) taken: DateTime<Utc>,
    pub(crate) expires: DateTime<Utc>,
    pub(crate) immutable: bool,
    pub(crate) data: String,
}

impl LongTermRetention {
    /// The path without the group, by which it may be called as well.
    fn short_path(&self) -> String {
        let of = format!("longTermRetentionServers/{}/longTermRetentionDatabases/{}", self.server, self.of.name);
        format!(
            "/subscriptions/{}/providers/Microsoft.Sql/locations/{}/{of}/longTermRetentionBackups/{}",
            self.subscription, self.of.location, self.name
        )
    }

    pub(crate) fn path(&self) -> String {
        self.short_path().replacen("/providers/", &format!("/resourceGroups/{}/providers/", self.group), 1)
    }

    pub(super) fn is(&self, path: &str) -> bool {
        self.path().eq_ignore_ascii_case(path) || self.short_path().eq_ignore_ascii_case(path)
    }

    /// Whether it is of what a call's path names.
    fn is_called(&self, call: &Call) -> bool {
        let is = |name: &str, own: &str| call.name(name).is_empty() || call.name(name).eq_ignore_ascii_case(own);
        is("subscription", &self.subscription)
            && is("group", &self.group)
            && is("server", &self.server)
            && is("database", &self.of.name)
            && same_place(call.name("location"), &self.of.location)
    }

    fn resource(&self) -> Value {
        let enabled = |is: bool| if is { "Enabled" } else { "Disabled" };
        json!({
            "properties": {
                "serverName": self.server,
                "serverCreateTime": time(self.of.created),
                "databaseName": self.of.name,
                "databaseDeletionTime": self.of.deleted.map(time),
                "backupTime": time(self.taken),
                "backupExpirationTime": time(self.expires),
                "backupStorageRedundancy": "Geo",
                "requestedBackupStorageRedundancy": "Geo",
                "isBackupImmutable": self.immutable,
                "timeBasedImmutability": enabled(self.immutable),
                "timeBasedImmutabilityMode": self.immutable.then_some("Locked"),
                "legalHoldImmutability": enabled(false),
                "backupStorageAccessTier": "Hot",
            },
            "id": self.path(),
            "name": self.name,
            "type": "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups",
        })
    }
}

pub(in crate::support::arm) fn list(world: &mut World, call: &Call) -> Outcome {
    let found = world.sql.kept.iter().filter(|kept| kept.is_called(call));
    let entries: Vec<Value> = found.map(LongTermRetention::resource).collect();
    one_or_all(world, call, &entries)
}

pub(in crate::support::arm) fn delete(world: &mut World, call: &Call) -> Outcome {
    let named = |kept: &&LongTermRetention| kept.is_called(call) && kept.name.eq_ignore_ascii_case(call.name("id"));
    let Some(found) = world.sql.kept.iter().find(named) else { return not_found(call) };
    let path = found.path();
    if found.immutable {
        let message = "The long-term retention backup is immutable and can't be deleted.";
        return refuse(409, "LongTermRetentionBackupImmutable", message);
    }
    world.is_free(&path)?;
    let change = Change::NoLongerKept(path.clone());
    Ok(world.begin_sql(call, &path, "DropLongTermRetentionBackup", Addresses::KEPT, change))
}

impl World {
    /// Adds a long-term backup of what is in a database now, and gives it back.
    pub(crate) fn keep(&mut self, database: &str, expires: DateTime<Utc>) -> &mut LongTermRetention {
        let (uuid, taken) = (self.next_uuid(), self.now());
        let of = self.database(database).unwrap().clone();
        let server = self.sql.servers.iter().find(|server| of.is_of(&server.path())).unwrap();
        let kept = LongTermRetention {
            subscription: server.subscription.clone(),
            group: server.group.clone(),
            server: server.name.clone(),
            name: format!("{uuid};{};Hot", taken.timestamp_micros() * 10 + 116_444_736_000_000_000),
            taken,
            expires,
            immutable: false,
            data: of.data().to_owned(),
            of,
        };
        self.sql.kept.push(kept);
        self.sql.kept.last_mut().unwrap()
    }
}
