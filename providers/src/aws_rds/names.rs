//! The names that new snapshots get: what RDS accepts, and what a person finds again in its console.
//!
//! RDS wants a letter first, then letters, digits and single hyphens, stores them in lower case, and takes 255 of them for
//! an instance's snapshot and 63 for a cluster's (the service model of aws-sdk-rds). Ours have 63 at most.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::model::TargetName;
use crate::random;

const LONGEST: usize = 63;
/// What the names of instances and clusters begin with that are made for a verification.
pub(super) const SCRATCH: &str = "sk-verify-";

/// A new snapshot's: `sk-orders-20261122t021500z-7f3k`.
pub(super) fn of_snapshot(target: &TargetName, now: DateTime<Utc>) -> String {
    named(target, now, &random::letters(4))
}

/// A copy's: the same for the same source, region and key, so that it is found again.
pub(super) fn of_copy(
    target: &TargetName,
    created: DateTime<Utc>,
    source_arn: &str,
    region: &str,
    key: Option<&str>,
) -> String {
    let digest = Sha256::digest(format!("{source_arn}\n{region}\n{}", key.unwrap_or_default()));
    let hash: String = digest.iter().take(8).map(|byte| char::from(random::LETTERS[usize::from(byte % 32)])).collect();
    named(target, created, &hash)
}

/// Of what is made for a moment.
pub(super) fn of_scratch() -> String {
    format!("{SCRATCH}{}", random::letters(12))
}

fn named(target: &TargetName, moment: DateTime<Utc>, end: &str) -> String {
    let moment = moment.format("%Y%m%dt%H%M%Sz").to_string();
    let room = LONGEST - "sk-".len() - moment.len() - end.len() - 2;
    format!("sk-{}-{moment}-{end}", slug(target.as_str(), room))
}

/// Letters, digits and single hyphens.
fn slug(name: &str, room: usize) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-");
    slug.truncate(room);
    slug.trim_end_matches('-').to_owned()
}

/// Whether RDS could have a snapshot of this name: one that can't be isn't there.
pub(super) fn is_possible(name: &str) -> bool {
    let plain = |name: &str| {
        name.len() <= 255
            && name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !name.contains("--")
            && !name.ends_with('-')
    };
    if let Some(arn) = name.strip_prefix("arn:") {
        return arn.len() <= 512 && arn.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-/".contains(&byte));
    }
    plain(name.strip_prefix("rds:").or_else(|| name.strip_prefix("awsbackup:")).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> DateTime<Utc> {
        "2026-11-22T02:15:00Z".parse().unwrap()
    }

    #[test]
    fn names_are_what_rds_accepts() {
        for target in ["orders", "Orders_2.prod", "7", "a--b", &"x".repeat(63), &"a-".repeat(31)] {
            let target: TargetName = target.parse().unwrap();
            let copy = of_copy(&target, at(), "arn:aws:rds:eu-central-1:1:snapshot:a", "eu-west-1", None);
            for name in [of_snapshot(&target, at()), copy] {
                assert!(is_possible(&name) && name.len() <= 63 && name == name.to_lowercase(), "{name}");
            }
        }
        let name = of_snapshot(&"Orders_2.prod".parse().unwrap(), at());
        assert!(name.starts_with("sk-orders-2-prod-20261122t021500z-"), "{name}");
    }

    #[test]
    fn a_copy_is_found_again_and_another_is_another() {
        let target: TargetName = "orders".parse().unwrap();
        let name = |arn, region, key| of_copy(&target, at(), arn, region, key);
        assert_eq!(name("arn:a", "eu-west-1", None), name("arn:a", "eu-west-1", None));
        let others =
            [name("arn:b", "eu-west-1", None), name("arn:a", "eu-west-2", None), name("arn:a", "eu-west-1", Some("k"))];
        assert!(others.iter().all(|other| *other != name("arn:a", "eu-west-1", None)));
    }

    #[test]
    fn what_rds_can_not_have_is_known() {
        for name in ["../a", "20010101T000000Z-zzzz", "a_b", "a--b", "a-", "", "rds:", "arn:aws:rds:x:1:snapshot:a b"] {
            assert!(!is_possible(name), "{name:?}");
        }
        for name in ["a", "rds:orders-2026-11-22-02-15", "awsbackup:job-1-2", "arn:aws:rds:eu-west-1:1:snapshot:rds:a"]
        {
            assert!(is_possible(name), "{name:?}");
        }
    }
}
