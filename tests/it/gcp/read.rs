//! Listing, showing and checking, and what each failure says.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::cloud::{Cloud, at_once, owned};
use crate::cli::CloudBench;
use crate::support::SqlAdmin;
use crate::support::sqladmin::{Backup, Fault, Instance, Trouble};

/// One backup of every kind, and some of others.
fn of_every_kind() -> Cloud {
    let cloud = Cloud::new("");
    let ours = "snapkeep target=billing call=a key=nightly tag:team=crm";
    cloud.take(|new| new.described(ours).at("2025-11-20T02:15:00Z"));
    cloud.take(|new| new.described("before the upgrade").at("2025-11-19T02:15:00Z"));
    cloud.take(|new| new.by("AUTOMATED").at("2025-11-18T02:15:00Z"));
    cloud.take(|new| owned(new).in_status("FAILED").at("2025-11-17T02:15:00Z"));
    cloud.take(|new| owned(new).in_status("SKIPPED").at("2025-11-16T02:15:00Z"));
    cloud.take(|new| owned(new).in_status("DELETED").at("2025-11-15T02:15:00Z"));
    cloud.take(|new| new.described("snapkeep target=other call=b").at("2025-11-14T02:15:00Z"));
    cloud.take(|new| new.by("FINAL").without_run().at("2025-11-13T02:15:00Z"));
    cloud.sql.world(|world| {
        world.add(Instance::new("billing-pg-2"));
        let other = world.backup_of("billing-pg-2");
        world.take(other);
    });
    cloud
}

#[test]
fn runs_and_backups_of_the_project_are_one_list() {
    let cloud = of_every_kind();
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    billing/[BACKUP-1]  [TIME]  [AGE]  4.0 GiB  available  owned  postgresql 17  eu  -  -
    billing/[BACKUP-2]  [TIME]  [AGE]  4.0 GiB  available  manual  postgresql 17  eu  -  -
    billing/[BACKUP-3]  [TIME]  [AGE]  4.0 GiB  available  automated  postgresql 17  eu  -  -
    billing/[BACKUP-4]  [TIME]  [AGE]  4.0 GiB  failed  owned  postgresql 17  eu  -  -
    billing/[BACKUP-5]  [TIME]  [AGE]  4.0 GiB  unknown  owned  postgresql 17  eu  -  -
    billing/[BACKUP-7]  [TIME]  [AGE]  4.0 GiB  available  manual  postgresql 17  eu  -  -
    billing/[UID-8]  [TIME]  [AGE]  4.0 GiB  available  automated  postgresql 17  eu  -  -
    ");
    let json = cloud.items("list --origin owned --state available");
    let item = json!({
        "id": format!("billing/{}", cloud.backups()[0].id()), "native_id": cloud.backups()[0].id(), "target": "billing",
        "provider": "gcp_cloud_sql", "origin": "owned", "state": "available", "provider_state": "SUCCESSFUL",
        "created_at": "2025-11-20T02:15:00Z", "completed_at": "2025-11-20T02:16:00Z", "size_bytes": 4_294_967_301_u64,
        "engine": "postgresql", "engine_version": "17", "location": "eu", "encrypted": true, "key": "nightly",
        "hold": null, "verified": null, "expires_at": null, "tags": {"team": "crm"}, "locked_until": null,
    });
    assert_eq!(json, [item]);
}

