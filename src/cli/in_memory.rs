//! A command line whose targets are clouds in this process, for `benches/serve.rs`. Nothing that it prints is different.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;
use snapkeep_providers::model::{Origin, TargetName};
use snapkeep_providers::{Provider, memory};

use crate::catalog::Opener;

/// How many snapshots may be made later on.
const LATER: i32 = 60;

/// The clouds, by target, each made when it is first asked for.
#[derive(Debug, Default)]
struct Clouds {
    made: Mutex<BTreeMap<TargetName, memory::Memory>>,
    /// How many snapshots there are in a new one.
    snapshots: i32,
}

impl Clouds {
    fn of(&self, target: &TargetName) -> memory::Memory {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            // Its clock moves with each snapshot, and is never to be ahead of ours.
            let start = Utc::now() - memory::TICK * (self.snapshots + LATER);
            let cloud = memory::Memory::new(target.clone(), start).with_polls(0);
            (0..self.snapshots).for_each(|_| drop(cloud.add_foreign(Origin::Owned)));
            cloud
        };
        made.entry(target.clone()).or_insert_with(new).clone()
    }
}

/// Runs one command line to its exit code, with so many snapshots in each cloud before.
pub fn in_memory(arguments: impl Iterator<Item = OsString>, snapshots: i32) -> u8 {
    let clouds = Clouds { snapshots, ..Clouds::default() };
    let of = move |target: &TargetName| -> Arc<dyn Provider> { Arc::new(clouds.of(target)) };
    super::command_line(arguments, rustix::fs::Mode::empty(), Opener::of(Arc::new(of)))
}

/// What the clouds alone take: so many, with so many snapshots, until what is given is dropped.
pub fn fill_clouds(targets: impl Iterator<Item = String>, snapshots: i32) -> impl Sized {
    let clouds = Clouds { snapshots, ..Clouds::default() };
    targets.filter_map(|target| target.parse().ok()).for_each(|target| drop(clouds.of(&target)));
    clouds
}
