//! What the account may see of a database, by its own `SHOW GRANTS`.
//!
//! The dump tools ask with `SHOW TRIGGERS` and `SHOW PROCEDURE STATUS`, and the servers leave out what the account may
//! not see: without the privilege a dump looks whole and has no triggers. What is not certain is a note, never silence.

use std::collections::BTreeMap;

use super::client::{Client, NAME, identifier};
use crate::dump::tools::Flavour;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Check;

/// What a dump of a whole database needs on it.
const NEEDED: [&str; 4] = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"];
/// What a restore needs on the new database.
const TO_RESTORE: [&str; 13] = [
    "CREATE",
    "DROP",
    "ALTER",
    "INDEX",
    "REFERENCES",
    "INSERT",
    "SELECT",
    "LOCK TABLES",
    "CREATE VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "TRIGGER",
    "EVENT",
];
/// Any of these on the database shows the names of its routines; the dump tool then fails where it can't read one.
const NAMES_ROUTINES: [&str; 4] = ["EXECUTE", "CREATE ROUTINE", "ALTER ROUTINE", "SHOW CREATE ROUTINE"];
const ASK: &str = "SELECT 'account', CURRENT_USER();
    SHOW VARIABLES WHERE variable_name IN ('partial_revokes', 'lower_case_table_names'); SHOW GRANTS;";

/// Fails where the account certainly lacks a privilege; gives what may be missing from the dump otherwise.
pub(super) async fn doubts(client: &Client, database: &str) -> Result<Vec<String>> {
    match client.run(None, ASK).await {
        Ok(answer) => judge(client.server, &answer, database),
        // a server without grants, say: the dump tool may still be let in
        Err(error) if matches!(error.kind(), ErrorKind::Failed | ErrorKind::Permission) => {
            Ok(vec!["triggers, events or routines may be missing: the account's grants can't be read".into()])
        }
        Err(error) => Err(error),
    }
}

/// Whether the account may make a database beside this one, and fill it: the row `restore`.
pub(super) async fn to_restore(client: &Client, database: &str) -> Result<Check> {
    let beside = format!("{database}_restored");
    let answer = client.run(None, ASK).await?;
    let grants = Grants::read(&answer, &beside);
    let lacking: Vec<&str> = TO_RESTORE.into_iter().filter(|&name| grants.has(name) != Has::Yes).collect();
    if lacking.is_empty() {
        return Ok(Check::new("restore", Ok(format!("a database such as {beside} can be made and filled"))));
    }
    let told = format!("the account lacks {} on a new database such as {beside}", lacking.join(", "));
    let pattern = identifier(&grants.pattern(&beside));
    let advice = format!("GRANT ALL PRIVILEGES ON {pattern}.* TO {};", grants.grantee());
    Ok(Check::new("restore", Ok(told)).with_advice(advice))
}

/// The same of the answer to [`ASK`].
fn judge(flavour: Flavour, answer: &str, database: &str) -> Result<Vec<String>> {
    let grants = Grants::read(answer, database);
    let missing: Vec<&str> = NEEDED.into_iter().filter(|&name| grants.has(name) == Has::No).collect();
    if !missing.is_empty() {
        let names = missing.join(", ");
        let hint = format!("GRANT {names} ON {}.* TO {};", identifier(&grants.pattern(database)), grants.grantee());
        let reason = format!("the account lacks {names} on it, and the dump would miss what it can't see");
        return Err(Error::new(ErrorKind::Permission, NAME, "dump", database, reason).with_hint(hint));
    }
    let unsure: Vec<&str> = NEEDED.into_iter().filter(|&name| grants.has(name) == Has::Perhaps).collect();
    let mut doubts = Vec::new();
    if !unsure.is_empty() {
        let names = unsure.join(", ");
        doubts
            .push(format!("what the account can't see may be missing: it has {names} on a part of the database only"));
    }
    if !grants.sees_routines() {
        let right = if flavour == Flavour::MariaDb { "SELECT ON mysql.proc" } else { "SHOW_ROUTINE ON *.*" };
        let grantee = grants.grantee();
        doubts.push(format!("routines of other accounts may be missing: GRANT {right} TO {grantee};"));
    }
    doubts.extend(grants.unread.iter().map(|line| format!("what this grant means is not known: {line}")));
    Ok(doubts)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    Yes,
    /// On some of its tables, or by one of several grants of which the server may apply another.
    Perhaps,
    No,
}