#[test]
fn a_backup_shows_all_that_google_tells_and_how_to_restore_it_by_hand() {
    let cloud = of_every_kind();
    insta::assert_snapshot!(cloud.whole("show billing/latest"), @"
    exit 0
    --- stdout
    id  billing/[BACKUP-1]
    created  [TIME] UTC ([AGE] ago)
    completed  [TIME] UTC
    state  available
    origin  owned
    size  4.0 GiB (4294967301 bytes)
    engine  postgresql 17
    location  eu
    encrypted  yes
    key  nightly
    tags  team=crm

    To restore it without snapkeep:

      # into a new instance; of the project's backups one is the same as this run, by its backupRun
      gcloud sql backups list --filter='backupRun~/[BACKUP-1]$' --project acme-prod
      gcloud sql backups restore BACKUP_NAME --restore-instance billing-pg-restored --project acme-prod
      # or over the instance itself: what it holds now is lost
      gcloud sql backups restore [BACKUP-1] --backup-instance billing-pg --restore-instance billing-pg --project acme-prod
    ");
    let last = cloud.backups()[7].clone();
    insta::assert_snapshot!(cloud.whole(&format!("show billing/{}", last.uid)), @"
    exit 0
    --- stdout
    id  billing/[UID-8]
    created  [TIME] UTC ([AGE] ago)
    completed  [TIME] UTC
    state  available
    origin  automated
    size  4.0 GiB (4294967301 bytes)
    engine  postgresql 17
    location  eu
    encrypted  yes

    To restore it without snapkeep:

      # into a new instance
      gcloud sql backups restore projects/acme-prod/backups/[UID-8] --restore-instance billing-pg-restored --project acme-prod
    ");
}

#[test]
fn backups_of_an_instance_that_is_gone_keep_their_ids_and_restore() {
    let cloud = Cloud::of(Instance::new("billing-pg").set("/retainBackupsOnDelete", true), "");
    let id = cloud.create("billing --key before");
    cloud.done(&format!("hold {id} --reason audit"));
    cloud.sql.world(|world| {
        world.instances.clear();
        for backup in &mut world.backups {
            backup.orphaned = Some(backup.enqueued);
        }
    });
    assert_eq!(cloud.done("-o name list").out.trim_end(), id);
    assert_eq!(cloud.items("list")[0]["hold"]["reason"], "audit");
    assert_eq!(cloud.items("list")[0]["key"], "before");
    cloud.done(&format!("restore {id} --to again"));
    assert_eq!(cloud.instance("again").unwrap().data, "first");
    cloud.exits(4, "create billing");
    cloud.done(&format!("release {id}"));
    cloud.done(&format!("delete {id} --yes --force"));
    assert!(cloud.backups().is_empty());
}

#[test]
fn backups_of_an_earlier_instance_of_the_name_are_nobodys_older_generations() {
    let cloud = Cloud::of(Instance::new("billing-pg").set("/retainBackupsOnDelete", true), "");
    let old = cloud.create("billing --key release-7");
    cloud.sql.world(|world| {
        world.instances.clear();
        for backup in &mut world.backups {
            backup.orphaned = Some(backup.enqueued);
        }
        world.add(Instance::new("billing-pg"));
    });
    assert_eq!(cloud.items("list")[0]["origin"], "manual", "there is another instance now");
    assert_ne!(cloud.create("billing --key release-7"), old, "the new one has no backup of this key yet");
    cloud.done(&format!("show {old}"));
    cloud.exits(10, &format!("delete {old} --yes"));
    assert_eq!(cloud.backups().len(), 2);
}

#[test]
fn one_call_is_one_backup_however_google_tells_of_it() {
    let cloud = Cloud::new("");
    let ours = "snapkeep target=billing call=k3f9x2ab7q";
    cloud.take(|new| new.described(ours));
    cloud.take(|new| new.described(ours).without_run());
    cloud.take(|new| new.by("FINAL").without_run());
    assert_eq!(cloud.items("list").len(), 2);
}

#[test]
fn five_thousand_come_one_request_at_a_time_and_none_is_lost_when_a_page_fails() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| {
        let one = owned(world.backup_of("billing-pg"));
        let first: DateTime<Utc> = "2024-01-01T00:00:00Z".parse().unwrap();
        for nth in 0..5000 {
            let at = (first + TimeDelta::hours(nth)).to_rfc3339();
            world.take(Backup { uid: format!("uid-{nth}"), ..one.clone().at(&at) });
        }
    });
    let other = cloud.sql.world(|world| {
        world.add(Instance::new("crm-pg"));
        let backup = world.backup_of("crm-pg");
        world.take(backup).id()
    });
    cloud.configure(&[cloud.target("billing", "billing-pg", ""), cloud.target("crm", "crm-pg", "")].concat());
    cloud.sql.fail(Trouble::on("backupRuns.list", Fault::CutAfter).nth(173));
    let listed = cloud.items("list");
    assert_eq!(cloud.sql.fired(), 1);
    let ids: BTreeSet<&str> = listed.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!((listed.len(), ids.len()), (5001, 5001));
    assert!(ids.contains(&*format!("crm/{other}")));
    assert_eq!(cloud.sql.most_in_flight(), 1, "of two targets in one project");
    assert!(cloud.sql.calls_of("backupRuns.list").len() >= 252, "pages of 20");
}

