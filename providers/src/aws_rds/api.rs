//! The calls, alike for instances and clusters: the API has each twice, under other names.

use std::collections::BTreeMap;

use aws_sdk_rds::types::Tag;
use chrono::{DateTime, Utc};

use super::fault::{Called, Fault, none_if_missing};
use super::record::Record;
use super::shape::Shape;
use super::{cluster, instance};
use crate::aws::Rds;

/// How many snapshots a page has at most: the most that the API gives.
pub(super) const PAGE: i32 = 100;

/// Which half of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Family {
    /// DB instances.
    Instance,
    /// Aurora and Multi-AZ clusters.
    Cluster,
}

impl Family {
    /// What one of it is called.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Instance => "DB instance",
            Self::Cluster => "DB cluster",
        }
    }

    /// The config's key for its name.
    pub(super) fn config_key(self) -> &'static str {
        match self {
            Self::Instance => "db_instance_identifier",
            Self::Cluster => "db_cluster_identifier",
        }
    }
}

/// The API of one region.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) clients: Rds,
    pub(super) region: String,
    pub(super) family: Family,
}

/// Which snapshots are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Which<'w> {
    /// Of this instance or cluster.
    pub(super) database: Option<&'w str>,
    /// Of this name, or ARN when it is shared.
    pub(super) name: Option<&'w str>,
    /// Made so; without it manual and automated ones.
    pub(super) made_by: Option<&'w str>,
}

/// A page of snapshots, and where the next one begins.
pub(super) struct Page {
    pub(super) records: Vec<Record>,
    /// How many were told of without a name.
    pub(super) nameless: usize,
    pub(super) marker: Option<String>,
}

impl Page {
    pub(super) fn new<T>(snapshots: Vec<T>, marker: Option<String>, record: fn(T) -> Option<Record>) -> Self {
        let all = snapshots.len();
        let records: Vec<Record> = snapshots.into_iter().filter_map(record).collect();
        Self { nameless: all - records.len(), records, marker }
    }
}

/// What a copy is made with.
pub(super) struct NewCopy<'c> {
    pub(super) source_arn: &'c str,
    pub(super) name: &'c str,
    pub(super) tags: Vec<Tag>,
    pub(super) kms_key_id: Option<&'c str>,
    pub(super) option_group: Option<&'c str>,
}

/// An instance or a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Database {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) percent: Option<u8>,
    pub(super) engine: String,
    pub(super) version: Option<String>,
    /// The cluster that an instance belongs to.
    pub(super) cluster: Option<String>,
    /// The instances that a cluster has.
    pub(super) members: Vec<String>,
    pub(super) created_at: Option<DateTime<Utc>>,
    pub(super) restorable: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    pub(super) tags: BTreeMap<String, String>,
    pub(super) shape: Shape,
}

impl Database {
    /// `postgres 16.3`
    pub(super) fn engine_and_version(&self) -> String {
        let version = self.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        format!("{}{version}", self.engine)
    }
}

/// What is restored into something new.
pub(super) enum From<'f> {
    /// A snapshot, by name, or ARN when it is shared, and its engine.
    Snapshot(&'f str, &'f str),
    /// An instance or a cluster as it was then.
    Time(&'f str, DateTime<Utc>),
}

macro_rules! of_family {
    ($api:expr, $name:ident ( $($argument:expr),* )) => {
        match $api.family {
            Family::Instance => instance::$name(&$api.clients.rds, $($argument),*).await,
            Family::Cluster => cluster::$name(&$api.clients.rds, $($argument),*).await,
        }
    };
}

impl Api {
    pub(super) async fn page(&self, which: Which<'_>, marker: Option<String>) -> Called<Page> {
        let mut page = of_family!(self, page(which, marker))?;
        if let Some(made_by @ ("shared" | "public")) = which.made_by {
            for record in &mut page.records {
                made_by.clone_into(&mut record.made_by);
                // Others' are known by their ARNs only.
                if !record.arn.is_empty() {
                    record.name.clone_from(&record.arn);
                }
            }
        }
        Ok(page)
    }

    /// Gives every snapshot of every page to `each`; stops at the first page that can't be had.
    pub(super) async fn each(&self, which: Which<'_>, mut each: impl FnMut(Record)) -> Called<()> {
        let action = self.describes();
        let mut pages = Pages::of(action);
        loop {
            let page = self.page(which, pages.marker()).await?;
            page.records.into_iter().for_each(&mut each);
            if page.nameless > 0 {
                return Err(Fault::unreadable(action, "a snapshot has no name"));
            }
            if pages.end_with(page.marker)? {
                return Ok(());
            }
        }
    }

