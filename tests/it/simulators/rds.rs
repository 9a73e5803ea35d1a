//! RDS as a plain client of its query protocol sees it.

use crate::support::rds::{Database, Fault, Order, Place, Snapshot, Trouble};
use crate::support::{Rds, assert_names, query};

/// A call of the first account in the home region.
async fn call(rds: &Rds, action: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    query(&rds.endpoint(), Rds::KEY, Rds::REGION, action, parameters).await.unwrap()
}

async fn done(rds: &Rds, action: &str, parameters: &[(&str, &str)]) -> String {
    let (status, body) = call(rds, action, parameters).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn refused(rds: &Rds, code: &str, action: &str, parameters: &[(&str, &str)]) {
    let (status, body) = call(rds, action, parameters).await;
    assert!(status >= 400, "{body}");
    assert_names(&body, &[&format!("<Code>{code}</Code>")]);
}

/// The texts of all the elements of a name.
fn all(body: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    body.split(&open).skip(1).map(|rest| rest.split(&close).next().unwrap().to_owned()).collect()
}

fn with_instance() -> Rds {
    let rds = Rds::start();
    rds.world(|world| world.add(Database::instance("orders")).content = "one".into());
    rds
}

const NAMED: (&str, &str) = ("DBInstanceIdentifier", "orders");

#[tokio::test]
async fn a_snapshot_advances_with_every_look_and_has_no_moment_before_it_is_done() {
    let rds = with_instance();
    rds.world(|world| world.looks = 2);
    let id = ("DBSnapshotIdentifier", "Before-Migration");
    let made = done(&rds, "CreateDBSnapshot", &[NAMED, id]).await;
    assert_eq!(all(&made, "DBSnapshotIdentifier"), ["before-migration"]);
    refused(&rds, "DBSnapshotAlreadyExists", "CreateDBSnapshot", &[NAMED, id]).await;
    let other = ("DBSnapshotIdentifier", "other");
    refused(&rds, "InvalidDBInstanceState", "CreateDBSnapshot", &[NAMED, other]).await;
    refused(&rds, "InvalidDBSnapshotState", "DeleteDBSnapshot", &[id]).await;
    let mut seen = vec![(all(&made, "Status"), all(&made, "PercentProgress"), all(&made, "SnapshotCreateTime").len())];
    for _ in 0..3 {
        let body = done(&rds, "DescribeDBSnapshots", &[id]).await;
        seen.push((all(&body, "Status"), all(&body, "PercentProgress"), all(&body, "SnapshotCreateTime").len()));
    }
    let row = |status: &str, percent: &str, moments| (vec![status.to_owned()], vec![percent.to_owned()], moments);
    let expected =
        [row("creating", "0", 0), row("creating", "33", 0), row("creating", "66", 0), row("available", "100", 1)];
    assert_eq!(seen, expected);
    done(&rds, "DeleteDBSnapshot", &[id]).await;
    refused(&rds, "DBSnapshotNotFound", "DescribeDBSnapshots", &[id]).await;
}

#[tokio::test]
async fn pages_hold_to_their_markers_in_every_order() {
    let rds = with_instance();
    rds.world(|world| {
        for day in 1..=25 {
            let name = format!("s-{:02}", day * 7 % 26);
            let snapshot =
                Snapshot::of(&Database::instance("orders"), &name).at(&format!("2026-10-{day:02}T02:00:00Z"));
            world.take(snapshot);
        }
    });
    for (order, first) in [(Order::OldestFirst, "s-07"), (Order::NewestFirst, "s-19"), (Order::ByName, "s-01")] {
        rds.world(|world| world.order = order);
        let page = done(&rds, "DescribeDBSnapshots", &[NAMED, ("MaxRecords", "20")]).await;
        let mut names = all(&page, "DBSnapshotIdentifier");
        assert_eq!((names.len(), names[0].as_str()), (20, first));
        let marker = &all(&page, "Marker")[0];
        let next = [NAMED, ("MaxRecords", "20"), ("Marker", marker)];
        let page = done(&rds, "DescribeDBSnapshots", &next).await;
        names.extend(all(&page, "DBSnapshotIdentifier"));
        assert_eq!(all(&page, "Marker").len(), 0);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 25);
        refused(&rds, "InvalidParameterValue", "DescribeDBSnapshots", &next[1..]).await;
    }
    for bad in [("Marker", "s-07"), ("MaxRecords", "19"), ("MaxRecords", "101")] {
        refused(&rds, "InvalidParameterValue", "DescribeDBSnapshots", &[bad]).await;
    }
}

