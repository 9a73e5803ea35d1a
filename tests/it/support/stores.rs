//! The stores of every kind, each test in a place of its own there, as the config and the library know them.
//!
//! No secret is in the config or in an argument: the servers' own are variables, those that any server takes are files.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectStore;
use snapkeep_providers::objects::Objects;
use snapkeep_providers::settings::StoreSettings;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use toml::{Table, Value};

use super::{Gcs, Proxy, ok, variable, variable_or_leave_out};

/// What a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// A folder of the test's.
    Local,
    /// SeaweedFS, which checks signatures.
    S3,
    Moto,
    Azurite,
    /// The simulator in the test's own process.
    Gcs,
}

/// An empty place in a store; a folder and the simulator's bucket are gone when it is dropped.
pub(crate) struct TestStore {
    pub(crate) kind: StoreKind,
    gcs: Option<Gcs>,
    proxy: Option<Proxy>,
    /// What the config says of it.
    table: Table,
    folder: TempDir,
    objects: OnceCell<Arc<dyn ObjectStore>>,
}

impl StoreKind {
    /// `None` when its server was not started: the test is left out, and says so.
    pub(crate) fn up(self) -> Option<TestStore> {
        let needed = match self {
            Self::S3 => Some("SK_S3_ENDPOINT"),
            Self::Moto => Some("SK_MOTO_ENDPOINT"),
            Self::Azurite => Some("SK_AZURITE_ENDPOINT"),
            Self::Local | Self::Gcs => None,
        };
        if let Some(needed) = needed {
            variable_or_leave_out(needed)?;
        }
        let folder = tempfile::Builder::new().prefix("store-").tempdir().unwrap();
        let gcs = (self == Self::Gcs).then(Gcs::start);
        let table = self.table(folder.path(), gcs.as_ref());
        Some(TestStore { kind: self, gcs, proxy: None, table, folder, objects: OnceCell::new() })
    }

