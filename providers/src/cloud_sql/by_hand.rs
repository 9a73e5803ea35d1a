//! The commands of Google's own CLI that restore a backup.

use super::Home;
use super::record::{Address, Record};
use crate::shell::shell_word;

pub(super) fn lines(home: &Home, record: &Record) -> Vec<String> {
    let (instance, project) = (shell_word(&home.instance), shell_word(&home.project));
    let new = shell_word(&format!("{}-restored", home.instance));
    match &record.address {
        Address::Run(id) => vec![
            "# into a new instance; of the project's backups one is the same as this run, by its backupRun".into(),
            format!(
                "gcloud sql backups list --filter={} --project {project}",
                shell_word(&format!("backupRun~/{id}$"))
            ),
            format!("gcloud sql backups restore BACKUP_NAME --restore-instance {new} --project {project}"),
            "# or over the instance itself: what it holds now is lost".into(),
            format!(
                "gcloud sql backups restore {id} --backup-instance {instance} --restore-instance {instance} --project {project}"
            ),
        ],
        Address::Project(name) => vec![
            "# into a new instance".into(),
            format!("gcloud sql backups restore {} --restore-instance {new} --project {project}", shell_word(name)),
        ],
    }
}
