//! One snapkeep at a time changes a target, on whatever machines they run.
//!
//! A lock is a lease in the state, renewed while its owner works. A dead owner on this machine is taken over at once,
//! one elsewhere when its lease has run out. Whoever loses a lease stops.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::TargetName;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::state::{Expected, Scope, Version, Written};

const KIND: &str = "lock";
const NAME: &str = "target";
/// How long a lease holds without being renewed.
const LEASE: TimeDelta = TimeDelta::seconds(60);
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
    expires_at: DateTime<Utc>,
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

/// A lock that is held. Released by [`Lock::release`], or when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    scope: Scope,
    version: std::sync::Arc<std::sync::Mutex<Version>>,
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
        let now = Utc::now();
        let lease = Lease { owner, since: now, expires_at: now + LEASE, verb: verb.to_owned() };
        let found = scope.get::<Lease>(KIND, NAME)?;
        let expected = match &found {
            None => Expected::Absent,
            Some((other, version)) if other.owner.is_dead() || other.expires_at < now => {
                Expected::Version(version.clone())
            }
            Some((other, _)) => return Err(held_by(target, other)),
        };
        match scope.put(KIND, NAME, &lease, &expected)? {
            Written::Yes(version) => Ok(Self::renewing(scope, lease, version, lost)),
            Written::Conflict => match scope.get::<Lease>(KIND, NAME)? {
                Some((other, _)) => Err(held_by(target, &other)),
                None => Err(Failure::new(ErrorKind::Locked, format!("the lock of {target} just changed hands"))
                    .with_hint("try again")),
            },
        }
    }

    fn renewing(scope: &Scope, mut lease: Lease, version: Version, lost: CancellationToken) -> Self {
        let version = std::sync::Arc::new(std::sync::Mutex::new(version));
        let (shared, own) = (version.clone(), scope.clone());
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                let held_until = lease.expires_at;
                lease.expires_at = Utc::now() + LEASE;
                let mut version = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                match own.put(KIND, NAME, &lease, &Expected::Version(version.clone())) {
                    Ok(Written::Yes(next)) => *version = next,
                    Ok(Written::Conflict) => return lost.cancel(),
                    Err(_) if Utc::now() + TimeDelta::seconds(15) > held_until => return lost.cancel(),
                    // The next renewal may succeed; the lease lasts for several.
                    Err(_) => lease.expires_at = held_until,
                }
            }
        });
        Self { scope: scope.clone(), version, renewal }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewal.abort();
        let version = self.version.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        // If it can't be deleted, the lease runs out.
        let _ = self.scope.delete(KIND, NAME, &version);
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
        let now = Utc::now();
        let owner =
            Owner { host: "elsewhere".into(), pid: 1, process: Some("1".into()), machine: Some("other".into()) };
        let mut lease = Lease { owner, since: now, expires_at: now + LEASE, verb: "prune apply".into() };
        change(&mut lease);
        assert!(matches!(scope.put(KIND, NAME, &lease, &Expected::Absent), Ok(Written::Yes(_))));
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
        plant(&expired, |lease| lease.expires_at = Utc::now() - TimeDelta::seconds(1));
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
        let (_, version) = scope.get::<Lease>(KIND, NAME).unwrap().unwrap();
        scope.delete(KIND, NAME, &version).unwrap();
        plant(&scope, |_| {});
        lost.cancelled().await;
        drop(lock);
        assert_eq!(scope.get::<Lease>(KIND, NAME).unwrap().unwrap().0.owner.host, "elsewhere", "it is the other's now");
    }
}
