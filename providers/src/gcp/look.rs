//! Where credentials are looked for: application default credentials, by `gcp_auth`, then the sign-in of `gcloud`.
//!
//! The first place that names somebody is the one: where that doesn't work, nobody else is asked in silence.
//! <https://cloud.google.com/docs/authentication/application-default-credentials>

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gcp_auth::{ConfigDefaultCredentials, CustomServiceAccount, MetadataServiceAccount, TokenProvider};
use serde::Deserialize;
use tokio::time::timeout;

use super::PROVIDER;
use crate::error::{Error, ErrorKind, Result, causes};
use crate::rest::{Static, Tokens};
use crate::secret::{Secret, SecretRef};

/// What a token is to be good for; what it permits, IAM says.
const SCOPES: &[&str] = &["https://www.googleapis.com/auth/cloud-platform"];
/// How long a token may take; `gcp_auth` has no limit of its own.
const LIMIT: Duration = Duration::from_secs(60);
/// How long the metadata server may take, which is near where it is at all.
const METADATA: Duration = Duration::from_secs(10);

/// What to run, or to write into the target.
const LOGIN: &str = "gcloud auth application-default login";
const BY_GCLOUD: &str = r#"access_token = { command = ["gcloud", "auth", "print-access-token"] }"#;
const BY_DEFAULT: &str =
    r#"access_token = { command = ["gcloud", "auth", "application-default", "print-access-token"] }"#;

/// Where credentials are looked for.
#[derive(Debug)]
pub(super) struct Environment {
    /// `GOOGLE_APPLICATION_CREDENTIALS`.
    file: Option<PathBuf>,
    /// What `gcloud auth application-default login` writes.
    well_known: Option<PathBuf>,
    /// `GOOGLE_CLOUD_QUOTA_PROJECT`.
    quota_project: Option<String>,
    /// Unless `NO_GCE_CHECK` is `true`.
    asks_metadata: bool,
    gcloud: String,
}

/// Who we are.
#[derive(Debug)]
pub(super) struct Known {
    way: Way,
    /// What it is, for people.
    pub(super) what: String,
    /// The service account, where its key says it.
    pub(super) account: Option<String>,
    hint: String,
    /// The project that calls count for.
    pub(super) quota_project: Option<String>,
}

enum Way {
    Google(Box<dyn TokenProvider>),
    Gcloud(Static),
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Google(_) => f.write_str("Google"),
            Self::Gcloud(tokens) => tokens.fmt(f),
        }
    }
}

impl Environment {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let skips_metadata = variable("NO_GCE_CHECK").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self {
            file: variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
            // Where `gcp_auth` reads it; that doesn't know `CLOUDSDK_CONFIG`.
            well_known: std::env::home_dir()
                .map(|home| home.join(".config/gcloud/application_default_credentials.json")),
            quota_project: quota_project(),
            asks_metadata: !skips_metadata,
            gcloud: "gcloud".into(),
        }
    }

    /// Looks in the order of Google's own libraries, and last asks `gcloud`.
    pub(super) async fn look(&self) -> Result<Known> {
        if let Some(file) = &self.file {
            return self.of_file(file).await;
        }
        if let Some(file) = self.well_known.as_ref().filter(|file| file.exists()) {
            return self.of_file(file).await;
        }
        if self.asks_metadata
            && let Ok(Ok(account)) = timeout(METADATA, MetadataServiceAccount::new()).await
        {
            let hint = "see whether this machine's service account has the scope cloud-platform".to_owned();
            return Ok(self.known(Way::Google(Box::new(account)), "this machine's service account".into(), hint, None));
        }
        let command = [&self.gcloud, "auth", "print-access-token", "--quiet"].map(ToOwned::to_owned);
        let gcloud = Static::new(PROVIDER, SecretRef::Command(command.into()), Path::new("."));
        match gcloud.token().await {
            Ok(_) => Ok(self.known(Way::Gcloud(gcloud), "gcloud".into(), "gcloud auth login".into(), None)),
            Err(error) => Err(nobody(error)),
        }
    }

    /// By a file with credentials. Of its types `gcp_auth` reads two, and tells of the others that a field is missing.
    async fn of_file(&self, file: &Path) -> Result<Known> {
        let what = format!("the credentials in {}", file.display());
        let unusable = |reason: &str| Error::new(ErrorKind::Permission, PROVIDER, "use", &what, reason);
        let text = tokio::fs::read(file).await.map_err(|error| {
            unusable("the file can't be read").with_hint(format!("ls -l {}", file.display())).with_source(error)
        })?;
        let by_gcloud = format!("set {BY_DEFAULT} in the target");
        let Ok(Credentials { kind, client_email, quota_project_id }) = serde_json::from_slice(&text) else {
            return Err(unusable("it is no JSON that says its type").with_hint(format!("run `{LOGIN}`")));
        };
        let (way, hint): (Box<dyn TokenProvider>, String) = match kind.as_str() {
            "service_account" => {
                let account = CustomServiceAccount::from_file(file)
                    .map_err(|error| unusable("the key can't be used").with_source(told(&error)))?;
                let account_name = client_email.as_deref().unwrap_or_default();
                (Box::new(account), format!("gcloud iam service-accounts keys list --iam-account={account_name}"))
            }
            "authorized_user" if self.well_known.as_deref() == Some(file) => {
                let user = timeout(LIMIT, ConfigDefaultCredentials::new()).await.map_err(|_| late(&what))?;
                (Box::new(user.map_err(|error| refused(&what, LOGIN, &error))?), LOGIN.to_owned())
            }
            _ => {
                let reason = format!("credentials of the type {kind:?} are not read from there");
                return Err(unusable(&reason).with_hint(by_gcloud));
            }
        };
        Ok(Known { account: client_email, ..self.known(Way::Google(way), what, hint, quota_project_id) })
    }

    fn known(&self, way: Way, what: String, hint: String, quota_project: Option<String>) -> Known {
        // As in Google's libraries the variable wins over the file.
        Known { way, what, account: None, hint, quota_project: self.quota_project.clone().or(quota_project) }
    }
}

