//! The targets of a config as providers, and snapshots by what a user types.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use snapkeep_providers::bookmarks::Bookmarks;
use snapkeep_providers::model::{
    CopyTo, Details, ListScope, Listing, NativeId, Operation, Snapshot, SnapshotId, TargetName,
};
use snapkeep_providers::settings::StoreSettings;
use snapkeep_providers::{
    Connections, Error, ErrorKind, Provider, Support, Surroundings, identity_of_cloud, identity_of_dumps,
};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::bookmarks::InState;
use crate::config::{Config, Target, nearest};
use crate::failure::{Code, Failure};
use crate::lock::Lock;
use crate::marks::Marks;
use crate::notices::Notices;
use crate::operate::Stopped;
use crate::state::{Expected, Scope, State, Written};

mod opener;

pub(crate) use opener::Opener;

/// What a user types for a snapshot: `<target>/<prefix>`, `<target>/latest` or `<target>/latest-verified`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotRef {
    pub(crate) target: String,
    pub(crate) which: Which,
}

/// Which of a target's snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Latest,
    LatestVerified,
    /// The native id, or a prefix of it that only one has.
    Native(String),
}

impl FromStr for SnapshotRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} names no snapshot: write TARGET/ID, TARGET/latest or TARGET/latest-verified");
        let (target, native) = text.split_once('/').ok_or_else(wrong)?;
        if target.parse::<TargetName>().is_err() || native.is_empty() || native.contains(char::is_control) {
            return Err(wrong());
        }
        let which = match native {
            "latest" => Which::Latest,
            "latest-verified" => Which::LatestVerified,
            native => Which::Native(native.to_owned()),
        };
        Ok(Self { target: target.to_owned(), which })
    }
}

impl fmt::Display for SnapshotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = match &self.which {
            Which::Latest => "latest",
            Which::LatestVerified => "latest-verified",
            Which::Native(native) => native,
        };
        write!(f, "{}/{which}", self.target)
    }
}

/// The target called `name`.
pub(crate) fn target<'c>(config: &'c Config, name: &str) -> Result<&'c Target, Failure> {
    let found = config.targets.values().find(|target| target.name.as_str() == name);
    found.ok_or_else(|| {
        let names = config.targets.keys().map(TargetName::as_str);
        let hint = match nearest(name, names) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "see `snapkeep targets`".to_owned(),
        };
        let message = format!("there is no target {name:?} in {}", config.path.display());
        Failure { code: Code::UnknownTarget, ..Failure::usage(message) }.with_hint(hint).of(name)
    })
}

