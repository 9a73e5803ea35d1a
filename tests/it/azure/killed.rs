//! Creates that are killed after the cloud heard of them.

use super::cloud::Cloud;
use crate::cli::{Killed, NEVER};
use crate::support::arm::{Fault, Trouble};

fn mysql(prove: impl Fn(&Cloud, Killed<'_, Cloud>)) {
    let cloud = Cloud::mysql("");
    let made = || cloud.backups().len();
    prove(&cloud, Killed { cloud: &cloud, target: "crm", made: &made });
}

fn postgresql(prove: impl Fn(&Cloud, Killed<'_, Cloud>)) {
    let cloud = Cloud::postgresql("");
    let made = || cloud.backups().len();
    prove(&cloud, Killed { cloud: &cloud, target: "tickets", made: &made });
}

fn slow(cloud: &Cloud, method: &'static str) {
    cloud.arm.fail(Trouble::on(method, Fault::Slow(NEVER)));
}

#[test]
fn before_the_answer() {
    mysql(|cloud, killed| killed.before_the_answer(|| slow(cloud, "mysql.backups.put")));
    postgresql(|cloud, killed| killed.before_the_answer(|| slow(cloud, "postgresql.backups.put")));
}

#[test]
fn while_it_is_waited_for() {
    mysql(|cloud, killed| {
        cloud.arm.world(|world| world.looks = 3);
        killed.while_it_is_waited_for(|| {
            cloud.arm.calls().iter().skip_while(|call| call.method != "mysql.backups.put").count() > 1
        });
    });
}

#[test]
fn and_waited_for_elsewhere() {
    mysql(|cloud, killed| killed.waited_for_elsewhere(|| slow(cloud, "mysql.backups.put")));
    postgresql(|cloud, killed| killed.waited_for_elsewhere(|| slow(cloud, "postgresql.backups.put")));
}
