//! Faults by chance: each verb ends done, or with an error that says what to do; nothing is made twice, and nothing is asked for
//! again while it is being made.

use std::panic::AssertUnwindSafe;

use chrono::TimeDelta;
use futures::{FutureExt, StreamExt, stream};
use snapkeep_providers::model::{
    CreateRequest, ListScope, NativeId, Operation, OperationState, RestoreRequest, RestoreTo, Snapshot,
};
use snapkeep_providers::{Error, ErrorKind, Run};

use super::conformance::{Kind, Simulated};
use crate::support::arm::{Backup, Fault, Links, Trouble};
use crate::support::{Chance, full};

/// How many scenarios run at once: most of their time they wait before they try again.
const AT_ONCE: usize = 100;
/// So many faults in a row are fewer than any call is tried.
const FEW: usize = 2;
/// So many are more.
const MANY: usize = 6;

const KEYS: [&str; 2] = ["nightly", "pre-upgrade"];

/// What happens to one target.
struct Scenario {
    kind: Kind,
    simulated: Simulated,
    chance: Chance,
    /// Whether an error of the network may be the end of it.
    harsh: bool,
    /// How many creations were asked for.
    asked: usize,
    writes: usize,
}

impl Scenario {
    async fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let kind = Kind::ALL[chance.below(Kind::ALL.len())];
        let simulated = Simulated::new(kind, chance.below(3) as u32, 2 + chance.below(4)).await;
        let links = [Links::Both, Links::OnlyLocation, Links::OnlyAsyncOperation][chance.below(3)];
        let (odd_words, mysql_takes_its_time) = (chance.one_in(2), chance.one_in(2));
        simulated.arm.world(|world| {
            (world.links, world.odd_words, world.mysql_takes_its_time) = (links, odd_words, mysql_takes_its_time);
        });
        let harsh = chance.one_in(2);
        let (one_in, most) = if harsh { (2, MANY) } else { (4, FEW) };
        simulated.arm.fail_by_chance(seed, one_in, most);
        Self { kind, simulated, chance, harsh, asked: 0, writes: 0 }
    }

    /// Gives how many requests met a fault.
    async fn run(mut self) -> usize {
        for _ in 0..3 + self.chance.below(3) {
            self.writes += 1;
            self.simulated.write(&format!("change {}", self.writes));
            if self.chance.one_in(3) {
                self.simulated.reopen().await;
            }
            match self.chance.below(7) {
                0..=3 => self.create().await,
                4 => self.list().await,
                5 => self.delete().await,
                _ => self.restore().await,
            }
            self.nothing_is_there_twice();
        }
        self.simulated.arm.heal();
        self.harsh = false;
        self.list().await;
        self.simulated.arm.fired()
    }

    fn backups(&self) -> Vec<Backup> {
        self.simulated.arm.world(|world| world.backups.clone())
    }

    /// What was done; nothing where the faults were too many, and the error says so.
    fn ended<T>(&self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(done) => Some(done),
            Err(error) if self.harsh && error.kind().is_retryable() => None,
            Err(error) => panic!("{}", full(&error)),
        }
    }

    /// Now and then the next operation of a kind fails for good; something may be there nevertheless.
    fn doom(&mut self, method: &'static str) {
        let doom = match self.chance.below(16) {
            0 => Fault::EndsBadly("InternalError", "no luck"),
            1 => Fault::EndsBadlyButDone("OperationTimedOut", "no luck"),
            2 => Fault::EndsCancelled,
            _ => return,
        };
        self.simulated.arm.fail(Trouble::on(method, doom));
    }

    async fn create(&mut self) {
        let key = self.chance.one_in(2).then(|| KEYS[self.chance.below(KEYS.len())].to_owned());
        self.doom(self.kind.creation());
        self.asked += 1;
        let request = CreateRequest { key: key.clone(), ..CreateRequest::default() };
        let begun = self.simulated.provider.create(&request, &Run::silent()).await;
        let operation = match begun {
            // MySQL has no operation that could fail
            Err(error) if full(&error).contains("no luck") => return,
            begun => self.ended(begun),
        };
        let Some(operation) = operation else { return };
        let ended = self.followed(operation).await;
        let Some(ended) = self.ended(ended) else { return };
        match ended {
            Ok(snapshot) => {
                let made = self.backups().into_iter().find(|backup| backup.name == snapshot.native_id.as_str());
                assert!(made.is_some(), "{snapshot:?}");
                assert_eq!(snapshot.key, key);
            }
            Err(error) => self.failed_with_a_reason(&error),
        }
    }

    /// Either Azure failed, in its own words, or nothing came of a request, and it can be made again.
    fn failed_with_a_reason(&self, error: &Error) {
        let lost = error.kind() == ErrorKind::Unavailable && error.hint().is_some_and(|hint| hint.contains("again"));
        let words = full(error);
        let failed =
            error.kind() == ErrorKind::Failed && (words.contains("no luck") || words.contains("OperationCanceled"));
        assert!(lost || failed, "{}", full(error));
    }

    /// Polls to the end: what was made, or why it wasn't. Now and then minutes pass.
    async fn followed(&self, mut operation: Operation<Snapshot>) -> Result<Result<Snapshot, Error>, Error> {
        for poll in 1..100 {
            match operation.state {
                OperationState::Done(snapshot) => return Ok(Ok(snapshot)),
                OperationState::Failed(error) => return Ok(Err(error)),
                OperationState::Running { .. } => operation = self.simulated.provider.poll(&operation.id).await?,
            }
            if poll % 20 == 0 {
                self.simulated.wait(TimeDelta::minutes(6));
            }
        }
        panic!("not done: {}", operation.id)
    }

    async fn listed(&self) -> Result<Vec<Snapshot>, Error> {
        let mut listing = self.simulated.provider.list(ListScope::Own).await?;
        listing.problems.pop().map_or(Ok(listing.snapshots), Err)
    }

    async fn list(&mut self) {
        let Some(listed) = self.ended(self.listed().await) else { return };
        let mut ids: Vec<String> = listed.iter().map(|snapshot| snapshot.native_id.to_string()).collect();
        let mut there: Vec<String> = self.backups().into_iter().map(|backup| backup.name).collect();
        ids.sort();
        there.sort();
        assert_eq!(ids, there);
    }

    /// One of those that are there.
    fn any(&mut self) -> Option<Backup> {
        let there = self.backups();
        (!there.is_empty()).then(|| there[self.chance.below(there.len())].clone())
    }

    async fn delete(&mut self) {
        let Some(backup) = self.any() else { return };
        let deleted = self.simulated.provider.delete(&NativeId::new(backup.name.clone())).await;
        if self.ended(deleted).is_some() {
            assert!(self.backups().iter().all(|left| left.name != backup.name), "{} is left", backup.name);
        }
    }

    async fn restore(&mut self) {
        let Some(backup) = self.any() else { return };
        let name = format!("restored-{}", self.writes);
        self.doom(self.kind.restore());
        let request = RestoreRequest::new(RestoreTo::New(name.clone()));
        let provider = &self.simulated.provider;
        let begun = provider.restore(&NativeId::new(backup.name.clone()), &request, &Run::silent()).await;
        let Some(mut operation) = self.ended(begun) else { return };
        for poll in 1..100 {
            match operation.state {
                OperationState::Done(_) => {
                    assert_eq!(self.simulated.data(&name), Some(backup.data));
                    return;
                }
                OperationState::Failed(error) => return self.failed_with_a_reason(&error),
                OperationState::Running { .. } => {}
            }
            if poll % 20 == 0 {
                self.simulated.wait(TimeDelta::minutes(6));
            }
            let looked = provider.poll_restore(&operation.id).await;
            let Some(looked) = self.ended(looked) else { return };
            operation = looked;
        }
        panic!("not done: {}", operation.id);
    }

    /// At most one backup of a key, no more than were asked for, and nothing asked for while it was being made.
    fn nothing_is_there_twice(&self) {
        let arm = &self.simulated.arm;
        assert_eq!(arm.resent(), Vec::<String>::new());
        let keys = arm.backups_by_key();
        assert!(keys.values().all(|count| *count == 1), "{keys:?}");
        assert!(self.backups().len() <= self.asked, "{:?}", self.backups());
        let mut names: Vec<String> =
            arm.world(|world| world.servers.iter().map(|server| server.name.clone()).collect());
        names.sort();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
    }
}

#[tokio::test]
async fn nothing_is_made_twice_and_every_error_is_one_to_try_again() {
    let chosen = std::env::var("SNAPKEEP_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = chosen.map_or(1..201, |seed: u64| seed..seed + 1);
    let scenarios = stream::iter(seeds).map(|seed| async move {
        let ended = AssertUnwindSafe(async { Scenario::new(seed).await.run().await }).catch_unwind().await;
        ended.map_err(|_| seed)
    });
    let ended: Vec<Result<usize, u64>> = scenarios.buffer_unordered(AT_ONCE).collect().await;
    let failed: Vec<u64> = ended.iter().filter_map(|ended| ended.err()).collect();
    assert!(failed.is_empty(), "to see one again, its number goes into SNAPKEEP_TEST_SEED: {failed:?}");
    let fired: Vec<usize> = ended.into_iter().flatten().collect();
    assert!(fired.iter().sum::<usize>() > 4 * fired.len(), "few faults struck: {fired:?}");
}