/// The targets called `names`, each once; all of them when there are no names.
pub(crate) fn targets<'c>(config: &'c Config, names: &[String]) -> Result<Vec<&'c Target>, Vec<Failure>> {
    if names.is_empty() {
        return Ok(config.targets.values().collect());
    }
    let mut seen = BTreeSet::new();
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names.iter().filter(|name| seen.insert(name.as_str())) {
        match target(config, name) {
            Ok(target) => found.push(target),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() { Ok(found) } else { Err(failures) }
}

/// A config, and the state that its targets share.
#[derive(Debug)]
pub(crate) struct Catalog {
    config: Config,
    opener: Opener,
    state: OnceCell<State>,
    connections: Connections,
    notices: Notices,
}

impl Catalog {
    pub(crate) fn of(config: Config) -> Self {
        let notices = Notices::of(&config);
        let (opener, state, connections) = (Opener::default(), OnceCell::new(), Connections::default());
        Self { config, opener, state, connections, notices }
    }

    /// The same, with providers that `opener` opens.
    pub(crate) fn opened_by(self, opener: Opener) -> Self {
        Self { opener, ..self }
    }

    /// What all targets share.
    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Who is told of what happens.
    pub(crate) fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Opened when it is first needed, and once.
    async fn state(&self) -> Result<&State, Failure> {
        self.state.get_or_try_init(|| State::open(&self.config)).await
    }
}

impl Deref for Catalog {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

/// A target that can be worked on: its provider, and what is remembered of its snapshots.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) scope: Scope,
    /// What is left of a call that was stopped.
    pub(crate) stopped: Stopped,
    /// Why the state could not be read, and so whether other stores hold copies.
    unread: Option<Failure>,
}

#[cfg(test)]
impl Opened {
    /// A provider with a state that can be read.
    pub(crate) fn of(provider: Arc<dyn Provider>, scope: Scope) -> Self {
        Self { provider, scope, stopped: Stopped::MayGoOn, unread: None }
    }
}

/// Opens a target.
pub(crate) async fn open(catalog: &Catalog, target: &Target) -> Result<Opened, Failure> {
    let stores: Vec<_> = target
        .store
        .iter()
        .filter_map(|name| catalog.stores.get(name).map(|settings| (name.clone(), settings.clone())))
        .collect();
    let state = catalog.state().await?;
    let open = async |scope: &Scope, held_stores: &[(String, StoreSettings)], held_regions: &[String]| {
        let (connections, base) = (&catalog.connections, catalog.base.as_path());
        let bookmarks: Arc<dyn Bookmarks> = Arc::new(InState(scope.clone()));
        let bookmarks = Some(&bookmarks);
        let surroundings = Surroundings { connections, stores: &stores, held_stores, held_regions, bookmarks, base };
        let provider = catalog.opener.open(target, surroundings).await;
        provider.map_err(|error| Failure::from(error).of(&target.name))
    };
    if let Some(identity) = identity_of_cloud(&target.settings) {
        let scope = state.scope(&target.name, &identity);
        let (regions, unread) = read(scope.names(REGIONS).await);
        let provider = open(&scope, &[], &regions).await?;
        return Ok(Opened { provider, scope, stopped: Stopped::MayGoOn, unread });
    }
    // Copies are found also when the stores that new dumps go to can't be used.
    let scope = state.scope(&target.name, &identity_of_dumps(&stores, &catalog.base));
    let (held, unread) = read(held_stores(&scope, catalog, target).await);
    let provider = open(&scope, &held, &[]).await?;
    Ok(Opened { provider, scope, stopped: Stopped::LeavesNothing, unread })
}

/// What the state told, or why it didn't. A snapshot that is named in full can be restored without it; whatever changes
/// something needs the lock, and fails.
fn read<T>(told: Result<Vec<T>, Failure>) -> (Vec<T>, Option<Failure>) {
    match told {
        Ok(told) => (told, None),
        Err(failure) => (Vec::new(), Some(failure)),
    }
}

/// The stores beside the target's own that copies of its snapshots were made to.
async fn held_stores(scope: &Scope, config: &Config, target: &Target) -> Result<Vec<(String, StoreSettings)>, Failure> {
    let names = scope.names(HELD).await?;
    let others = names.into_iter().filter(|name| !target.store.contains(name));
    // One that the config no longer has can't be asked; whoever took it out knows.
    Ok(others.filter_map(|name| config.stores.get(&name).map(|settings| (name.clone(), settings.clone()))).collect())
}

/// That a store or a region has copies of a target's snapshots.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    since: DateTime<Utc>,
}

const HELD: &str = "stores";
const REGIONS: &str = "regions";

impl Opened {
    /// The target's name.
    pub(crate) fn name(&self) -> &TargetName {
        self.provider.target()
    }

