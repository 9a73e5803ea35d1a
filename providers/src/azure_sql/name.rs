//! Names of databases: which there can be, and those of copies, `orders_sk_20261122t021500z_7f3k`.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::random;

/// <https://learn.microsoft.com/rest/api/sql/databases/create-or-update>: no letters that a URL or a path takes for its own.
const FORBIDDEN: &str = "<>*%&:\\/?";
const LONGEST: usize = 128;
const MOMENT: &str = "%Y%m%dt%H%M%Sz";
const LETTERS: usize = 4;
/// `_sk_20261122t021500z_7f3k`
const SUFFIX: usize = 25;

/// Whether a database can have this name.
pub(super) fn is_database(name: &str) -> bool {
    let possible = |letter: char| !FORBIDDEN.contains(letter) && !letter.is_control();
    (1..=LONGEST).contains(&name.chars().count())
        && name.chars().all(possible)
        && !name.ends_with(['.', ' '])
        && !name.starts_with(' ')
        // These are steps in a path, however they are encoded.
        && ![".", ".."].contains(&name)
}

/// Whether it is a database that the server itself has.
pub(super) fn is_system(name: &str) -> bool {
    name.eq_ignore_ascii_case("master")
}

/// A name for a copy of `database` that nobody else has.
pub(super) fn copy_of(database: &str, now: DateTime<Utc>) -> String {
    of_call(database, &format!("{}_{}", now.format(MOMENT), random::letters(LETTERS)))
}

/// What tells the copies of a database apart: `20261122t021500z_7f3k`.
pub(super) fn call_of(copy: &str) -> Option<&str> {
    let suffix = copy.get(copy.len().checked_sub(SUFFIX)?..)?;
    moment_of_suffix(suffix).and(suffix.strip_prefix("_sk_"))
}

/// The name of the copy of `database` that a call has made.
pub(super) fn of_call(database: &str, call: &str) -> String {
    let head: String = database.chars().take(LONGEST - SUFFIX).collect();
    format!("{head}_sk_{call}")
}

/// The moment in the name of a copy of `database`; `None` when it is no such name.
pub(super) fn moment_of_copy(name: &str, database: &str) -> Option<DateTime<Utc>> {
    let head: String = database.chars().take(LONGEST - SUFFIX).collect();
    let (of, suffix) = name.split_at_checked(name.len().checked_sub(SUFFIX)?)?;
    (of.to_lowercase() == head.to_lowercase()).then(|| moment_of_suffix(suffix)).flatten()
}

/// Whether it looks like the name of a copy of whatever database: nothing else is made under such a name.
pub(super) fn is_copy(name: &str) -> bool {
    let suffix = name.len().checked_sub(SUFFIX).and_then(|at| name.get(at..));
    suffix.is_some_and(|suffix| moment_of_suffix(suffix).is_some())
}

fn moment_of_suffix(suffix: &str) -> Option<DateTime<Utc>> {
    let (moment, letters) = suffix.strip_prefix("_sk_")?.split_once('_')?;
    let known = letters.len() == LETTERS && letters.bytes().all(|byte| random::LETTERS.contains(&byte));
    let moment = NaiveDateTime::parse_from_str(moment, MOMENT).ok()?;
    known.then_some(moment.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-22T02:15:00Z".parse().unwrap()
    }

    #[test]
    fn the_name_of_a_copy_tells_of_what_and_when_it_is() {
        for database in ["orders", "Orders 2", "ürün", "a_sk_b", &"x".repeat(128), &"ü".repeat(128)] {
            let name = copy_of(database, now());
            assert!(is_database(&name) && is_copy(&name), "{name}");
            assert_eq!(moment_of_copy(&name, database), Some(now()), "{name}");
            assert_eq!(moment_of_copy(&name, "other"), None, "{name}");
            assert_eq!(of_call(database, call_of(&name).unwrap()), name);
        }
        assert_eq!(moment_of_copy("ORDERS_sk_20261122t021500z_7f3k", "orders"), Some(now()), "names have no case");
    }

    #[test]
    fn other_names_are_none_of_copies() {
        for other in [
            "orders",
            "orders_copy",
            "orders_sk_20261122t021500z_7f3",
            "orders_sk_20261122t021500z_7f3k2",
            "orders_sk_20261399t021500z_7f3k",
            "orders_sk_20261122T021500Z_7f3k",
            "orders_sk_20261122t021500z_7F3K",
            "orders_sk_20261122t021500z_7f3l",
            "_sk_",
            "ü",
            "",
        ] {
            assert!(moment_of_copy(other, "orders").is_none() && !is_copy(other), "{other}");
        }
    }

    #[test]
    fn only_what_azure_takes_is_a_name() {
        for good in ["orders", "Orders 2", "a.b", "ürün", "o'brien", "[a]", "a#b", "日本"] {
            assert!(is_database(good), "{good}");
        }
        let long = "x".repeat(129);
        for wrong in
            ["", ".", "..", "a.", "a ", " a", "a/b", "../x", "a\\b", "a?b", "a%2f", "a:b", "a\nb", "a&b", &long]
        {
            assert!(!is_database(wrong), "{wrong}");
        }
        assert!(is_system("Master") && !is_system("orders"));
    }
}
