//! A real Prometheus with the config and the rules of `deploy/`, and a real `serve`.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{Served, append, hourly, in_time, miss};
use crate::cli::{Bench, target, until};
use crate::support::{encoded, exchange, variable_or_leave_out};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus");
const TOKEN: &str = "0123456789abcdef-of-serve";
/// Only of clouds that tell their quotas.
const OF_CLOUDS: [&str; 2] = ["snapkeep_quota_limit", "snapkeep_quota_used"];

/// Prometheus on a port of its own. It is killed when dropped.
struct Prometheus {
    child: Child,
    url: String,
    _folder: TempDir,
}

impl Prometheus {
    /// The example's config and rules, but for three things: what is scraped, scraping and judging every second, and waiting for a
    /// second where the rules wait for minutes.
    fn start(program: &Path, scraped: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let read = |file: &str| fs::read_to_string(format!("{DEPLOY}/{file}")).unwrap();
        let config = read("prometheus.yml");
        let (interval, example) = ("scrape_interval: 60s", "snapkeep.example.internal:9870");
        assert!(config.contains(interval) && config.contains(example), "{config}");
        let config = config.replace(interval, "scrape_interval: 1s").replace(example, scraped);
        fs::write(folder.path().join("prometheus.yml"), format!("global:\n  evaluation_interval: 1s\n{config}"))
            .unwrap();
        let waits = |line: &str| line.trim_start().starts_with("for: ");
        let line = |line: &str| if waits(line) { "        for: 1s\n".to_owned() } else { format!("{line}\n") };
        let rules = read("snapkeep.rules.yml");
        assert!(rules.lines().filter(|line| waits(line)).all(|line| line.starts_with("        for: ")));
        fs::write(folder.path().join("snapkeep.rules.yml"), rules.lines().map(line).collect::<String>()).unwrap();
        fs::write(folder.path().join("snapkeep.token"), TOKEN).unwrap();
        // Nobody else takes it in that moment, or Prometheus says so.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.env_clear().current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]);
        let child = command.arg(format!("--web.listen-address={address}")).spawn().unwrap();
        let prometheus = Self { child, url: format!("http://{address}"), _folder: folder };
        until("Prometheus listens", || std::net::TcpStream::connect(&address).ok());
        until("Prometheus is ready", || (prometheus.get("/-/ready").0 == 200).then_some(()));
        prometheus
    }

    fn get(&self, path: &str) -> (u16, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, _, body) = runtime.block_on(exchange(&self.url, hyper::Request::get(path), "")).unwrap();
        (status, body)
    }

    fn data(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str::<Value>(&body).unwrap()["data"].take()
    }

    /// The name and the target of each alert that fires.
    fn firing(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let alerts = self.data("/api/v1/alerts")["alerts"].take();
        let alerts = alerts.as_array().unwrap().iter().filter(|alert| alert["state"] == "firing");
        alerts.map(|alert| (text(&alert["labels"]["alertname"]), text(&alert["labels"]["target"]))).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The names of our metrics in what the rules look at.
fn asked_for(rules: &Value) -> BTreeSet<String> {
    let queries = rules["groups"][0]["rules"].as_array().unwrap().iter().map(|rule| rule["query"].as_str().unwrap());
    let of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = queries.flat_map(|query| query.split(move |letter| !of_name(letter)));
    words.filter(|word| word.starts_with("snapkeep_")).map(ToOwned::to_owned).collect()
}

#[test]
fn the_alert_fires_for_a_target_without_a_good_snapshot_within_max_age() {
    let Some(tools) = variable_or_leave_out("SK_DEPLOY_TOOLS") else { return };
    let policy = "retention = \"daily\"\n";
    let bench = Bench::of(&[target("fresh", "notes.db", policy), target("never", "never.db", policy)]);
    let (schedule, _) = hourly();
    let schedule = schedule.replace("\"*\"", "\"fresh\"").replace("\"create\"", "\"create\", \"verify\"");
    append(&bench, &format!("\n[retention.daily]\nkeep_last = 3\nmax_age = \"1d\"\n{schedule}"));
    append(&bench, "\n[serve]\nlook_every = \"2s\"\nbearer_token = { file = \"token\" }\n");
    fs::write(bench.path("token"), TOKEN).unwrap();
    miss(&bench, bench.command(), 1);
    let mut served = Served::of(&bench);
    let prometheus = Prometheus::start(&Path::new(&tools).join("bin/prometheus"), &served.address);

    let no_fresh = |target: &str| ("SnapkeepNoFreshSnapshot".to_owned(), target.to_owned());
    in_time(60, "the alert fires", || prometheus.firing().contains(&no_fresh("never")).then_some(()));
    let age = encoded("snapkeep_verified_age_seconds{target=\"fresh\"}");
    in_time(30, "the run of the other is seen", || {
        (prometheus.data(&format!("/api/v1/query?query={age}"))["result"] != Value::Array(Vec::new())).then_some(())
    });
    // Whatever else would fire has had the time for it.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(prometheus.firing(), [no_fresh("never")]);

    let scraped = prometheus.data("/api/v1/targets")["activeTargets"].take();
    assert_eq!((&scraped[0]["health"], &scraped[0]["lastError"]), (&"up".into(), &"".into()), "{scraped}");
    let rules = prometheus.data("/api/v1/rules");
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        assert_eq!((&rule["health"], &rule["lastError"]), (&"ok".into(), &Value::Null), "{rule}");
    }
    let known = prometheus.data("/api/v1/label/__name__/values");
    let known: BTreeSet<&str> = known.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let asked_for = asked_for(&rules);
    let absent: Vec<&str> = asked_for.iter().map(String::as_str).filter(|name| !known.contains(name)).collect();
    assert_eq!(absent, OF_CLOUDS, "of {asked_for:?}");

    bench.sql("never.db", "CREATE TABLE notes (text TEXT)");
    let ran = bench.run("-q create never");
    assert_eq!(ran.code, Some(0), "{ran}");
    in_time(30, "it ends by itself", || prometheus.firing().is_empty().then_some(()));
    drop(prometheus);
    served.stopped(Duration::from_secs(5));
}
