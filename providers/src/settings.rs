//! What the config says of a target and of a store: typed, with the words of the contract.
//!
//! The doc comments are user text: `snapkeep config schema` and the nearest-key hints come from here.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::SecretRef;

mod verify;

pub use verify::{Assertion, ScratchServer, Verify};

/// Which database, and through what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum ProviderSettings {
    /// AWS RDS instances, Aurora and Multi-AZ clusters.
    AwsRds(AwsRds),
    /// Azure Database for MySQL, flexible server.
    AzureMysql(AzureServer),
    /// Azure Database for PostgreSQL, flexible server.
    AzurePostgresql(AzurePostgresql),
    /// Azure SQL Database.
    AzureSql(AzureSql),
    /// GCP Cloud SQL.
    GcpCloudSql(GcpCloudSql),
    /// MySQL or MariaDB, by logical dump.
    #[schemars(extend("x-dump" = true))]
    Mysql(Server),
    /// PostgreSQL, by logical dump.
    #[schemars(extend("x-dump" = true))]
    Postgresql(Server),
    /// A SQLite file.
    #[schemars(extend("x-dump" = true))]
    Sqlite(Sqlite),
}

impl ProviderSettings {
    /// The provider's name in the config.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AwsRds(_) => "aws_rds",
            Self::AzureMysql(_) => "azure_mysql",
            Self::AzurePostgresql(_) => "azure_postgresql",
            Self::AzureSql(_) => "azure_sql",
            Self::GcpCloudSql(_) => "gcp_cloud_sql",
            Self::Mysql(_) => "mysql",
            Self::Postgresql(_) => "postgresql",
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// How many days a snapshot lives at most, where the cloud ends it by itself.
    ///
    /// Azure's flexible servers keep on-demand backups for the server's backup retention, 35 days at most (Microsoft's
    /// documentation of both services). RDS and Cloud SQL keep manual ones until they are deleted.
    pub fn keeps_at_most_days(&self) -> Option<u32> {
        match self {
            Self::AzureMysql(_) | Self::AzurePostgresql(_) => Some(35),
            _ => None,
        }
    }

    /// How many on-demand snapshots there may be of one server, where that is fixed; what an account may ask to have raised is no
    /// such limit.
    pub fn holds_at_most(&self) -> Option<u32> {
        match self {
            Self::AzureMysql(_) => Some(AzureServer::MOST_OF_MYSQL),
            Self::AzurePostgresql(_) => Some(AzureServer::MOST_OF_POSTGRESQL),
            _ => None,
        }
    }

    /// Whether its snapshots are dumps, which need a store.
    pub fn is_dump(&self) -> bool {
        matches!(self, Self::Mysql(_) | Self::Postgresql(_) | Self::Sqlite(_))
    }
}

/// A database server that the client tools can reach.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Server {
    /// Host name or address, or the folder of a Unix socket for PostgreSQL.
    #[schemars(length(min = 1))]
    pub host: String,
    /// Port; the server's usual one unless set.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// The role or account that dumps and restores.
    #[schemars(length(min = 1))]
    pub user: String,
    /// Its password, by reference.
    pub password: Option<SecretRef>,
    /// The database to dump.
    #[schemars(length(min = 1))]
    pub database: String,
    /// Transport security; `{ mode = "prefer" }` unless set.
    #[serde(default)]
    pub tls: Tls,
    /// Tables to leave out altogether: `table` or `schema.table`, with `*` and `?`.
    #[serde(default)]
    pub exclude_tables: Vec<String>,
    /// Tables whose rows to leave out.
    #[serde(default)]
    pub exclude_table_data: Vec<String>,
    /// The folder of the client tools; looked into before PATH and the usual version folders.
    pub tool_dir: Option<PathBuf>,
    /// How the dump is compressed.
    #[serde(default)]
    pub compression: Compression,
}

/// A SQLite database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Sqlite {
    /// The database file, relative to the config file.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
    /// How the copy is compressed.
    #[serde(default)]
    pub compression: Compression,
}