#[test]
fn a_list_with_gaps_says_so_and_nothing_is_pruned() {
    let retention = "\n[retention.few]\nkeep_last = 1\nmax_delete_percent = 100\n";
    let gaps: [(&str, Fault); 4] = [
        ("backupRuns.list", Fault::Status(500)),
        ("backupRuns.list", Fault::SamePage),
        ("Backups.ListBackups", Fault::Html(502)),
        ("Backups.ListBackups", Fault::Denied),
    ];
    at_once(gaps, |(method, fault)| {
        let cloud = Cloud::new("retention = \"few\"");
        cloud.configure(&[cloud.target("billing", "billing-pg", "retention = \"few\""), retention.into()].concat());
        for day in 1..=25 {
            cloud.take(|new| owned(new).at(&format!("2025-11-{day:02}T02:15:00Z")));
        }
        let trouble = Trouble::on(method, fault.clone()).always();
        cloud.sql.fail(if method == "backupRuns.list" { trouble.with("pageToken") } else { trouble });
        let ran = cloud.exits(3, "-o name list");
        assert!(ran.out.lines().count() >= 20, "what was read is shown: {fault:?} {ran}");
        assert_ne!(cloud.run("prune apply --yes").code, Some(0), "{fault:?}");
        assert_ne!(cloud.run("latest billing").code, Some(0), "a newer one may be missing: {fault:?}");
        assert_eq!(cloud.backups().len(), 25, "{fault:?}");
        assert!(cloud.sql.fired() > 0);
    });
}

#[test]
fn a_region_that_does_not_answer_google_makes_the_list_incomplete() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    cloud.sql.world(|world| world.unreachable.insert("us-east1".to_owned()));
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    billing/[BACKUP-1]  [TIME]  [AGE]  4.0 GiB  available  owned  postgresql 17  eu  -  -
    --- stderr
    error: gcp_cloud_sql: cannot list backups of billing: the region us-east1 does not answer Google
    caused by: Region us-east1 is unreachable.
    ");
    cloud.exits(3, "targets list --discover");
    cloud.sql.world(|world| world.unreachable.clear());
    assert_eq!(cloud.done("-o name list").out.trim_end(), id);
}

#[test]
fn a_clock_that_is_off_stops_pruning_and_no_listing() {
    let cloud = Cloud::new("");
    let retention = "\n[retention.few]\nkeep_last = 1\nmax_delete_percent = 100\n";
    cloud.configure(&[cloud.target("billing", "billing-pg", "retention = \"few\""), retention.into()].concat());
    cloud.take(|new| owned(new).at("2025-11-20T02:15:00Z"));
    cloud.take(|new| owned(new).at("2025-11-19T02:15:00Z"));
    cloud.sql.clock_ahead(TimeDelta::minutes(6));
    cloud.done("list");
    let ran = cloud.exits(10, "prune apply --yes");
    assert!(ran.err.contains("clock"), "{ran}");
    assert_eq!(cloud.backups().len(), 2);
}

