//! Listing, creating, copying and deleting snapshots.

use std::collections::BTreeSet;

use chrono::Utc;

use super::call::{Call, Outcome, bad_value, refuse};
use super::database;
use super::names;
use super::page::page;
use super::snapshot::{Kind, Snapshot};
use super::world::{Order, World};

pub(super) fn describe(world: &mut World, call: &Call, kind: Kind) -> Outcome {
    let types = match (call.get("SnapshotType"), kind) {
        (None, _) => vec!["manual", "automated"],
        (Some(known @ ("manual" | "automated" | "shared" | "public")), _)
        | (Some(known @ "awsbackup"), Kind::Instance) => {
            vec![known]
        }
        (Some(other), _) => return bad_value(format!("Unrecognized snapshot type: {other}")),
    };
    let include = |name| Ok(call.flag(name)?.unwrap_or(false) && call.get("SnapshotType").is_none());
    let shared = include("IncludeShared")? || types == ["shared"];
    let public = include("IncludePublic")? || types == ["public"];
    let source = call.get(kind.source_parameter()).map(|name| names::database(kind, name)).transpose()?;
    let parameter = kind.snapshot_parameter();
    let name = call.get(&parameter).map(names::known_snapshot).transpose()?;
    let account = call.place.account.as_str();
    let visible = |found: &Snapshot| {
        let mine = found.place.account == account;
        let open = public && found.shared_with.contains("all");
        mine && types.contains(&found.snapshot_type) || !mine && shared && found.shared_with.contains(account) || open
    };
    let asked = |found: &Snapshot| {
        let by_name = found.place.account == account;
        found.kind == kind
            && found.place.region == call.place.region
            && visible(found)
            && source.as_ref().is_none_or(|source| *source == found.source)
            && name.as_ref().is_none_or(|name| *name == found.arn() || by_name && *name == found.name)
            && (name.is_none() || found.is_manual() || call.get("SnapshotType").is_some())
    };
    let mut found: Vec<&Snapshot> = world.snapshots.iter().filter(|found| asked(found)).collect();
    if let (Some(name), true) = (&name, found.is_empty()) {
        return kind.not_found(name);
    }
    match world.order {
        Order::OldestFirst => found.sort_by_key(|found| found.created),
        Order::NewestFirst => found.sort_by_key(|found| std::cmp::Reverse(found.created)),
        Order::ByName => found.sort_by(|one, next| one.name.cmp(&next.name)),
    }
    let found = found.into_iter().map(|found| (found.arn(), found.arn())).collect();
    let (arns, body) = page(world, call, &format!("{}s", kind.snapshot_element()), found)?;
    Ok(body(&looked_at(world, account, &arns)))
}

/// The snapshots of one page as XML, in its order; each has been looked at once more.
fn looked_at(world: &mut World, account: &str, arns: &[String]) -> String {
    let looks = world.looks;
    let places: std::collections::HashMap<&str, usize> =
        arns.iter().enumerate().map(|(place, arn)| (arn.as_str(), place)).collect();
    let mut shown = vec![String::new(); arns.len()];
    for snapshot in &mut world.snapshots {
        if let Some(place) = places.get(snapshot.arn().as_str()) {
            snapshot.look(looks);
            shown[*place] = snapshot.xml(account, looks);
        }
    }
    shown.concat()
}

/// Adds a snapshot that has just been asked for, and gives the answer.
fn begin(world: &mut World, status: &str, mut snapshot: Snapshot) -> String {
    let at_once = world.looks == 0 && !world.doomed;
    snapshot.status = if at_once { "available" } else { status }.to_owned();
    snapshot.ends = if world.doomed { "failed" } else { "available" };
    let body = snapshot.xml(&snapshot.place.account, world.looks);
    world.snapshots.push(snapshot);
    body
}

/// Refuses a name that is taken, and one snapshot more than there may be.
fn room(world: &mut World, call: &Call, kind: Kind, name: &str) -> Outcome<()> {
    if world.snapshot(kind, &call.place, name).is_some() {
        return kind.exists(name);
    }
    if world.manual(kind, &call.place) >= world.quota {
        let quota = world.quota;
        return refuse("SnapshotQuotaExceeded", format!("Cannot create more than {quota} manual snapshots"));
    }
    Ok(())
}

