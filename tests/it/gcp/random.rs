//! Faults by chance: each verb ends done, or with an error that says what to do; and nothing is made twice.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures::{FutureExt, StreamExt, stream};
use snapkeep_providers::model::{
    CreateRequest, ListScope, NativeId, Operation, OperationState, RestoreRequest, RestoreTo, Snapshot,
};
use snapkeep_providers::{Error, ErrorKind, Result, Run};

use super::conformance::Simulated;
use crate::support::sqladmin::{Backup, Fault, Trouble};
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
        let simulated = Simulated::new(chance.below(3) as u32, 2 + chance.below(4)).await;
        let harsh = chance.one_in(2);
        let (one_in, most) = if harsh { (2, MANY) } else { (4, FEW) };
        simulated.admin.fail_by_chance(seed, one_in, most);
        Self { simulated, chance, harsh, asked: 0, writes: 0 }
    }

    /// Gives how many requests met a fault.
    async fn run(mut self) -> usize {
        for _ in 0..3 + self.chance.below(3) {
            self.writes += 1;
            let data = format!("change {}", self.writes);
            self.simulated.admin.world(|world| world.write("orders", &data));
            match self.chance.below(8) {
                0..=3 => self.create().await,
                4 => self.list().await,
                5 => self.delete().await,
                6 => self.restore(RestoreTo::New(format!("restored-{}", self.writes))).await,
                _ => self.restore(RestoreTo::InPlace).await,
            }
            self.nothing_is_there_twice();
        }
        self.simulated.admin.heal();
        self.harsh = false;
        self.list().await;
        assert_eq!(self.simulated.admin.most_in_flight(), 1, "one request at a time");
        self.simulated.admin.fired()
    }

    fn backups(&self) -> Vec<Backup> {
        self.simulated.admin.world(|world| world.backups.clone())
    }

    /// What was done; nothing where the faults were too many, and the error says so.
    fn ended<T>(&self, result: Result<T>) -> Option<T> {
        match result {
            Ok(done) => Some(done),
            Err(error) if self.harsh && error.kind().is_retryable() => None,
            Err(error) => panic!("{}", full(&error)),
        }
    }

    async fn create(&mut self) {
        let key = self.chance.one_in(2).then(|| KEYS[self.chance.below(KEYS.len())].to_owned());
        let doomed = self.chance.one_in(8);
        if doomed {
            self.simulated.admin.fail(Trouble::on("backupRuns.insert", Fault::EndsBadly("INTERNAL_ERROR", "no luck")));
        }
        self.asked += 1;
        let request = CreateRequest { key: key.clone(), ..CreateRequest::default() };
        let begun = self.simulated.provider.create(&request, &Run::silent()).await;
        let Some(operation) = self.ended(begun) else { return };
        let ended = self.followed(operation).await;
        let Some(ended) = self.ended(ended) else { return };
        match ended {
            Ok(snapshot) => {
                let made =
                    self.backups().into_iter().find(|backup| backup.id() == snapshot.native_id.as_str()).unwrap();
                assert_eq!((made.status.as_str(), snapshot.key), ("SUCCESSFUL", key));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Failed);
                assert!(full(&error).contains("no luck"), "{}", full(&error));
            }
        }
    }

    /// Polls to the end: what was made, or why it wasn't.
    async fn followed(&self, mut operation: Operation<Snapshot>) -> Result<Result<Snapshot>> {
        for _ in 0..100 {
            match operation.state {
                OperationState::Done(snapshot) => return Ok(Ok(snapshot)),
                OperationState::Failed(error) => return Ok(Err(error)),
                OperationState::Running { .. } => operation = self.simulated.provider.poll(&operation.id).await?,
            }
        }
        panic!("not done: {}", operation.id)
    }

    async fn listed(&self) -> Result<Vec<Snapshot>> {
        let mut listing = self.simulated.provider.list(ListScope::Own).await?;
        listing.problems.pop().map_or(Ok(listing.snapshots), Err::<_, Error>)
    }

    async fn list(&mut self) {
        let Some(listed) = self.ended(self.listed().await) else { return };
        let mut ids: Vec<String> = listed.iter().map(|snapshot| snapshot.native_id.to_string()).collect();
        let mut there: Vec<String> = self.backups().iter().map(Backup::id).collect();
        ids.sort();
        there.sort();
        assert_eq!(ids, there);
    }

    /// One of those that are there.
    fn any(&mut self) -> Option<Backup> {
        let there = self.backups();
        let done: Vec<&Backup> = there.iter().filter(|backup| backup.status == "SUCCESSFUL").collect();
        (!done.is_empty()).then(|| done[self.chance.below(done.len())].clone())
    }

    async fn delete(&mut self) {
        let Some(backup) = self.any() else { return };
        let others = self.backups().len() - 1;
        let deleted = self.simulated.provider.delete(&NativeId::new(backup.id())).await;
        if self.ended(deleted).is_some() {
            self.simulated.admin.tick();
            let left = self.backups();
            assert!(left.len() == others && left.iter().all(|left| left.uid != backup.uid));
        }
    }

    async fn restore(&mut self, to: RestoreTo) {
        let Some(backup) = self.any() else { return };
        let name = if let RestoreTo::New(name) = &to { name.clone() } else { "orders".to_owned() };
        let provider = &self.simulated.provider;
        let begun = provider.restore(&NativeId::new(backup.id()), &RestoreRequest::new(to), &Run::silent()).await;
        let Some(mut operation) = self.ended(begun) else { return };
        for _ in 0..100 {
            match operation.state {
                OperationState::Done(_) => {
                    assert_eq!(self.simulated.data(&name), Some(backup.data));
                    return;
                }
                OperationState::Failed(error) => panic!("{}", full(&error)),
                OperationState::Running { .. } => {}
            }
            let looked = provider.poll_restore(&operation.id).await;
            let Some(looked) = self.ended(looked) else { return };
            operation = looked;
        }
        panic!("not done: {}", operation.id);
    }

    /// At most one backup of a key that didn't fail, and of each creation.
    fn nothing_is_there_twice(&self) {
        let (mut keys, mut calls) = (BTreeMap::new(), BTreeMap::new());
        let backups = self.backups();
        for backup in &backups {
            let description = backup.description.as_deref().unwrap();
            let word = |name: &str| description.split(' ').find_map(|word| word.strip_prefix(name));
            *calls.entry(word("call=").unwrap()).or_insert(0) += 1;
            if let Some(key) = word("key=").filter(|_| backup.status != "FAILED") {
                *keys.entry(key).or_insert(0) += 1;
            }
        }
        assert!(keys.values().chain(calls.values()).all(|count| *count == 1), "{keys:?} {calls:?}");
        assert!(backups.len() <= self.asked);
        let mut names: Vec<String> =
            self.simulated.admin.world(|world| world.instances.iter().map(|found| found.name.clone()).collect());
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
        ended.unwrap_or_else(|_| panic!("to see it again: SNAPKEEP_TEST_SEED={seed}"))
    });
    let fired: Vec<usize> = scenarios.buffer_unordered(AT_ONCE).collect().await;
    assert!(fired.iter().sum::<usize>() > 4 * fired.len(), "few faults struck: {fired:?}");
}