#[test]
fn a_target_that_is_right_passes_every_check_and_is_told_what_becomes_of_its_backups() {
    let cloud = Cloud::new("");
    insta::assert_snapshot!(cloud.whole("targets check"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    billing  database  ok  instance billing-pg in europe-west3, postgresql 17, RUNNABLE
    billing  retention  look  backups go when the instance is deleted
                                hint: keep them: gcloud sql instances patch billing-pg --retain-backups-on-delete --project acme-prod
    billing  snapshots  ok  they can be listed
    billing  delete  ok  it is permitted
    ");
    let changes = cloud.sql.changes();
    assert!(changes.iter().all(|call| call.id.as_deref() == Some("1")), "{changes:?}");
    let cloud = Cloud::of(Instance::new("billing-pg").set("/retainBackupsOnDelete", true), "");
    let ran = cloud.done("targets check");
    assert!(ran.out.contains("backups stay when the instance is deleted") && !ran.out.contains("keep them"), "{ran}");
}

#[test]
fn what_is_wrong_with_a_target_is_said_with_what_to_do() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.denied.insert("backupRuns.delete".to_owned()));
    insta::assert_snapshot!(cloud.whole("targets check"), @"
    exit 5
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    billing  database  ok  instance billing-pg in europe-west3, postgresql 17, RUNNABLE
    billing  retention  look  backups go when the instance is deleted
                                hint: keep them: gcloud sql instances patch billing-pg --retain-backups-on-delete --project acme-prod
    billing  snapshots  ok  they can be listed
    billing  delete  FAILED  gcp_cloud_sql: cannot delete backups of billing: Google does not permit it, or there is no such instance
    --- stderr
    error: gcp_cloud_sql: cannot delete backups of billing: Google does not permit it, or there is no such instance
    caused by: DELETE /v1/projects/acme-prod/instances/billing-pg/backupRuns/1: 403 Forbidden: forbidden: boss::NOT_AUTHORIZED: Not authorized to access resource. Possibly missing permission cloudsql.backupRuns.delete on resource instances/billing-pg.
    hint: give the role the permission cloudsql.backupRuns.delete, which roles/cloudsql.editor lacks; see docs/gcp.md
    ");
    let cloud = Cloud::of(Instance::new("billing-pg").stopped(), "");
    insta::assert_snapshot!(cloud.whole("targets check"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    billing  database  look  instance billing-pg in europe-west3, postgresql 17, stopped
                                hint: start it: gcloud sql instances patch billing-pg --activation-policy=ALWAYS --project acme-prod
    billing  retention  look  backups go when the instance is deleted
                                hint: keep them: gcloud sql instances patch billing-pg --retain-backups-on-delete --project acme-prod
    billing  snapshots  ok  they can be listed
    billing  delete  ok  it is permitted
    ");
}

#[test]
fn a_wrong_address_has_its_own_words() {
    let cloud = Cloud::new("");
    cloud.configure(&cloud.target("billing", "nope", ""));
    let ran = cloud.exits(4, "targets check");
    assert!(!ran.out.contains("it is permitted"), "nobody can tell: {ran}");
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 4
    --- stderr
    error: gcp_cloud_sql: cannot list billing: there is no instance nope in the project acme-prod
    hint: see what is there: `snapkeep targets list --discover`, then correct `instance` or `project` of [targets.billing]
    ");
    cloud.configure(&cloud.target("billing", "billing-pg", "").replace(SqlAdmin::PROJECT, "acme-typo"));
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 5
    --- stderr
    error: gcp_cloud_sql: cannot list backups of billing: Google does not permit it, or there is no such instance
    caused by: GET /v1/projects/acme-typo/instances/billing-pg/backupRuns: 403 Forbidden: notAuthorized: The client is not authorized to make this request.
    hint: look at `project` and `instance` of [targets.billing], and at the role: see docs/gcp.md#permissions
    ");
}

#[test]
fn names_that_no_instance_can_have_are_refused_before_google_is_asked() {
    let cloud = Cloud::new("");
    for (instance, project) in
        [("billing pg", "acme-prod"), ("../x", "acme-prod"), ("billing-pg", "acme;ls"), ("-", "acme-prod")]
    {
        cloud.configure(&cloud.target("billing", instance, "").replace(SqlAdmin::PROJECT, project));
        cloud.exits(2, "list");
    }
    assert!(cloud.sql.calls().is_empty());
}

#[test]
fn a_token_that_will_not_do_has_its_own_words() {
    let cloud = Cloud::new("");
    insta::assert_snapshot!(cloud.shown(&cloud.ran(cloud.command().env("TOKEN", "expired").arg("list"))), @"
    exit 5
    --- stderr
    error: gcp_cloud_sql: cannot list backups of billing: Google does not take the access token
    caused by: GET /v1/projects/acme-prod/instances/billing-pg/backupRuns: 401 Unauthorized: authError: Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.
    hint: get a new one: gcloud auth print-access-token, or leave out `access_token`
    ");
    cloud.sql.trust_without_scope("narrow");
    insta::assert_snapshot!(cloud.shown(&cloud.ran(cloud.command().env("TOKEN", "narrow").arg("list"))), @"
    exit 5
    --- stderr
    error: gcp_cloud_sql: cannot list backups of billing: the access token is not for Cloud SQL
    caused by: GET /v1/projects/acme-prod/instances/billing-pg/backupRuns: 403 Forbidden: insufficientPermissions: Request had insufficient authentication scopes.
    hint: get one of the scope https://www.googleapis.com/auth/cloud-platform: gcloud auth print-access-token
    ");
    insta::assert_snapshot!(cloud.shown(&cloud.ran(cloud.command().env_remove("TOKEN").arg("list"))), @"
    exit 5
    --- stderr
    error: billing: config: cannot read the secret from environment variable TOKEN: it is not set, or not UTF-8
    hint: set it: export TOKEN=...
    ");
    let nobody = cloud.target("billing", "billing-pg", "").replace(&cloud.sql.endpoint(), "http://127.0.0.1:1");
    cloud.configure(&nobody);
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 1
    --- stderr
    error: gcp_cloud_sql: cannot list backups of billing: Google's API does not answer
    caused by: GET /v1/projects/acme-prod/instances/billing-pg/backupRuns: no connection
    caused by: error sending request
    caused by: client error (Connect)
    caused by: tcp connect error
    caused by: Connection refused (os error 111)
    ");
}

#[test]
fn instances_of_the_project_are_found_with_the_config_for_them() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| {
        world.add(Instance::new("crm-mysql").of_version("MYSQL_8_0_31").stopped());
        world.add(Instance::new("billing-replica")).primary = Some("billing-pg".into());
    });
    insta::assert_snapshot!(cloud.whole("targets list --discover"), @r#"
    exit 0
    --- stdout
    DATABASE  PROVIDER  LOCATION  ENGINE  STATE  TARGET
    billing-pg  gcp_cloud_sql  acme-prod  postgresql 17  RUNNABLE  billing
    crm-mysql  gcp_cloud_sql  acme-prod  mysql 8.0.31  stopped  -

    [targets.crm-mysql]
    provider = "gcp_cloud_sql"
    project = "acme-prod"
    instance = "crm-mysql"
    endpoint = "[ENDPOINT]"
    access_token = { env = "TOKEN" }
    "#);
}

#[test]
fn a_server_that_is_slow_is_waited_for_and_one_that_throttles_too() {
    let cloud = Cloud::new("");
    cloud.create("billing");
    cloud.sql.fail(Trouble::on("backupRuns.list", Fault::Slow(Duration::from_millis(300))));
    cloud.sql.fail(Trouble::on("Backups.ListBackups", Fault::Throttled(Some(0))).times(3));
    assert_eq!(cloud.items("list").len(), 1);
    assert_eq!(cloud.sql.fired(), 4);
}