pub(super) fn create(world: &mut World, call: &Call, kind: Kind) -> Outcome {
    let name = names::new_snapshot(kind, call.required(&kind.snapshot_parameter())?)?;
    let source = names::database(kind, call.required(kind.source_parameter())?)?;
    let tags = call.valid_tags()?;
    let Some(database) = world.database(kind, &call.place, &source).map(|found| found.clone()) else {
        return database::not_found(kind, &source);
    };
    if database.cluster.is_some() {
        return bad_value(
            "The specified instance is a member of a cluster and a snapshot cannot be created directly. Please use the \
             CreateDBClusterSnapshot API instead.",
        );
    }
    room(world, call, kind, &name)?;
    let busy = |found: &Snapshot| found.source == source && found.copy_of.is_none() && found.is_running();
    let backing_up =
        world.snapshots.iter().any(|found| (found.kind, &found.place) == (kind, &call.place) && busy(found));
    if database.status != "available" || backing_up {
        return database::bad_state(
            kind,
            &format!("Cannot create a snapshot because the database {source} is not currently in the available state."),
        );
    }
    let now = Utc::now();
    let snapshot = Snapshot { created: now, original: now, tags, ..Snapshot::of(&database, &name) };
    Ok(begin(world, "creating", snapshot))
}

pub(super) fn delete(world: &mut World, call: &Call, kind: Kind) -> Outcome {
    let name = names::known_snapshot(call.required(&kind.snapshot_parameter())?)?;
    let Some(place) = world.snapshots.iter().position(|found| {
        (found.kind, &found.place) == (kind, &call.place) && (found.name == name || found.arn() == name)
    }) else {
        return kind.not_found(&name);
    };
    let found = &world.snapshots[place];
    if !found.is_manual() {
        return kind.bad_state("Only manual snapshots may be deleted.");
    }
    if !["available", "failed"].contains(&found.status.as_str()) {
        return kind
            .bad_state("Cannot delete the snapshot because it is not currently in the available or failed state.");
    }
    let mut gone = world.snapshots.remove(place);
    gone.status = "deleted".into();
    Ok(gone.xml(&call.place.account, 0))
}

/// The snapshot that a copy or a restore is to be made of, as the caller may name it.
pub(super) fn source(world: &World, call: &Call, kind: Kind, name: &str) -> Outcome<Snapshot> {
    let name = names::known_snapshot(name)?;
    let account = &call.place.account;
    let may = |found: &Snapshot| {
        let open = found.shared_with.contains("all") || found.shared_with.contains(account);
        let by_name = found.place == call.place && found.name == name;
        found.kind == kind && (by_name || found.arn() == name && (found.place.account == *account || open))
    };
    match world.snapshots.iter().find(|found| may(found)) {
        Some(found) => Ok(found.clone()),
        None => kind.not_found(&name),
    }
}

/// What a copy is encrypted with.
fn key_of_copy(world: &World, call: &Call, source: &Snapshot) -> Outcome<Option<String>> {
    let named = world.named_key(call)?;
    let abroad = source.place != call.place;
    if let (Some(key), None, true) = (&source.key, &named, abroad) {
        return refuse(
            "KMSKeyNotAccessibleFault",
            format!(
                "The source snapshot KMS key [{key}] does not exist, is not enabled or you do not have permissions to \
                 access it."
            ),
        );
    }
    if source.place.account != call.place.account && world.is_under_key_of_aws(source) {
        return refuse("KMSKeyNotAccessibleFault", "The source snapshot is encrypted with the default KMS key.");
    }
    Ok(named.or_else(|| source.key.clone()))
}

pub(super) fn copy(world: &mut World, call: &Call, kind: Kind) -> Outcome {
    let parameter = kind.snapshot_parameter();
    let named = call.required(&format!("Source{parameter}"))?;
    let source = source(world, call, kind, named)?;
    if source.place != call.place && !named.starts_with("arn:") {
        return kind.not_found(named);
    }
    let name = names::new_snapshot(kind, call.required(&format!("Target{parameter}"))?)?;
    let mut tags = call.valid_tags()?;
    if source.status != "available" {
        return kind.bad_state("The source snapshot is not in the available state.");
    }
    if call.flag("CopyTags")?.unwrap_or(false) {
        if source.tags.keys().any(|name| name.starts_with("aws:")) {
            return bad_value("Tag keys starting with aws: are reserved.");
        }
        tags.extend(source.tags.clone());
    }
    room(world, call, kind, &name)?;
    let abroad = source.place.region != call.place.region;
    let under_way = world.snapshots.iter().filter(|found| {
        found.place == call.place
            && found.is_running()
            && found.copy_of.as_ref().is_some_and(|(_, from)| *from != call.place)
    });
    if abroad && under_way.count() >= world.copies_at_once {
        let most = world.copies_at_once;
        return refuse("SnapshotQuotaExceeded", format!("Cannot copy more than {most} snapshots across regions"));
    }
    let key = key_of_copy(world, call, &source)?;
    let copy = Snapshot {
        place: call.place.clone(),
        name,
        snapshot_type: "manual",
        looks: 0,
        created: Utc::now(),
        tags,
        key,
        shared_with: BTreeSet::new(),
        copy_of: Some((source.arn(), source.place.clone())),
        option_group: call.get("OptionGroupName").unwrap_or("default:postgres-16").to_owned(),
        ..source
    };
    Ok(begin(world, "copying", copy))
}
