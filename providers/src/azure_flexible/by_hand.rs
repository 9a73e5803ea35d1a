//! The commands of Azure's own CLI that restore a backup.

use chrono::SecondsFormat;

use super::Flavor;
use super::record::Record;
use crate::azure::Home;
use crate::shell::shell_word;

pub(super) fn lines(home: &Home, flavor: Flavor, record: &Record) -> Vec<String> {
    let (group, new) = (shell_word(&home.group), shell_word(&format!("{}-restored", home.server)));
    let Some(moment) = record.completed_at else { return Vec::new() };
    vec![
        "# into a new server, as it was when the backup was completed".into(),
        format!(
            "az {} flexible-server restore --subscription {} --resource-group {group} --name {new} --source-server {} --restore-time {}",
            flavor.command(),
            shell_word(&home.subscription),
            shell_word(&home.server),
            moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)
        ),
    ]
}