/// Transport security to a database server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// How much to insist on it; `prefer` unless set.
    #[serde(default)]
    pub mode: TlsMode,
    /// The certificate authorities to trust, a PEM file, relative to the config file.
    pub ca_file: Option<PathBuf>,
}

/// How much to insist on transport security.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never encrypt.
    Disable,
    /// Encrypt if the server can; its certificate is not checked.
    #[default]
    Prefer,
    /// Encrypt or fail; its certificate is not checked.
    Require,
    /// Encrypt, and check that the certificate comes from a trusted authority.
    VerifyCa,
    /// Encrypt, and check the authority and the host name.
    VerifyFull,
}

/// zstd's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Compression {
    /// zstd level, 1 (fastest) to 19 (smallest).
    #[schemars(range(min = 1, max = 19))]
    pub level: i32,
    /// Compression threads; 0 means one per core, 4 at most.
    #[schemars(range(min = 0, max = 64))]
    pub threads: u32,
}

impl Default for Compression {
    fn default() -> Self {
        Self { level: 3, threads: 0 }
    }
}

/// An RDS instance, or an Aurora or Multi-AZ cluster: one of the two identifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(extend("oneOf" = [
    { "required": ["db_instance_identifier"] },
    { "required": ["db_cluster_identifier"] },
]))]
pub struct AwsRds {
    /// The region, such as `eu-central-1`.
    #[schemars(length(min = 1))]
    pub region: String,
    /// The DB instance.
    #[schemars(length(min = 1))]
    pub db_instance_identifier: Option<String>,
    /// The Aurora or Multi-AZ cluster.
    #[schemars(length(min = 1))]
    pub db_cluster_identifier: Option<String>,
    /// A profile of the AWS config files.
    pub profile: Option<String>,
    /// A role to assume.
    pub role_arn: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
    /// Where to copy each new snapshot to.
    #[serde(default)]
    pub copy_to: Vec<AwsCopy>,
    /// What exports to S3 are written with.
    pub export: Option<AwsExport>,
    /// Another address for the API, for emulators and private endpoints.
    #[schemars(extend("format" = "endpoint"))]
    pub endpoint: Option<String>,
}

/// A copy in another region.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsCopy {
    /// The region to copy to.
    #[schemars(length(min = 1))]
    pub region: String,
    /// The KMS key there, an id, ARN or alias.
    pub kms_key_id: Option<String>,
    /// The option group there, for engines whose snapshots need one.
    pub option_group_name: Option<String>,
}

/// What exports of snapshots are written with, unless the command says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsExport {
    /// The role by which RDS writes to the bucket.
    #[schemars(length(min = 1))]
    pub iam_role_arn: String,
    /// The KMS key that the files are encrypted with: an id, ARN or alias.
    #[schemars(length(min = 1))]
    pub kms_key_id: String,
}

/// How a subscription of Azure is reached, and who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct AzureAccess {
    /// The subscription's id.
    #[schemars(length(min = 1))]
    pub subscription_id: String,
    /// Another address of Azure Resource Manager, for sovereign clouds, emulators and private endpoints.
    #[schemars(extend("format" = "endpoint"))]
    pub endpoint: Option<String>,
    /// Another address to sign in at, for sovereign clouds; that of `AZURE_AUTHORITY_HOST`, or of the endpoint's cloud, unless
    /// set.
    #[schemars(extend("format" = "endpoint"))]
    pub authority_host: Option<String>,
    /// A static bearer token; with it no credential discovery happens.
    pub access_token: Option<SecretRef>,
}

/// An Azure flexible server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct AzureServer {
    /// How it is reached.
    #[serde(flatten)]
    pub access: AzureAccess,
    /// The resource group.
    #[schemars(length(min = 1))]
    pub resource_group: String,
    /// The server.
    #[schemars(length(min = 1))]
    pub server_name: String,
}

