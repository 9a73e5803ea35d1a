//! The word that was probably meant.

/// The one of `candidates` that `word` is probably a slip of, if any is near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| is_near(&word, candidate, *distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A slip in every third letter, or a part of the word, such as `rds` for `aws_rds`.
fn is_near(word: &str, candidate: &str, distance: usize) -> bool {
    let length = word.chars().count();
    distance <= length.max(candidate.chars().count()) / 3 || (length >= 3 && candidate.contains(word))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_the_word_and_another_word_does_not() {
        let providers = ["aws_rds", "gcp_cloud_sql", "mysql", "postgresql", "sqlite"];
        for (word, expected) in [
            ("postgres", Some("postgresql")),
            ("MySQL", Some("mysql")),
            ("sqlite3", Some("sqlite")),
            ("rds", Some("aws_rds")),
            ("gcp", Some("gcp_cloud_sql")),
            ("myqsl", Some("mysql")),
            ("oracle", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, providers), expected, "{word}");
        }
    }
}
