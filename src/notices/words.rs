//! What is told, for people: a title and lines, and what each channel makes of them.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::notice::Notice;
use crate::config::Event;
use crate::failure::Failure;
use crate::units;

/// How many snapshots and errors are named; the others are counted.
const NAMED: usize = 20;
/// The longest text, in bytes: what a server of healthchecks keeps unless it is told to keep more.
const LONGEST: usize = 10_000;

/// `orders: create failed`
pub(super) fn title(notice: &Notice) -> String {
    let how = match notice.event {
        Event::Start => "began",
        Event::Success => "succeeded",
        Event::Failure if notice.snapshots.is_empty() => "failed",
        Event::Failure => "failed in part",
    };
    format!("{}: {} {how}", notice.target, notice.action.word())
}

/// The title and everything else.
pub(super) fn text(notice: &Notice) -> String {
    let mut lines = vec![title(notice)];
    lines.extend(notice.snapshots.iter().take(NAMED).map(item));
    lines.extend(more(notice.snapshots.len()));
    lines.extend(notice.errors.iter().take(NAMED).map(error));
    lines.extend(more(notice.errors.len()));
    let took = notice.duration_seconds.map(|seconds| {
        let span = TimeDelta::milliseconds((seconds * 1000.0) as i64);
        format!(", after {}", units::duration(span))
    });
    lines.push(format!("on {}{}, run {}", notice.host, took.unwrap_or_default(), notice.run_id));
    shortened(lines.join("\n"))
}

fn more(count: usize) -> Option<String> {
    (count > NAMED).then(|| format!("and {} more", count - NAMED))
}

/// An item of `create`, `verify` or `prune apply`.
fn item(item: &Value) -> String {
    let size = item["size_bytes"].as_u64().map(|size| format!(", {}", units::bytes(size)));
    let place = item["location"].as_str().and_then(|location| location.split(':').next());
    let place = place.map(|place| format!(" in {place}"));
    let verified = item["level"].as_str().map(|level| {
        let how = if item["ok"] == true { "ok" } else { "FAILED" };
        format!(": {level} {how}")
    });
    let result = item["result"].as_str().map(|result| format!(": {result}"));
    let said = [place, size, verified, result].into_iter().flatten().collect::<String>();
    format!("{}{said}", item["id"].as_str().unwrap_or("-"))
}

fn error(error: &Failure) -> String {
    let causes = error.causes.iter().map(|cause| format!("\ncaused by: {cause}")).collect::<String>();
    let hint = error.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("error: {}{causes}{hint}", error.message)
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST - 4));
        text += "\n...";
    }
    text
}

/// The message to Slack: <https://docs.slack.dev/messaging/formatting-message-text>.
pub(super) fn slack(notice: &Notice) -> Value {
    let text = text(notice);
    let (title, rest) = text.split_once('\n').unwrap_or((&text, ""));
    json!({ "text": format!("*{}*\n{}", escaped(title), escaped(rest)) })
}

/// The three characters by which Slack begins a link or a mention.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use snapkeep_providers::ErrorKind;

    use super::super::notice::tests::notice;
    use super::*;

    fn failure() -> Failure {
        let failure = Failure::new(ErrorKind::Busy, "sqlite: cannot dump <a> & b").with_hint("try again");
        Failure { causes: vec!["it is locked".into()], ..failure }
    }

    #[test]
    fn people_are_told_what_became_of_it() {
        let snapshot = json!({ "id": "notes/1", "size_bytes": 2048, "location": "local:/srv/x" });
        assert_snapshot!(text(&notice(Event::Start, Vec::new(), Vec::new())), @"
        notes: create began
        on db1, run 00000000-0000-4000-8000-000000000000
        ");
        assert_snapshot!(text(&notice(Event::Success, vec![snapshot.clone()], Vec::new())), @"
        notes: create succeeded
        notes/1 in local, 2.0 KiB
        on db1, after 3s, run 00000000-0000-4000-8000-000000000000
        ");
        assert_snapshot!(text(&notice(Event::Failure, vec![snapshot], vec![failure()])), @"
        notes: create failed in part
        notes/1 in local, 2.0 KiB
        error: sqlite: cannot dump <a> & b
        caused by: it is locked
        hint: try again
        on db1, after 3s, run 00000000-0000-4000-8000-000000000000
        ");
        assert_eq!(item(&json!({ "id": "x/1", "level": "archive", "ok": false })), "x/1: archive FAILED");
        assert_eq!(item(&json!({ "id": "x/1", "size_bytes": null, "result": "deleted" })), "x/1: deleted");
    }

    #[test]
    fn nothing_of_a_message_is_a_link_or_a_mention() {
        let message = slack(&notice(Event::Failure, Vec::new(), vec![failure()]));
        assert_snapshot!(message["text"].as_str().unwrap(), @"
        *notes: create failed*
        error: sqlite: cannot dump &lt;a&gt; &amp; b
        caused by: it is locked
        hint: try again
        on db1, after 3s, run 00000000-0000-4000-8000-000000000000
        ");
    }

    #[test]
    fn a_text_is_never_long() {
        let many = (0..50).map(|number| json!({ "id": format!("notes/{number}") })).collect();
        assert!(text(&notice(Event::Success, many, Vec::new())).contains("notes/19\nand 30 more\n"));
        let long = Failure::new(ErrorKind::Failed, "ü".repeat(9_000));
        let text = text(&notice(Event::Failure, Vec::new(), vec![long]));
        assert!(text.len() <= LONGEST && text.ends_with("ü\n..."), "{}", text.len());
    }
}
