//! One cycle, from `create` to an empty store, by the real binary: the same on every store and with every engine.

use object_store::ObjectStoreExt;
use serde_json::Value;

use crate::support::{StoreKind, TestStore};
use keys::Keys;
use source::{Engine, Source};

mod conformance;
mod copies;
pub(crate) mod keys;
mod several;
pub(crate) mod source;

/// Makes one test for each store and engine.
macro_rules! cycles {
    ($($store:ident: $kind:ident)*) => {
        $(mod $store {
            use super::{Engine, StoreKind, cycle};

            #[tokio::test]
            async fn postgresql() {
                cycle(StoreKind::$kind, Engine::PostgreSql).await;
            }

            #[tokio::test]
            async fn mysql() {
                cycle(StoreKind::$kind, Engine::MySql).await;
            }

            #[tokio::test]
            async fn mariadb() {
                cycle(StoreKind::$kind, Engine::MariaDb).await;
            }

            #[tokio::test]
            async fn sqlite() {
                cycle(StoreKind::$kind, Engine::Sqlite).await;
            }
        })*
    };
}

cycles! { s3: S3 moto: Moto azurite: Azurite gcs: Gcs }

/// What is special about one of the combinations: each option meets every store or engine somewhere, none meets all.
#[derive(Default)]
struct Options {
    keys: Option<Keys>,
    several_parts: bool,
    storage_class: Option<&'static str>,
    in_place: bool,
}

impl Options {
    fn of(kind: StoreKind, source: &Source) -> Self {
        let plain = Self::default();
        match (kind, source.engine) {
            (StoreKind::S3, Engine::PostgreSql) => Self { keys: Some(Keys::age()), ..plain },
            (StoreKind::Azurite, Engine::MariaDb) => {
                Self { keys: Some(Keys::ssh(&source.bench.path(""))), several_parts: true, ..plain }
            }
            (StoreKind::S3, Engine::MySql)
            | (StoreKind::Moto, Engine::Sqlite)
            | (StoreKind::Gcs, Engine::PostgreSql) => Self { several_parts: true, ..plain },
            (StoreKind::Moto, Engine::PostgreSql) => Self { storage_class: Some("STANDARD_IA"), ..plain },
            (StoreKind::Gcs, Engine::MySql) | (StoreKind::Azurite, Engine::PostgreSql) => {
                Self { in_place: true, ..plain }
            }
            _ => plain,
        }
    }

    /// The store's further keys.
    fn configure(&self, mut store: TestStore, source: &Source) -> TestStore {
        if let Some(keys) = &self.keys {
            store = store.with(&keys.lock_and_key(&source.bench.path(""), "identity"));
        }
        if self.several_parts {
            source.add_noise(if source.engine == Engine::Sqlite { 14 } else { 9 });
            store = store.with("max_part_mib = 1");
        }
        if let Some(class) = self.storage_class {
            store = store.with(&format!("storage_class = {class:?}"));
        }
        store
    }
}

async fn cycle(kind: StoreKind, engine: Engine) {
    let (Some(store), Some(mut source)) = (kind.up(), Source::of(engine)) else { return };
    let options = Options::of(kind, &source);
    let store = options.configure(store, &source);
    source.configure(&[("offsite", &store)], &["offsite"]);

    let id = created(&source);
    listed(&source, &id, &options);
    shown(&source, &id, kind, &options);
    stored(&store, &id, &options).await;
    verified(&source, &id);
    restored(&source, &id, &options);
    pruned(&source, &id);
    assert_eq!(store.names().await, <[String; 0]>::default(), "nothing is left of what was deleted");
    assert_eq!(store.unfinished(), <[String; 0]>::default());
}

/// The same key twice is one snapshot.
fn created(source: &Source) -> String {
    let first = source.done("-o name create orders --key release-7 --tag why=test");
    let again = source.done("-o name create orders --key release-7");
    assert_eq!(first.out, again.out);
    assert!(again.err.contains("is there already in offsite, with the same key"), "{again}");
    first.out.trim_end().to_owned()
}

