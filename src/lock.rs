//! One snapkeep at a time changes a target, on whatever machines they run.
//!
//! A lock is a lease in the state, renewed while its owner works. A dead owner on this machine is taken over at once,
//! one elsewhere when its lease has run out. Whoever loses a lease stops.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
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
/// How often it is renewed: twice may fail.
const RENEWAL: Duration = Duration::from_secs(15);

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

impl Owner {
    fn this_process() -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let pid = std::process::id();
        Self { host, pid, process: start_of(pid), machine: machine() }
    }

    /// Whether it is known to be gone: only a process of this very machine can be.
    fn is_dead(&self) -> bool {
        self.machine.is_some()
            && self.machine == machine()
            && self.process.is_some()
            && start_of(self.pid) != self.process
    }
}

/// The start time of a process, in clock ticks since boot: field 22 of /proc/PID/stat (proc(5)).
fn start_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the last one ends it.
    let fields = stat.rsplit_once(") ")?.1;
    // A zombie holds nothing any more.
    let mut fields = fields.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(ToOwned::to_owned)
}

fn machine() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// A lock that is held. Released when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    held: Arc<Held>,
    target: TargetName,
    renewal: JoinHandle<()>,
}

impl Lock {
    /// Takes the lock of `target` for `verb`. `lost` is cancelled if the lease can't be kept.
    pub(crate) fn take(
        scope: &Scope,
        target: &TargetName,
        verb: &str,
        lost: CancellationToken,
    ) -> Result<Self, Failure> {
        let owner = Owner::this_process();
        let lease = Lease { owner, since: Utc::now(), renewals: 0, verb: verb.to_owned() };
        let name = scope.lock_name();
        let found = scope.get::<Lease>(KIND, name)?;
        let expected = match &found {
            None => Expected::Absent,
            // What is renewed between these two looks has another version, and the write below meets it.
            Some((other, version)) if other.owner.is_dead() || scope.age(KIND, name)?.is_none_or(|age| age > LEASE) => {
                Expected::Version(version.clone())
            }
            Some((other, _)) => return Err(held_by(target, other)),
        };
        match scope.put(KIND, name, &lease, &expected)? {
            Written::Yes(version) => Ok(Self::renewing(scope, target, lease, version, lost)),
            Written::Conflict => match scope.get::<Lease>(KIND, name)? {
                Some((other, _)) => Err(held_by(target, &other)),
                None => Err(Failure::new(ErrorKind::Locked, format!("the lock of {target} just changed hands"))
                    .with_hint("try again")),
            },
        }
    }

    fn renewing(scope: &Scope, target: &TargetName, lease: Lease, version: Version, lost: CancellationToken) -> Self {
        let held = Arc::new(Held { scope: scope.clone(), version: Mutex::new(version) });
        let own = held.clone();
        let renewal = tokio::spawn(async move {
            let mut lease = lease;
            let mut renewed = Instant::now();
            loop {
                tokio::time::sleep(RENEWAL).await;
                lease.renewals += 1;
                let (own, next) = (own.clone(), lease.clone());
                // Not in this thread: a slow disk must not stop the clock for everything else.
                match tokio::task::spawn_blocking(move || own.renew(&next)).await {
                    Ok(Ok(true)) => renewed = Instant::now(),
                    Ok(Ok(false)) => return lost.cancel(),
                    // The next renewal may succeed; the lease lasts for several.
                    Ok(Err(_)) | Err(_) if renewed.elapsed() + RENEWAL < LEASE => {}
                    Ok(Err(_)) | Err(_) => return lost.cancel(),
                }
            }
        });
        Self { held, target: target.clone(), renewal }
    }

    /// Makes sure that the lock is still ours: before each step that can't be taken back.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let version = self.held.version.lock().unwrap_or_else(PoisonError::into_inner);
        let there = self.held.scope.get::<Lease>(KIND, self.held.scope.lock_name())?;
        match there {
            Some((_, current)) if current == *version => Ok(()),
            Some((other, _)) => Err(held_by(&self.target, &other)),
            None => Err(Failure::new(ErrorKind::Locked, format!("the lock of {} is gone", self.target))
                .with_hint("try again; somebody removed it")),
        }
    }
}

