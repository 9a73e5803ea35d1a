//! What the engines with a server share: who connects where, password files, exclusions, quoting.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::live;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use crate::settings::{ScratchServer, Server, TlsMode};

/// A server's settings with paths made absolute; the password is read when it is needed.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) settings: Server,
    base: PathBuf,
}

impl Connection {
    pub(crate) fn new(settings: Server, base: &Path) -> Self {
        Self { settings, base: base.to_owned() }
    }

    /// The same database's connection on another server. Nothing secret of this one goes there.
    pub(crate) fn on(&self, scratch: Option<&ScratchServer>) -> Self {
        let Some(ScratchServer { host, port, user, password, tls, tool_dir }) = scratch.cloned() else {
            return self.clone();
        };
        let tool_dir = tool_dir.or_else(|| self.settings.tool_dir.clone());
        let settings = Server { host, port, user, password, tls, tool_dir, ..self.settings.clone() };
        Self { settings, base: self.base.clone() }
    }

    /// The CA file, where one is configured.
    pub(crate) fn ca_file(&self) -> Option<PathBuf> {
        self.settings.tls.ca_file.as_ref().map(|file| self.base.join(file))
    }

    /// The folder of the client tools, where one is configured.
    pub(crate) fn tool_dir(&self) -> Option<PathBuf> {
        self.settings.tool_dir.as_ref().map(|folder| self.base.join(folder))
    }

    pub(crate) fn tls_mode(&self) -> TlsMode {
        self.settings.tls.mode
    }

    /// Reads the password.
    pub(crate) async fn password(&self) -> Result<Option<Secret>> {
        match &self.settings.password {
            Some(reference) => Ok(Some(reference.resolve(&self.base).await?)),
            None => Ok(None),
        }
    }

    /// `user@host`, for messages.
    pub(crate) fn shown(&self) -> String {
        format!("{}@{}", self.settings.user, self.settings.host)
    }
}

/// A file with a secret in a folder of its own, 0600 in 0700, gone when dropped.
#[derive(Debug)]
pub(crate) struct SecretFile {
    path: PathBuf,
    folder: TempDir,
}

impl SecretFile {
    /// Writes `text` into a new private file; in the user's runtime folder, which is memory, where there is one.
    pub(crate) fn create(name: &str, text: &str) -> std::io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("snapkeep-").permissions(Permissions::from_mode(0o700));
        let folder = match std::env::var_os("XDG_RUNTIME_DIR").map(|runtime| builder.tempdir_in(runtime)) {
            Some(Ok(folder)) => folder,
            _ => builder.tempdir()?,
        };
        live::folder(folder.path());
        let secret = Self { path: folder.path().join(name), folder };
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret.path)?;
        file.write_all(text.as_bytes())?;
        Ok(secret)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        // Gone before it is forgotten: the process may end in between.
        let _ = std::fs::remove_dir_all(self.folder.path());
        live::forget(self.folder.path());
    }
}

/// The tables that `patterns` name: `table` or `schema.table`, with `*` and `?`. Patterns that name none come second.
pub(crate) fn matching_tables<'a>(
    patterns: &[String],
    tables: &'a [(String, String)],
) -> (Vec<&'a (String, String)>, Vec<String>) {
    let matches = |pattern: &str, (schema, table): &(String, String)| {
        glob(pattern, table) || glob(pattern, &format!("{schema}.{table}"))
    };
    let found = tables.iter().filter(|table| patterns.iter().any(|pattern| matches(pattern, table))).collect();
    let idle = patterns.iter().filter(|pattern| !tables.iter().any(|table| matches(pattern, table)));
    (found, idle.cloned().collect())
}

/// `*` is any text, `?` any one character.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Checks the name of a database to be made.
pub(crate) fn check_new_name(provider: &str, name: &str) -> Result<()> {
    let plain = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_$-".contains(&byte))
        && name.len() <= 63;
    if plain {
        return Ok(());
    }
    let reason = "a new database's name has 1 to 63 letters, digits, '_', '-' and '$', a letter, digit or '_' first";
    Err(Error::new(ErrorKind::Usage, provider, "restore to", format!("{name:?}"), reason)
        .with_hint("choose another name with `--to NAME`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_tables_with_or_without_their_schema() {
        let tables = [("public", "audit_log"), ("app", "audit_log"), ("app", "users")]
            .map(|(schema, table)| (schema.to_owned(), table.to_owned()));
        let names = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.into()).collect();
            let (found, idle) = matching_tables(&patterns, &tables);
            (found.iter().map(|(schema, table)| format!("{schema}.{table}")).collect::<Vec<_>>().join(" "), idle)
        };
        assert_eq!(names(&["audit_*"]), ("public.audit_log app.audit_log".into(), vec![]));
        assert_eq!(names(&["app.audit_lo?"]), ("app.audit_log".into(), vec![]));
        assert_eq!(names(&["user", "*.users"]), ("app.users".into(), vec!["user".to_owned()]));
        assert_eq!(names(&["*a*b*"]), (String::new(), vec!["*a*b*".to_owned()]));
    }

    #[test]
    fn names_of_new_databases_are_plain() {
        for name in ["om", "om_2", "_x", "a-b", "a$b"] {
            assert!(check_new_name("mysql", name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a/b", "..", "-x", "a=b", "a'b", "a\0b", &"x".repeat(64)] {
            assert_eq!(check_new_name("mysql", name).unwrap_err().kind(), ErrorKind::Usage, "{name:?}");
        }
    }

    #[test]
    fn a_secret_file_is_private_and_goes_away() {
        let file = SecretFile::create("pw", "hunter2").unwrap();
        let path = file.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        drop(file);
        assert!(!path.exists());
    }
}
