//! What there is in all the projects, and what a test may set of how it behaves.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::SqlAdmin;
use super::backup::Backup;
use super::call::{Call, Outcome, no_instance, refuse};
use super::instance::Instance;
use super::operation::{End, Operation};
use super::page::Markers;

/// Everything there is.
pub(crate) struct World {
    /// Those that the caller may use.
    pub(crate) projects: Vec<String>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) backups: Vec<Backup>,
    pub(crate) operations: Vec<Operation>,
    /// What is in Cloud Storage: the fingerprint of what was exported, by its URI.
    pub(crate) files: BTreeMap<String, String>,
    /// Buckets that instances may not use.
    pub(crate) closed_buckets: BTreeSet<String>,
    /// How many looks at an operation, or at what it makes, show it as unfinished. With none it is done when the
    /// answer to the request that began it is written.
    pub(crate) looks: u32,
    /// Pages have at most so many entries, whatever is asked for.
    pub(crate) page: usize,
    /// Permissions that the caller lacks, such as `backupRuns.delete`.
    pub(crate) denied: BTreeSet<String>,
    /// Whether it may be asked what the caller may do.
    pub(crate) has_resource_manager: bool,
    /// Regions that can't be reached: lists don't have what is there, and warn.
    pub(crate) unreachable: BTreeSet<String>,
    /// Values of enums that no document names, and that a test puts into the world to see how they are taken.
    pub(crate) novelties: BTreeSet<String>,
    /// How far the clock of the world is ahead of the machine's.
    pub(crate) ahead: TimeDelta,
    /// How what is begun now ends.
    pub(super) end: End,
    pub(super) markers: Markers,
    last_id: i64,
    ids: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            projects: [SqlAdmin::PROJECT, SqlAdmin::OTHER_PROJECT].map(ToOwned::to_owned).to_vec(),
            instances: Vec::new(),
            backups: Vec::new(),
            operations: Vec::new(),
            files: BTreeMap::new(),
            closed_buckets: BTreeSet::new(),
            looks: 1,
            page: 20,
            denied: BTreeSet::new(),
            has_resource_manager: true,
            unreachable: BTreeSet::new(),
            novelties: BTreeSet::new(),
            ahead: TimeDelta::zero(),
            end: End::Well,
            markers: Markers::new(),
            last_id: 0,
            ids: 0,
        }
    }

    /// The world's time.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.ahead
    }

    /// Makes it this moment, from which the clock goes on.
    pub(crate) fn set_time(&mut self, moment: &str) {
        self.ahead = moment.parse::<DateTime<Utc>>().unwrap() - Utc::now();
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: TimeDelta) {
        self.ahead += time;
    }

    /// Adds an instance, and gives it back.
    pub(crate) fn add(&mut self, instance: Instance) -> &mut Instance {
        self.instances.push(instance);
        self.instances.last_mut().unwrap()
    }

    /// Adds a backup that is there already, of what is in its instance now, and gives it back.
    pub(crate) fn take(&mut self, backup: Backup) -> &mut Backup {
        self.backups.push(backup);
        self.backups.last_mut().unwrap()
    }

    /// A new on-demand backup of an instance of the first project, as `gcloud` would have made it; not added yet.
    pub(crate) fn backup_of(&mut self, instance: &str) -> Backup {
        self.backup_in(SqlAdmin::PROJECT, instance)
    }

    /// The same in any project.
    pub(crate) fn backup_in(&mut self, project: &str, instance: &str) -> Backup {
        let (id, uid, now) = (self.next_id(), self.next_uid(), self.now());
        let instance = self.instances.iter().find(|found| found.is(project, instance)).unwrap();
        Backup::finished(instance, id, uid, now)
    }

    /// The instance of that name in the first project.
    pub(crate) fn instance(&mut self, name: &str) -> Option<&mut Instance> {
        self.instance_of(SqlAdmin::PROJECT, name)
    }

    /// The same in any project.
    pub(crate) fn instance_of(&mut self, project: &str, name: &str) -> Option<&mut Instance> {
        self.instances.iter_mut().find(|found| found.is(project, name))
    }

    /// Changes what is in an instance of the first project.
    pub(crate) fn write(&mut self, instance: &str, data: &str) {
        let now = self.now();
        self.instance(instance).unwrap().write(data, now);
    }

    /// The instance that a call is about.
    pub(super) fn called(&mut self, call: &Call) -> Outcome<&mut Instance> {
        self.instance_of(&call.project, call.instance()).map_or_else(no_instance, Ok)
    }

    /// The same, unless it can't be worked on now.
    pub(super) fn workable(&mut self, call: &Call) -> Outcome<&mut Instance> {
        self.called(call)?;
        self.free(&call.project, call.instance())?;
        let instance = self.called(call)?;
        if instance.state != "RUNNABLE" {
            let message = "The instance or operation is not in an appropriate state to handle the request.";
            return refuse(400, "invalidState", message);
        }
        Ok(instance)
    }

    /// The same, unless it is stopped.
    pub(super) fn running(&mut self, call: &Call) -> Outcome<&mut Instance> {
        let instance = self.workable(call)?;
        if instance.is_stopped() {
            return refuse(400, "invalid", "Invalid request: Invalid request since instance is not running.");
        }
        Ok(instance)
    }

    /// The milliseconds of the clock, never the same twice.
    pub(super) fn next_id(&mut self) -> i64 {
        self.last_id = self.now().timestamp_millis().max(self.last_id + 1);
        self.last_id
    }

    pub(super) fn next_uid(&mut self) -> String {
        self.ids += 1;
        let mixed = self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [high, low] = [mixed >> 32, mixed & 0xffff_ffff];
        format!("{high:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", low >> 16, low & 0xfff, high & 0xfff, self.ids)
    }
}

/// A moment as Google writes it.
pub(super) fn time(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}