/// The lease as it was written last.
#[derive(Debug)]
struct Held {
    scope: Scope,
    version: Mutex<Version>,
}

impl Held {
    /// Writes the lease anew; `false` when it is another's.
    fn renew(&self, lease: &Lease) -> Result<bool, Failure> {
        let mut version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = Expected::Version(version.clone());
        match self.scope.put(KIND, self.scope.lock_name(), lease, &expected)? {
            Written::Yes(next) => {
                *version = next;
                Ok(true)
            }
            Written::Conflict => Ok(false),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewal.abort();
        let version = self.held.version.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // If it can't be deleted, the lease runs out.
        let _ = self.held.scope.delete(KIND, self.held.scope.lock_name(), &version);
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
mod tests {
    use super::*;
    use crate::state::tests::scope;

    fn take(scope: &Scope) -> Result<Lock, Failure> {
        Lock::take(scope, &"om".parse().unwrap(), "create", CancellationToken::new())
    }

    fn plant(scope: &Scope, change: impl Fn(&mut Lease)) {
        let owner =
            Owner { host: "elsewhere".into(), pid: 1, process: Some("1".into()), machine: Some("other".into()) };
        let mut lease = Lease { owner, since: Utc::now(), renewals: 0, verb: "prune apply".into() };
        change(&mut lease);
        assert!(matches!(scope.put(KIND, scope.lock_name(), &lease, &Expected::Absent), Ok(Written::Yes(_))));
    }

    #[tokio::test]
    async fn a_lock_is_held_once_and_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let scope = scope(folder.path());
        let first = take(&scope).unwrap();
        let failure = take(&scope).unwrap_err();
        assert_eq!(failure.exit, 11);
        assert!(failure.message.contains(&format!("process {}", std::process::id())), "{}", failure.message);
        drop(first);
        assert!(take(&scope).is_ok());
    }

    #[tokio::test]
    async fn a_living_owner_elsewhere_keeps_its_lock_until_the_lease_ends() {
        let folder = tempfile::tempdir().unwrap();
        let scope = scope(folder.path());
        plant(&scope, |_| {});
        assert_eq!(take(&scope).unwrap_err().exit, 11);
        let other = tempfile::tempdir().unwrap();
        let expired = self::scope(other.path());
        plant(&expired, |_| {});
        let file = other.path().join("om/lock/target.json");
        let age = |seconds| std::time::SystemTime::now() - Duration::from_secs(seconds);
        std::fs::File::open(&file).unwrap().set_modified(age(55)).unwrap();
        assert_eq!(take(&expired).unwrap_err().exit, 11);
        std::fs::File::open(&file).unwrap().set_modified(age(62)).unwrap();
        assert!(take(&expired).is_ok());
    }

    #[tokio::test]
    async fn a_dead_owner_on_this_machine_is_taken_over_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let scope = scope(folder.path());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        plant(&scope, |lease| {
            lease.owner = Owner { pid, process: Some("12345".into()), ..Owner::this_process() };
        });
        assert!(take(&scope).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_was_taken_away_stops_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let scope = scope(folder.path());
        let lost = CancellationToken::new();
        let lock = Lock::take(&scope, &"om".parse().unwrap(), "create", lost.clone()).unwrap();
        let (_, version) = scope.get::<Lease>(KIND, scope.lock_name()).unwrap().unwrap();
        scope.delete(KIND, scope.lock_name(), &version).unwrap();
        plant(&scope, |_| {});
        lost.cancelled().await;
        drop(lock);
        assert_eq!(
            scope.get::<Lease>(KIND, scope.lock_name()).unwrap().unwrap().0.owner.host,
            "elsewhere",
            "it is the other's now"
        );
    }
}
