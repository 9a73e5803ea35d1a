//! Finds the client tools, and tells their flavours and versions apart.
//!
//! Debian's `/usr/bin/mysqldump` is MariaDB's: the name says nothing, what the tool says of itself does.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::child::Program;
use super::manifest::ToolRecord;

/// How long a tool may take to print its version.
const VERSION_LIMIT: Duration = Duration::from_secs(20);

/// A version as tools and servers print it, as far as compatibility depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) patch: u32,
}

impl Version {
    pub(crate) const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor, patch: 0 }
    }

    /// The first thing in `text` that looks like `15.18`, `9.7.0` or `17beta1`.
    pub(crate) fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).find_map(Self::of_word)
    }

    fn of_word(word: &str) -> Option<Self> {
        let word = word.trim_start_matches('v');
        if !word.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let mut numbers = word.split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse::<u32>().ok()
        });
        let major = numbers.next()??;
        let mut next = || numbers.next().flatten().unwrap_or(0);
        Some(Self { major, minor: next(), patch: next() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch > 0 { write!(f, ".{}", self.patch) } else { Ok(()) }
    }
}

/// Who made a tool or a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    PostgreSql,
    MySql,
    MariaDb,
}

impl Flavour {
    /// The engine's word in JSON.
    pub(crate) fn engine(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgresql",
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PostgreSql => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// A tool that was found and asked for its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) flavour: Flavour,
    pub(crate) version: Version,
}

impl Tool {
    pub(crate) fn record(&self) -> ToolRecord {
        ToolRecord { name: self.name.into(), version: self.version.to_string() }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {} ({})", self.name, self.version, self.flavour, self.path.display())
    }
}

/// Where tools are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    tool_dir: Option<PathBuf>,
    others: Vec<PathBuf>,
}

/// What to look for, and where besides PATH.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The tool's names, the best first.
    pub(crate) names: &'static [&'static str],
    /// Who must have made it, if only one will do.
    pub(crate) flavour: Option<Flavour>,
}

/// `*` stands for one path segment, which is a version.
const VERSION_FOLDERS: [&str; 10] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/mysql/bin",
    "/opt/mysql/bin",
    "/opt/homebrew/opt/mysql-client/bin",
    "/opt/homebrew/opt/mysql-client@*/bin",
    "/opt/homebrew/opt/mariadb/bin",
];

impl Places {
    /// `tool_dir` first, then PATH, then the usual version folders, higher versions first.
    pub(crate) fn new(tool_dir: Option<PathBuf>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
        let folders = path.chain(VERSION_FOLDERS.iter().flat_map(|pattern| expand(pattern)));
        // `/bin` is `/usr/bin` nearly everywhere.
        let mut seen = HashSet::new();
        let others = folders.filter(|folder| folder.canonicalize().is_ok_and(|real| seen.insert(real))).collect();
        Self { tool_dir, others }
    }

    /// Looks for tools in a thread of its own: asking them for their versions blocks.
    pub(crate) async fn search<T: Default + Send + 'static>(
        &self,
        look: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        let places = self.clone();
        tokio::task::spawn_blocking(move || look(&places)).await.unwrap_or_default()
    }

    /// Every tool that is wanted, in the order of the places. With a `tool_dir` that has one, only that one: whoever
    /// names a folder wants what is in it.
    pub(crate) fn find(&self, wanted: Wanted) -> Vec<Tool> {
        let own = probe_all(self.tool_dir.iter(), wanted);
        if own.is_empty() { probe_all(self.others.iter(), wanted) } else { own }
    }

    /// As [`Places::find`], but a `tool_dir` without the tool finds nothing: for the tool that makes the dump.
    pub(crate) fn find_strictly(&self, wanted: Wanted) -> Vec<Tool> {
        match &self.tool_dir {
            Some(folder) => probe_all(std::iter::once(folder), wanted),
            None => probe_all(self.others.iter(), wanted),
        }
    }

    /// The first tool that is wanted and `suits`; looks no further than that.
    pub(crate) fn first(&self, wanted: Wanted, suits: impl Fn(&Tool) -> bool) -> Option<Tool> {
        let mut folders = self.tool_dir.iter().chain(&self.others);
        folders.find_map(|folder| probe_all(std::iter::once(folder), wanted).into_iter().find(&suits))
    }

    /// The same places, but `folder` before all others.
    pub(crate) fn beginning_with(&self, folder: &Path) -> Self {
        Self { tool_dir: Some(folder.to_owned()), others: self.tool_dir.iter().chain(&self.others).cloned().collect() }
    }

    /// Where was looked, for a message.
    pub(crate) fn describe(&self) -> String {
        match &self.tool_dir {
            Some(folder) => format!("tool_dir {}", folder.display()),
            None => "PATH and the usual version folders".into(),
        }
    }
}

