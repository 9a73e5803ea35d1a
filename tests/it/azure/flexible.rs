//! Flexible servers of MySQL and PostgreSQL by the commands that people type.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::cloud::{Cloud, at_once};
use crate::cli::CloudBench;
use crate::support::Arm;
use crate::support::arm::{Fault, Server, Trouble};

#[test]
fn a_backup_is_made_listed_and_shown_by_the_name_that_azure_gave_it() {
    let cloud = Cloud::mysql("");
    cloud.arm.world(|world| drop(world.take_automated("crm-mysql").clone()));
    let ran = cloud.done("create crm --key pre-upgrade --tag app=1.9");
    insta::assert_snapshot!(cloud.shown(&ran), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    crm/[BACKUP-2]  [TIME]  [AGE]  -  available  owned  mysql 8.0.21  northeurope  -  -
    --- stderr
    warning: crm: Azure Database for MySQL keeps no tags of a backup: they are left out
    crm: made crm/[BACKUP-2] in northeurope, in [DURATION]
    ");
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    crm/[BACKUP-2]  [TIME]  [AGE]  -  available  owned  mysql 8.0.21  northeurope  -  -
    crm/[BACKUP-1]  [TIME]  [AGE]  -  available  automated  mysql 8.0.21  northeurope  -  -
    ");
    insta::assert_snapshot!(cloud.whole("show crm/latest"), @"
    exit 0
    --- stdout
    id  crm/[BACKUP-2]
    created  [TIME] UTC ([AGE] ago)
    completed  [TIME] UTC
    state  available
    origin  owned
    engine  mysql 8.0.21
    location  northeurope
    encrypted  yes
    key  pre-upgrade
    expires  [TIME] UTC

    To restore it without snapkeep:

      # into a new server, as it was when the backup was completed
      az mysql flexible-server restore --subscription 11111111-2222-4333-8444-555555555555 --resource-group Acme-Prod --name crm-mysql-restored --source-server crm-mysql --restore-time [TIME]
    ");
    let made = &cloud.backups()[1];
    assert!(made.name.starts_with("customer-") && made.name.ends_with("__k-pre-upgrade"), "{}", made.name);
    let item = &cloud.items("list --origin owned")[0];
    let completed: chrono::DateTime<Utc> = serde_json::from_value(item["completed_at"].clone()).unwrap();
    assert_eq!(completed, made.completed);
    let expected = json!({
        "id": format!("crm/{}", made.name), "native_id": made.name, "target": "crm", "provider": "azure_mysql",
        "origin": "owned", "state": "available", "provider_state": null, "created_at": item["completed_at"],
        "completed_at": item["completed_at"], "size_bytes": null, "engine": "mysql", "engine_version": "8.0.21",
        "location": "northeurope", "encrypted": true, "key": "pre-upgrade", "hold": null, "verified": null,
        "expires_at": (completed + TimeDelta::days(7)).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true), "tags": {}, "locked_until": null,
    });
    assert_eq!(*item, expected);
}

#[test]
fn the_same_key_is_the_same_backup_also_while_it_is_made_elsewhere() {
    for cloud in [Cloud::mysql(""), Cloud::postgresql("")] {
        let target = if cloud.server("crm-mysql").is_some() { "crm" } else { "tickets" };
        cloud.arm.world(|world| (world.looks, world.mysql_takes_its_time) = (1000, true));
        let begun = cloud.done(&format!("-o json create {target} --key nightly --no-wait")).document();
        let operation = begun["items"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(begun["items"][0]["state"], "running");
        cloud.exits(8, &format!("wait {operation} --timeout 1s"));
        let again = cloud.done(&format!("-o json create {target} --key nightly --no-wait")).document();
        assert_eq!(again["items"][0]["id"], operation.as_str());
        (0..1000).for_each(|_| cloud.arm.tick());
        let waited = cloud.done(&format!("-o name wait {operation}")).out;
        assert_eq!(cloud.create(&format!("{target} --key nightly")), waited.trim_end());
        assert_eq!((cloud.backups().len(), cloud.arm.resent().len()), (1, 0));
        cloud.arm.world(|world| world.looks = 0);
        assert_ne!(cloud.create(target), waited.trim_end());
        cloud.exits(4, &format!("wait {target}/sk__{target}__20200101t000000z-aaaa"));
    }
}

#[test]
fn a_lost_answer_is_no_second_backup() {
    for fault in [Fault::CutAfter, Fault::StatusAfter(500), Fault::Truncated] {
        let cloud = Cloud::mysql("");
        cloud.arm.fail(Trouble::on("mysql.backups.put", fault.clone()));
        cloud.done("create crm --key nightly");
        cloud.done("create crm --key nightly");
        assert_eq!((cloud.backups().len(), cloud.arm.fired()), (1, 1), "{fault:?}");
    }
}

#[test]
fn an_operation_that_ends_badly_tells_azures_words_and_the_key_is_free_again() {
    let cloud = Cloud::postgresql("");
    cloud.arm.world(|world| world.looks = 1);
    cloud.arm.fail(Trouble::on("postgresql.backups.put", Fault::EndsBadly("InternalServerError", "no luck today")));
    let ran = cloud.exits(1, "create tickets --key nightly");
    assert!(ran.err.contains("no luck today"), "{ran}");
    cloud.done("create tickets --key nightly");
    assert_eq!(cloud.backups().len(), 1);
}

#[test]
fn what_azure_would_refuse_is_told_before_the_call() {
    let cases = [
        (
            Server::postgresql("tickets-pg").of_tier("Burstable"),
            0,
            12,
            "no backups on demand of a server with the Burstable tier",
        ),
        (
            Server::postgresql("tickets-pg"),
            7,
            7,
            "has 7 backups on demand, and Azure Database for PostgreSQL permits 7",
        ),
        (Server::postgresql("tickets-pg").in_state("Stopped"), 0, 1, "az postgres flexible-server start"),
    ];
    at_once(cases, |(server, backups, code, words)| {
        let cloud = Cloud::of(server);
        cloud.configure(&cloud.target("tickets", "azure_postgresql", "tickets-pg", ""));
        cloud.arm.world(|world| {
            (0..backups).for_each(|nth| drop(world.take("tickets-pg", &format!("by-hand-{nth}")).clone()))
        });
        let ran = cloud.exits(code, "create tickets");
        assert!(ran.err.contains(words), "{ran}");
        assert!(cloud.arm.changes().is_empty(), "{words}");
    });
}

#[test]
fn a_restore_makes_a_server_like_its_source_as_it_was_then() {
    for (cloud, target, server) in
        [(Cloud::mysql(""), "crm", "crm-mysql"), (Cloud::postgresql(""), "tickets", "tickets-pg")]
    {
        cloud.arm.world(|world| world.write(server, "before"));
        let id = cloud.create(target);
        cloud.arm.world(|world| {
            world.pass(TimeDelta::minutes(1));
            world.write(server, "after");
            world.looks = 1;
            world.groups.push((Arm::SUBSCRIPTION.into(), "rg-other".into()));
        });
        cloud.done(&format!("restore {id} --to {target}-copy"));
        cloud.done(&format!("restore {id} --to rg-other/{target}-there --set availability_zone=3"));
        let (copy, there) =
            (cloud.server(&format!("{target}-copy")).unwrap(), cloud.server(&format!("{target}-there")).unwrap());
        assert_eq!((copy.data(), there.data()), ("before", "before"));
        assert_eq!((copy.group.as_str(), there.group.as_str()), (Arm::GROUP, "rg-other"));
        let refused = cloud.exits(10, &format!("restore {id} --to {server}"));
        assert!(refused.err.contains("there is a server"), "{refused}");
        for (code, line) in [
            (2, format!("restore {id} --to Not_A_Name")),
            (2, format!("restore {id} --to new --set port=1")),
            (4, format!("restore {id} --to no-such-group/new")),
            (12, format!("restore {id} --in-place --confirm {target}")),
            (12, format!("restore {id} --to new --set location=westeurope")),
            (4, format!("restore {target} --time 2001-01-01T00:00:00Z --to new")),
            (4, format!("restore {target} --time 2099-01-01T00:00:00Z --to new")),
        ] {
            cloud.arm.forget_calls();
            let ran = cloud.exits(code, &line);
            assert!(ran.err.contains("hint: ") || ran.err.contains("there is no option"), "{ran}");
            assert!(cloud.arm.changes().is_empty(), "{line}");
        }
    }
}

#[test]
fn a_moment_between_backups_is_restored() {
    let cloud = Cloud::mysql("");
    let moment = cloud.arm.world(|world| {
        world.write("crm-mysql", "then");
        world.pass(TimeDelta::minutes(-1));
        let moment = world.now() + TimeDelta::minutes(1);
        world.pass(TimeDelta::minutes(2));
        world.write("crm-mysql", "now");
        moment
    });
    let moment = moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    cloud.arm.clock_ahead(TimeDelta::zero());
    cloud.done(&format!("restore crm --time {moment} --to crm-then"));
    assert!(cloud.server("crm-then").is_some());
}

#[test]
fn a_restore_is_followed_by_another_process_to_the_words_of_its_failure() {
    let cloud = Cloud::postgresql("");
    let id = cloud.create("tickets");
    cloud.arm.world(|world| world.looks = 1000);
    cloud
        .arm
        .fail(Trouble::on("postgresql.servers.put", Fault::EndsBadly("SkuNotAvailable", "no room in North Europe")));
    let begun = cloud.done(&format!("-o json restore {id} --to copy --no-wait")).document();
    let operation = begun["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(operation, "tickets/restore:copy");
    cloud.exits(8, &format!("wait {operation} --timeout 1s"));
    (0..1000).for_each(|_| cloud.arm.tick());
    let ran = cloud.exits(1, &format!("wait {operation}"));
    assert!(ran.err.contains("SkuNotAvailable: no room in North Europe"), "{ran}");
    assert_eq!(cloud.arm.resent().len(), 0);
}

#[test]
fn backups_on_demand_are_deleted_and_automatic_ones_are_azures() {
    for (cloud, target, server) in
        [(Cloud::mysql(""), "crm", "crm-mysql"), (Cloud::postgresql(""), "tickets", "tickets-pg")]
    {
        let (first, _second) = (cloud.create(target), cloud.create(target));
        cloud.arm.world(|world| {
            world.take_automated(server);
            world.looks = 1;
        });
        let automated = cloud.items("list --origin automated")[0]["id"].as_str().unwrap().to_owned();
        cloud.done(&format!("delete {first} --yes"));
        cloud.done(&format!("delete {first} --yes"));
        let refused = cloud.exits(12, &format!("delete {automated} --yes --force"));
        assert!(refused.err.contains("the cloud made it, and lets nobody else delete it"), "{refused}");
        assert_eq!(cloud.backups().len(), 2);
    }
}

#[test]
fn verification_restores_and_leaves_nothing() {
    let cloud = Cloud::postgresql("");
    let id = cloud.create("tickets");
    cloud.done(&format!("verify {id} --level restore"));
    assert_eq!(cloud.items("list")[0]["verified"]["ok"], true);
    assert_eq!(cloud.arm.world(|world| world.servers.len()), 1);
    cloud.exits(12, &format!("verify {id} --level checksum"));
}

#[test]
fn checks_tell_what_is_there_what_limits_it_and_which_action_the_role_lacks() {
    let cloud = Cloud::mysql("");
    insta::assert_snapshot!(cloud.whole("targets check"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    crm  database  ok  server crm-mysql in northeurope, mysql 8.0.21, Standard_D2ds_v4 (GeneralPurpose), Ready
    crm  retention  look  7 days, back to [TIME], in its own region only; backups go with the server
                                 hint: keep them longer, 35 days at most: az mysql flexible-server update --subscription 11111111-2222-4333-8444-555555555555 --resource-group Acme-Prod --name crm-mysql --backup-retention 35
    crm  snapshots  ok  0 backups, 0 of 50 on demand
    crm  permissions  ok  the role has the actions that are needed
    ");
    cloud.arm.world(|world| world.granted = vec!["*/read".to_owned()]);
    let ran = cloud.exits(5, "targets check");
    assert!(ran.to_string().contains("Microsoft.DBforMySQL/flexibleServers/backups/write"), "{ran}");
    let action = "Microsoft.DBforMySQL/flexibleServers/backups/write";
    cloud.arm.world(|world| world.denied.insert(action.to_owned()));
    let ran = cloud.exits(5, "create crm");
    assert!(ran.err.contains(&format!("the role lacks the action {action}")), "{ran}");
}

#[test]
fn bad_input_ends_in_words_that_say_what_to_correct() {
    let cloud = Cloud::mysql("");
    let good = cloud.target("crm", "azure_mysql", "crm-mysql", "");
    let cases = [
        (good.replace(Arm::SUBSCRIPTION, "99999999-0000-4000-8000-000000000000"), 4, "there is no subscription"),
        (good.replace(Arm::SUBSCRIPTION, "../../x"), 2, "can't be its subscription_id"),
        (good.replace(Arm::GROUP, "rg-nowhere"), 4, "there is no resource group rg-nowhere"),
        (good.replace(Arm::GROUP, "a/../b"), 2, "can't be its resource_group"),
        (good.replace("\"crm-mysql\"", "\"no-such\""), 4, "there is no server no-such"),
        (good.replace("\"crm-mysql\"", "\"a b/../../x\""), 2, "can't be its server_name"),
    ];
    for (targets, code, words) in cases {
        cloud.configure(&targets);
        for line in ["list", "create crm", "targets check", "delete crm/customer-x --yes"] {
            let ran = cloud.run(line);
            let expected = if line == "targets check" && code == 2 { [2, 2] } else { [code, code] };
            assert!(expected.contains(&ran.code.unwrap()) && ran.to_string().contains(words), "{line}: {ran}");
        }
    }
    cloud.configure(&good);
    for id in ["crm/../../x", "crm/a b", "crm/%2e%2e", "crm/x?y"] {
        let mut command = cloud.command();
        let ran = cloud.ran(command.args(["show", id]));
        assert_eq!(ran.code, Some(4), "{ran}");
    }
    cloud.arm.expire(Arm::TOKEN);
    let ran = cloud.exits(5, "list");
    assert!(ran.err.contains("has run out") && ran.err.contains("az account get-access-token"), "{ran}");
    assert!(cloud.arm.changes().is_empty());
}

#[test]
fn a_list_with_a_gap_is_incomplete_and_nothing_is_pruned() {
    let cloud = Cloud::mysql("retention = \"r\"\n[retention.r]\nkeep_last = 1");
    (0..3).for_each(|_| drop(cloud.create("crm")));
    cloud.arm.world(|world| world.page = 1);
    for fault in [Fault::ForeignPage, Fault::SamePage, Fault::Refused(400, "BadRequest", "no")] {
        cloud.arm.forget_calls();
        let trouble = Trouble::on("mysql.backups.list", fault.clone());
        cloud.arm.fail(if matches!(fault, Fault::Refused(..)) { trouble.on_later_pages() } else { trouble });
        let ran = cloud.run("prune apply --yes");
        assert_ne!(ran.code, Some(0), "{fault:?}: {ran}");
        assert!(cloud.arm.changes().is_empty() && cloud.backups().len() == 3, "{fault:?}");
        cloud.arm.heal();
    }
    cloud.done("prune apply --yes --max-delete-percent 90");
    assert_eq!(cloud.backups().len(), 1);
}

#[test]
fn servers_of_the_subscription_are_found_with_the_lines_of_their_targets() {
    let cloud = Cloud::postgresql("");
    cloud.arm.world(|world| {
        world.page = 1;
        for name in ["billing-pg", "hr-pg"] {
            world.add(Server::postgresql(name));
        }
        world.add(Server::mysql("crm-mysql"));
    });
    let found = cloud.done("-o json targets list --discover").document();
    let names: Vec<&Value> = found["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert!(names.iter().any(|name| **name == "billing-pg"), "{found}");
}

#[test]
fn a_long_term_backup_is_an_export_into_the_configured_container() {
    let cloud = Cloud::postgresql("long_term_container = { file = \"container\" }");
    std::fs::write(cloud.bench.path("container"), "https://acme.blob.core.windows.net/tickets?sv=2026&sig=s3cr%2Ft\n")
        .unwrap();
    cloud.arm.world(|world| world.looks = 1);
    let to = "--to https://acme.blob.core.windows.net/tickets/";
    let ran = cloud.done(&format!("export tickets {to}"));
    assert!(!ran.to_string().contains("s3cr"), "{ran}");
    let call = &cloud.arm.calls_of("postgresql.startLtrBackup.post")[0];
    let address = call.field("/targetDetails/sasUriList/0");
    assert_eq!(address, Some("https://acme.blob.core.windows.net/tickets?sv=2026&sig=s3cr%2Ft"));
    assert!(cloud.items("list").is_empty(), "it can't be restored by Azure's API");
    let listed = cloud.items("list --all-origins");
    assert_eq!(
        (listed.len(), &listed[0]["origin"], &listed[0]["state"]),
        (1, &json!("automated"), &json!("available"))
    );
    cloud.arm.world(|world| world.looks = 1000);
    let begun = cloud.done(&format!("-o json export tickets {to} --no-wait")).document();
    let again = cloud.done(&format!("-o json export tickets {to} --no-wait")).document();
    assert_eq!(begun["items"][0]["id"], again["items"][0]["id"], "one that goes on is not begun again");
    cloud.exits(2, "export tickets --to https://acme.blob.core.windows.net/other");
    cloud.exits(2, "export tickets --to https://acme.blob.core.windows.net/tickets?sig=x");
    cloud.exits(2, &format!("export tickets {to} --serverless"));
    let plain = Cloud::postgresql("");
    plain.exits(12, &format!("export tickets {to}"));
    Cloud::mysql("").exits(12, &format!("export crm {to}"));
}