impl AzureServer {
    /// How many backups on demand a server may have.
    /// <https://learn.microsoft.com/azure/mysql/flexible-server/concepts-backup-restore>
    pub(crate) const MOST_OF_MYSQL: u32 = 50;
    /// <https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-backup-restore>
    pub(crate) const MOST_OF_POSTGRESQL: u32 = 7;
}

/// An Azure flexible server for PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct AzurePostgresql {
    /// The server.
    #[serde(flatten)]
    pub server: AzureServer,
    /// The address of a blob container with a shared access signature, which long-term backups are exported to.
    pub long_term_container: Option<SecretRef>,
}

/// A database of Azure SQL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct AzureSql {
    /// How it is reached.
    #[serde(flatten)]
    pub access: AzureAccess,
    /// The resource group.
    #[schemars(length(min = 1))]
    pub resource_group: String,
    /// The logical server.
    #[schemars(length(min = 1))]
    pub server_name: String,
    /// The database.
    #[schemars(length(min = 1))]
    pub database: String,
    /// What `create` makes; a copy unless set.
    #[serde(default)]
    pub create: AzureSqlCreate,
    /// Where BACPAC files go, and who writes them; needed for `create = "bacpac"`.
    pub bacpac: Option<Bacpac>,
}

/// What stands for a snapshot of Azure SQL, which has none on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AzureSqlCreate {
    /// A copy of the database on the same server.
    #[default]
    Copy,
    /// An export to a blob.
    Bacpac,
}

/// Where the BACPAC files of a database go, and who writes them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bacpac {
    /// The address of a blob container, or of a folder in it: `https://acmebackups.blob.core.windows.net/sql`.
    #[schemars(extend("format" = "endpoint"))]
    pub container_url: String,
    /// The key of the storage account, by reference.
    pub storage_key: SecretRef,
    /// The server's administrator, as whom Azure exports and imports.
    #[schemars(length(min = 1))]
    pub administrator_login: String,
    /// Their password, by reference.
    pub administrator_password: SecretRef,
}

/// A Cloud SQL instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct GcpCloudSql {
    /// The project's id.
    #[schemars(length(min = 1))]
    pub project: String,
    /// The instance.
    #[schemars(length(min = 1))]
    pub instance: String,
    /// Where the backups that are made are kept, a region or multi-region such as `eu`; as the instance is set unless named.
    #[schemars(length(min = 1))]
    pub backup_location: Option<String>,
    /// Another address for the API, for emulators and private endpoints.
    #[schemars(extend("format" = "endpoint"))]
    pub endpoint: Option<String>,
    /// A static bearer token; with it no credential discovery happens.
    pub access_token: Option<SecretRef>,
}

/// A place for dumps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct StoreSettings {
    /// What kind of place, and where.
    #[serde(flatten)]
    pub place: Place,
    /// Encryption before a byte leaves this machine.
    pub encrypt: Option<Encrypt>,
    /// A larger dump is stored in several parts of about this many MiB; 48 GiB unless set.
    #[schemars(range(min = 1, max = 49152))]
    pub max_part_mib: Option<u32>,
}

/// The kinds of stores.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Place {
    /// S3, or what speaks its language.
    S3(S3),
    /// Azure Blob.
    AzureBlob(AzureBlob),
    /// Google Cloud Storage.
    Gcs(Gcs),
    /// A local folder.
    Local(Local),
}

/// A local folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Local {
    /// The folder, relative to the config file; made when missing.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
}

