//! S3, Azure Blob and GCS: from the config to `object_store`'s builders.
//!
//! With credentials in the config nothing else is asked for any. Without, each cloud's own ways are followed, and no
//! variable of the environment but those: an address or an option never comes from there.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, Checksum, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpConnector, ReqwestConnector};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};

use super::address;
use super::aws;
use super::s3::S3Bucket;
use super::{Bucket, Site};
use crate::aws::Keys;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretRef;
use crate::settings::{AzureBlob, Gcs, S3, StoreConnection};

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// After this long no request is tried again; `object_store` asks for less than five minutes, since credentials may
/// run out meanwhile, and whoever waits for a dead store waits this long.
const RETRY_LIMIT: Duration = Duration::from_secs(2 * 60);

type Opened = (Arc<dyn ObjectStore>, Site);

pub(super) async fn s3(name: &str, settings: &S3, base: &FilePath) -> Result<(S3Bucket, Site)> {
    let S3 { bucket, endpoint, .. } = settings;
    let wrong = |reason: String| wrong(name, &reason);
    address::check_name("bucket", bucket).map_err(wrong)?;
    let prefix = address::prefix(settings.prefix.as_deref()).map_err(wrong)?;
    if let (Some(endpoint), Some(false)) = (endpoint, settings.path_style) {
        address::check_hosted(endpoint).map_err(wrong)?;
    }
    let (options, retry) = client(name, &settings.connection, endpoint.as_deref(), base).await?;
    let region = aws::region(name, settings).await?;
    let path_style = settings.path_style.unwrap_or(endpoint.is_some());
    let url = bucket_url(bucket, endpoint.as_deref(), path_style, &region);
    let keys = keys(name, settings, base).await?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&region)
        .with_client_options(options.clone())
        .with_credentials(aws::credentials(name, settings, keys, &region, &options).await)
        .with_retry(retry)
        .with_virtual_hosted_style_request(!path_style)
        .with_conditional_put(S3ConditionalPut::ETagMatch);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(if path_style { endpoint } else { &url });
    }
    if let Some(key) = &settings.kms_key_id {
        builder = builder.with_sse_kms_encryption(key);
    }
    if settings.object_lock.is_some() {
        // S3 wants one with every upload that gets a retention, be it by the bucket's own default:
        // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>.
        builder = builder.with_checksum_algorithm(Checksum::SHA256);
    }
    let store = builder.build().map_err(|error| unusable(name, error))?;
    let client = ReqwestConnector::default().connect(&options).map_err(|error| unusable(name, error))?;
    let opened = S3Bucket {
        store: Arc::new(store),
        client,
        url,
        name: bucket.clone(),
        region,
        prefix: prefix.clone(),
        storage_class: settings.storage_class.clone(),
        kms_key_id: settings.kms_key_id.clone(),
        retries: settings.connection.retries,
        lock: settings.object_lock,
    };
    let site = bucket_site("s3", bucket.clone(), prefix, endpoint.as_ref(), &settings.storage_class);
    Ok((opened, site))
}

/// The bucket's own URL, without a slash at its end.
fn bucket_url(bucket: &str, endpoint: Option<&str>, path_style: bool, region: &str) -> String {
    let host = format!("https://s3.{region}.amazonaws.com");
    let endpoint = endpoint.unwrap_or(&host).trim_end_matches('/');
    match endpoint.split_once("://") {
        _ if path_style => format!("{endpoint}/{bucket}"),
        Some((scheme, rest)) => format!("{scheme}://{bucket}.{rest}"),
        None => format!("{bucket}.{endpoint}"),
    }
}

/// The keys in the config; half of a pair is no reason to look for others elsewhere.
async fn keys(name: &str, settings: &S3, base: &FilePath) -> Result<Option<Keys>> {
    let secret = async |secret: &Option<SecretRef>| resolved(secret.as_ref(), base).await;
    match (secret(&settings.access_key_id).await?, secret(&settings.secret_access_key).await?) {
        (Some(id), Some(key)) => Ok(Some(Keys { id, secret: key, token: secret(&settings.session_token).await? })),
        (None, None) if settings.session_token.is_none() => Ok(None),
        _ => Err(Error::new(ErrorKind::Usage, "store", "open", name, "its keys are incomplete")
            .with_hint(format!("set both `access_key_id` and `secret_access_key` in [stores.{name}]"))),
    }
}

pub(super) async fn azure_blob(name: &str, settings: &AzureBlob, base: &FilePath) -> Result<Opened> {
    let AzureBlob { account, container, endpoint, .. } = settings;
    let wrong = |reason: String| wrong(name, &reason);
    address::check_name("account", account).map_err(wrong)?;
    address::check_name("container", container).map_err(wrong)?;
    let prefix = address::prefix(settings.prefix.as_deref()).map_err(wrong)?;
    let (options, retry) = client(name, &settings.connection, endpoint.as_deref(), base).await?;
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(container)
        .with_client_options(options)
        .with_retry(retry);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    let (key, token) =
        (resolved(settings.account_key.as_ref(), base).await?, resolved(settings.access_token.as_ref(), base).await?);
    builder = match (key, token) {
        (Some(key), _) => builder.with_access_key(key),
        (None, Some(token)) => builder.with_bearer_token_authorization(token),
        (None, None) => azure_identity(builder).with_use_azure_cli(settings.azure_cli),
    };
    let store = builder.build().map_err(|error| unusable(name, error))?;
    let shown = format!("{account}/{container}");
    let site = bucket_site("az", shown, prefix, endpoint.as_ref(), &settings.storage_class);
    Ok((Arc::new(store), site))
}