fn listed(source: &Source, id: &str, options: &Options) {
    let document = source.done("list orders -o json").document();
    let [item] = document["items"].as_array().unwrap().as_slice() else { panic!("{document}") };
    assert_eq!(item["id"], id);
    assert_eq!((item["origin"].as_str(), item["state"].as_str()), (Some("owned"), Some("available")));
    assert_eq!((&item["key"], &item["tags"]["why"]), (&Value::from("release-7"), &Value::from("test")));
    assert_eq!(item["encrypted"], options.keys.is_some());
    assert!(item["location"].as_str().unwrap().starts_with("offsite:"), "{item}");
    let engine = match source.engine {
        Engine::PostgreSql => "postgresql",
        Engine::MySql => "mysql",
        Engine::MariaDb => "mariadb",
        Engine::Sqlite => "sqlite",
    };
    assert_eq!(item["engine"], engine);
    assert!(item["size_bytes"].as_u64().unwrap() > 0);
}

/// The commands that restore it without snapkeep name the right tools.
fn shown(source: &Source, id: &str, kind: StoreKind, options: &Options) {
    let text = source.done(&format!("show {id}")).out;
    let fetches = match kind {
        StoreKind::S3 | StoreKind::Moto => "aws s3 cp s3://",
        StoreKind::Azurite => "az storage blob download",
        StoreKind::Gcs => "gcloud storage cat gs://",
        StoreKind::Local => "cat ",
    };
    let loads = match source.engine {
        Engine::PostgreSql => "pg_restore",
        Engine::MySql => "mysql ",
        Engine::MariaDb => "mariadb ",
        Engine::Sqlite => "restored",
    };
    crate::support::assert_names(&text, &[fetches, "sha256sum", "zstd -dc", loads, id]);
    assert_eq!(text.contains("age --decrypt --identity KEY"), options.keys.is_some(), "{text}");
}

/// The layout is the contract's.
async fn stored(store: &TestStore, id: &str, options: &Options) {
    let names = store.names().await;
    assert!(names.iter().all(|name| name.starts_with(&format!("{id}/"))), "{names:?}");
    let objects = store.objects().await;
    let manifest = objects.get(&format!("{id}/manifest.json").into()).await.unwrap().bytes().await.unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let parts: Vec<&str> =
        manifest["parts"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.contains("/data")).count(), parts.len(), "{names:?}");
    assert_eq!(parts.len() > 1, options.several_parts, "{}", manifest["parts"]);
    for (number, part) in parts.iter().enumerate() {
        let start = if number == 0 { "data.".to_owned() } else { format!("data-{:04}.", number + 1) };
        let end = if options.keys.is_some() { ".zst.age" } else { ".zst" };
        assert!(part.starts_with(&start) && part.ends_with(end), "{part}");
        if let Some(class) = options.storage_class {
            assert_eq!(store.storage_class(&format!("{id}/{part}")), class);
            assert_eq!(store.storage_class(&format!("{id}/manifest.json")), "STANDARD", "it is small and read often");
        }
    }
}

/// At each level, and each leaves nothing behind.
fn verified(source: &Source, id: &str) {
    let before = source.databases();
    for level in ["checksum", "archive", "restore"] {
        source.done(&format!("verify {id} --level {level}"));
    }
    assert_eq!(source.databases(), before);
    let latest = source.done("latest orders --verified -o json").document();
    let verified = &latest["items"][0]["verified"];
    assert_eq!((&verified["level"], &verified["ok"]), (&"restore".into(), &true.into()), "{latest}");
}

fn restored(source: &Source, id: &str, options: &Options) {
    let before = source.content(&source.database()).unwrap();
    source.sql("INSERT INTO notes VALUES (4, 'later')");
    let later = source.content(&source.database()).unwrap();
    let copy = source.name("copy");
    source.done(&format!("restore {id} --to {copy}"));
    assert_eq!(source.content(&copy).as_ref(), Some(&before));
    assert_eq!(source.content(&source.database()), Some(later), "the target itself stays as it is");
    if options.in_place {
        source.done(&format!("restore {id} --in-place --confirm orders"));
        assert_eq!(source.content(&source.database()), Some(before));
    }
}

/// What is held stays, what isn't goes, and the last one only by force.
fn pruned(source: &Source, id: &str) {
    source.done(&format!("hold {id} --reason audit"));
    let last = source.create();
    source.done(&format!("verify {last} --level checksum"));
    let plan = source.done("prune plan -o json");
    assert!(plan.out.contains("refused") && plan.out.contains("audit"), "{plan}");
    source.done(&format!("release {id}"));
    source.done("prune plan --out plan.json");
    source.done("prune apply --plan plan.json");
    assert_eq!(source.ids(), [last.as_str()]);
    assert_eq!(source.run(&format!("delete {last} --yes")).code, Some(10));
    source.done(&format!("delete {last} --yes --force"));
}
