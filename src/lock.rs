//! One snapkeep at a time changes a target, on whatever machines they run.
//!
//! A lock is a lease in the state, renewed while its owner works. A dead owner on this machine is taken over at once,
//! one elsewhere when its lease has run out. Whoever loses a lease stops.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::TargetName;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::state::{Expected, Scope, Version, Written};

const KIND: &str = "lock";
/// How long a lease holds without being renewed.
const LEASE: Duration = Duration::from_secs(60);
/// How often it is renewed. While that fails it is tried on, until the lease is about to end.
const RENEWAL: Duration = Duration::from_secs(15);
/// How long before a lease ends its owner stops.
const MARGIN: Duration = Duration::from_secs(5);
/// How long one try may take, and the pause before the next.
const TRY: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(2);

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    host: String,
    pid: u32,
    /// Names this process among all that had or will have its pid; `None` where the system doesn't tell.
    process: Option<String>,
    /// Names the machine, its boot and the namespace in which the pid counts.
    machine: Option<String>,
}

/// The lease as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    owner: Owner,
    since: DateTime<Utc>,
    /// Counts the renewals, so that each is another version.
    renewals: u64,
    verb: String,
}

impl Lease {
    /// Whether it is the same one, however often it was renewed.
    fn is(&self, other: &Self) -> bool {
        self.owner == other.owner && self.since == other.since
    }
}

impl Owner {
    fn this_process() -> Self {
        let pid = std::process::id();
        let process = match life_of(pid) {
            Some(Life::Since(start)) => Some(start),
            Some(Life::Over) | None => None,
        };
        Self { host: host(), pid, process, machine: machine() }
    }

    /// Whether it is known to be gone: only a process of this very machine can be.
    fn is_dead(&self) -> bool {
        self.machine.is_some()
            && self.machine == machine()
            && self.process.is_some()
            && match life_of(self.pid) {
                Some(Life::Since(start)) => self.process != Some(start),
                Some(Life::Over) => true,
                // Of others' processes a system may show nothing (hidepid= of proc(5)), and yet they are there.
                None => is_gone(self.pid),
            }
    }
}

/// What is seen of a process.
enum Life {
    /// Its start, in clock ticks since boot.
    Since(String),
    /// It has ended, and nobody has asked how.
    Over,
}

/// What this machine calls itself.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Whether there is no such process: kill(2) tells it of those that /proc hides too.
fn is_gone(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// The start of a process is field 22 of /proc/PID/stat, its state field 3 (proc(5)).
fn life_of(pid: u32) -> Option<Life> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the last one ends it.
    let fields = stat.rsplit_once(") ")?.1;
    let mut fields = fields.split(' ');
    if fields.next()? == "Z" {
        return Some(Life::Over);
    }
    fields.nth(18).map(|start| Life::Since(start.to_owned()))
}

fn machine() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// A lock that is held. [`Lock::release`] gives it back; of one that is dropped, or whose process is killed, the lease
/// runs out, unless it is seen earlier that its owner is gone.
#[derive(Debug)]
pub(crate) struct Lock {
    scope: Scope,
    target: TargetName,
    lease: Lease,
    renewal: JoinHandle<()>,
}

impl Lock {
    /// Takes the lock of `target` for `verb`. `lost` is cancelled if the lease can't be kept; before there is one, it
    /// ends the looking.
    pub(crate) async fn take(
        scope: &Scope,
        target: &TargetName,
        verb: &str,
        lost: CancellationToken,
    ) -> Result<Self, Failure> {
        let owner = Owner::this_process();
        let lease = Lease { owner, since: Utc::now(), renewals: 0, verb: verb.to_owned() };
        let name = scope.lock_name();
        let expected = tokio::select! {
            biased;
            () = lost.cancelled() => {
                let message = format!("interrupted before {target} was locked");
                return Err(Failure::new(ErrorKind::Interrupted, message));
            }
            expected = look(scope, target) => expected?,
        };
        let begun = Instant::now();
        match scope.put(KIND, name, &lease, &expected).await? {
            Written::Yes(version) => {
                let renewal = tokio::spawn(keep(scope.clone(), lease.clone(), version, begun, lost));
                Ok(Self { scope: scope.clone(), target: target.clone(), lease, renewal })
            }
            Written::Conflict => match scope.get::<Lease>(KIND, name).await? {
                Some((other, _)) => Err(held_by(target, &other)),
                None => Err(Failure::new(ErrorKind::Locked, format!("the lock of {target} just changed hands"))
                    .with_hint("try again")),
            },
        }
    }