#[tokio::test]
async fn each_type_is_seen_as_amazon_shows_it() {
    let rds = with_instance();
    let orders = Database::instance("orders");
    let theirs = orders.clone().in_place(Place::new(Rds::OTHER_ACCOUNT, Rds::REGION));
    let shared = Snapshot::of(&theirs, "theirs").shared(Rds::ACCOUNT);
    let arn = shared.arn();
    rds.world(|world| {
        world.take(Snapshot::of(&orders, "mine"));
        world.take(Snapshot::of(&orders, "rds:orders-1").by("automated"));
        world.take(Snapshot::of(&orders, "awsbackup:job-1").by("awsbackup"));
        world.take(shared);
        world.take(Snapshot::of(&theirs, "open").shared("all"));
        world.take(Snapshot::of(&theirs, "secret"));
    });
    let seen = async |parameters: &[(&str, &str)]| {
        all(&done(&rds, "DescribeDBSnapshots", parameters).await, "DBSnapshotIdentifier").join(" ")
    };
    assert_eq!(seen(&[NAMED]).await, "mine rds:orders-1");
    assert_eq!(seen(&[("IncludeShared", "true"), ("IncludePublic", "true")]).await, "mine open rds:orders-1 theirs");
    for (of, names) in [("manual", "mine"), ("automated", "rds:orders-1"), ("awsbackup", "awsbackup:job-1")] {
        assert_eq!(seen(&[("SnapshotType", of)]).await, names);
    }
    assert_eq!(seen(&[("SnapshotType", "shared")]).await, "theirs");
    assert_eq!(seen(&[("SnapshotType", "public")]).await, "open");
    assert_eq!(seen(&[("DBSnapshotIdentifier", &arn), ("IncludeShared", "true")]).await, "theirs");
    let automated = ("DBSnapshotIdentifier", "rds:orders-1");
    assert_eq!(seen(&[automated, ("SnapshotType", "automated")]).await, "rds:orders-1");
    for hidden in [automated, ("DBSnapshotIdentifier", "theirs"), ("DBSnapshotIdentifier", &arn)] {
        refused(&rds, "DBSnapshotNotFound", "DescribeDBSnapshots", &[hidden]).await;
    }
    refused(&rds, "InvalidDBSnapshotState", "DeleteDBSnapshot", &[automated]).await;
    refused(&rds, "InvalidParameterValue", "DescribeDBSnapshots", &[("DBSnapshotIdentifier", "../x")]).await;
}

#[tokio::test]
async fn what_was_in_the_source_travels_into_copies_and_restored_instances() {
    let rds = with_instance();
    done(&rds, "CreateDBSnapshot", &[NAMED, ("DBSnapshotIdentifier", "first")]).await;
    rds.world(|world| world.databases[0].write("two"));
    let arn = rds.world(|world| world.snapshots[0].arn());
    let copy = [("SourceDBSnapshotIdentifier", arn.as_str()), ("TargetDBSnapshotIdentifier", "copy")];
    let answer = query(&rds.endpoint(), Rds::KEY, Rds::ELSEWHERE, "CopyDBSnapshot", &copy).await.unwrap();
    assert_eq!(answer.0, 200, "{}", answer.1);
    let restore = [("DBInstanceIdentifier", "again"), ("DBSnapshotIdentifier", "copy")];
    let answer =
        query(&rds.endpoint(), Rds::KEY, Rds::ELSEWHERE, "RestoreDBInstanceFromDBSnapshot", &restore).await.unwrap();
    assert_names(&answer.1, &["<DBInstanceStatus>creating</DBInstanceStatus>", "<MultiAZ>false</MultiAZ>"]);
    assert_eq!(rds.world(|world| world.databases.last().unwrap().content.clone()), "one");
    refused(&rds, "DBSnapshotNotFound", "DeleteDBSnapshot", &[("DBSnapshotIdentifier", "copy")]).await;
}