/// A bucket of S3.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct S3 {
    /// The bucket.
    #[schemars(length(min = 1))]
    pub bucket: String,
    /// What every object's key begins with.
    pub prefix: Option<String>,
    /// The region; that of the environment or profile unless set.
    pub region: Option<String>,
    /// Another address, for S3-compatible and private ones; plain http only when it says so.
    #[schemars(extend("format" = "endpoint"))]
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path rather than in the host name; so for every `endpoint` unless set.
    pub path_style: Option<bool>,
    /// The access key's id, by reference; the credentials of AWS's own tools unless set.
    pub access_key_id: Option<SecretRef>,
    /// The secret access key, by reference.
    pub secret_access_key: Option<SecretRef>,
    /// The token of temporary credentials, by reference.
    pub session_token: Option<SecretRef>,
    /// A profile of the AWS config files.
    pub profile: Option<String>,
    /// A role to assume.
    pub role_arn: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
    /// The storage class of the dumps, such as `STANDARD_IA`; the manifests stay in the bucket's own.
    pub storage_class: Option<String>,
    /// The KMS key that S3 encrypts with: an id, ARN or alias. Without it the bucket's default holds.
    pub kms_key_id: Option<String>,
    /// Forbids deletion for a while, by S3 Object Lock; the bucket must have been made with it.
    pub object_lock: Option<ObjectLock>,
    /// How it is talked to.
    #[serde(default)]
    pub connection: StoreConnection,
}

/// Retention by S3 Object Lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectLock {
    /// Who can shorten it: nobody, or who has the permission to.
    pub mode: LockMode,
    /// Days from the dump's end.
    #[schemars(range(min = 1, max = 36500))]
    pub days: u32,
}

/// Who can shorten a retention, in S3's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// Who has the permission s3:BypassGovernanceRetention.
    Governance,
    /// Nobody.
    Compliance,
}

/// How a store over the network is talked to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConnection {
    /// Seconds without a byte after which a request counts as failed.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: u32,
    /// How often a request that failed on the way is tried again.
    #[schemars(range(min = 0, max = 100))]
    pub retries: u32,
    /// The certificate authorities to trust beside the system's, a PEM file, relative to the config file.
    pub ca_file: Option<PathBuf>,
}

impl Default for StoreConnection {
    fn default() -> Self {
        Self { timeout_seconds: 60, retries: 10, ca_file: None }
    }
}

/// A container of Azure Blob.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct AzureBlob {
    /// The storage account.
    #[schemars(length(min = 1))]
    pub account: String,
    /// The container.
    #[schemars(length(min = 1))]
    pub container: String,
    /// What every blob's name begins with.
    pub prefix: Option<String>,
    /// Another address, the account included; plain http only when it says so.
    #[schemars(extend("format" = "endpoint"))]
    pub endpoint: Option<String>,
    /// The account's shared key, by reference.
    pub account_key: Option<SecretRef>,
    /// A static bearer token, by reference; with it no credential discovery happens.
    pub access_token: Option<SecretRef>,
    /// Whether to ask the Azure CLI for a token, where the environment names no other identity.
    #[serde(default)]
    pub azure_cli: bool,
    /// The access tier of the dumps, such as `Cool`; the manifests stay in the account's own.
    pub storage_class: Option<String>,
    /// How it is talked to.
    #[serde(default)]
    pub connection: StoreConnection,
}

/// A bucket of GCS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Gcs {
    /// The bucket.
    #[schemars(length(min = 1))]
    pub bucket: String,
    /// What every object's name begins with.
    pub prefix: Option<String>,
    /// Another address, for emulators and private ones; plain http only when it says so.
    #[schemars(extend("format" = "endpoint"))]
    pub endpoint: Option<String>,
    /// A static bearer token, by reference; with it no credential discovery happens.
    pub access_token: Option<SecretRef>,
    /// The storage class of the dumps, such as `NEARLINE`; the manifests stay in the bucket's own.
    pub storage_class: Option<String>,
    /// How it is talked to.
    #[serde(default)]
    pub connection: StoreConnection,
}

/// Encryption with age.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encrypt {
    /// Who can read the dumps: age or SSH public keys.
    #[schemars(length(min = 1))]
    pub age_recipients: Vec<String>,
    /// The identity that decrypts, for restore and verify only.
    pub age_identity: Option<SecretRef>,
}