/// Privileges in capital letters; `ALL PRIVILEGES` is all of them.
type Names = Vec<String>;

fn holds(names: &Names, name: &str) -> bool {
    names.iter().any(|held| held == name || held == "ALL PRIVILEGES")
}

/// The grants that concern one database.
#[derive(Debug, Default)]
struct Grants {
    account: String,
    /// MySQL's `partial_revokes`: names of databases are names then, not patterns.
    literal: bool,
    fold_case: bool,
    global: Names,
    /// Taken from the global ones for this database.
    revoked: Names,
    /// By who they were granted to, the account or a role, a list for each pattern: the server applies one of them.
    database: BTreeMap<String, Vec<Names>>,
    tables: Names,
    reads_proc: bool,
    unread: Vec<String>,
}

impl Grants {
    fn read(answer: &str, database: &str) -> Self {
        let mut grants = Self::default();
        for line in answer.lines() {
            match line.split_once('\t') {
                Some(("account", account)) => account.clone_into(&mut grants.account),
                Some(("partial_revokes", value)) => grants.literal = value == "ON",
                Some(("lower_case_table_names", value)) => grants.fold_case = value != "0",
                _ if grants.take(line, database).is_none() => grants.unread.push(line.to_owned()),
                _ => {}
            }
        }
        grants
    }

    /// Takes a line of `SHOW GRANTS` in; `None` when it can't be understood.
    fn take(&mut self, line: &str, database: &str) -> Option<()> {
        if line.starts_with("SET DEFAULT ROLE ") || line.starts_with("GRANT PROXY ON ") {
            return Some(());
        }
        let (revokes, rest) = match line.strip_prefix("REVOKE ") {
            Some(rest) => (true, rest),
            None => (false, line.strip_prefix("GRANT ")?),
        };
        // A role itself: what an active one may do has lines of its own.
        let Some((names, rest)) = cut(rest, " ON ") else { return cut(rest, " TO ").map(|_| ()) };
        let (object, grantee) = cut(rest, if revokes { " FROM " } else { " TO " })?;
        let names: Names = pieces(names, ',')
            .iter()
            .filter(|name| !name.contains('('))
            .map(|name| name.trim().to_uppercase())
            .collect();
        if ["PROCEDURE ", "FUNCTION ", "PACKAGE "].iter().any(|kind| object.starts_with(kind)) {
            return Some(());
        }
        let [of, table] = pieces(object, '.').try_into().ok()?;
        match (of, table) {
            ("*", "*") if !revokes => self.global.extend(names),
            (of, "*") if revokes => {
                if self.same(&unquoted(of), database) {
                    self.revoked.extend(names);
                }
            }
            _ if revokes => return None,
            (of, "*") => {
                let of = unquoted(of);
                self.reads_proc |= of == "mysql" && holds(&names, "SELECT");
                if self.matches(&of, database) {
                    let end = cut(grantee, " ").map_or(grantee, |(grantee, _)| grantee);
                    self.database.entry(end.to_owned()).or_default().push(names);
                }
            }
            (of, table) => {
                let (of, table) = (unquoted(of), unquoted(table));
                self.reads_proc |= of == "mysql" && table == "proc" && holds(&names, "SELECT");
                if self.same(&of, database) {
                    self.tables.extend(names);
                }
            }
        }
        Some(())
    }

    fn same(&self, a: &str, b: &str) -> bool {
        if self.fold_case { a.to_lowercase() == b.to_lowercase() } else { a == b }
    }

    fn matches(&self, pattern: &str, database: &str) -> bool {
        match (self.literal, self.fold_case) {
            (true, _) => self.same(pattern, database),
            (false, true) => is_like(&pattern.to_lowercase(), &database.to_lowercase()),
            (false, false) => is_like(pattern, database),
        }
    }

    fn has(&self, name: &str) -> Has {
        let everywhere = holds(&self.global, name) && !holds(&self.revoked, name);
        let mut lists = self.database.values();
        if everywhere || lists.any(|lists| lists.iter().all(|names| holds(names, name))) {
            Has::Yes
        } else if holds(&self.tables, name) || self.database.values().flatten().any(|names| holds(names, name)) {
            Has::Perhaps
        } else {
            Has::No
        }
    }

