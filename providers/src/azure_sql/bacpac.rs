//! BACPAC files: a database written to a blob by Azure itself, as its administrator. Their names are all that says whose they are.
//!
//! Azure needs the key of the storage account and the administrator's password for it. Both are read when they are needed, and
//! told to nobody but Azure.

use std::path::{Path as FilePath, PathBuf};

use futures::TryStreamExt;
use object_store::{Error as StoreError, ObjectMeta, ObjectStoreExt};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use url::{Host, Url};

use super::create::VERB;
use super::record::{BACPAC, Record};
use super::{AzureSqlProvider, Home};
use crate::Run;
use crate::azure;
use crate::azure::begin::Turn;
use crate::azure::fault::into_error;
use crate::azure::names::{encoded, of_backup};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Operation, OperationId, Snapshot, TargetName};
use crate::objects::{Objects, Path, check_endpoint};
use crate::rest::{Fault, is_open};
use crate::secret::Secret;
use crate::settings::{AzureBlob, Bacpac, Place, StoreConnection};

/// What the names begin with under which exports are remembered.
pub(super) const MARK: &str = "bacpac:";
const PUBLIC: &str = "blob.core.windows.net";

/// Where the files are, and as whom they are written.
#[derive(Debug)]
pub(super) struct Bacpacs {
    target: TargetName,
    settings: Bacpac,
    place: Place,
    base: PathBuf,
    /// Of the server and the database: two that are configs' targets of one name have files of their own.
    folder: String,
    opened: OnceCell<Objects>,
}

/// What Azure is told, and nobody else.
pub(super) struct Secrets {
    storage_key: Secret,
    password: Secret,
}

impl Secrets {
    /// A text without them, whoever has put them there.
    fn hidden(&self, text: &str) -> String {
        [&self.storage_key, &self.password].into_iter().fold(text.to_owned(), |text, secret| match secret.expose() {
            "" => text,
            secret => text.replace(secret, "***"),
        })
    }
}

impl Bacpacs {
    pub(super) fn new(home: &Home, settings: &Bacpac, base: &FilePath) -> Result<Self> {
        let target = home.target.clone();
        let place = place(settings).map_err(|reason| {
            let reason = format!("container_url can't be used: {reason}");
            let hint = "write https://ACCOUNT.blob.core.windows.net/CONTAINER, with /FOLDER behind it if there is one";
            home.error(ErrorKind::Usage, "open", &target, reason).with_hint(hint)
        })?;
        let place = Place::AzureBlob(place);
        let folder = format!("{}/{}", home.server.server, encoded(&home.database.to_lowercase()));
        let (settings, base) = (settings.clone(), base.to_owned());
        Ok(Self { target, settings, place, base, folder, opened: OnceCell::new() })
    }

    /// The name under which the export to a file is remembered.
    pub(super) fn mark(name: &str) -> String {
        format!("{MARK}{name}")
    }

