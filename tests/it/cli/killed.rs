//! A create that is killed after the cloud heard of it: the same key goes on with it, from anywhere.

use std::process::Stdio;
use std::time::Duration;

use super::{CloudBench, until};

/// Longer than any test.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

const KEY: &str = "upgrade 1.9.3";

/// A cloud in which `target` can have snapshots.
pub(crate) struct Killed<'c, C> {
    pub(crate) cloud: &'c C,
    pub(crate) target: &'static str,
    /// How many snapshots the cloud has made or is making.
    pub(crate) made: &'c dyn Fn() -> usize,
}

impl<C: CloudBench> Killed<'_, C> {
    /// Kills `create --key` once `begun`.
    fn create(&self, begun: impl Fn() -> bool) {
        let mut command = self.cloud.command();
        command.args(["-q", "create", self.target, "--key", KEY]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        until("it has begun", || begun().then_some(()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The cloud accepts, and its answer never comes. Once by the key, and once by what `operations` shows.
    pub(crate) fn before_the_answer(&self, slow: impl Fn()) {
        slow();
        self.create(|| (self.made)() == 1);
        let [shown] = self.operations().try_into().unwrap();
        assert_eq!((&shown["verb"], &shown["key"]), (&"create".into(), &KEY.into()), "{shown}");
        let id = shown["id"].as_str().unwrap();
        assert!(id.starts_with(&format!("{}/create:", self.target)), "{id}");
        self.go_on();
    }

    /// The cloud has answered, and takes its time: it is killed when it has `looked` how far it is.
    pub(crate) fn while_it_is_waited_for(&self, looked: impl Fn() -> bool) {
        self.create(looked);
        let [shown] = self.operations().try_into().unwrap();
        assert_eq!((&shown["verb"], &shown["key"]), (&"create".into(), &KEY.into()), "{shown}");
        self.go_on();
    }

    /// The same by the id that `operations` shows, which needs no key.
    pub(crate) fn waited_for_elsewhere(&self, slow: impl Fn()) {
        slow();
        self.create(|| (self.made)() == 1);
        let [shown] = self.operations().try_into().unwrap();
        let id = shown["id"].as_str().unwrap();
        let [snapshot] = self.cloud.items(&format!("wait {id}")).try_into().unwrap();
        assert_eq!((&snapshot["state"], &snapshot["key"]), (&"available".into(), &KEY.into()), "{snapshot}");
        assert_eq!(((self.made)(), self.operations().len()), (1, 0));
    }

    fn operations(&self) -> Vec<serde_json::Value> {
        self.cloud.items("operations")
    }

    fn go_on(&self) {
        for _ in 0..2 {
            let again =
                self.cloud.ran(self.cloud.command().args(["-q", "-o", "json", "create", self.target, "--key", KEY]));
            assert_eq!(again.code, Some(0), "{again}");
            let document = again.document();
            let [snapshot] = document["items"].as_array().unwrap().as_slice() else { panic!("{again}") };
            assert_eq!(snapshot["state"], "available", "{again}");
            assert_eq!(((self.made)(), self.operations().len()), (1, 0), "{again}");
        }
    }
}
