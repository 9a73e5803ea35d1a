//! What differs from run to run, as stable words: so that a test can hold a whole output to a text.

use std::path::Path;

/// A text with stable words. `ids` are the native ids seen so far: the first one is `[ID1]`, whatever it is.
pub(super) fn redacted(text: &str, folder: &Path, ids: &mut Vec<String>) -> String {
    let text = text.replace(&folder.display().to_string(), "[DIR]").replace(rusqlite::version(), "[SQLITE]");
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let text = text.replace(&format!("\"host\": \"{host}\""), "\"host\": \"[HOST]\"");
    let text = text.replace(&format!("with what {host} began"), "with what [HOST] began");
    let text = replace(&text, "99999999T999999Z-@@@@", |id| {
        let known = ids.iter().position(|known| known == id);
        let number = known.unwrap_or_else(|| {
            ids.push(id.to_owned());
            ids.len() - 1
        });
        format!("[ID{}]", number + 1)
    });
    let text: String = text.split_inclusive('\n').map(squeeze).collect();
    let words = [
        (&*"%".repeat(64), "[SHA256]"),
        (&*format!("\"config\": \"{}\"", "%".repeat(32)), "\"config\": \"[HASH]\""),
        ("9999-99-99T99:99:99.#Z", "[TIME]"),
        ("9999-99-99T99:99:99Z", "[TIME]"),
        ("9999-99-99 99:99:99", "[TIME]"),
        ("#.# KiB", "[SIZE]"),
        ("#.# MiB", "[SIZE]"),
        ("# B", "[SIZE]"),
        ("[TIME],[TIME],#,", "[TIME],[TIME],[SIZE],"),
        ("\"size_bytes\": #", "\"size_bytes\": [SIZE]"),
        ("in #m #s", "in [DURATION]"),
        ("in #s", "in [DURATION]"),
        ("#m #s ago", "[AGE] ago"),
        ("#s ago", "[AGE] ago"),
        ("\"age_seconds\": #", "\"age_seconds\": [AGE]"),
        ("[TIME]  #m #s  ", "[TIME]  [AGE]  "),
        ("[TIME]  #s  ", "[TIME]  [AGE]  "),
        ("is #d #h old", "is [AGE] old"),
        ("is #m #s old", "is [AGE] old"),
        ("is #s old", "is [AGE] old"),
    ];
    words.into_iter().fold(text, |text, (pattern, word)| replace(&text, pattern, |_| word.to_owned()))
}

/// Two spaces for more: what is padded has a changing width. What a line begins with stays.
fn squeeze(line: &str) -> String {
    let (indent, mut rest) = line.split_at(line.len() - line.trim_start_matches(' ').len());
    let mut squeezed = indent.to_owned();
    while let Some((head, tail)) = rest.split_once("  ") {
        squeezed += head;
        squeezed += "  ";
        rest = tail.trim_start_matches(' ');
    }
    squeezed + rest
}

/// Replaces whole words that match: `9` is a digit, `#` one or more, `@` a small letter or digit, `%` a hexadecimal digit.
fn replace(text: &str, pattern: &str, mut word: impl FnMut(&str) -> String) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = replaced.chars().next_back().is_some_and(char::is_alphanumeric);
        match matched(rest, pattern) {
            Some(length) if !inside => {
                replaced += &word(&rest[..length]);
                rest = &rest[length..];
            }
            _ => {
                replaced.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    replaced
}

/// The length of what matches at the beginning of `text`.
fn matched(text: &str, pattern: &str) -> Option<usize> {
    let mut rest = text;
    for wanted in pattern.chars() {
        let one = |is: fn(&char) -> bool| rest.chars().next().filter(is).map(char::len_utf8);
        let length = match wanted {
            '9' => one(char::is_ascii_digit),
            '#' => Some(rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len()).filter(|&n| n > 0),
            '@' => one(|c| c.is_ascii_digit() || c.is_ascii_lowercase()),
            '%' => one(char::is_ascii_hexdigit),
            literal => rest.starts_with(literal).then(|| literal.len_utf8()),
        }?;
        rest = &rest[length..];
    }
    let ends = rest.chars().next().is_none_or(|next| !next.is_alphanumeric()) || pattern.ends_with([' ', ',']);
    ends.then(|| text.len() - rest.len())
}

#[test]
fn what_differs_from_run_to_run_becomes_stable_words() {
    let mut ids = Vec::new();
    let shown = redacted(
        "notes/20261122T021500Z-ab12  2026-11-22 02:15:00  1m 3s  239 B  available\nmade 20261122T021501Z-cd34 and \
         20261122T021500Z-ab12, 1.5 MiB, in 12s, in /tmp/x",
        Path::new("/tmp/x"),
        &mut ids,
    );
    assert_eq!(
        shown,
        "notes/[ID1]  [TIME]  [AGE]  [SIZE]  available\nmade [ID2] and [ID1], [SIZE], in [DURATION], in [DIR]"
    );
}
