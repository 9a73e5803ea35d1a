//! Exports to files in a storage account, and imports from there.

use object_store::ObjectStoreExt;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::path::Path;
use serde_json::{Value, json};

use super::{Change, path_of_database, path_of_server};
use crate::support::arm::call::{Call, Outcome, invalid, refuse};
use crate::support::arm::operation::{Addresses, End};
use crate::support::arm::world::{World, time};

/// A file that an export writes.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(super) uri: String,
    pub(super) key: String,
    pub(super) data: String,
}

const ACCOUNT: &[&str] =
    &["storageKeyType", "storageKey", "storageUri", "administratorLogin", "administratorLoginPassword"];

/// The file of a request, and whose password opens the database.
fn file(call: &Call) -> Outcome<Upload> {
    for field in ACCOUNT {
        call.required(&format!("/{field}"))?;
    }
    let uri = call.required("/storageUri")?.to_owned();
    if !["StorageAccessKey", "SharedAccessKey"].contains(&call.required("/storageKeyType")?) {
        return invalid("storageKeyType");
    }
    if !uri.ends_with(".bacpac") {
        return refuse(400, "InvalidImportExportStorageUri", "The storage URI must end in .bacpac.");
    }
    Ok(Upload { uri, key: call.required("/storageKey")?.to_owned(), data: String::new() })
}

/// A file that exists is found only once the operation runs.
pub(in crate::support::arm) fn export(world: &mut World, call: &Call) -> Outcome {
    call.only("", ACCOUNT)?;
    let (path, upload) = (path_of_database(call), file(call)?);
    world.sql.called(call)?;
    world.is_free(&path)?;
    if world.sql.files.contains_key(&upload.uri) && world.end == End::Well {
        let message = format!("The blob {} already exists.", upload.uri);
        world.end = End::Badly { code: "BlobAlreadyExists".to_owned(), message, done: false };
    }
    Ok(world.begin_sql(
        call,
        &path,
        "ExportLogicalDatabase",
        Addresses::TRANSFER,
        Change::Exported(path.clone(), upload),
    ))
}

/// Into a database that is there.
pub(in crate::support::arm) fn import(world: &mut World, call: &Call) -> Outcome {
    call.only("", ACCOUNT)?;
    let path = path_of_database(call);
    world.sql.called(call)?;
    world.is_free(&path)?;
    begin_import(world, call, &path, false)
}

/// Into a new database.
pub(in crate::support::arm) fn import_as_new(world: &mut World, call: &Call) -> Outcome {
    call.only("", &[ACCOUNT, &["databaseName", "edition", "serviceObjectiveName", "maxSizeBytes"]].concat())?;
    let name = call.required("/databaseName")?.to_owned();
    let path = format!("{}/databases/{name}", path_of_server(call));
    let server = world.sql.server(call)?.name.clone();
    file(call)?;
    world.is_free(&path)?;
    if world.sql.position(&path).is_some() {
        return refuse(
            409,
            "DatabaseAlreadyExists",
            format!("Database '{name}' already exists. Choose a different database name."),
        );
    }
    let now = world.now();
    let made = world.add_database(&server, &name);
    (made.status, made.created, made.continuous) = ("Creating".to_owned(), now, false);
    begin_import(world, call, &path, true)
}

fn begin_import(world: &mut World, call: &Call, path: &str, new: bool) -> Outcome {
    let upload = file(call)?;
    let data = world.sql.files.get(&upload.uri).cloned();
    if data.is_none() && world.end == End::Well {
        let message = format!("The blob {} does not exist.", upload.uri);
        world.end = End::Badly { code: "BlobNotFound".to_owned(), message, done: false };
    }
    let change = Change::Imported { path: path.to_owned(), data: data.unwrap_or_default(), new };
    Ok(world.begin_sql(call, path, "ImportToNewDatabase", Addresses::TRANSFER, change))
}

impl Upload {
    /// Writes the file, where it belongs to a store on loopback: elsewhere nothing is asked.
    pub(in crate::support::arm) async fn write(self) {
        let Some((endpoint, account, container, path)) = self.place() else { return };
        let store = MicrosoftAzureBuilder::new()
            .with_endpoint(endpoint)
            .with_account(account)
            .with_access_key(self.key)
            .with_container_name(container)
            .with_allow_http(true)
            .build()
            .unwrap();
        let written = store.put(&Path::from(path), format!("PK bacpac of {}", self.data).into()).await;
        written.unwrap_or_else(|error| panic!("{}: {error}", self.uri));
    }

    /// Endpoint, account, container and path of a URI such as Azurite's.
    fn place(&self) -> Option<(String, String, String, String)> {
        let rest = self.uri.strip_prefix("http://127.0.0.1:")?;
        let mut parts = rest.splitn(4, '/').map(ToOwned::to_owned);
        let (port, account, container, path) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some((format!("http://127.0.0.1:{port}/{account}"), account, container, path))
    }
}

impl World {
    /// What the result of an export or import tells.
    pub(super) fn transferred(&self, path: &str, uri: Option<&str>) -> Value {
        let (server, name) = path.rsplit_once("/databases/").unwrap_or_default();
        json!({
            "properties": {
                "requestType": if uri.is_some() { "Export" } else { "Import" },
                "serverName": server.rsplit('/').next(),
                "databaseName": name,
                "status": "Completed",
                "lastModifiedTime": time(self.now()),
                "queuedTime": time(self.now()),
                "blobUri": uri,
            },
        })
    }

    /// What an operation on a database has made, if that is still there.
    pub(in crate::support::arm) fn made_sql(&self, change: &Change) -> Option<Value> {
        match change {
            Change::Copied(path, _) | Change::Online(path) | Change::Tagged(path, _) => {
                Some(self.sql.databases[self.sql.position(path)?].resource(self.now()))
            }
            Change::Exported(path, upload) => Some(self.transferred(path, Some(&upload.uri))),
            Change::Imported { path, .. } => Some(self.transferred(path, None)),
            Change::Gone(_) | Change::NoLongerKept(_) => None,
        }
    }
}