/// Asks the candidates side by side: a wrapper script may take its time.
fn probe_all<'f>(folders: impl Iterator<Item = &'f PathBuf>, wanted: Wanted) -> Vec<Tool> {
    let mut seen = HashSet::new();
    let candidates: Vec<(&'static str, PathBuf)> = folders
        .flat_map(|folder| wanted.names.iter().map(|&name| (name, folder.join(name))))
        .filter(|(_, path)| path.canonicalize().is_ok_and(|real| seen.insert(real)))
        .collect();
    let probed: Vec<Option<Tool>> = std::thread::scope(|scope| {
        let asked: Vec<_> = candidates.into_iter().map(|(name, path)| scope.spawn(move || probe(name, path))).collect();
        asked.into_iter().map(|thread| thread.join().ok().flatten()).collect()
    });
    let suits = |tool: &Tool| wanted.flavour.is_none_or(|flavour| tool.flavour == flavour);
    probed.into_iter().flatten().filter(suits).collect()
}

/// Asks a program what it is. A file that is no program, or answers nothing sensible, is no tool.
fn probe(name: &'static str, path: PathBuf) -> Option<Tool> {
    if !path.is_file() {
        return None;
    }
    let answer = Program::new(&path).arg("--version").capture("", VERSION_LIMIT).ok()?;
    let (flavour, version) = identify(&answer.text())?;
    Some(Tool { name, path, flavour, version })
}

/// Reads the first line of `--version`:
/// - `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`
/// - `mysqldump  Ver 9.7.0 for Linux on x86_64 (...)`; 5.7 says `Ver 10.13 Distrib 5.7.44, for ...`
/// - `mysqldump  Ver 10.19 Distrib 10.11.14-MariaDB, for ...`; from 11 on `mariadb-dump from 11.4.2-MariaDB, client 10.19`
fn identify(answer: &str) -> Option<(Flavour, Version)> {
    let line = answer.lines().next()?;
    if line.contains("(PostgreSQL)") {
        let version = Version::find(line.split("(PostgreSQL)").nth(1)?)?;
        return Some((Flavour::PostgreSql, version));
    }
    let flavour = if line.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql };
    let after = ["Distrib ", "from ", "Ver "].iter().find_map(|word| line.split_once(word).map(|(_, rest)| rest))?;
    Some((flavour, Version::find(after)?))
}

/// The folders that match a pattern, higher numbers first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![pattern.into()] };
    let (parent, stem) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = std::fs::read_dir(format!("{parent}/")) else { return Vec::new() };
    let mut found: Vec<(Version, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = Version::find(name.strip_prefix(stem)?)?;
            Some((version, entry.path().join(after.trim_start_matches('/'))))
        })
        .collect();
    found.sort_by_key(|(version, _)| Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_told_apart_by_what_they_say() {
        let v = |major, minor, patch| Version { major, minor, patch };
        for (line, flavour, version) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Flavour::PostgreSql, v(15, 18, 0)),
            ("pg_dump (PostgreSQL) 18beta1", Flavour::PostgreSql, v(18, 0, 0)),
            ("mysqldump  Ver 9.7.0 for Linux on x86_64 ((Debian))", Flavour::MySql, v(9, 7, 0)),
            ("mysqldump  Ver 8.0.44-0ubuntu0.24.04.1 for Linux on x86_64 ((Ubuntu))", Flavour::MySql, v(8, 0, 44)),
            ("mysqldump  Ver 10.13 Distrib 5.7.44, for linux-glibc2.12 (x86_64)", Flavour::MySql, v(5, 7, 44)),
            (
                "mysqldump  Ver 10.19 Distrib 10.11.14-MariaDB, for debian-linux-gnu (x86_64)",
                Flavour::MariaDb,
                v(10, 11, 14),
            ),
            ("mariadb-dump from 11.4.2-MariaDB, client 10.19 for Linux (x86_64)", Flavour::MariaDb, v(11, 4, 2)),
        ] {
            assert_eq!(identify(line), Some((flavour, version)), "{line}");
        }
        assert_eq!(identify("hello"), None);
        assert_eq!(identify(""), None);
    }

    #[test]
    fn versions_order_by_number_not_by_text() {
        assert!(Version::find("9.6").unwrap() < Version::find("13.3").unwrap());
        assert!(Version::find("8.0.44").unwrap() < Version::new(8, 3));
    }

    #[test]
    fn a_tool_dir_without_the_tool_is_no_reason_to_dump_with_another() {
        let empty = tempfile::tempdir().unwrap();
        let places = Places::new(Some(empty.path().to_owned()));
        assert_eq!(places.find_strictly(Wanted { names: &["pg_dump"], flavour: None }), []);
    }
}
