//! Stores in buckets: what is tried out there, and what a store says that won't do.

use insta::assert_snapshot;

use crate::cli::{Bench, Ran, target};
use crate::support::{Action, Fault, StoreKind, TestStore};

const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";

fn doctor(store: &TestStore, more: &str) -> (Ran, String) {
    let bench = Bench::empty();
    let config = format!("version = 1\n{more}{}{}", target("notes", "notes.db", ""), store.toml("local"));
    std::fs::write(bench.path("snapkeep.toml"), config).unwrap();
    bench.sql("notes.db", "CREATE TABLE notes (text TEXT)");
    let ran = bench.ran(bench.command().envs(store.environment()).arg("doctor").output().unwrap());
    let text = ran.to_string().replace(store.prefix(), "[PREFIX]");
    let text = text.replace(
        &store.toml("").lines().find_map(|line| line.strip_prefix("endpoint = ")).unwrap().replace('"', ""),
        "[ENDPOINT]",
    );
    // The name of what is written by chance.
    let mut parts = text.split(".snapkeep-probe-");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown += &format!(".snapkeep-probe-[NAME]{}", &part[12..]);
    }
    (ran, shown)
}

#[tokio::test]
async fn a_bucket_is_tried_out_once_and_left_as_it_was() {
    for kind in [StoreKind::S3, StoreKind::Moto, StoreKind::Azurite, StoreKind::Gcs] {
        let Some(store) = kind.up() else { continue };
        let (ran, shown) = doctor(&store, "[state]\nstore = \"local\"\n");
        assert_eq!(ran.code, Some(0), "{shown}");
        let told =
            ["plain http, which stays on this machine", "written over only by who has read it", "can be deleted again"];
        crate::support::assert_names(&ran.out, &told);
        assert!(!store.names().await.iter().any(|name| name.contains("probe-")), "{:?}", store.names().await);
        if kind == StoreKind::S3 {
            assert_snapshot!(shown, @"
            exit 0
            --- stdout
            TARGET  CHECK  RESULT  DETAIL
            notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
            notes  restore  ok  a file can be made in [DIR]
            notes  state  ok  s3://test/[PREFIX]/.snapkeep
            notes  snapshots  ok  0, none is good
            notes  debris  ok  none
            store local  tls  ok  plain http, which stays on this machine: [ENDPOINT]
            store local  list  ok  s3://test/[PREFIX] can be listed
            store local  write  ok  an object can be written
            store local  conditions  ok  what is there is written over only by who has read it
            store local  read  ok  what was written can be read
            store local  delete  ok  it can be deleted again
            store local  uploads  ok  those that were cut off can be found
            store local  clock  ok  as the provider's
            ");
        }
    }
}

#[tokio::test]
async fn a_bucket_that_denies_a_request_says_which() {
    let Some(store) = StoreKind::S3.up() else { return };
    let store = store.behind_proxy();
    store.proxy().fail(Fault::on("PUT", ".snapkeep-probe-", Action::Status(403, DENIED.into())).always());
    assert_snapshot!(doctor(&store, "").1, @"
    exit 5
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
    notes  restore  ok  a file can be made in [DIR]
    notes  state  ok  [DIR]/home/.local/state/snapkeep
    notes  snapshots  ok  0, none is good
    notes  debris  ok  none
    store local  tls  ok  plain http, which stays on this machine: [ENDPOINT]
    store local  list  ok  s3://test/[PREFIX] can be listed
    store local  write  FAILED  store: cannot write .snapkeep-probe-[NAME] in store local: the credentials are refused, or don't permit it
    store local  uploads  ok  those that were cut off can be found
    --- stderr
    error: store: cannot write .snapkeep-probe-[NAME] in store local: the credentials are refused, or don't permit it
    caused by: PUT [ENDPOINT]/test/[PREFIX]/.snapkeep-probe-[NAME]: 403 Forbidden: AccessDenied: Access Denied
    hint: let them read, write, list and delete below s3://test/[PREFIX]
    ");
    store.proxy().heal();
    store.proxy().fail(Fault::on("POST", "?delete", Action::Status(403, DENIED.into())).always());
    let (ran, shown) = doctor(&store, "");
    assert!(ran.code == Some(5) && shown.contains("and delete it: s3://"), "{shown}");
}

#[tokio::test]
async fn nothing_is_written_where_it_would_be_locked() {
    let Some(store) = StoreKind::S3.up() else { return };
    let store = store.behind_proxy();
    let locks = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
                 <Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
    store.proxy().fail(Fault::on("GET", "object-lock", Action::Status(200, locks.into())).always());
    let (ran, shown) = doctor(&store, "");
    assert_eq!(ran.code, Some(0), "{shown}");
    assert!(shown.contains("not tried: the bucket locks whatever is written for 30 days"), "{shown}");
    assert_eq!(store.proxy().count("PUT", "probe"), 0);
}