    /// Makes sure that the lock of `target` can be taken now, as far as one can see without taking it.
    pub(crate) async fn is_free(scope: &Scope, target: &TargetName) -> Result<(), Failure> {
        look(scope, target).await.map(|_| ())
    }

    /// Makes sure that the lock is still ours: before each step that can't be taken back.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        match self.scope.get::<Lease>(KIND, self.scope.lock_name()).await? {
            Some((there, _)) if there.is(&self.lease) => Ok(()),
            Some((other, _)) => Err(held_by(&self.target, &other)),
            None => Err(Failure::new(ErrorKind::Locked, format!("the lock of {} is gone", self.target))
                .with_hint("try again; somebody removed it")),
        }
    }

    /// Gives the lock back. If that fails, the lease runs out.
    pub(crate) async fn release(self) {
        self.renewal.abort();
        let given_back = async {
            // A renewal that was on its way may come in between.
            while let Ok(Some((there, version))) = self.scope.get::<Lease>(KIND, self.scope.lock_name()).await {
                let is_done = !there.is(&self.lease)
                    || self.scope.delete(KIND, self.scope.lock_name(), &version).await.unwrap_or(true);
                if is_done {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(TRY, given_back).await;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewal.abort();
        self.scope.drop_now::<Lease>(KIND, self.scope.lock_name(), |there| there.is(&self.lease));
    }
}

/// What is in the place of a lock that can be taken.
async fn look(scope: &Scope, target: &TargetName) -> Result<Expected, Failure> {
    Ok(match scope.get::<Lease>(KIND, scope.lock_name()).await? {
        None => Expected::Absent,
        // What is renewed between these two looks has another version, and the write that follows meets it.
        Some((other, version)) if other.owner.is_dead() || has_run_out(scope).await? => Expected::Version(version),
        Some((other, _)) => return Err(held_by(target, &other)),
    })
}

async fn has_run_out(scope: &Scope) -> Result<bool, Failure> {
    Ok(scope.age(KIND, scope.lock_name()).await?.is_none_or(|age| age > LEASE))
}

/// Renews a lease that was written at `renewed`, until it is another's or can't be kept: then `lost` is cancelled.
async fn keep(scope: Scope, mut lease: Lease, mut version: Version, mut renewed: Instant, lost: CancellationToken) {
    loop {
        tokio::time::sleep_until(renewed + RENEWAL).await;
        let end = renewed + LEASE - MARGIN;
        match tokio::time::timeout_at(end, renew(&scope, &mut lease, &mut version)).await {
            Ok(Some(at)) => renewed = at,
            Ok(None) | Err(_) => return lost.cancel(),
        }
    }
}

/// Writes a lease anew, trying on for as long as it is waited for. Gives since when it is new; `None` when it is another's.
async fn renew(scope: &Scope, lease: &mut Lease, version: &mut Version) -> Option<Instant> {
    let name = scope.lock_name();
    loop {
        lease.renewals += 1;
        let begun = Instant::now();
        let expected = Expected::Version(version.clone());
        match tokio::time::timeout(TRY, scope.put(KIND, name, lease, &expected)).await {
            Ok(Ok(Written::Yes(next))) => {
                *version = next;
                return Some(begun);
            }
            Ok(Ok(Written::Conflict)) => match tokio::time::timeout(TRY, scope.get::<Lease>(KIND, name)).await {
                // A try that was given up, and took effect all the same.
                Ok(Ok(Some((there, its)))) if there.is(lease) => *version = its,
                Ok(Ok(_)) => return None,
                Ok(Err(_)) | Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Ok(Err(_)) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn held_by(target: &TargetName, lease: &Lease) -> Failure {
    let Lease { owner, since, verb, .. } = lease;
    let message = format!(
        "{target} is locked: `{verb}` runs on {} as process {} since {}",
        owner.host,
        owner.pid,
        since.format("%Y-%m-%d %H:%M:%S UTC")
    );
    Failure::new(ErrorKind::Locked, message)
        .with_hint("wait until it is done, or end it; a dead owner's lock goes by itself")
        .of(target)
}

#[cfg(test)]
mod tests;