/// The project that the environment says calls count for.
pub(super) fn quota_project() -> Option<String> {
    std::env::var("GOOGLE_CLOUD_QUOTA_PROJECT").ok().filter(|project| !project.is_empty())
}

/// What is read here of a file; the rest is `gcp_auth`'s.
#[derive(Deserialize)]
struct Credentials {
    #[serde(rename = "type")]
    kind: String,
    client_email: Option<String>,
    quota_project_id: Option<String>,
}

impl Known {
    pub(super) async fn token(&self) -> Result<Secret> {
        let provider = match &self.way {
            Way::Google(provider) => provider,
            Way::Gcloud(tokens) => return tokens.token().await,
        };
        let token = timeout(LIMIT, provider.token(SCOPES)).await.map_err(|_| late(&self.what))?;
        let token = token.map_err(|error| refused(&self.what, &self.hint, &error))?;
        Ok(Secret::new(token.as_str().to_owned()))
    }
}

/// Nobody is named anywhere; `gcloud` said `error`, unless there is none.
fn nobody(error: Error) -> Error {
    let reason = "no Google credentials were found";
    let nobody = Error::new(ErrorKind::Permission, PROVIDER, "sign in to", "Google Cloud", reason)
        .with_hint(format!("run `{LOGIN}`, or set {BY_GCLOUD} in the target"));
    let io = causes(&error).find_map(|cause| cause.downcast_ref::<io::Error>());
    if io.is_some_and(|io| io.kind() == io::ErrorKind::NotFound) { nobody } else { nobody.with_source(error) }
}

/// No token, and why.
fn refused(what: &str, hint: &str, error: &gcp_auth::Error) -> Error {
    let (kind, reason) = match error {
        gcp_auth::Error::Http(..) | gcp_auth::Error::Other(..) | gcp_auth::Error::Json(..) => {
            (ErrorKind::Unavailable, "who gives the token did not answer as it should")
        }
        _ => (ErrorKind::Permission, "no token is given for them"),
    };
    Error::new(kind, PROVIDER, "use", what, reason).with_hint(hint).with_source(told(error))
}

fn late(what: &str) -> Error {
    let reason = format!("who gives the token did not answer within {} s", LIMIT.as_secs());
    Error::new(ErrorKind::Unavailable, PROVIDER, "use", what, reason)
}