    fn sees_routines(&self) -> bool {
        self.reads_proc
            || ["SELECT", "SHOW_ROUTINE", "SHOW CREATE ROUTINE"].iter().any(|name| holds(&self.global, name))
            || NAMES_ROUTINES.iter().any(|name| self.has(name) == Has::Yes)
    }

    /// The account as `GRANT` takes it.
    fn grantee(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\\', r"\\").replace('\'', "''"));
        match self.account.rsplit_once('@') {
            Some((user, host)) => format!("{}@{}", quoted(user), quoted(host)),
            None => quoted(&self.account),
        }
    }

    /// The database as `GRANT` takes it, where `_` and `%` stand for others.
    fn pattern(&self, database: &str) -> String {
        if self.literal {
            return database.to_owned();
        }
        database.replace('\\', r"\\").replace('_', r"\_").replace('%', r"\%")
    }
}

/// SQL's LIKE, with `\` as its escape.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    let mut left = text.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = rest.as_str();
            text.char_indices().any(|(at, _)| is_like(rest, &text[at..])) || is_like(rest, "")
        }
        Some('_') => left.next().is_some() && is_like(rest.as_str(), left.as_str()),
        Some('\\') if !rest.as_str().is_empty() => rest.next() == left.next() && is_like(rest.as_str(), left.as_str()),
        Some(letter) => left.next() == Some(letter) && is_like(rest.as_str(), left.as_str()),
    }
}

