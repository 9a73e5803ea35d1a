//! Pruning by the real binary: snapshots of the past in a store in a folder, whole outputs, and what is left.

use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cli::{Bench, Ran, below, target};
use crate::support::say_left_out;

mod apply;
mod bad_input;
mod bad_plan;
mod bucket_state;
mod debris;
mod holds;
mod interleaved;
mod locks;
mod plan;
mod refused;

/// A bench on which targets have histories.
struct Past {
    bench: Bench,
    planted: Cell<u32>,
}

impl Deref for Past {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

impl Past {
    /// The target `notes` under a policy, with a snapshot of each of these ages in days.
    fn of<const N: usize>(policy: &str, days: [i64; N]) -> (Self, [String; N]) {
        let past = Self::with(&["notes"], policy);
        let ids = past.days("notes", days);
        (past, ids)
    }

    /// These targets under one policy, with no snapshots yet.
    fn with(targets: &[&str], policy: &str) -> Self {
        let targets: Vec<String> =
            targets.iter().map(|name| target(name, "notes.db", "retention = \"standard\"\n")).collect();
        let past = Self { bench: Bench::of(&targets), planted: Cell::new(0) };
        past.append(&format!("\n[retention.standard]\n{policy}\n"));
        past
    }

    fn append(&self, text: &str) {
        let config = self.path("snapkeep.toml");
        fs::OpenOptions::new().append(true).open(config).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Changes the config.
    fn edit(&self, from: &str, to: &str) {
        let config = self.path("snapkeep.toml");
        let text = fs::read_to_string(&config).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        fs::write(config, text.replace(from, to)).unwrap();
    }

    /// A snapshot for each age in days, and half an hour more so that no test stands on the edge of one.
    fn days<const N: usize>(&self, target: &str, days: [i64; N]) -> [String; N] {
        days.map(|days| self.plant(target, TimeDelta::days(days) + TimeDelta::minutes(30)))
    }

    /// Puts a snapshot of this age into the store.
    fn plant(&self, target: &str, age: TimeDelta) -> String {
        self.planted.set(self.planted.get() + 1);
        let store = self.path("snapshots");
        plant(&store, target, Utc::now() - age, self.planted.get())
    }

    /// The snapshots that are there, as the folders show it: every one has its manifest and its data.
    fn left(&self) -> Vec<String> {
        left(&self.path("snapshots"))
    }

    /// The file of a plan of everything.
    fn plan_file(&self) -> PathBuf {
        let ran = self.run("-q prune plan --out plan.json");
        assert_eq!(ran.code, Some(0), "{ran}");
        self.path("plan.json")
    }

    /// Runs what must delete nothing.
    fn harmless(&self, line: &str) -> Ran {
        let before = self.files();
        let ran = self.run(line);
        assert_eq!(self.files(), before, "{line}: {ran}");
        ran
    }

    /// The folder in which the state of a target is.
    fn state(&self, target: &str) -> PathBuf {
        self.path("home/.local/state/snapkeep").join(target)
    }

    /// The file of a target's lock: told apart by where its snapshots are.
    fn lock_file(&self, target: &str) -> PathBuf {
        use sha2::{Digest, Sha256};
        let place = format!("file://{}", self.path("snapshots").canonicalize().unwrap().display());
        let hash: String = Sha256::digest(place)[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        self.state(target).join(format!("lock/target-{hash}.json"))
    }
}

/// A folder in which nothing can be made or deleted, by root neither, until this is dropped.
struct Fixed(PathBuf);

impl Fixed {
    /// `None` where even root can't do that, which is said.
    fn new(folder: &Path) -> Option<Self> {
        let fixed = Self(folder.to_owned());
        if fixed.set("+i", 0o555) {
            return Some(fixed);
        }
        say_left_out("chattr +i is not possible here");
        None
    }

    fn set(&self, attribute: &str, mode: u32) -> bool {
        if rustix::process::geteuid().is_root() {
            let output = Command::new("chattr").arg(attribute).arg(&self.0).output();
            return output.is_ok_and(|output| output.status.success());
        }
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode)).is_ok()
    }
}

impl Drop for Fixed {
    fn drop(&mut self) {
        self.set("-i", 0o755);
    }
}

/// Puts a snapshot into a store: its data and its manifest, as a dump leaves them.
fn plant(store: &Path, target: &str, created: DateTime<Utc>, number: u32) -> String {
    let native = format!("{}-{number:04}", created.format("%Y%m%dT%H%M%SZ"));
    let id = format!("{target}/{native}");
    let data = format!("the data of {id}");
    let time = created.to_rfc3339_opts(SecondsFormat::Millis, true);
    let part = json!({
        "name": "data.sqlite.zst", "size_bytes": data.len(), "sha256": hex(&Sha256::digest(&data)),
        "uncompressed_bytes": data.len(),
    });
    let manifest = json!({
        "schema": "snapkeep/manifest/v1", "id": id, "target": target, "created_at": time, "completed_at": time,
        "key": null, "tags": {}, "provider": "sqlite", "engine": "sqlite", "engine_version": rusqlite::version(),
        "database": "notes.db", "format": "SQLite database", "tools": [], "uncompressed_bytes": data.len(),
        "size_bytes": data.len(), "parts": [part],
    });
    let folder = store.join(&id);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("data.sqlite.zst"), data).unwrap();
    fs::write(folder.join("manifest.new"), manifest.to_string()).unwrap();
    fs::rename(folder.join("manifest.new"), folder.join("manifest.json")).unwrap();
    id
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ids of the manifests below a store, sorted; each of them has its data, also while another process deletes some.
fn left(store: &Path) -> Vec<String> {
    let manifests = below(store).into_iter().filter(|path| path.ends_with("manifest.json"));
    let ids = manifests.filter_map(|manifest| {
        let folder = manifest.parent().unwrap();
        let data = fs::read_to_string(folder.join("data.sqlite.zst"));
        let whole = data.is_ok_and(|data| data.starts_with("the data of "));
        let id = folder.strip_prefix(store).unwrap().display().to_string();
        // Deleted since it was listed, it must have lost the manifest first.
        assert!(whole || !manifest.exists(), "{id} is a manifest without its data");
        whole.then_some(id)
    });
    ids.collect()
}

/// Ids in the order in which `left` gives them.
fn sorted<'i>(ids: impl IntoIterator<Item = &'i String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.into_iter().cloned().collect();
    ids.sort();
    ids
}

/// The document on stdout; that of a plan has more keys than others.
fn document(ran: &Ran) -> Value {
    let document: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran}"));
    assert_eq!(document["schema"], "snapkeep/v1", "{ran}");
    document
}

/// The texts under a key of every item.
fn texts(document: &Value, key: &str) -> Vec<String> {
    let items = document["items"].as_array().unwrap();
    items.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}
