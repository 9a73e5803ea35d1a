//! Holds and locks in buckets: the real binary, with its dumps in a folder and its state in each kind of store.

use std::future::Future;
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::join_all;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use rusqlite::Connection;
use serde_json::{Value, json};
use snapkeep_providers::objects::{Objects, Swap};

use super::{Past, document, texts};
use crate::cli::{Ran, until};
use crate::support::{StoreKind, TestStore, ok};

const KINDS: [StoreKind; 4] = [StoreKind::S3, StoreKind::Moto, StoreKind::Azurite, StoreKind::Gcs];
const LOCK: &str = ".snapkeep/notes/lock/target.json";

/// A bench whose state is in a bucket.
struct Away {
    past: Past,
    store: TestStore,
}

impl Deref for Away {
    type Target = Past;

    fn deref(&self) -> &Past {
        &self.past
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

impl Away {
    /// With a snapshot of each of these ages in days, one of which is kept.
    fn of<const N: usize>(kind: StoreKind, days: [i64; N]) -> Option<(Self, [String; N])> {
        let store = kind.up()?;
        let (past, ids) = Past::of("keep_last = 1", days);
        past.append(&store.toml("offsite"));
        past.append("\n[state]\nstore = \"offsite\"\n");
        Some((Self { past, store }, ids))
    }

    fn command(&self) -> Command {
        let mut command = self.past.command();
        command.envs(self.store.environment());
        command
    }

    fn run(&self, line: &str) -> Ran {
        self.ran_by(self.command().args(line.split_whitespace()))
    }

    /// The objects of the state with their sizes.
    fn objects(&self) -> Vec<(String, usize)> {
        wait(async {
            let objects = self.store.objects().await;
            let names = self.store.names().await;
            let size = async |name: String| {
                let size = objects.head(&Path::parse(&name).unwrap()).await.unwrap().size;
                (name, usize::try_from(size).unwrap())
            };
            join_all(names.into_iter().map(size)).await
        })
    }

    fn is_locked(&self) -> bool {
        self.objects().iter().any(|(name, size)| name == LOCK && *size > 0)
    }

    /// Puts the lease of a process elsewhere.
    fn plant_lease(&self) {
        let owner = json!({ "host": "elsewhere", "pid": 1, "process": "1", "machine": "another" });
        let lease = json!({ "owner": owner, "since": Utc::now(), "renewals": 7, "verb": "prune apply" });
        let payload = PutPayload::from(lease.to_string());
        wait(async { self.store.objects().await.put(&Path::from(LOCK), payload).await.unwrap() });
    }
}

/// A `create` that waits for its database, and holds the lock of its target meanwhile.
struct Holder {
    child: Child,
    _locked: Connection,
}

impl Holder {
    fn of(away: &Away) -> Self {
        let locked = Connection::open(away.path("notes.db")).unwrap();
        locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let mut command = away.command();
        let child = command.args(["-q", "create", "notes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        until("the lock is taken", || away.is_locked().then_some(()));
        Self { child: child.unwrap(), _locked: locked }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes one test for each kind of bucket.
macro_rules! in_buckets {
    ($($check:ident)*) => {
        $(mod $check {
            use super::*;

            #[test]
            fn s3() {
                super::$check(StoreKind::S3);
            }

            #[test]
            fn moto() {
                super::$check(StoreKind::Moto);
            }

            #[test]
            fn azure_blob() {
                super::$check(StoreKind::Azurite);
            }

            #[test]
            fn gcs() {
                super::$check(StoreKind::Gcs);
            }
        })*
    };
}

in_buckets! {
    a_hold_forbids_deletion_until_it_is_released
    a_target_is_locked_for_all_and_a_killed_holder_is_taken_over_at_once
    conditional_writes_are_what_the_state_stands_on
}

fn a_hold_forbids_deletion_until_it_is_released(kind: StoreKind) {
    let Some((away, [new, old])) = Away::of(kind, [1, 9]) else { return };
    let ran = away.run(&format!("-q hold {old} --reason audit"));
    assert_eq!(ran.code, Some(0), "{ran}");
    let holds: Vec<Value> = document(&away.run("-o json list"))["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["hold"].clone())
        .collect();
    assert_eq!(holds, [Value::Null, json!({ "reason": "audit", "until": null })]);
    let ran = away.run(&format!("delete {old} --yes"));
    assert!(ran.code == Some(10) && ran.err.contains("it is held: audit"), "{ran}");
    assert_eq!(texts(&document(&away.run("-o json prune plan")), "verdict"), ["keep", "refused"]);
    assert_eq!(away.run("-q prune apply --yes").code, Some(0));
    assert_eq!(away.left().len(), 2);

    assert_eq!(away.run(&format!("-q release {old}")).code, Some(0));
    let ran = away.run("prune apply --yes");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(away.left(), std::slice::from_ref(&new));
    let made = away.run("-q create notes");
    assert_eq!(made.code, Some(0), "{made}");
    let ran = away.run(&format!("-q delete {new} --yes"));
    assert_eq!(ran.code, Some(0), "{ran}");

    let ran = away.run("doctor");
    assert!(ran.code == Some(0) && ran.out.contains("/.snapkeep"), "{ran}");
    assert!(!away.path("home/.local/state").exists(), "nothing of it is on this machine");
    let left = away.objects();
    let (gone, there): (Vec<_>, Vec<_>) = left.iter().partition(|(_, size)| *size == 0);
    assert_eq!(gone, [&(LOCK.to_owned(), 0)], "what is deleted for good leaves nothing");
    assert!(there.iter().all(|(name, _)| name.starts_with(".snapkeep/notes/plans/")), "{there:?}");
}

fn a_target_is_locked_for_all_and_a_killed_holder_is_taken_over_at_once(kind: StoreKind) {
    let Some((away, [new, old])) = Away::of(kind, [1, 9]) else { return };
    let mut holder = Holder::of(&away);
    for line in ["create notes", "prune apply --yes", &format!("delete {old} --yes")] {
        let ran = away.run(line);
        assert_eq!(ran.code, Some(11), "{line}: {ran}");
        assert!(ran.err.contains(&format!("as process {}", holder.child.id())), "{ran}");
    }
    assert_eq!(away.run(&format!("-q hold {old} --reason r")).code, Some(0), "a hold waits for no lock");
    assert_eq!(away.run(&format!("-q release {old}")).code, Some(0));
    holder.child.kill().unwrap();
    holder.child.wait().unwrap();
    assert!(away.is_locked(), "it gave nothing back");
    let begun = Instant::now();
    let ran = away.run("-q prune apply --yes");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(begun.elapsed() < Duration::from_secs(20), "a lease would last a minute");
    assert_eq!(away.left(), [new]);
    assert!(!away.is_locked());
}

/// Sixteen at once, over nothing, over what is there, and over what was deleted; under names that must be encoded.
fn conditional_writes_are_what_the_state_stands_on(kind: StoreKind) {
    let Some(store) = kind.up() else { return };
    wait(async {
        let place = store.settings().place;
        let objects = ok(Objects::open("offsite", &place, std::path::Path::new("/")).await);
        for name in ["plain", "rds:orders+a b&c=d", "%2F..", "ü"] {
            let path = snapkeep_providers::objects::path_of([".snapkeep", "notes", "holds", name]);
            let mut expected = None;
            for round in 0..5 {
                let write = async |n: u32| {
                    let bytes = if round % 2 == 1 { String::new() } else { format!("{round} {n}") };
                    objects.swap(&path, bytes.into(), expected.as_ref(), 1000).await
                };
                let swaps = join_all((0..16).map(write)).await;
                let mut won: Vec<_> = swaps
                    .into_iter()
                    .map(ok)
                    .filter_map(|swap| match swap {
                        Swap::Done(version) => Some(version),
                        Swap::Other(_) => None,
                    })
                    .collect();
                // An empty one is the same, whoever wrote it.
                assert!(won.len() == 1 || round % 2 == 1, "{kind:?} {name} {round}: {won:?}");
                expected = won.pop();
                let (_, there) = ok(objects.read_version(&path, 1000).await).unwrap();
                assert_eq!(Some(there), expected, "a write tells the version that a read tells");
            }
            let names = ok(objects.sizes(&path_of_holds()).await);
            assert_eq!(names.len(), 1, "{names:?}");
            ok(objects.delete(&path).await);
        }
    });
}

fn path_of_holds() -> Path {
    Path::from(".snapkeep/notes/holds")
}

/// Takes more than a minute, by the clocks of real stores.
#[test]
fn an_owner_elsewhere_is_taken_over_when_its_lease_has_run_out() {
    std::thread::scope(|threads| {
        for kind in KINDS {
            threads.spawn(move || {
                let Some((away, [new, _])) = Away::of(kind, [1, 9]) else { return };
                away.plant_lease();
                let planted = Instant::now();
                let ran = away.run("prune apply --yes");
                assert_eq!(ran.code, Some(11), "{ran}");
                assert!(ran.err.contains("`prune apply` runs on elsewhere as process 1"), "{ran}");
                std::thread::sleep(Duration::from_secs(50).saturating_sub(planted.elapsed()));
                assert_eq!(away.run("-q prune apply --yes").code, Some(11), "{kind:?}");
                let taken = until("the lease has run out", || {
                    (away.run("-q prune apply --yes").code == Some(0)).then(|| planted.elapsed())
                });
                assert!(taken >= Duration::from_secs(60), "{kind:?}: after {taken:?}");
                assert_eq!(away.left(), [new]);
            });
        }
    });
}

/// When each snapshot was begun and ended, the oldest first.
fn times(away: &Away) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let listed = document(&away.run("-o json list"));
    let time = |item: &Value, key: &str| item[key].as_str().unwrap().parse().unwrap();
    let items = listed["items"].as_array().unwrap().iter().rev();
    items.map(|item| (time(item, "created_at"), time(item, "completed_at"))).collect()
}

fn of_many_processes_at_once_never_two_work(kind: StoreKind) {
    let Some((away, [])) = Away::of(kind, []) else { return };
    // Large enough that a dump of it takes a while.
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                INSERT INTO big SELECT randomblob(100000) FROM n";
    away.sql("notes.db", &format!("CREATE TABLE big (b BLOB); {rows}"));
    let mut made = 0;
    for round in 0..4 {
        let start =
            || away.command().args(["-q", "create", "notes"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let children: Vec<Child> = (0..8).map(|_| start().unwrap()).collect();
        let ended: Vec<Ran> = children.into_iter().map(|child| away.ran(child.wait_with_output().unwrap())).collect();
        let done = ended.iter().filter(|ran| ran.code == Some(0)).count();
        assert!(done > 0, "{round}: nobody came through: {}", ended[0]);
        assert!(ended.iter().all(|ran| [Some(0), Some(11)].contains(&ran.code)), "{round}");
        made += done;
        assert!(!away.is_locked());
    }
    let times = times(&away);
    assert_eq!(times.len(), made);
    for pair in times.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "two at a time: {pair:?}");
    }
}

#[test]
fn of_many_processes_at_once_never_two_work_in_s3() {
    of_many_processes_at_once_never_two_work(StoreKind::S3);
}

#[test]
fn of_many_processes_at_once_never_two_work_in_azure_blob() {
    of_many_processes_at_once_never_two_work(StoreKind::Azurite);
}

#[test]
fn of_many_processes_at_once_never_two_work_in_gcs() {
    of_many_processes_at_once_never_two_work(StoreKind::Gcs);
}