/// The text before and after the first `mark` that is in no quotes and no brackets.
fn cut<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let (mut quote, mut depth) = (None, 0_usize);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, _) if depth == 0 && text[at..].starts_with(mark) => {
                return Some((&text[..at], &text[at + mark.len()..]));
            }
            (None, '`' | '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The pieces of a list, as [`cut`] sees it.
fn pieces(mut text: &str, mark: char) -> Vec<&str> {
    let mut found = Vec::new();
    while let Some((piece, rest)) = cut(text, mark.encode_utf8(&mut [0; 4])) {
        found.push(piece);
        text = rest;
    }
    found.push(text);
    found
}

fn unquoted(name: &str) -> String {
    let inside = ['`', '"'].iter().find_map(|&quote| {
        let inside = name.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inside.replace(&format!("{quote}{quote}"), &quote.to_string()))
    });
    inside.unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Doubts, or the error and its hint, of what an account `backup` is granted on `o_m`.
    fn said(flavour: Flavour, grants: &[&str]) -> Vec<String> {
        let answer = format!("account\tbackup@%\nlower_case_table_names\t0\n{}\n", grants.join("\n"));
        match judge(flavour, &answer, "o_m") {
            Ok(doubts) => doubts,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Permission);
                vec![error.to_string(), error.hint().unwrap().to_owned()]
            }
        }
    }

    fn mysql(grants: &[&str]) -> Vec<String> {
        said(Flavour::MySql, grants)
    }

    const NOTHING: [&str; 0] = [];
    const LEAST: &str = r"GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON `o\_m`.* TO `backup`@`%`";
    const ROUTINES: &str = "GRANT SHOW_ROUTINE ON *.* TO `backup`@`%`";

    #[test]
    fn all_that_is_needed_leaves_no_doubt() {
        assert_eq!(mysql(&["GRANT USAGE ON *.* TO `backup`@`%`", ROUTINES, LEAST]), NOTHING);
        assert_eq!(mysql(&["GRANT ALL PRIVILEGES ON *.* TO 'backup'@'%' WITH GRANT OPTION"]), NOTHING);
        assert_eq!(
            mysql(&["GRANT ALL PRIVILEGES ON `o%`.* TO `backup`@`%`", "GRANT `r`@`%` TO `backup`@`%`"]),
            NOTHING
        );
        let mysql_root = [
            "GRANT SELECT, INSERT, SHUTDOWN, CREATE TEMPORARY TABLES, SHOW VIEW, EVENT, TRIGGER ON *.* TO `backup`@`%`",
            "GRANT BACKUP_ADMIN,SHOW_ROUTINE,XA_RECOVER_ADMIN ON *.* TO `backup`@`%` WITH GRANT OPTION",
            "GRANT PROXY ON ``@`` TO `root`@`localhost` WITH GRANT OPTION",
        ];
        assert_eq!(mysql(&mysql_root), NOTHING);
        let mariadb = [
            "GRANT `r` TO `backup`@`%`",
            "GRANT USAGE ON *.* TO `backup`@`%` IDENTIFIED BY PASSWORD '*B69027D44F6E5EDC07F1AEAD1477967B16F28227'",
            r"GRANT SELECT, SHOW VIEW ON `o\_m`.* TO `backup`@`%`",
            "GRANT SELECT ON `mysql`.`proc` TO `backup`@`%`",
            "GRANT TRIGGER ON *.* TO `r`",
            "GRANT EVENT ON `o_m`.* TO PUBLIC",
            "SET DEFAULT ROLE `r` FOR `backup`@`%`",
        ];
        assert_eq!(said(Flavour::MariaDb, &mariadb), NOTHING);
    }

    #[test]
    fn what_is_missing_is_named_with_the_statement_that_grants_it() {
        let without = r"GRANT SELECT, SHOW VIEW, EVENT ON `o\_m`.* TO `backup`@`%`";
        let other = r"GRANT TRIGGER ON `o\_x`.* TO `backup`@`%`";
        let expected = [
            "mysql: cannot dump o_m: the account lacks TRIGGER on it, and the dump would miss what it can't see",
            r"GRANT TRIGGER ON `o\_m`.* TO 'backup'@'%';",
        ];
        assert_eq!(mysql(&[ROUTINES, without, other]), expected);
        assert_eq!(mysql(&[])[1], r"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `o\_m`.* TO 'backup'@'%';");
        // a column's privilege is not the table's, and a name in quotes is no privilege
        let odd = "GRANT SELECT (`a`, `x) ON y`), INSERT ON `o_m`.`TRIGGER, t` TO `backup`@`%`";
        assert_eq!(mysql(&[ROUTINES, without, odd]), expected);
        let revoked = [
            "GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON *.* TO `backup`@`%`",
            "REVOKE TRIGGER ON `o_m`.* FROM `backup`@`%`",
        ];
        assert_eq!(mysql(&revoked), expected);
    }

    #[test]
    fn routines_that_may_be_there_unseen_are_a_doubt() {
        let mysql_note = "routines of other accounts may be missing: GRANT SHOW_ROUTINE ON *.* TO 'backup'@'%';";
        assert_eq!(mysql(&[LEAST]), [mysql_note]);
        let mariadb_note = "routines of other accounts may be missing: GRANT SELECT ON mysql.proc TO 'backup'@'%';";
        assert_eq!(said(Flavour::MariaDb, &[LEAST]), [mariadb_note]);
        // the tool fails by itself where it sees a routine's name and may not read it
        assert_eq!(
            mysql(&[LEAST, "GRANT SELECT ON `x`.* TO `backup`@`%`", "GRANT EXECUTE ON *.* TO `backup`@`%`"]),
            NOTHING
        );
    }

    #[test]
    fn what_is_not_certain_is_a_doubt() {
        let unread = "GRANT SOMETHING NEW";
        assert_eq!(mysql(&[ROUTINES, LEAST, unread]), [format!("what this grant means is not known: {unread}")]);
        let part = "what the account can't see may be missing: it has TRIGGER on a part of the database only";
        let without = "GRANT SELECT, SHOW VIEW, EVENT ON `o_m`.* TO `backup`@`%`";
        assert_eq!(mysql(&[ROUTINES, without, "GRANT TRIGGER ON `o_m`.`t` TO `backup`@`%`"]), [part]);
        // of several patterns that match, the server applies one
        assert_eq!(mysql(&[ROUTINES, without, "GRANT TRIGGER ON `o%`.* TO `backup`@`%`"]).len(), 1);
    }

    #[test]
    fn names_of_databases_are_patterns_unless_the_server_takes_them_literally() {
        for (pattern, name, expected) in [
            ("o_m", "oxm", true),
            (r"o\_m", "oxm", false),
            (r"o\_m", "o_m", true),
            ("%", "o", true),
            ("%m%", "om", true),
            ("o", "om", false),
        ] {
            assert_eq!(is_like(pattern, name), expected, "{pattern} {name}");
        }
        let literal = format!("account\tb@%\npartial_revokes\tON\n{LEAST}");
        let error = judge(Flavour::MySql, &literal, "o_m").unwrap_err();
        assert_eq!(error.hint(), Some("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `o_m`.* TO 'b'@'%';"));
        let folded = format!("account\tb@%\nlower_case_table_names\t1\n{LEAST}\n{ROUTINES}");
        assert_eq!(judge(Flavour::MySql, &folded, "O_M").unwrap(), NOTHING);
    }
}
