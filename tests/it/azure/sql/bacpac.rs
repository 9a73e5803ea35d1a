//! BACPAC files, in a container of an emulator.

use super::cloud::{Cloud, PASSWORD};
use crate::cli::CloudBench;
use crate::support::arm::{Fault, Trouble};
use crate::support::{StoreKind, TestStore};

/// A target that makes files in a folder of the emulator's container.
fn with_files(store: &TestStore) -> Cloud {
    let cloud = Cloud::new("");
    let settings = store.settings();
    let snapkeep_providers::settings::Place::AzureBlob(blob) = settings.place else { panic!("a container") };
    let url = format!("{}/{}/{}", blob.endpoint.unwrap(), blob.container, blob.prefix.unwrap());
    let files = format!(
        "create = \"bacpac\"\n[targets.orders.bacpac]\ncontainer_url = \"{url}\"\nstorage_key = {{ env = \"SK_AZURITE_KEY\" }}\n\
         administrator_login = \"acmeadmin\"\nadministrator_password = {{ env = \"SQL_PASSWORD\" }}"
    );
    cloud.configure(&cloud.target("orders", "orders", &files));
    cloud
}

#[test]
fn a_file_is_written_listed_restored_and_deleted() {
    let Some(store) = StoreKind::Azurite.up() else { return };
    let cloud = with_files(&store);
    cloud.arm.world(|world| world.looks = 2);
    let id = cloud.create("orders --key before-7");
    assert_eq!(cloud.create("orders --key before-7"), id);
    cloud.create("orders");
    let items = cloud.items("list orders --origin owned");
    assert_eq!(items.len(), 2);
    let item = items.iter().find(|item| item["id"] == id.as_str()).unwrap();
    assert_eq!(
        (&item["key"], &item["provider_state"], &item["state"]),
        (&"before-7".into(), &"BACPAC".into(), &"available".into())
    );
    assert!(item["size_bytes"].as_u64().is_some_and(|size| size > 0), "{item}");
    let shown = cloud.done(&format!("show {id}"));
    assert!(shown.out.contains("az sql db import") && shown.out.contains("-u acmeadmin -p \"$PASSWORD\""), "{shown}");
    cloud.done(&format!("restore {id} --to imported --set sku_name=S0"));
    assert_eq!(cloud.database("imported").unwrap().data(), "one");
    let body = cloud.arm.calls_of("sql.servers.import")[0].body.clone().unwrap();
    assert_eq!((&body["serviceObjectiveName"], &body["databaseName"]), (&"S0".into(), &"imported".into()));
    cloud.done(&format!("verify {id} --level restore"));
    assert_eq!(cloud.databases(), ["orders", "imported"]);
    cloud.done(&format!("delete {id} --yes"));
    assert_eq!(cloud.items("list orders --origin owned").len(), 1);
    cloud.done("targets check");
}

#[test]
fn an_export_that_fails_says_why_without_what_azure_was_told() {
    let Some(store) = StoreKind::Azurite.up() else { return };
    let cloud = with_files(&store);
    let words = "Login failed for acmeadmin with hunter2-of-sql";
    cloud.arm.fail(Trouble::on("sql.databases.export", Fault::Refused(400, "ImportExportJobError", words)));
    let ran = cloud.exits(1, "create orders");
    assert!(ran.err.contains("with ***") && !ran.err.contains(PASSWORD), "{ran}");
    cloud.arm.world(|world| world.looks = 1);
    cloud.arm.fail(Trouble::on("sql.databases.export", Fault::EndsBadly("ImportExportJobError", words)));
    let ran = cloud.exits(1, "create orders --key k");
    assert!(ran.err.contains("it was begun and failed") && !ran.err.contains(PASSWORD), "{ran}");
    cloud.create("orders --key k");
    assert_eq!(cloud.items("list orders --origin owned").len(), 1);
}

#[test]
fn a_lost_answer_makes_no_second_file() {
    let Some(store) = StoreKind::Azurite.up() else { return };
    let cloud = with_files(&store);
    cloud.arm.fail(Trouble::on("sql.databases.export", Fault::CutAfter));
    cloud.create("orders --key k");
    cloud.create("orders --key k");
    assert_eq!(cloud.arm.calls_of("sql.databases.export").len(), 1);
}

#[test]
fn an_export_that_can_not_be_looked_at_is_not_said_to_be_done() {
    let Some(store) = StoreKind::Azurite.up() else { return };
    let cloud = with_files(&store);
    cloud.arm.world(|world| {
        world.looks = 2;
        world.denied.insert("Microsoft.Sql/locations/importExportAzureAsyncOperation/read".to_owned());
    });
    let ran = cloud.exits(5, "create orders --key k");
    assert!(ran.err.contains("importExportAzureAsyncOperation/read"), "{ran}");
    cloud.arm.world(|world| world.denied.clear());
    cloud.create("orders --key k");
    assert_eq!(cloud.arm.calls_of("sql.databases.export").len(), 1);
}

#[test]
fn a_target_that_makes_files_must_say_where_to() {
    let cloud = Cloud::new("create = \"bacpac\"");
    let ran = cloud.exits(2, "list orders");
    assert!(ran.err.contains("set `bacpac` in [targets.orders]"), "{ran}");
}
