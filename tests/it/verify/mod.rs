//! Verification: what it finds at each level, what it leaves behind, and what is remembered of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use snapkeep_providers::model::{
    CreateRequest, NativeId, OperationState, RowCounts, Verification, VerifyLevel, VerifyRequest,
};
use snapkeep_providers::settings::Assertion;
use snapkeep_providers::{Error, Provider, Run};

use crate::support::{Bed, full, ok, until};

mod cli;
mod damage;
mod innocent;
mod levels;
mod scratch;
mod sqlite;

fn request(level: VerifyLevel) -> VerifyRequest {
    VerifyRequest { level, assertions: Vec::new(), scratch: None, scratch_dir: None }
}

fn asking(assertions: &[(&str, &str, Option<&str>)]) -> VerifyRequest {
    let assertion = |&(name, sql, expect): &(&str, &str, Option<&str>)| Assertion {
        name: name.to_owned(),
        sql: sql.to_owned(),
        expect: expect.map(ToOwned::to_owned),
    };
    VerifyRequest { assertions: assertions.iter().map(assertion).collect(), ..request(VerifyLevel::Restore) }
}

async fn verify(provider: &dyn Provider, id: &NativeId, request: &VerifyRequest) -> Result<Verification, Error> {
    provider.verify(id, request, &Run::silent()).await
}

/// What was compared, in order, and `!` before what was wrong.
async fn findings(provider: &dyn Provider, id: &NativeId, request: &VerifyRequest) -> Vec<String> {
    let verification = ok(verify(provider, id, request).await);
    assert!(verification.left_behind.is_none(), "{:?}", verification.left_behind);
    names(&verification)
}

fn names(verification: &Verification) -> Vec<String> {
    let name = |finding: &snapkeep_providers::model::Finding| match &finding.outcome {
        Ok(_) => finding.name.clone(),
        Err(error) => {
            full(error);
            format!("!{}", finding.name)
        }
    };
    verification.findings.iter().map(name).collect()
}

/// Why the snapshot is bad.
fn reasons(verification: &Verification) -> String {
    verification.findings.iter().filter_map(|finding| finding.outcome.as_ref().err()).map(full).collect()
}

/// A snapshot that has the rows of each table recorded.
async fn create_counting(provider: &dyn Provider) -> NativeId {
    let request = CreateRequest { row_counts: RowCounts::Record, ..CreateRequest::default() };
    match ok(provider.create(&request, &Run::silent()).await).state {
        OperationState::Done(snapshot) => snapshot.native_id,
        state => panic!("a dump is done when create returns: {state:?}"),
    }
}

/// The scratch databases on the bed's server, other tests' too.
fn scratch_databases(bed: &Bed) -> BTreeSet<String> {
    let sql = if bed.server.is_postgresql() {
        "SELECT datname FROM pg_database WHERE datname LIKE 'snapkeep\\_verify\\_%'"
    } else {
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'snapkeep\\_verify\\_%'"
    };
    bed.admin(sql).lines().map(ToOwned::to_owned).collect()
}

/// Waits until those that are there now are gone: other tests drop theirs too.
async fn no_scratch_is_left(bed: &Bed) {
    let left = scratch_databases(bed);
    until("every scratch database is dropped", || scratch_databases(bed).is_disjoint(&left)).await;
}

/// The file of a snapshot's data.
fn data(bed: &Bed, id: &NativeId) -> PathBuf {
    let files = fs::read_dir(bed.snapshots().join(id.as_str())).unwrap().map(|entry| entry.unwrap().path());
    let mut data = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("data."));
    data.next().unwrap()
}

/// Changes the manifest of a snapshot.
fn edit(bed: &Bed, id: &NativeId, change: impl FnOnce(&mut Value)) {
    let path = bed.snapshots().join(id.as_str()).join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(&path, serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
}