/// The variables by which Azure's SDKs know a client secret, a workload identity or a managed identity:
/// <https://learn.microsoft.com/azure/developer/rust/sdk/authentication/credential-chains>.
fn azure_identity(builder: MicrosoftAzureBuilder) -> MicrosoftAzureBuilder {
    let known = [
        ("AZURE_TENANT_ID", AzureConfigKey::AuthorityId),
        ("AZURE_CLIENT_ID", AzureConfigKey::ClientId),
        ("AZURE_CLIENT_SECRET", AzureConfigKey::ClientSecret),
        ("AZURE_FEDERATED_TOKEN_FILE", AzureConfigKey::FederatedTokenFile),
        ("AZURE_AUTHORITY_HOST", AzureConfigKey::AuthorityHost),
        ("IDENTITY_ENDPOINT", AzureConfigKey::MsiEndpoint),
    ];
    known.into_iter().fold(builder, |builder, (name, key)| match variable(&name) {
        Some(value) => builder.with_config(key, value),
        None => builder,
    })
}

pub(super) async fn gcs(name: &str, settings: &Gcs, base: &FilePath) -> Result<Opened> {
    let Gcs { bucket, endpoint, .. } = settings;
    let wrong = |reason: String| wrong(name, &reason);
    address::check_name("bucket", bucket).map_err(wrong)?;
    let prefix = address::prefix(settings.prefix.as_deref()).map_err(wrong)?;
    let (options, retry) = client(name, &settings.connection, endpoint.as_deref(), base).await?;
    let mut builder =
        GoogleCloudStorageBuilder::new().with_bucket_name(bucket).with_client_options(options).with_retry(retry);
    if let Some(endpoint) = endpoint {
        builder = builder.with_base_url(endpoint.trim_end_matches('/'));
    }
    match resolved(settings.access_token.as_ref(), base).await? {
        Some(token) => builder = builder.with_bearer_token(token),
        None => {
            if let Some(file) = variable(&"GOOGLE_APPLICATION_CREDENTIALS") {
                builder = builder.with_config(GoogleConfigKey::ApplicationCredentials, file);
            }
        }
    }
    let store = builder.build().map_err(|error| unusable(name, error))?;
    let site = bucket_site("gs", bucket.clone(), prefix, endpoint.as_ref(), &settings.storage_class);
    Ok((Arc::new(store), site))
}

fn bucket_site(
    scheme: &'static str,
    name: String,
    prefix: Path,
    endpoint: Option<&String>,
    storage_class: &Option<String>,
) -> Site {
    let storage_class = storage_class.clone();
    Site::Bucket(Bucket { scheme, name, prefix, endpoint: endpoint.cloned(), storage_class })
}

/// How the store is talked to. A request may take as long as bytes flow: a part of a dump on a slow line, or a restore
/// that waits for its database.
async fn client(
    name: &str,
    connection: &StoreConnection,
    endpoint: Option<&str>,
    base: &FilePath,
) -> Result<(ClientOptions, RetryConfig)> {
    if let Some(endpoint) = endpoint {
        address::check_endpoint(endpoint)
            .map_err(|reason| wrong(name, &format!("its endpoint can't be used: {reason}")))?;
    }
    let mut options = ClientOptions::new()
        .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")))
        .with_timeout_disabled()
        .with_read_timeout(Duration::from_secs(connection.timeout_seconds.into()))
        .with_connect_timeout(CONNECT);
    if let Some(file) = &connection.ca_file {
        let file = base.join(file);
        let unreadable =
            || Error::new(ErrorKind::Failed, "store", "open", name, format!("{} can't be read", file.display()));
        let pem = tokio::fs::read(&file).await.map_err(|error| unreadable().with_source(error))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| unreadable().with_source(error))?;
        if certificates.is_empty() {
            return Err(unreadable().with_hint("it must hold certificates in PEM"));
        }
        options = certificates.into_iter().fold(options, ClientOptions::with_root_certificate);
    }
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: connection.retries as usize,
        retry_timeout: RETRY_LIMIT,
    };
    Ok((options, retry))
}

fn variable(name: &&str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn resolved(secret: Option<&SecretRef>, base: &FilePath) -> Result<Option<String>> {
    let Some(secret) = secret else { return Ok(None) };
    let value = secret.resolve(base).await?.expose().to_owned();
    if value.is_empty() || value.chars().any(char::is_control) {
        let reason = "it is empty, or has line breaks or other control characters in it";
        return Err(Error::new(ErrorKind::Permission, "store", "use", "a secret of the config", reason)
            .with_hint("look at what the reference names: a file with one line, a variable that is set"));
    }
    Ok(Some(value))
}

fn wrong(name: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Usage, "store", "open", name, reason)
        .with_hint(format!("correct [stores.{name}] in the config"))
}

fn unusable(name: &str, error: object_store::Error) -> Error {
    Error::new(ErrorKind::Permission, "store", "open", name, "its settings or credentials can't be used")
        .with_hint(format!("look at [stores.{name}] in the config"))
        .with_source(error)
}
