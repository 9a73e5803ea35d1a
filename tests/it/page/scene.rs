//! A bench with a target of every kind that the status page shows.

use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cli::{Bench, target};

const CONFIG: &str = r#"
[state]
store = "local"

[retention.standard]
keep_last = 3
keep_daily = 7
keep_weekly = 4
keep_monthly = 6
max_age = "36h"

[schedules.nightly]
cron = "15 2 * * *"
targets = ["orders", "crm", "wiki", "tag:team=long"]
actions = ["create", "prune"]

[stores.broken]
type = "local"
path = "broken"
"#;
/// As long as a name may be.
pub(super) const LONG: &str = "a-name-that-is-as-long-as-the-name-of-a-target-may-be-012345678";
const POLICY: &str = "retention = \"standard\"\n";

pub(super) struct Scene {
    pub(super) bench: Bench,
    now: DateTime<Utc>,
}

impl Scene {
    pub(super) fn new() -> Self {
        let bench = Bench::of(&[
            target("orders", "notes.db", POLICY),
            target("crm", "notes.db", POLICY),
            target("billing", "notes.db", POLICY),
            target("archive", "notes.db", POLICY).replace("\"local\"", "\"broken\""),
            target("wiki", "notes.db", POLICY),
            target("notes", "notes.db", ""),
            target(LONG, "tasks.db", &format!("{POLICY}tags = {{ team = \"long\" }}\n")),
        ]);
        let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
        fs::write(bench.path("snapkeep.toml"), config + CONFIG).unwrap();
        fs::write(bench.path("broken"), "a file where a folder should be").unwrap();
        let scene = Self { bench, now: Utc::now() };
        scene.snapshots();
        scene.histories();
        scene
    }

    fn snapshots(&self) {
        let of = |target: &str, ages: &[i64]| {
            let first = self.bench.create_of(target);
            let made: Vec<String> =
                ages.iter().enumerate().map(|(nth, hours)| self.older(&first, nth, *hours)).collect();
            fs::remove_dir_all(self.bench.path("snapshots").join(first)).unwrap();
            made
        };
        let days: Vec<i64> = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 21, 28, 60, 90, 120].map(|day| 10 + 24 * day).to_vec();
        let orders = of("orders", &days);
        for id in [&orders[0], &orders[6]] {
            assert_eq!(self.bench.run(&format!("verify {id} --level restore")).code, Some(0));
        }
        self.bench.run_words(&["hold", &orders[9], "--reason", "before the upgrade to 2.0"]);
        fs::write(self.bench.stored(&orders[2], "data.sqlite.zst"), "not what was written").unwrap();
        assert_eq!(self.bench.run(&format!("verify {} --level checksum", orders[2])).code, Some(9));
        of("crm", &[80, 104, 128, 152]);
        of("wiki", &[5, 29, 53]);
        of("notes", &[700]);
        of(LONG, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }

    /// A copy of a snapshot as if it had been made so many hours ago.
    fn older(&self, id: &str, nth: usize, hours: i64) -> String {
        let (target, native) = id.split_once('/').unwrap();
        let created = self.now - TimeDelta::hours(hours);
        let other = format!("{target}/{}", created.format(&format!("%Y%m%dT%H%M%SZ-t{nth:03}")));
        let (from, to) = (self.bench.path("snapshots").join(id), self.bench.path("snapshots").join(&other));
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        let manifest = to.join("manifest.json");
        let text = fs::read_to_string(&manifest).unwrap().replace(native, other.split_once('/').unwrap().1);
        fs::write(&manifest, text).unwrap();
        self.bench.date(&other, created);
        other
    }

    fn histories(&self) {
        let gone = "postgresql: cannot dump crm: the server closed the connection: <b>FATAL</b>: terminating connection due to \
                    administrator command\n  server closed the connection unexpectedly";
        self.history(
            "orders",
            &[self.run(10, None), self.run(34, None), self.run(58, Some("s3: cannot write: throttled"))],
        );
        self.history("crm", &[self.run(8, Some(gone)), self.run(32, Some(gone)), self.run(80, None)]);
        self.history(
            "wiki",
            &[self.run(4, Some("dump: cannot prune wiki: the list is incomplete")), self.run(28, None)],
        );
    }

    fn history(&self, target: &str, runs: &[Value]) {
        let folder = self.bench.path("snapshots/.snapkeep").join(target).join("history");
        fs::create_dir_all(&folder).unwrap();
        let config = snapkeep::config::load(&self.bench.path("snapkeep.toml")).unwrap();
        let stores = [("local".to_owned(), config.stores["local"].clone())];
        let identity = snapkeep_providers::identity_of_dumps(&stores, &config.base);
        let site: String = Sha256::digest(identity).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let history = json!({ "settled": null, "unfinished": null, "runs": runs });
        fs::write(folder.join(format!("{site}%2Enightly.json")), history.to_string()).unwrap();
    }

    fn run(&self, hours: i64, error: Option<&str>) -> Value {
        let ended = self.now - TimeDelta::hours(hours);
        let hint = "see whether it is up: `snapkeep doctor crm`";
        json!({
            "due": ended - TimeDelta::minutes(4),
            "begun_at": ended - TimeDelta::minutes(3),
            "ended_at": ended,
            "host": "backup-1",
            "attempt": if error.is_some() { 3 } else { 1 },
            "snapshot": error.is_none().then_some("orders/20261123T021500Z-ab12"),
            "size_bytes": error.is_none().then_some(1 << 30),
            "deleted": 1,
            "error": error.map(|message| json!({ "action": "create", "code": "unavailable", "message": message, "hint": hint })),
        })
    }
}
