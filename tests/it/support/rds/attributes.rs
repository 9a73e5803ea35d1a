//! Who may use a snapshot, what is written on it, and how much of it there may be.

use super::call::{Call, Outcome, bad_value, refuse};
use super::names;
use super::snapshot::{Kind, Snapshot};
use super::world::World;
use super::xml::{element, list, within};

const MOST_ACCOUNTS: usize = 20;

/// The caller's own snapshot.
fn own<'w>(world: &'w mut World, call: &Call, kind: Kind) -> Outcome<&'w mut Snapshot> {
    let name = names::known_snapshot(call.required(&kind.snapshot_parameter())?)?;
    match world.snapshot(kind, &call.place, &name) {
        Some(found) => Ok(found),
        None => kind.not_found(&name),
    }
}

fn shown(snapshot: &Snapshot) -> String {
    let word = snapshot.kind.snapshot_element();
    let restore =
        [element("AttributeName", "restore"), list("AttributeValues", "AttributeValue", &snapshot.shared_with)];
    let attributes = within(&format!("{word}Attributes"), &within(&format!("{word}Attribute"), &restore.concat()));
    let name = element(&snapshot.kind.snapshot_parameter(), &snapshot.name);
    within(&format!("{word}AttributesResult"), &[name, attributes].concat())
}

pub(super) fn describe(world: &mut World, call: &Call, kind: Kind) -> Outcome {
    Ok(shown(own(world, call, kind)?))
}

pub(super) fn modify(world: &mut World, call: &Call, kind: Kind) -> Outcome {
    if call.required("AttributeName")? != "restore" {
        return bad_value("The parameter AttributeName must be restore.");
    }
    let [add, remove] = ["ValuesToAdd", "ValuesToRemove"].map(|name| call.list(&format!("{name}.AttributeValue")));
    let is_account = |value: &str| value.len() == 12 && value.bytes().all(|digit| digit.is_ascii_digit());
    if let Some(bad) = add.iter().chain(&remove).find(|value| !is_account(value) && *value != "all") {
        return bad_value(format!("Invalid account id: {bad}"));
    }
    let snapshot = own(world, call, kind)?.clone();
    if !snapshot.is_manual() {
        return kind.bad_state("Only manual snapshots can be shared.");
    }
    if snapshot.status != "available" {
        return kind.bad_state("The snapshot is not in the available state.");
    }
    if !add.is_empty() && world.is_under_key_of_aws(&snapshot) {
        return kind.bad_state("A snapshot that is encrypted with the default KMS key cannot be shared.");
    }
    if snapshot.key.is_some() && add.iter().any(|value| value == "all") {
        return bad_value("An encrypted snapshot cannot be made public.");
    }
    let snapshot = own(world, call, kind)?;
    let mut shared_with = snapshot.shared_with.clone();
    shared_with.extend(add);
    shared_with.retain(|account| !remove.contains(account));
    if shared_with.len() > MOST_ACCOUNTS {
        return refuse("SharedSnapshotQuotaExceeded", "You have exceeded the maximum number of accounts.");
    }
    snapshot.shared_with = shared_with;
    Ok(shown(snapshot))
}

pub(super) fn add_tags(world: &mut World, call: &Call) -> Outcome {
    let arn = call.required("ResourceName")?;
    let tags = call.valid_tags()?;
    if World::place_of(arn)? != call.place {
        return bad_value(format!("The specified resource {arn} is not in this region or account."));
    }
    let snapshot = world.snapshots.iter_mut().find(|found| found.arn() == arn).map(|found| &mut found.tags);
    let database = world.databases.iter_mut().find(|found| found.arn() == arn).map(|found| &mut found.tags);
    let Some(there) = snapshot.or(database) else {
        return refuse("DBSnapshotNotFound", format!("DBSnapshot {arn} not found."));
    };
    there.extend(tags);
    Ok(String::new())
}

pub(super) fn quotas(world: &mut World, call: &Call) -> Outcome {
    let instances = world.databases.iter().filter(|found| found.kind == Kind::Instance && found.place == call.place);
    let rows = [
        ("DBInstances", instances.count(), 40),
        ("ManualSnapshots", world.manual(Kind::Instance, &call.place), world.quota),
        ("ManualClusterSnapshots", world.manual(Kind::Cluster, &call.place), world.quota),
    ];
    let row = |(name, used, most): (&str, usize, usize)| {
        let told = [element("AccountQuotaName", name), element("Used", used), element("Max", most)];
        within("AccountQuota", &told.concat())
    };
    Ok(within("AccountQuotas", &rows.map(row).concat()))
}