    fn table(self, folder: &Path, gcs: Option<&Gcs>) -> Table {
        let text = |text: &str| Value::from(text);
        let env = |name: &str| Value::from(Table::from_iter([("env".to_owned(), text(name))]));
        let file = |name: &str, secret: &str| {
            let path = folder.join(name);
            fs::write(&path, secret).unwrap();
            Value::from(Table::from_iter([("file".to_owned(), text(path.to_str().unwrap()))]))
        };
        let prefix = text(folder.file_name().unwrap().to_str().unwrap());
        let pairs = match self {
            Self::Local => {
                return Table::from_iter([
                    ("type".to_owned(), text("local")),
                    ("path".to_owned(), text(folder.join("objects").to_str().unwrap())),
                ]);
            }
            Self::S3 => vec![
                ("type", text("s3")),
                ("bucket", variable("SK_S3_BUCKET").into()),
                ("region", variable("SK_S3_REGION").into()),
                ("endpoint", variable("SK_S3_ENDPOINT").into()),
                ("access_key_id", env("SK_S3_ACCESS_KEY_ID")),
                ("secret_access_key", env("SK_S3_SECRET_ACCESS_KEY")),
            ],
            Self::Moto => vec![
                ("type", text("s3")),
                ("bucket", variable("SK_MOTO_BUCKET").into()),
                ("region", text("us-east-1")),
                ("endpoint", variable("SK_MOTO_ENDPOINT").into()),
                ("access_key_id", file("id", "moto-test-key")),
                ("secret_access_key", file("key", "moto-test-secret")),
            ],
            Self::Azurite => vec![
                ("type", text("azure_blob")),
                ("account", variable("SK_AZURITE_ACCOUNT").into()),
                ("container", variable("SK_AZURITE_CONTAINER").into()),
                ("endpoint", variable("SK_AZURITE_ENDPOINT").into()),
                ("account_key", env("SK_AZURITE_KEY")),
            ],
            Self::Gcs => vec![
                ("type", text("gcs")),
                ("bucket", text(Gcs::BUCKET)),
                ("endpoint", gcs.map(Gcs::endpoint).unwrap().into()),
                ("access_token", file("token", Gcs::TOKEN)),
            ],
        };
        pairs.into_iter().chain([("prefix", prefix)]).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

impl TestStore {
    /// The same place by way of a proxy.
    pub(crate) fn behind_proxy(mut self) -> Self {
        let proxy = Proxy::before(self.table["endpoint"].as_str().unwrap());
        self.table.insert("endpoint".into(), proxy.endpoint().into());
        self.proxy = Some(proxy);
        self
    }

    /// The same place with one more key in the config, in TOML: `max_part_mib = 1`.
    pub(crate) fn with(mut self, key: &str) -> Self {
        self.table.extend(key.parse::<Table>().unwrap());
        self
    }

    /// The same place without a key of the config.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.table.remove(key);
        self
    }

    /// The proxy before it.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    /// The simulator that it is.
    pub(crate) fn gcs(&self) -> &Gcs {
        self.gcs.as_ref().unwrap()
    }

    /// Its table in a config in which it is called `name`.
    pub(crate) fn toml(&self, name: &str) -> String {
        let lines = self.table.iter().map(|(key, value)| format!("{key} = {value}\n"));
        format!("\n[stores.{name}]\n{}", lines.collect::<String>())
    }

    /// The same for the library.
    pub(crate) fn settings(&self) -> StoreSettings {
        self.table.clone().try_into().unwrap()
    }

    /// The variables that a process needs to use it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let names: &[&str] = match self.kind {
            StoreKind::S3 => &["SK_S3_ACCESS_KEY_ID", "SK_S3_SECRET_ACCESS_KEY"],
            StoreKind::Azurite => &["SK_AZURITE_KEY"],
            StoreKind::Local | StoreKind::Moto | StoreKind::Gcs => &[],
        };
        let secrets = names.iter().map(|name| (*name, variable(name)));
        // no test asks a metadata address
        secrets.chain([("AWS_EC2_METADATA_DISABLED", "true".to_owned())]).collect()
    }

    /// The same place past the proxy, and with patience.
    pub(crate) fn direct(&self) -> StoreSettings {
        if self.kind == StoreKind::Local {
            return self.settings();
        }
        let mut direct = self.kind.table(self.folder.path(), self.gcs.as_ref());
        let places = ["bucket", "container"].iter().filter_map(|key| self.table.get_key_value(*key));
        direct.extend(places.map(|(key, value)| (key.clone(), value.clone())));
        direct.try_into().unwrap()
    }

    /// What is in the place, past the proxy.
    pub(crate) async fn objects(&self) -> Arc<dyn ObjectStore> {
        let open = async || {
            let opened = Objects::open("direct", &self.direct().place, self.folder.path()).await;
            ok(opened).store().clone()
        };
        self.objects.get_or_init(open).await.clone()
    }

    /// The same place by way of a proxy of its own, with this table for the connection.
    pub(crate) fn by(&self, proxy: &Proxy, connection: &str) -> StoreSettings {
        let mut table = self.table.clone();
        table.insert("endpoint".into(), proxy.endpoint().into());
        table.extend(format!("connection = {{ {connection} }}").parse::<Table>().unwrap());
        table.try_into().unwrap()
    }

    /// A proxy before it.
    pub(crate) fn another_proxy(&self) -> Proxy {
        Proxy::before(self.kind.table(self.folder.path(), self.gcs.as_ref())["endpoint"].as_str().unwrap())
    }

    /// The names of the objects in the place, sorted.
    pub(crate) async fn names(&self) -> Vec<String> {
        let listed: Vec<_> = self.objects().await.list(None).try_collect().await.unwrap();
        let mut names: Vec<String> = listed.into_iter().map(|object| object.location.to_string()).collect();
        names.sort();
        names
    }

    /// The names for which an upload in parts was begun and neither completed nor aborted. Azure has none to abort:
    /// blocks that no list names go by themselves.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        match self.kind {
            StoreKind::Gcs => return self.gcs().unfinished(),
            StoreKind::Local | StoreKind::Azurite => return Vec::new(),
            StoreKind::S3 | StoreKind::Moto => {}
        }
        let answer = self.signed_get("?uploads=");
        let keys = answer.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        keys.filter(|key| key.starts_with(self.prefix())).map(ToOwned::to_owned).collect()
    }

    /// What comes before every name.
    pub(crate) fn prefix(&self) -> &str {
        self.table["prefix"].as_str().unwrap()
    }

    /// The storage class of an object, as S3's list tells it.
    pub(crate) fn storage_class(&self, name: &str) -> String {
        let name = format!("{}/{name}", self.prefix());
        let answer = self.signed_get(&format!("?list-type=2&prefix={name}"));
        assert!(answer.contains(&format!("<Key>{name}</Key>")), "{answer}");
        let class = answer.split("<StorageClass>").nth(1).and_then(|rest| rest.split('<').next());
        class.unwrap().to_owned()
    }

    /// Until when S3 says that an object is locked, and how.
    pub(crate) fn locked(&self, name: &str) -> Option<(String, String)> {
        let answer = self.signed_get(&format!("/{}/{name}", self.prefix()));
        let header = |wanted: &str| {
            let lines = answer.lines().filter_map(|line| line.split_once(": "));
            let mut values = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
            values.next().map(ToOwned::to_owned)
        };
        Some((header("x-amz-object-lock-mode")?, header("x-amz-object-lock-retain-until-date")?))
    }

    /// By another client than the one under test, which has no such request. What is secret comes by its standard input.
    fn signed_get(&self, rest: &str) -> String {
        let (endpoint, user) = match self.kind {
            StoreKind::S3 => {
                let user = ["SK_S3_ACCESS_KEY_ID", "SK_S3_SECRET_ACCESS_KEY"].map(variable).join(":");
                (variable("SK_S3_ENDPOINT"), user)
            }
            _ => (variable("SK_MOTO_ENDPOINT"), "moto-test-key:moto-test-secret".to_owned()),
        };
        let url = format!("{endpoint}/{}{rest}", self.table["bucket"].as_str().unwrap());
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--fail",
            "--include",
            "--noproxy",
            "*",
            "--config",
            "-",
            "--aws-sigv4",
            "aws:amz:us-east-1:s3",
            &url,
        ]);
        let mut child = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("user = \"{user}\"\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{url}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
