//! What was begun and not waited for.

use super::{both, errors, shown};
use crate::aws::cloud::Cloud;
use crate::cli::{Bench, CloudBench};
use crate::support::rds::{Fault, Trouble};

/// Two targets, of one of which a creation goes on.
fn cloud() -> Cloud {
    let cloud = Cloud::of_instance("");
    let database = "db_instance_identifier = \"orders-prod\"";
    cloud.configure(&(cloud.target("ledger", database, "") + &cloud.target("orders", database, "")));
    cloud.rds.world(|world| world.looks = 1000);
    cloud.done("create orders --no-wait --key upgrade");
    cloud
}

#[test]
fn operations_that_go_on() {
    insta::assert_snapshot!(both(&cloud(), &["operations", "operations ledger"]), @"");
}

#[test]
fn operations_that_cannot_be_asked() {
    let shown = [Fault::AccessDenied, Fault::Throttled, Fault::CutBefore].map(|fault| {
        let cloud = cloud();
        cloud.rds.fail(Trouble::on("DescribeDBSnapshots", fault).always());
        errors(&cloud, ["operations"])
    });
    insta::assert_snapshot!(shown.join("\n"), @"");
}

#[test]
fn operations_of_some_targets_that_cannot_be_asked() {
    let cloud = cloud();
    cloud.done("create ledger --no-wait");
    cloud.rds.fail(Trouble::on("DescribeDBSnapshots", Fault::AccessDenied));
    insta::assert_snapshot!(shown(&cloud, &["-o json operations"]), @"");
}

#[test]
fn operations_of_nobody() {
    let bench = Bench::new();
    insta::assert_snapshot!(errors(&bench, ["operations gone", "operations --all"]), @"");
    std::fs::write(bench.path("snapkeep.toml"), "version = 2\n").unwrap();
    insta::assert_snapshot!(errors(&bench, ["operations"]), @"");
}
