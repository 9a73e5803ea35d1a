//! `snapkeep serve`: the real binary, as the service that it is.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Timelike, Utc};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::cli::{Bench, below, until};
use crate::schema;

mod access;
mod killed;
mod prometheus;
mod reload;
mod retries;
mod stop;

/// Most of their time they wait: for pauses, limits and leases of a minute. So they do it together.
#[test]
fn what_takes_minutes() {
    std::thread::scope(|threads| {
        threads.spawn(access::who_never_reads_what_is_answered_is_cut_off);
        threads.spawn(retries::a_run_that_fails_is_tried_again_with_its_key_and_the_others_go_on);
        threads.spawn(retries::what_is_mended_by_hand_is_seen_soon);
        threads.spawn(killed::one_that_sleeps_longer_than_its_lease_makes_nothing_when_it_wakes);
    });
}

/// A `serve` that listens on a port of its own. It is killed when dropped.
struct Served {
    child: Child,
    /// Host and port.
    address: String,
    /// What it says.
    log: PathBuf,
}

impl Served {
    /// By the bench's own config.
    fn of(bench: &Bench) -> Self {
        Self::start(bench, bench.command(), "serve.log")
    }

    /// Starts one whose stderr goes to a file of the bench; `command` is the binary in its surroundings.
    fn start(bench: &Bench, mut command: Command, log: &str) -> Self {
        let log = bench.path(log);
        command.args(["serve", "--listen", "127.0.0.1:0"]).stderr(fs::File::create(&log).unwrap());
        let mut served = Self { child: command.spawn().unwrap(), address: String::new(), log };
        served.address = until("it listens", || {
            assert_eq!(served.child.try_wait().unwrap(), None, "{}", served.said());
            let said = served.said();
            let rest = said.split("listens on http://").nth(1)?;
            Some(rest.split_once('\n')?.0.to_owned())
        });
        served
    }

    /// All that it has said so far.
    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Its pid: that of the child of an `unshare --fork`.
    fn pid(&self) -> Pid {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let is_unshare = fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "unshare");
        let inner = children.split_whitespace().next().filter(|_| is_unshare).and_then(|pid| pid.parse().ok());
        Pid::from_raw(inner.unwrap_or_else(|| pid.try_into().unwrap())).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Ends it at once, as nothing that it could hear of would.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end, and gives its exit code and how long that took.
    fn ended(&mut self, within: Duration) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.signal(), None, "{}", self.said());
                return (status.code(), begun.elapsed());
            }
            assert!(begun.elapsed() < within, "it still runs after {within:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Tells it to stop; it must have nothing to complain of.
    fn stopped(&mut self, within: Duration) -> Duration {
        self.signal(Signal::TERM);
        let (code, took) = self.ended(within);
        assert_eq!(code, Some(0), "{}", self.said());
        took
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// `headers` are whole lines; where there is no `Host` among them, the address is one.
    fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let host = if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let mut stream = self.connect();
        let request = format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        Answer::of(&answer)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// The value of a metric: its name and its labels, as they are printed.
    fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").body;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// The items of a document, which is as the schema says.
    fn items(&self, path: &str) -> Vec<Value> {
        self.get(path).document()["items"].as_array().unwrap().clone()
    }

    /// The runs of a target that are remembered, the newest first.
    fn runs(&self, target: &str) -> Vec<Value> {
        self.items(&format!("/api/v1/runs?target={target}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What came over HTTP.
struct Answer {
    status: u16,
    /// The first line and the headers, in lower case.
    head: String,
    body: String,
}

impl Answer {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
        Self { status, head, body }
    }

    fn document(&self) -> Value {
        let document = serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body));
        schema::hold_document(&document);
        document
    }
}

/// A body that came in pieces, each after its length.
fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        body += &after[..length];
        rest = after[length..].trim_start_matches("\r\n");
    }
    body
}

/// A schedule that makes a snapshot of all targets every hour, the last time ten minutes ago; when that was.
fn hourly() -> (String, DateTime<Utc>) {
    let due = (Utc::now() - TimeDelta::minutes(10)).trunc_subsecs(0).with_second(0).unwrap();
    let cron = format!("cron = \"{} * * * *\"\ntargets = [\"*\"]\nactions = [\"create\"]\n", due.minute());
    (format!("\n[schedules.hourly]\n{cron}"), due)
}

/// The key of what [`hourly`] makes.
fn key(due: DateTime<Utc>) -> String {
    format!("hourly@{}", due.format("%Y-%m-%dT%H:%M:%SZ"))
}

/// What is remembered of the schedules, on this machine.
fn histories(bench: &Bench) -> Vec<PathBuf> {
    let all = below(&bench.path("home/.local/state/snapkeep")).into_iter();
    let is_one = |path: &PathBuf| {
        path.extension().is_some_and(|suffix| suffix == "json")
            && path.parent().is_some_and(|folder| folder.ends_with("history"))
    };
    all.filter(is_one).collect()
}

fn history(path: &PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Lets so many targets have a past in which they missed the last run: the next `serve` begins it at once.
fn miss(bench: &Bench, command: Command, targets: usize) {
    let mut served = Served::start(bench, command, "before.log");
    until("each target has a past", || (histories(bench).len() == targets).then_some(()));
    served.stopped(Duration::from_secs(5));
    for path in histories(bench) {
        let mut history = history(&path);
        assert!(history["settled"].is_string() && history["runs"] == json!([]), "{history}");
        history["settled"] = json!(Utc::now() - TimeDelta::hours(5));
        fs::write(&path, history.to_string()).unwrap();
    }
}

fn append(bench: &Bench, text: &str) {
    let path = bench.path("snapkeep.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap() + text).unwrap();
}

/// The keys of the snapshots of a target.
fn keys_of(bench: &Bench, target: &str) -> Vec<String> {
    let listed = bench.run(&format!("-o json list {target}")).document();
    listed["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

/// Waits longer than [`until`], which does for what has no schedule.
fn in_time<T>(seconds: u64, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
