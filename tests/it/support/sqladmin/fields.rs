//! Partial answers: `fields=nextPageToken,backups(name,state)`, as
//! <https://cloud.google.com/sql/docs/mysql/admin-api/performance#partial-response> has them.

use serde_json::{Map, Value};

/// The part of an answer that was asked for; `None` when the request for it can't be read.
pub(super) fn select(answer: &Value, fields: &str) -> Option<Value> {
    match answer {
        Value::Array(all) => all.iter().map(|one| select(one, fields)).collect::<Option<Vec<_>>>().map(Value::Array),
        Value::Object(whole) => {
            let mut part = Map::new();
            for field in split(fields)? {
                let (name, inner) = match field.split_once('(') {
                    Some((name, inner)) => (name, Some(inner.strip_suffix(')')?)),
                    None => (field, None),
                };
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return None;
                }
                if let Some(value) = whole.get(name) {
                    let value = inner.map_or_else(|| Some(value.clone()), |inner| select(value, inner))?;
                    part.insert(name.to_owned(), value);
                }
            }
            Some(Value::Object(part))
        }
        other => Some(other.clone()),
    }
}

/// The fields of one level.
pub(super) fn split(fields: &str) -> Option<Vec<&str>> {
    let (mut found, mut depth, mut begun) = (Vec::new(), 0_usize, 0);
    for (at, letter) in fields.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                found.push(&fields[begun..at]);
                begun = at + 1;
            }
            _ => {}
        }
    }
    found.push(&fields[begun..]);
    (depth == 0).then_some(found)
}

#[test]
fn a_part_has_what_was_asked_for_and_nothing_else() {
    let answer = serde_json::json!({"a": 1, "b": [{"c": 2, "d": 3}, {"d": 4}], "e": {"f": 5}});
    assert_eq!(select(&answer, "a,b(c),g"), Some(serde_json::json!({"a": 1, "b": [{"c": 2}, {}]})));
    assert_eq!(select(&answer, "e"), Some(serde_json::json!({"e": {"f": 5}})));
    for wrong in ["", "b(c", "b)", "a,,b", "b(c))"] {
        assert_eq!(select(&answer, wrong), None, "{wrong}");
    }
}