    /// The address of a file, as Azure SQL is told it.
    pub(super) fn url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.settings.container_url.trim_end_matches('/'), self.folder)
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.folder))
    }

    pub(super) fn administrator(&self) -> &str {
        &self.settings.administrator_login
    }

    async fn objects(&self) -> Result<&Objects> {
        let open = || Objects::open("bacpac", &self.place, &self.base);
        self.opened.get_or_try_init(open).await.map_err(|error| self.explained(error))
    }

    /// The same, with where the config says it.
    fn explained(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Usage | ErrorKind::Permission | ErrorKind::Failed => error.with_hint(format!(
                "look at `container_url` and `storage_key` of `bacpac` in [targets.{}]",
                self.target
            )),
            _ => error,
        }
    }

    /// Every file of the target.
    pub(super) async fn list(&self, home: &Home, verb: &str) -> Result<Vec<Record>> {
        let objects = self.objects().await?;
        let folder = Path::from(self.folder.as_str());
        let listed: std::result::Result<Vec<ObjectMeta>, _> = objects.store().list(Some(&folder)).try_collect().await;
        let listed = listed.map_err(|error| self.explained(objects.error(verb, "BACPAC files", error)))?;
        let direct = listed.iter().filter(|meta| meta.location.parts().count() == folder.parts().count() + 1);
        Ok(direct.filter_map(|meta| of(home, objects, meta)).collect())
    }

    /// One file, and what the store tells of it.
    pub(super) async fn find(&self, home: &Home, verb: &str, name: &str) -> Result<Option<(Record, Value)>> {
        let objects = self.objects().await?;
        match objects.store().head(&self.path(name)).await {
            Ok(meta) => {
                let told = json!({
                    "name": name, "url": self.url(name), "size": meta.size, "lastModified": meta.last_modified,
                    "etag": meta.e_tag,
                });
                Ok(of(home, objects, &meta).map(|record| (record, told)))
            }
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.explained(objects.error(verb, name, error))),
        }
    }

    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        self.objects().await?.delete(&self.path(name)).await.map_err(|error| self.explained(error))
    }

    async fn secrets(&self) -> Result<Secrets> {
        let storage_key = self.settings.storage_key.resolve(&self.base).await?;
        Ok(Secrets { storage_key, password: self.settings.administrator_password.resolve(&self.base).await? })
    }

    /// What an export and an import are told alike: <https://learn.microsoft.com/rest/api/sql/databases/export>.
    pub(super) fn told(&self, name: &str, secrets: &Secrets) -> Map<String, Value> {
        Map::from_iter([
            ("storageKeyType".to_owned(), json!("StorageAccessKey")),
            ("storageKey".to_owned(), json!(secrets.storage_key.expose())),
            ("storageUri".to_owned(), json!(self.url(name))),
            ("administratorLogin".to_owned(), json!(self.settings.administrator_login)),
            ("administratorLoginPassword".to_owned(), json!(secrets.password.expose())),
        ])
    }

    /// Azure's words without what it was told in confidence; none at all when that can't be told from them.
    pub(super) async fn hidden(&self, words: &str) -> String {
        match self.secrets().await {
            Ok(secrets) => secrets.hidden(words),
            Err(_) => "Azure's words are left out, as the secrets in them could not be told".to_owned(),
        }
    }

    /// A refusal of what was sent with secrets.
    pub(super) fn refused(fault: Fault, secrets: &Secrets, home: &azure::Home, verb: &str, subject: &str) -> Error {
        let said = fault.to_string();
        let hidden = secrets.hidden(&said);
        let error = into_error(fault, home, verb, subject);
        if said == hidden { error } else { error.with_source(hidden) }
    }
}

fn of(home: &Home, objects: &Objects, meta: &ObjectMeta) -> Option<Record> {
    let name = meta.location.filename()?;
    Record::of_blob(home, name, meta.size, meta.last_modified, &objects.shown())
}

/// The container of an address: of `https://ACCOUNT.blob.core.windows.net/CONTAINER/FOLDER`, or of an emulator's, whose path
/// begins with the account.
fn place(settings: &Bacpac) -> std::result::Result<AzureBlob, String> {
    let text = settings.container_url.trim_end_matches('/');
    check_endpoint(text)?;
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let origin = url.origin().ascii_serialization();
    let plain = |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte));
    let parts: Vec<&str> = url.path_segments().into_iter().flatten().collect();
    if !parts.iter().all(plain) {
        return Err("of its path, letters, digits, '-', '_' and '.' are understood".into());
    }
    let hosted = match url.host() {
        Some(Host::Domain(host)) => host.split_once('.').filter(|(_, rest)| rest.starts_with("blob.")),
        _ => None,
    };
    let (account, endpoint, parts) = match (hosted, &*parts) {
        (Some((account, PUBLIC)), _) if url.scheme() == "https" => (account, None, &*parts),
        (Some((account, _)), _) => (account, Some(origin), &*parts),
        (None, [account, rest @ ..]) => (*account, Some(format!("{origin}/{account}")), rest),
        (None, []) => return Err("it names no account".into()),
    };
    let [container, folders @ ..] = parts else { return Err("it names no container".into()) };
    if account.is_empty() || container.is_empty() || folders.iter().any(|folder| ["", ".", ".."].contains(folder)) {
        return Err("it names no container".into());
    }
    Ok(AzureBlob {
        account: account.to_owned(),
        container: (*container).to_owned(),
        prefix: Some(folders.join("/")).filter(|prefix| !prefix.is_empty()),
        endpoint,
        account_key: Some(settings.storage_key.clone()),
        access_token: None,
        azure_cli: false,
        storage_class: None,
        connection: StoreConnection::default(),
    })
}