    /// Begins a copy, and remembers where to: from now on that store or region is looked at too. Before the copy is there, as
    /// what nobody looks for is never found again; and no longer, where it turns out that there can be none.
    pub(crate) async fn begin_copy(
        &self,
        to: &CopyTo,
        begin: impl Future<Output = Result<Operation<Snapshot>, Failure>>,
    ) -> Result<Operation<Snapshot>, Failure> {
        let (kind, name) = match to {
            CopyTo::Store { name, .. } => (HELD, name),
            CopyTo::Region { region, .. } => (REGIONS, region),
        };
        if self.scope.get::<Held>(kind, name).await?.is_some() {
            return begin.await;
        }
        self.provider.reach(to).await?;
        // Another process may remember it at the same time, and that is as good.
        let written = self.scope.put(kind, name, &Held { since: Utc::now() }, &Expected::Absent).await?;
        let begun = begin.await;
        if let (Err(failure), Written::Yes(_)) = (&begun, written)
            && !failure.is_interruption()
            && !failure.kind.is_retryable()
        {
            self.scope.erase(kind, name).await?;
        }
        begun
    }

    /// The stores, by name, that copies of its snapshots were made to.
    pub(crate) async fn held_stores(&self) -> Result<Vec<String>, Failure> {
        self.scope.names(HELD).await
    }

    /// What tells a snapshot from another that gets its id later; nothing where none ever does.
    pub(crate) fn told_apart_by(&self, snapshot: &Snapshot) -> Option<DateTime<Utc>> {
        match self.provider.capabilities().reuses_ids {
            Support::Yes => snapshot.created_at,
            Support::No => None,
        }
    }

    /// Takes the target's lock for `verb`. `lost` is cancelled if it can't be kept.
    pub(crate) async fn lock(&self, verb: &str, lost: CancellationToken) -> Result<Lock, Failure> {
        tokio::select! {
            biased;
            () = lost.cancelled() => Err(Failure::new(ErrorKind::Interrupted, "interrupted before it began")),
            lock = Lock::take(&self.scope, self.name(), verb, lost.clone()) => lock,
        }
    }

    /// The snapshots, newest first, with the holds and adoptions that the state knows. Where it can't be read the list is
    /// incomplete.
    pub(crate) async fn list(&self, scope: ListScope) -> Result<Listing, Failure> {
        // Read after the provider's list, a hold can't be missed by a snapshot that is in it.
        let mut listing = self.provider.list(scope).await.map_err(|error| Failure::from(error).of(self.name()))?;
        if let Some(unread) = &self.unread {
            listing.problems.push(self.of_state(unread));
            return Ok(listing);
        }
        match Marks::read(&self.scope).await {
            Ok(marks) => listing.snapshots.iter_mut().for_each(|snapshot| marks.apply(snapshot)),
            Err(failure) => listing.problems.push(self.of_state(&failure)),
        }
        Ok(listing)
    }

    fn of_state(&self, failure: &Failure) -> Error {
        failure.to_error_of_state("read the holds of", self.name())
    }

    /// Everything known of one snapshot.
    pub(crate) async fn get(&self, native: &NativeId) -> Result<Details, Error> {
        let mut details = self.provider.get(native).await?;
        let marks = Marks::of(&self.scope, native).await.map_err(|failure| self.of_state(&failure))?;
        marks.apply(&mut details.snapshot);
        Ok(details)
    }

    /// The one snapshot that `reference` means.
    ///
    /// A list that is incomplete may hide another one that a prefix also means, or a newer one than `latest`: then
    /// only a whole id finds anything.
    pub(crate) async fn resolve(&self, reference: &SnapshotRef) -> Result<Snapshot, Failure> {
        // Strangers can share what they like: `latest` is never one of theirs, and a name is one of ours first.
        let own = pick(reference, self.list(ListScope::Own).await?);
        let found = match (own, &reference.which) {
            (Err(failure), Which::Native(_)) if failure.kind == ErrorKind::NotFound => {
                pick(reference, self.list(ListScope::AllOrigins).await?)
            }
            (own, _) => own,
        };
        found.map_err(|failure| failure.of(self.name()))
    }
}

