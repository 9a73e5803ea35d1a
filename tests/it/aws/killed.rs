//! Creates that are killed after the cloud heard of them.

use super::cloud::Cloud;
use crate::cli::{Killed, NEVER};
use crate::support::rds::{Fault, Trouble};

fn killed(prove: impl Fn(&Cloud, Killed<'_, Cloud>)) {
    let cloud = Cloud::of_instance("");
    let made = || cloud.rds.world(|world| world.snapshots.len());
    prove(&cloud, Killed { cloud: &cloud, target: "orders", made: &made });
}

fn slow(cloud: &Cloud) {
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::Slow(NEVER)));
}

#[test]
fn before_the_answer() {
    killed(|cloud, killed| killed.before_the_answer(|| slow(cloud)));
}

#[test]
fn while_it_is_waited_for() {
    killed(|cloud, killed| {
        cloud.rds.world(|world| world.looks = 3);
        killed.while_it_is_waited_for(|| cloud.rds.calls_of("DescribeDBSnapshots").len() > 1);
    });
}

#[test]
fn and_waited_for_elsewhere() {
    killed(|cloud, killed| killed.waited_for_elsewhere(|| slow(cloud)));
}