impl AzureSqlProvider {
    /// What Azure is to be told, which never goes out unencrypted.
    pub(super) async fn secrets(&self, bacpacs: &Bacpacs, verb: &str, subject: &str) -> Result<Secrets> {
        if is_open(self.api.client.base().as_str()) {
            let reason = "its endpoint is not encrypted, and the administrator's password would go there";
            let error = self.home.error(ErrorKind::Usage, verb, subject, reason);
            return Err(error.with_hint(format!("use https in `endpoint` of [targets.{}]", self.home.target)));
        }
        bacpacs.secrets().await
    }

    pub(super) async fn begin_export(
        &self,
        bacpacs: &Bacpacs,
        key: Option<&str>,
        run: &Run,
    ) -> Result<Operation<Snapshot>> {
        let name = format!("{}{BACPAC}", of_backup(&self.home.target, key, self.now()));
        let secrets = self.secrets(bacpacs, VERB, self.home.target.as_str()).await?;
        let mark = Bacpacs::mark(&name);
        let body = Value::from(bacpacs.told(&name, &secrets));
        let send = || self.api.export(&self.home.database, &body);
        let server = (&*self.home.server.server, run);
        let begun = match self.desk.begin_in_turn((&mark, None), server, || self.made_meanwhile(key), send).await? {
            Turn::Found(made) => return Ok(made),
            Turn::Asked(begun) => begun,
        };
        let subject = self.home.target.to_string();
        let begun = begun.map_err(|fault| Bacpacs::refused(fault, &secrets, &self.home, VERB, &subject));
        self.after_snapshot(OperationId::new(name), &mark, begun).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretRef;

    fn of_url(url: &str) -> std::result::Result<AzureBlob, String> {
        let secret = SecretRef::Env("KEY".into());
        place(&Bacpac {
            container_url: url.into(),
            storage_key: secret.clone(),
            administrator_login: "sa".into(),
            administrator_password: secret,
        })
    }

    #[test]
    fn an_address_names_account_container_and_folder() {
        for (url, account, container, prefix, endpoint) in [
            ("https://acme.blob.core.windows.net/sql", "acme", "sql", None, None),
            ("https://acme.blob.core.windows.net/sql/prod/eu/", "acme", "sql", Some("prod/eu"), None),
            (
                "https://acme.blob.core.chinacloudapi.cn/sql",
                "acme",
                "sql",
                None,
                Some("https://acme.blob.core.chinacloudapi.cn"),
            ),
            ("http://127.0.0.1:10000/dev/sql/a", "dev", "sql", Some("a"), Some("http://127.0.0.1:10000/dev")),
        ] {
            let blob = of_url(url).unwrap();
            assert_eq!((&*blob.account, &*blob.container), (account, container), "{url}");
            assert_eq!((blob.prefix.as_deref(), blob.endpoint.as_deref()), (prefix, endpoint), "{url}");
        }
        for wrong in [
            "",
            "acme",
            "https://acme.blob.core.windows.net",
            "https://acme.blob.core.windows.net/sql?sig=x",
            "https://acme.blob.core.windows.net/a%2f..",
            "https://acme.blob.core.windows.net/sql//x",
            "http://127.0.0.1:10000/dev",
        ] {
            assert!(of_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_words_of_azures_hold_what_it_was_told() {
        let secret = |text: &str| Secret::new(text.into());
        let secrets = Secrets { storage_key: secret("k3y=="), password: secret("hunter2") };
        assert_eq!(secrets.hidden("bad key k3y== of sa:hunter2"), "bad key *** of sa:***");
        let empty = Secrets { storage_key: secret(""), password: secret("") };
        assert_eq!(empty.hidden("ab"), "ab");
    }
}
