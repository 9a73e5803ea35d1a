//! The process that serves: how it is started, what it answers, what it takes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take; then the benchmark is stuck.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Clock ticks in a second, as /proc counts them (proc(5)).
const TICKS: f64 = 100.0;

/// This program in its other role.
pub(crate) struct Served {
    child: Child,
    address: SocketAddr,
    said: Receiver<String>,
    /// From its start until it was ready.
    pub(crate) ready_after: Duration,
}

/// What it takes at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    at: Instant,
    /// Seconds of a core, since it began.
    pub(crate) cpu: f64,
    /// MiB.
    pub(crate) resident: f64,
    /// The most ever, MiB.
    pub(crate) peak: f64,
}

impl Taken {
    /// How much of a core since then, in percent.
    pub(crate) fn percent_since(&self, before: &Self) -> f64 {
        100.0 * (self.cpu - before.cpu) / (self.at - before.at).as_secs_f64()
    }

    /// Seconds of a core since then.
    pub(crate) fn seconds_since(&self, before: &Self) -> f64 {
        self.cpu - before.cpu
    }
}

/// What was answered, and how long that took.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

impl Served {
    /// Starts it in a folder that has its config, and waits until it is ready.
    pub(crate) fn start(folder: &Path, snapshots: i32) -> Self {
        let begun = Instant::now();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--serve", &snapshots.to_string(), "--config", "snapkeep.toml", "--color", "never"])
            .current_dir(folder)
            .env("XDG_STATE_HOME", folder.join("state"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, (tell, said)) = (BufReader::new(child.stderr.take().unwrap()).lines(), channel());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let listens = said.recv_timeout(PATIENCE).unwrap();
        let address = listens.rsplit_once("http://").unwrap_or_else(|| panic!("{listens}")).1.parse().unwrap();
        until(Duration::from_millis(2), || ask(address, "/readyz").is_ok_and(|answer| answer.status == 200));
        let served = Self { child, address, said, ready_after: begun.elapsed() };
        served.wait_for_the_plan();
        served
    }

    /// Waits until it says that a config is taken up.
    fn wait_for_the_plan(&self) {
        loop {
            let line = self.said.recv_timeout(PATIENCE).unwrap();
            assert!(!line.starts_with("error"), "{line}");
            if line.contains("runs to plan") {
                return;
            }
        }
    }

    /// What it has said of errors since it was last asked.
    fn errors(&self) -> Vec<String> {
        self.said.try_iter().filter(|line| line.starts_with("error") || line.contains("panicked")).collect()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        let answer = ask(self.address, path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer
    }

    pub(crate) fn taken(&self) -> Taken {
        let (pid, at) = (self.child.id(), Instant::now());
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks = |nth: usize| fields[nth].parse::<f64>().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        Taken {
            at,
            cpu: (ticks(11) + ticks(12)) / TICKS, // the fields 14 and 15: utime and stime
            resident: mebibytes(&status, "VmRSS:"),
            peak: mebibytes(&status, "VmHWM:"),
        }
    }

    pub(crate) fn reload(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
        self.wait_for_the_plan();
    }

    /// Stops it; gives how long that took.
    pub(crate) fn stop(mut self) -> Duration {
        let begun = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        self.errors().iter().take(3).for_each(|error| eprintln!("{error}"));
        begun.elapsed()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number of /proc/PID/status, in MiB.
pub(crate) fn mebibytes(status: &str, key: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Waits until something is so.
pub(crate) fn until(pause: Duration, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "it takes too long");
        std::thread::sleep(pause);
    }
}

pub(crate) fn ask(address: SocketAddr, path: &str) -> std::io::Result<Answer> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok(Answer { status, body: body.to_owned(), took: begun.elapsed() })
}
