//! What the config says of a target and of a store: typed, with the words of the contract.
//!
//! The doc comments are user text: `snapkeep config schema` and the nearest-key hints come from here.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::SecretRef;

/// Which database, and through what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum ProviderSettings {
    /// AWS RDS instances, Aurora and Multi-AZ clusters.
    AwsRds(AwsRds),
    /// Azure Database for MySQL, flexible server.
    AzureMysql(AzureServer),
    /// Azure Database for PostgreSQL, flexible server.
    AzurePostgresql(AzureServer),
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
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
    /// Another address for the API, for emulators and private endpoints.
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
}

/// An Azure flexible server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct AzureServer {
    /// The subscription's id.
    #[schemars(length(min = 1))]
    pub subscription_id: String,
    /// The resource group.
    #[schemars(length(min = 1))]
    pub resource_group: String,
    /// The server.
    #[schemars(length(min = 1))]
    pub server_name: String,
    /// Another address for the API, for emulators and private endpoints.
    pub endpoint: Option<String>,
    /// A static bearer token; with it no credential discovery happens.
    pub access_token: Option<SecretRef>,
}

/// A database of Azure SQL.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct AzureSql {
    /// The subscription's id.
    #[schemars(length(min = 1))]
    pub subscription_id: String,
    /// The resource group.
    #[schemars(length(min = 1))]
    pub resource_group: String,
    /// The logical server.
    #[schemars(length(min = 1))]
    pub server_name: String,
    /// The database.
    #[schemars(length(min = 1))]
    pub database: String,
    /// Another address for the API, for emulators and private endpoints.
    pub endpoint: Option<String>,
    /// A static bearer token; with it no credential discovery happens.
    pub access_token: Option<SecretRef>,
}

/// A Cloud SQL instance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct GcpCloudSql {
    /// The project's id.
    #[schemars(length(min = 1))]
    pub project: String,
    /// The instance.
    #[schemars(length(min = 1))]
    pub instance: String,
    /// Another address for the API, for emulators and private endpoints.
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
    /// The region.
    pub region: Option<String>,
    /// Another address, for S3-compatible and private ones.
    pub endpoint: Option<String>,
    /// The access key's id, by reference; the standard environment unless set.
    pub access_key_id: Option<SecretRef>,
    /// The secret access key, by reference.
    pub secret_access_key: Option<SecretRef>,
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
    /// Another address, the account included.
    pub endpoint: Option<String>,
    /// The account's shared key, by reference.
    pub account_key: Option<SecretRef>,
    /// A static bearer token, by reference.
    pub access_token: Option<SecretRef>,
}

/// A bucket of GCS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Gcs {
    /// The bucket.
    #[schemars(length(min = 1))]
    pub bucket: String,
    /// What every object's name begins with.
    pub prefix: Option<String>,
    /// Another address, for emulators and private ones.
    pub endpoint: Option<String>,
    /// A static bearer token, by reference.
    pub access_token: Option<SecretRef>,
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
