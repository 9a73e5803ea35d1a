//! While a dump is written.

use std::fs;

use snapkeep_providers::ErrorKind;

use super::{ALWAYS, LATE, SOON, Step, all, file, passing, status, timeout};
use crate::cycle::source::{Engine, Source};
use crate::support::{Action, Fault, File, StoreKind, create, full, list, ok, try_create};

/// Every request of a `create` to a store, with each of these faults.
fn scenarios(kind: StoreKind, actions: &[Action]) -> Vec<(Step, Fault, Action)> {
    let each = |step: Step| {
        let (method, part) = step.request(kind)?;
        Some(actions.iter().map(move |action| (step, Fault::on(method, part, action.clone()), action.clone())))
    };
    Step::ALL.into_iter().filter_map(each).flatten().collect()
}

async fn goes_through(kind: StoreKind) {
    let (cuts, stall) = (scenarios(kind, &passing(kind)), scenarios(kind, &[Action::Stall]));
    // object_store doesn't begin an upload to GCS again when it waited in vain
    let stall = stall.into_iter().filter(|(step, ..)| (kind, *step) != (StoreKind::Gcs, Step::Begin));
    let twice = cuts.into_iter().map(|(step, fault, action)| (step, fault.times(2), action));
    all(twice.chain(stall), |(step, fault, action)| async move {
        let Some(file) = file(kind, 3, timeout(&action)).await else { return };
        file.fail(fault);
        let made = file.create().await;
        assert!(made.is_ok(), "{step:?} {action:?}: {}", full(&made.unwrap_err()));
        // an upload that was begun with a lost answer has an id that nobody knows
        if (step, &action) != (Step::Begin, &Action::CutAfter) {
            assert_eq!(file.store.unfinished(), <[String; 0]>::default(), "{step:?} {action:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_passes_is_got_over_on_seaweedfs() {
    goes_through(StoreKind::S3).await;
}

#[tokio::test]
async fn what_passes_is_got_over_on_azurite() {
    goes_through(StoreKind::Azurite).await;
}

#[tokio::test]
async fn what_passes_is_got_over_on_gcs() {
    goes_through(StoreKind::Gcs).await;
}

/// What a fault means that never ends; `None` where the dump goes through.
fn meaning(step: Step, action: &Action) -> Option<ErrorKind> {
    match action {
        // It took effect, and that can be seen.
        Action::CutAfter if matches!(step, Step::Complete | Step::Manifest) => None,
        Action::Status(503 | 429, _) => Some(ErrorKind::Busy),
        Action::Status(403, _) => Some(ErrorKind::Permission),
        Action::Status(400, _) => Some(ErrorKind::Failed),
        _ => Some(ErrorKind::Unavailable),
    }
}

async fn fails_cleanly(kind: StoreKind) {
    let refusals = [status(400, "InvalidArgument"), status(403, "AccessDenied")];
    let actions: Vec<Action> = passing(kind).into_iter().chain(refusals).collect();
    all(scenarios(kind, &actions), |(step, fault, action)| async move {
        let Some(file) = file(kind, 1, LATE).await else { return };
        file.fail(fault.times(ALWAYS));
        let made = file.create().await;
        let found = made.as_ref().err().map(|error| (error.kind(), full(error)));
        assert_eq!(found.as_ref().map(|(kind, _)| *kind), meaning(step, &action), "{step:?} {action:?}: {found:?}");
        if (step, &action) != (Step::Begin, &Action::CutAfter) {
            assert_eq!(file.store.unfinished(), <[String; 0]>::default(), "{step:?} {action:?}");
        }
        if made.is_err() {
            file.goes_on().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_stays_is_told_and_leaves_nothing_on_seaweedfs() {
    fails_cleanly(StoreKind::S3).await;
}

#[tokio::test]
async fn what_stays_is_told_and_leaves_nothing_on_azurite() {
    fails_cleanly(StoreKind::Azurite).await;
}

#[tokio::test]
async fn what_stays_is_told_and_leaves_nothing_on_gcs() {
    fails_cleanly(StoreKind::Gcs).await;
}

#[tokio::test]
async fn a_store_that_stalls_for_ever_is_given_up() {
    let steps = [Step::Claim, Step::Begin, Step::Part, Step::Complete, Step::Look];
    all(steps, |step| async move {
        let Some(file) = file(StoreKind::S3, 0, SOON).await else { return };
        let (method, part) = step.request(StoreKind::S3).unwrap();
        file.fail(Fault::on(method, part, Action::Stall).times(ALWAYS));
        let error = file.create().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{step:?}: {}", full(&error));
        file.goes_on().await;
    })
    .await;
}

#[tokio::test]
async fn one_of_several_parts_may_fail_and_is_sent_again() {
    let Some(file) = file(StoreKind::S3, 3, LATE).await else { return };
    file.add_noise(16 << 10);
    for (number, action) in [(1, Action::CutAfter), (2, Action::CutRequest(1 << 20)), (3, status(500, "InternalError"))]
    {
        file.fail(Fault::on("PUT", &format!("partNumber={number}&"), action));
    }
    ok(file.create().await);
    assert_eq!(file.store.proxy().count("PUT", "partNumber="), 7, "four parts, and three of them twice");
}

/// What is left of a dump when its store was gone before it could be cleaned up.
#[tokio::test]
async fn what_a_store_kept_when_it_went_away_is_debris_and_can_be_swept() {
    for kind in [StoreKind::S3, StoreKind::Azurite, StoreKind::Gcs] {
        let Some(file) = file(kind, 0, LATE).await else { return };
        let (method, complete) = Step::Complete.request(kind).unwrap();
        let before = |file: &File| file.store.proxy().count(method, complete) > 0;
        file.fail(Fault::on("PUT", "manifest.json", Action::CutBefore).times(ALWAYS));
        for (method, part) in [("DELETE", ""), ("POST", "?delete"), ("POST", "comp=batch")] {
            file.fail(Fault::on(method, part, Action::CutBefore).times(ALWAYS));
        }
        let error = file.create().await.unwrap_err();
        assert_eq!((error.kind(), before(&file)), (ErrorKind::Unavailable, true));
        assert_eq!(list(&*file.provider).await, []);
        let debris = ok(file.provider.debris().await);
        assert_eq!((debris.len(), file.store.names().await.len()), (1, 1), "{kind:?}");
        assert!(debris[0].size_bytes > 0);
        let made = ok(try_create(&*file.provider).await).native_id;
        ok(file.provider.sweep(&debris[0]).await);
        assert_eq!(ok(file.provider.debris().await), []);
        assert_eq!(file.is_sound(&file.source()).await, [made], "{kind:?}");
    }
}

/// The client gave up waiting, and the store did it all the same.
#[tokio::test]
async fn a_manifest_that_lands_after_its_dump_failed_makes_no_snapshot_without_data() {
    all([StoreKind::S3, StoreKind::Azurite, StoreKind::Gcs], |kind| async move {
        let Some(file) = file(kind, 0, SOON).await else { return };
        file.fail(Fault::on("PUT", "manifest.json", Action::Late).times(4));
        let error = file.create().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{kind:?}");
        let landed = file.store.proxy().land().await;
        assert!(!landed.is_empty());
        assert_eq!(file.is_sound(&file.source()).await, [], "{kind:?} {landed:?}");
        file.change();
        let next = create(&*file.direct).await;
        assert_eq!(file.is_sound(&file.source()).await, [next]);
    })
    .await;
}

#[test]
fn the_tools_of_a_dump_that_no_store_takes_are_stopped() {
    let (Some(store), Some(mut source)) = (StoreKind::S3.up(), Source::of(Engine::PostgreSql)) else { return };
    let store = store.behind_proxy();
    source.add_noise(9);
    source.configure(&[("offsite", &store)], &["offsite"]);
    store.proxy().fail(Fault::on("POST", "uploads", status(400, "InvalidArgument")).times(ALWAYS));
    let ran = source.run("create orders");
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(store.proxy().fired() > 0);
    let alive = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let shown = ["cmdline", "environ"].map(|file| fs::read(entry.as_ref().unwrap().path().join(file)));
        let text = shown.into_iter().flatten().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        text.into_iter().find(|text| text.contains("pg_dump") && text.contains(&source.database()))
    });
    assert_eq!(alive.collect::<Vec<_>>(), <[String; 0]>::default());
}
