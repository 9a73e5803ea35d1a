//! Creates that are killed after the cloud heard of them.

use super::cloud::Cloud;
use crate::cli::{Killed, NEVER};
use crate::support::arm::{Fault, Trouble};

fn killed(prove: impl Fn(&Cloud, Killed<'_, Cloud>)) {
    let cloud = Cloud::new("");
    let made = || cloud.databases().len() - 1;
    prove(&cloud, Killed { cloud: &cloud, target: "orders", made: &made });
}

fn slow(cloud: &Cloud) {
    cloud.arm.fail(Trouble::on("sql.databases.put", Fault::Slow(NEVER)));
}

#[test]
fn before_the_answer() {
    killed(|cloud, killed| killed.before_the_answer(|| slow(cloud)));
}

#[test]
fn while_it_is_waited_for() {
    killed(|cloud, killed| {
        cloud.arm.world(|world| world.looks = 3);
        killed.while_it_is_waited_for(|| !cloud.arm.calls_of("sql.operations.get").is_empty());
    });
}

#[test]
fn and_waited_for_elsewhere() {
    killed(|cloud, killed| killed.waited_for_elsewhere(|| slow(cloud)));
}
