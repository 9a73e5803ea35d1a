//! Data that goes out as files, and comes in as SQL.

use super::NativeId;

/// What is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportOf {
    /// A snapshot.
    Snapshot(NativeId),
    /// The target's database as it is now.
    Now,
}

/// An export of data as files. A provider refuses, as a usage error, what it has no use for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportRequest {
    /// Where to, as a URL: `s3://bucket/prefix`, `gs://bucket/file.sql.gz`.
    pub to: String,
    /// The role that the cloud writes with; the config's unless set.
    pub iam_role_arn: Option<String>,
    /// The key that the files are encrypted with; the config's unless set.
    pub kms_key_id: Option<String>,
    /// The databases to export; all that the provider exports together unless named.
    pub databases: Vec<String>,
    /// Who does the work.
    pub worker: Worker,
}

/// Who does an export's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Worker {
    /// The cloud's usual way.
    #[default]
    Usual,
    /// A machine beside the database's own, which is not slowed down by it.
    Serverless,
}

/// An import of SQL into the target's database as it is now. A provider refuses, as a usage error, what it has no use for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportRequest {
    /// From where, as a URL: `gs://bucket/file.sql.gz`.
    pub from: String,
    /// The database that the statements are for, unless the file says it.
    pub database: Option<String>,
    /// The database's own user to import as.
    pub user: Option<String>,
}

/// What an import read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// From where, as a URL.
    pub from: String,
    /// The database, where the cloud tells.
    pub database: Option<String>,
    /// What the cloud noticed.
    pub warnings: Vec<String>,
}

/// What an export wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The cloud's own name of it.
    pub name: String,
    /// The snapshot, where the cloud still tells.
    pub snapshot: Option<NativeId>,
    /// Where to, as a URL.
    pub to: String,
    /// The cloud's own word for how it ended.
    pub provider_state: String,
    /// Bytes of the data that was read.
    pub size_bytes: Option<u64>,
    /// What the cloud noticed.
    pub warnings: Vec<String>,
}