fn pick(reference: &SnapshotRef, listing: Listing) -> Result<Snapshot, Failure> {
    let Listing { snapshots, problems, .. } = listing;
    let whole = |native: &str| snapshots.iter().find(|snapshot| snapshot.native_id.as_str() == native).cloned();
    if let Which::Native(native) = &reference.which
        && let Some(snapshot) = whole(native)
    {
        return Ok(snapshot);
    }
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem.into());
    }
    let missing = || {
        Failure::new(ErrorKind::NotFound, format!("there is no snapshot {reference}"))
            .with_hint(format!("see `snapkeep list {}`", reference.target))
    };
    let none_good = || match snapshots.len() {
        0 => missing(),
        count => {
            let message = format!("none of the {count} snapshots of {} is good", reference.target);
            let hint = format!("name one by its id: `snapkeep list {}`", reference.target);
            Failure::new(ErrorKind::NotFound, message).with_hint(hint)
        }
    };
    match &reference.which {
        Which::Latest => snapshots.iter().find(|snapshot| snapshot.is_good()).cloned().ok_or_else(none_good),
        Which::LatestVerified => {
            let verified = |snapshot: &Snapshot| snapshot.verified.as_ref().is_some_and(|verified| verified.ok);
            snapshots.into_iter().find(|snapshot| snapshot.is_good() && verified(snapshot)).ok_or_else(missing)
        }
        Which::Native(prefix) => {
            let mut matches: Vec<Snapshot> =
                snapshots.into_iter().filter(|snapshot| snapshot.native_id.as_str().starts_with(prefix)).collect();
            match matches.len() {
                0 => Err(missing()),
                1 => Ok(matches.remove(0)),
                count => {
                    let some: Vec<String> = matches.iter().take(5).map(|snapshot| snapshot.id.to_string()).collect();
                    let more = match count - some.len() {
                        0 => String::new(),
                        more => format!(" and {more} more"),
                    };
                    let message = format!("{reference} means {count} snapshots: {}{more}", some.join(", "));
                    Err(Failure { code: Code::Ambiguous, ..Failure::usage(message) }.with_hint("type more of the id"))
                }
            }
        }
    }
}

/// The id of the snapshot that `reference` names in full; for one that may be gone.
pub(crate) fn literal_id(reference: &SnapshotRef, target: &TargetName) -> Option<SnapshotId> {
    match &reference.which {
        Which::Native(native) => Some(SnapshotId { target: target.clone(), native: NativeId::new(native) }),
        Which::Latest | Which::LatestVerified => None,
    }
}

#[cfg(test)]
mod tests {
    use snapkeep_providers::Run;
    use snapkeep_providers::memory::Memory;
    use snapkeep_providers::model::{CreateRequest, Origin};

    use super::*;

    #[tokio::test]
    async fn what_others_share_is_found_by_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new("om".parse().unwrap(), DateTime::UNIX_EPOCH).with_polls(0);
        let own = memory.create(&CreateRequest::default(), &Run::silent()).await.unwrap().result().unwrap().native_id;
        let shared = memory.add_foreign(Origin::Shared);
        let opened = Opened::of(Arc::new(memory), crate::state::tests::scope(folder.path()));
        let resolve = async |id: &str| {
            let reference: SnapshotRef = format!("om/{id}").parse().unwrap();
            opened.resolve(&reference).await.map(|snapshot| snapshot.native_id).map_err(|failure| failure.code)
        };
        assert_eq!(resolve("latest").await, Ok(own.clone()), "though the shared one is newer");
        assert_eq!(resolve("mem-").await, Ok(own), "a prefix that both have");
        assert_eq!(resolve(shared.as_str()).await, Ok(shared));
        assert_eq!(resolve("nope").await, Err(Code::NotFound));
    }

    #[test]
    fn a_reference_is_a_target_and_a_native_id() {
        let parse = |text: &str| text.parse::<SnapshotRef>();
        assert_eq!(parse("om/latest").unwrap().which, Which::Latest);
        assert_eq!(parse("om/latest-verified").unwrap().which, Which::LatestVerified);
        assert_eq!(parse("om/rds:x/y").unwrap().which, Which::Native("rds:x/y".into()));
        for wrong in ["", "om", "om/", "/x", "../x", "a b/x", "om/a\nb"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