#[tokio::test]
async fn an_encrypted_copy_abroad_needs_a_key_that_is_there() {
    let rds = Rds::start();
    let key = rds.world(|world| world.keys[0].arn());
    let orders = Database::instance("orders").encrypted(&key);
    let arn = rds.world(|world| world.take(Snapshot::of(&orders, "sealed")).arn());
    let copy = [("SourceDBSnapshotIdentifier", arn.as_str()), ("TargetDBSnapshotIdentifier", "copy")];
    for (key, code) in [(None, 400), (Some("alias/missing"), 400), (Some("alias/snapshots"), 200)] {
        let parameters: Vec<_> = copy.into_iter().chain(key.map(|key| ("KmsKeyId", key))).collect();
        let (status, body) =
            query(&rds.endpoint(), Rds::KEY, Rds::ELSEWHERE, "CopyDBSnapshot", &parameters).await.unwrap();
        assert_eq!((status, body.contains("KMSKeyNotAccessibleFault")), (code, code == 400), "{body}");
    }
    let share = [
        ("DBSnapshotIdentifier", "sealed"),
        ("AttributeName", "restore"),
        ("ValuesToAdd.AttributeValue.1", Rds::OTHER_ACCOUNT),
    ];
    refused(&rds, "InvalidDBSnapshotState", "ModifyDBSnapshotAttribute", &share).await;
}

#[tokio::test]
async fn trouble_strikes_once_where_it_was_asked_for() {
    let rds = with_instance();
    let describe = [("DBInstanceIdentifier", "orders")];
    rds.fail(Trouble::on("DescribeDBSnapshots", Fault::Throttled).nth(2));
    rds.fail(Trouble::on("CreateDBSnapshot", Fault::CutAfter));
    rds.fail(Trouble::on("DescribeDBInstances", Fault::AccessDenied).in_region(Rds::ELSEWHERE));
    done(&rds, "DescribeDBSnapshots", &describe).await;
    refused(&rds, "Throttling", "DescribeDBSnapshots", &describe).await;
    done(&rds, "DescribeDBSnapshots", &describe).await;
    let create = [NAMED, ("DBSnapshotIdentifier", "lost")];
    assert_eq!(query(&rds.endpoint(), Rds::KEY, Rds::REGION, "CreateDBSnapshot", &create).await, None);
    assert_eq!(rds.world(|world| world.names(Rds::REGION)), ["lost"]);
    done(&rds, "DescribeDBInstances", &describe).await;
    let denied = query(&rds.endpoint(), Rds::KEY, Rds::ELSEWHERE, "DescribeDBInstances", &describe).await.unwrap();
    assert_eq!(denied.0, 403);
    assert_names(
        &denied.1,
        &["user/ops is not authorized to perform: rds:DescribeDBInstances on resource: arn:aws:rds:eu-west-1"],
    );
    assert_eq!((rds.fired(), rds.calls().len()), (3, 6));
}

#[tokio::test]
#[should_panic(expected = "not simulated")]
async fn what_is_not_simulated_fails_the_test() {
    let rds = with_instance();
    assert_eq!(call(&rds, "DescribeDBSnapshots", &[("Filters.Filter.1.Name", "engine")]).await.0, 501);
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_region_are_refused() {
    let rds = with_instance();
    for (key, region, code) in
        [("AKIAWRONG", Rds::REGION, "InvalidClientTokenId"), (Rds::KEY, "eu-nowhere-1", "SignatureDoesNotMatch")]
    {
        let (status, body) = query(&rds.endpoint(), key, region, "DescribeDBInstances", &[]).await.unwrap();
        assert_eq!(status, 403);
        assert_names(&body, &[code]);
    }
}