    fn describes(&self) -> &'static str {
        match self.family {
            Family::Instance => "DescribeDBSnapshots",
            Family::Cluster => "DescribeDBClusterSnapshots",
        }
    }

    /// One snapshot; `None` when there is none of that name.
    pub(super) async fn get(&self, name: &str) -> Called<Option<Record>> {
        let kinds: &[Option<&str>] = match name.split_once(':') {
            Some(("rds", _)) => &[Some("automated")],
            // The API of clusters has no such type.
            Some(("awsbackup", _)) if self.family == Family::Cluster => &[None, Some("automated")],
            Some(("awsbackup", _)) => &[Some("awsbackup")],
            Some(("arn", _)) => &[Some("shared"), Some("public")],
            _ => &[None],
        };
        for made_by in kinds {
            let which = Which { name: Some(name), made_by: *made_by, database: None };
            match self.page(which, None).await {
                Ok(page) => {
                    if let Some(record) = page.records.into_iter().find(|record| record.name == name) {
                        return Ok(Some(record));
                    }
                }
                Err(fault) if fault.is_missing() => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    pub(super) async fn create(&self, name: &str, database: &str, tags: Vec<Tag>) -> Called<Record> {
        of_family!(self, create(name, database, tags))
    }

    pub(super) async fn delete(&self, name: &str) -> Called<()> {
        of_family!(self, delete(name))
    }

    pub(super) async fn copy(&self, copy: &NewCopy<'_>) -> Called<Record> {
        of_family!(self, copy(copy))
    }

    /// Lets accounts in and out, and gives those that are in.
    pub(super) async fn share(&self, name: &str, with: &[String], without: &[String]) -> Called<Vec<String>> {
        of_family!(self, share(name, with, without))
    }

    pub(super) async fn add_tags(&self, arn: &str, tags: Vec<Tag>) -> Called<()> {
        let call = self.clients.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(tags));
        call.send().await.map(drop).map_err(|error| Fault::of("AddTagsToResource", error))
    }

    /// The instance or cluster; `None` when there is none of that name.
    pub(super) async fn database(&self, name: &str) -> Called<Option<Database>> {
        let found = none_if_missing(of_family!(self, databases(Some(name))))?;
        Ok(found.into_iter().find(|database| database.name.eq_ignore_ascii_case(name)))
    }

    /// All of the account and region.
    pub(super) async fn databases(&self) -> Called<Vec<Database>> {
        of_family!(self, databases(None))
    }

    pub(super) async fn restore(&self, from: &From<'_>, name: &str, shape: &Shape, tags: Vec<Tag>) -> Called<Database> {
        of_family!(self, restore(from, name, shape, tags))
    }

    /// Deletes an instance or cluster, its instances included, and keeps no last snapshot: for what was made to be thrown
    /// away.
    pub(super) async fn discard(&self, database: &Database) -> Called<()> {
        // The instances of a Multi-AZ cluster go with it; those of an Aurora cluster may be on their way already.
        let alone = database.shape.cluster_class.is_none();
        for member in database.members.iter().filter(|_| alone) {
            match instance::discard(&self.clients.rds, member).await {
                Err(fault) if fault.is_of_state() => {}
                discarded => none_if_missing(discarded)?,
            }
        }
        none_if_missing(of_family!(self, discard(&database.name)))
    }
}

/// Goes from page to page of a list.
pub(super) struct Pages<'p> {
    action: &'p str,
    marker: Option<String>,
}

impl<'p> Pages<'p> {
    pub(super) fn of(action: &'p str) -> Self {
        Self { action, marker: None }
    }

    /// Where the next page begins.
    pub(super) fn marker(&self) -> Option<String> {
        self.marker.clone()
    }

    /// Whether the page was the last one, by the marker that it gave.
    pub(super) fn end_with(&mut self, marker: Option<String>) -> Called<bool> {
        let next = marker.filter(|marker| !marker.is_empty());
        if next.is_some() && next == self.marker {
            return Err(Fault::unreadable(self.action, "a page leads to itself"));
        }
        self.marker = next;
        Ok(self.marker.is_none())
    }
}
