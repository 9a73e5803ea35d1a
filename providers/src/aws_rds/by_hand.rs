//! The commands of AWS's own CLI that restore a snapshot.

use super::Home;
use super::api::Family;
use super::record::Record;
use crate::shell::shell_word;

pub(super) fn lines(home: &Home, region: &str, record: &Record) -> Vec<String> {
    let mut common = format!("--region {}", shell_word(region));
    if let Some(profile) = &home.account.profile {
        common.push_str(&format!(" --profile {}", shell_word(profile)));
    }
    if let Some(endpoint) = &home.endpoint {
        common.push_str(&format!(" --endpoint-url {}", shell_word(endpoint)));
    }
    let snapshot = shell_word(&record.name);
    let name = shell_word(&format!("{}-restored", home.database));
    let mut lines = Vec::new();
    if let Some(role) = &home.account.role_arn {
        lines.push(format!("# with the credentials of {role}"));
    }
    lines.push(
        "# without more options AWS takes its defaults: security group, parameter group, one availability zone".into(),
    );
    match home.family {
        Family::Instance => {
            lines.push(format!(
                "aws rds restore-db-instance-from-db-snapshot {common} --db-snapshot-identifier {snapshot} --db-instance-identifier {name}"
            ));
            lines.push(format!("aws rds wait db-instance-available {common} --db-instance-identifier {name}"));
        }
        Family::Cluster => {
            let engine = shell_word(record.engine.as_deref().unwrap_or("ENGINE"));
            lines.push(format!(
                "aws rds restore-db-cluster-from-snapshot {common} --snapshot-identifier {snapshot} --engine {engine} --db-cluster-identifier {name}"
            ));
            lines.push("# an Aurora cluster has no instance until one is made; CLASS is such as db.r7g.large".into());
            lines.push(format!(
                "aws rds create-db-instance {common} --db-cluster-identifier {name} --db-instance-identifier {name}-1 --engine {engine} --db-instance-class CLASS"
            ));
            lines.push(format!("aws rds wait db-cluster-available {common} --db-cluster-identifier {name}"));
        }
    }
    lines
}