/// The words of an error of `gcp_auth`, less those that may repeat a piece of a key or of a token.
fn told(error: &gcp_auth::Error) -> String {
    match error {
        gcp_auth::Error::Json(what, source) => {
            format!("{what}: at line {}, column {}", source.line(), source.column())
        }
        error => match StdError::source(error).map(ToString::to_string) {
            Some(source) if !error.to_string().contains(&source) => format!("{error}: {source}"),
            _ => error.to_string(),
        },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::scripted::{Answer, Scripted};

    /// Where nothing is.
    pub(in crate::gcp) fn nowhere() -> Environment {
        let (file, well_known, quota_project) = (None, None, None);
        Environment { file, well_known, quota_project, asks_metadata: false, gcloud: "false".into() }
    }

    /// A key whose tokens a server on loopback gives.
    pub(in crate::gcp) fn of_account(file: PathBuf, server: &Scripted) -> Environment {
        let key = json!({
            "type": "service_account", "client_email": "backup@crm.example", "private_key": include_str!("testdata/key.pem"),
            "token_uri": format!("{}/token", server.url), "quota_project_id": "crm",
        });
        std::fs::write(&file, key.to_string()).unwrap();
        Environment { file: Some(file), ..nowhere() }
    }

    pub(in crate::gcp) fn token(text: &str) -> Answer {
        Answer::json(&json!({ "access_token": text, "expires_in": 3599, "token_type": "Bearer" }).to_string())
    }

    fn printed(error: &Error) -> String {
        causes(error).map(|cause| format!("{cause} {cause:?} ")).collect()
    }

    #[tokio::test]
    async fn credentials_that_are_not_read_are_named_and_nobody_else_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("adc.json");
        for kind in ["external_account", "impersonated_service_account", "authorized_user", "gdch_service_account"] {
            std::fs::write(&file, json!({ "type": kind, "refresh_token": "hunter2" }).to_string()).unwrap();
            let environment = Environment { file: Some(file.clone()), gcloud: "printf".into(), ..nowhere() };
            let error = environment.look().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Permission);
            assert!(
                error.to_string().contains(kind) && error.hint().unwrap().contains("print-access-token"),
                "{error}"
            );
            assert!(!printed(&error).contains("hunter2"), "{}", printed(&error));
        }
        // The file that gcloud writes is no other one, but for the sign-in of a person.
        std::fs::write(&file, json!({ "type": "impersonated_service_account" }).to_string()).unwrap();
        let environment = Environment { well_known: Some(file), gcloud: "printf".into(), ..nowhere() };
        assert!(environment.look().await.unwrap_err().to_string().contains("impersonated_service_account"));
    }

    #[tokio::test]
    async fn a_file_that_is_no_key_is_told_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        let look = async || Environment { file: Some(file.clone()), ..nowhere() }.look().await.unwrap_err();
        let missing = look().await;
        assert!(missing.to_string().contains("key.json: the file can't be read"), "{missing}");
        assert_eq!(missing.hint(), Some(format!("ls -l {}", file.display()).as_str()));
        for text in ["hunter2", "\"hunter2\"", "{}", r#"{"type": "service_account", "private_key": "hunter2"}"#] {
            std::fs::write(&file, text).unwrap();
            let error = look().await;
            assert_eq!(error.kind(), ErrorKind::Permission);
            assert!(!printed(&error).contains("hunter2"), "{}", printed(&error));
        }
        let unusable =
            json!({ "type": "service_account", "client_email": "a", "private_key": "hunter2", "token_uri": "b" });
        std::fs::write(&file, unusable.to_string()).unwrap();
        let error = look().await;
        assert!(error.to_string().ends_with("the key can't be used") && !printed(&error).contains("hunter2"));
    }

    #[tokio::test]
    async fn a_service_account_signs_for_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let server = Scripted::start([token("ya29.first")]).await;
        let known = of_account(folder.path().join("key.json"), &server).look().await.unwrap();
        assert_eq!(known.token().await.unwrap().expose(), "ya29.first");
        assert_eq!(known.token().await.unwrap().expose(), "ya29.first");
        let [asked] = &server.asked()[..] else { panic!("asked more than once") };
        assert!(asked.line.starts_with("POST /token ") && asked.body.contains("&assertion="), "{asked:?}");
        assert_eq!(known.quota_project.as_deref(), Some("crm"));
        assert!(!format!("{known:?}").contains("ya29"));
        let environment = of_account(folder.path().join("key.json"), &server);
        let told = Environment { quota_project: Some("told".into()), ..environment }.look().await.unwrap();
        assert_eq!(told.quota_project.as_deref(), Some("told"), "the variable wins");
    }

    #[tokio::test]
    async fn a_key_that_gets_no_token_says_what_to_look_at() {
        let folder = tempfile::tempdir().unwrap();
        let server = Scripted::start(vec![Answer::refusal(400, r#"{"error": "invalid_grant"}"#); 9]).await;
        let known = of_account(folder.path().join("key.json"), &server).look().await.unwrap();
        let error = known.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert_eq!(error.hint(), Some("gcloud iam service-accounts keys list --iam-account=backup@crm.example"));
        let server = Scripted::start(vec![Answer::json("\"ya29.leaked\""); 9]).await;
        let known = of_account(folder.path().join("key.json"), &server).look().await.unwrap();
        let error = known.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!printed(&error).contains("leaked"), "{}", printed(&error));
    }

    #[tokio::test]
    async fn gcloud_is_asked_last() {
        // It prints its first argument, which will do for a token.
        let known = Environment { gcloud: "printf".into(), ..nowhere() }.look().await.unwrap();
        assert_eq!((known.what.as_str(), known.token().await.unwrap().expose()), ("gcloud", "auth"));
        let error = nowhere().look().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "gcp_cloud_sql: cannot sign in to Google Cloud: no Google credentials were found"
        );
        assert!(error.hint().unwrap().starts_with("run `gcloud auth application-default login`, or set access_token"));
    }
}
