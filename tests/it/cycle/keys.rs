//! Keys to encrypt with. The age identities were made for these tests and are used nowhere else.

use std::path::Path;
use std::process::Command;

/// Who can read a dump, and what reads it.
pub(crate) struct Keys {
    pub(crate) recipient: String,
    pub(crate) identity: String,
}

impl Keys {
    pub(crate) fn age() -> Self {
        Self {
            recipient: "age1he09j3evyxskzj7vfx234p6rtgjpzlkwckvnmjtdhsj3jeyuxcpq2dhvsj".into(),
            identity: "AGE-SECRET-KEY-1W6JJG3M3QMFA6EF9NF877PKQQRR7Q2KTH3J5V9897SKCQ4U0K8GSW9HY74".into(),
        }
    }

    /// Not those of [`Self::age`].
    pub(crate) fn other_age() -> Self {
        Self {
            recipient: "age1yc4mvz38l5v98fzvp7m79thy2m67f6hlkm7354dknmjmmaq0kqsq72ndsu".into(),
            identity: "AGE-SECRET-KEY-1JRACL87CG0FEG9QV7H93DXNEYDEH6R8HCYMKTG79D9NCZXLR4Z8SCH3D5K".into(),
        }
    }

    /// A new pair, as `ssh-keygen` makes it.
    pub(crate) fn ssh(folder: &Path) -> Self {
        let file = folder.join("id_ed25519");
        let mut keygen = Command::new("ssh-keygen");
        let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(&file).status().unwrap();
        assert!(made.success());
        let read = |file: &Path| std::fs::read_to_string(file).unwrap();
        Self { recipient: read(&file.with_extension("pub")).trim_end().to_owned(), identity: read(&file) }
    }

    /// The key of a store that encrypts to them, and can't decrypt.
    pub(crate) fn lock(&self) -> String {
        format!("encrypt = {{ age_recipients = [{:?}] }}", self.recipient)
    }

    /// The same with the identity, in a file called `name` in `folder`.
    pub(crate) fn lock_and_key(&self, folder: &Path, name: &str) -> String {
        let file = folder.join(name);
        std::fs::write(&file, &self.identity).unwrap();
        format!("encrypt = {{ age_recipients = [{:?}], age_identity = {{ file = {file:?} }} }}", self.recipient)
    }
}
