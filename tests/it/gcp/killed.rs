//! Creates that are killed after the cloud heard of them.

use super::cloud::Cloud;
use crate::cli::{Killed, NEVER};
use crate::support::sqladmin::{Fault, Trouble};

fn killed(prove: impl Fn(&Cloud, Killed<'_, Cloud>)) {
    let cloud = Cloud::new("");
    let made = || cloud.backups().len();
    prove(&cloud, Killed { cloud: &cloud, target: "billing", made: &made });
}

fn slow(cloud: &Cloud) {
    cloud.sql.fail(Trouble::on("backupRuns.insert", Fault::Slow(NEVER)));
}

#[test]
fn before_the_answer() {
    killed(|cloud, killed| killed.before_the_answer(|| slow(cloud)));
}

#[test]
fn while_it_is_waited_for() {
    killed(|cloud, killed| {
        cloud.sql.world(|world| world.looks = 3);
        killed.while_it_is_waited_for(|| {
            cloud.sql.calls().iter().skip_while(|call| call.method != "backupRuns.insert").count() > 1
        });
    });
}

#[test]
fn and_waited_for_elsewhere() {
    killed(|cloud, killed| killed.waited_for_elsewhere(|| slow(cloud)));
}
