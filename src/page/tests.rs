use chrono::TimeDelta;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::{NativeId, Origin, Snapshot, SnapshotId, SnapshotState};

use super::*;
use crate::failure::Failure;
use crate::standing::Facts;
use crate::standing::tests::{facts, held, now, policy, run, scheduled, snapshot, verified};

fn healthy(name: &str) -> Standing {
    let snapshots = (0..20).map(|day| snapshot(name, 9 + 24 * day, 1000 + 10 * day as u64)).collect();
    let schedules = vec![scheduled("nightly", vec![run(9, None)])];
    Standing::of(Facts { schedules, ..facts(name, Some(&policy()), snapshots) })
}

/// What stands between two texts.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).unwrap_or_else(|| panic!("{from:?}: {text}")).0
}

#[test]
fn the_policy_allows_the_one_style_of_the_page_and_nothing_else() {
    let page = render(&[healthy("om")], now());
    let hash = BASE64_STANDARD.encode(Sha256::digest(between(&page, "<style>", "</style>")));
    let policy = between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    assert_eq!(policy, format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"));
    assert_eq!(page.matches("<style").count(), 1);
    for what in ["<script", "style=", "http://", "https://", "url(", "@import", "<img", "<iframe", "<form", "src="] {
        assert!(!page.contains(what), "{what}");
    }
}

#[test]
fn no_text_from_outside_is_markup() {
    const HOSTILE: &str =
        "</bdi></style><script>alert(1)</script><img src=x onerror='alert(1)'>\"'&amp;&#60;\u{202e}\u{1b}[2J\0";
    let hold = held(snapshot("om", 1, 1), HOSTILE);
    let place = Snapshot { location: Some(format!("{HOSTILE}:x").into()), ..snapshot("om", 2, 1) };
    let named = snapshot("om", 3, 1);
    let native = NativeId::new(HOSTILE);
    let id = SnapshotId { target: named.target.clone(), native: native.clone() };
    let named = Snapshot { id, native_id: native, ..named };
    let mut failed = run(1, Some(HOSTILE));
    (failed.host, failed.snapshot) = (HOSTILE.into(), Some(HOSTILE.into()));
    let error = failed.error.as_mut().unwrap();
    (error.code, error.hint) = (HOSTILE.to_owned(), Some(HOSTILE.to_owned()));
    let failure =
        Failure { causes: vec![HOSTILE.into()], ..Failure::new(ErrorKind::Failed, HOSTILE).with_hint(HOSTILE) };
    let policy = policy();
    let standing = Standing::of(Facts {
        schedules: vec![scheduled(HOSTILE, vec![failed])],
        failures: vec![failure],
        ..facts("om", Some(&policy), vec![named, hold, place])
    });
    let page = render(&[standing], now());
    assert!(page.matches("&lt;script&gt;").count() >= 10, "{page}");
    let body = page.split_once("</style>").unwrap().1;
    for what in ["<script", "<img", "</style", "\u{1b}", "\0", "=x onerror='alert(1)'>", "\"'"] {
        assert!(!body.contains(what), "{what:?} is in {body}");
    }
    assert_eq!(body.matches("<bdi>").count(), body.matches("</bdi>").count());
}

#[test]
fn trouble_comes_first_and_is_open() {
    let stale = Standing::of(facts("old", Some(&policy()), vec![snapshot("old", 99, 1)]));
    let page = render(&[healthy("om"), stale], now());
    assert!(page.contains("<title>snapkeep: 1 of 2 need attention</title>"));
    let places = ["Need attention (1)", "id=\"t-old\" open", "Healthy (1)", "id=\"t-om\">"];
    let places = places.map(|what| page.find(what).unwrap_or_else(|| panic!("{what} is not in {page}")));
    assert!(places.is_sorted());
}

#[test]
fn each_mark_is_told_in_words() {
    let failed = Snapshot { state: SnapshotState::Failed, ..snapshot("om", 5, 1) };
    let deleting = Snapshot { state: SnapshotState::Deleting, ..snapshot("om", 6, 1) };
    let automated = Snapshot { origin: Origin::Automated, ..snapshot("om", 7, 1) };
    let locked = Snapshot { locked_until: Some(now() + TimeDelta::days(1)), ..snapshot("om", 9, 1) };
    let snapshots = vec![
        verified(snapshot("om", 1, 1), true),
        snapshot("om", 2, 1),
        held(snapshot("om", 3, 1), "audit"),
        verified(snapshot("om", 4, 1), false),
        failed,
        deleting,
        automated,
        snapshot("om", 8, 1),
        locked,
    ];
    let mut rules = policy();
    rules.keep_daily = 0;
    let page = render(&[Standing::of(facts("om", Some(&rules), snapshots))], now());
    let table = between(&page, "<tbody>", "</tbody>");
    let cells: Vec<&str> = table.split("<td>").skip(3).step_by(3).map(|cell| cell.split('<').next().unwrap()).collect();
    let expected = [
        "kept, verified (restore)",
        "kept",
        "kept, held",
        "failed in verification",
        "failed",
        "deleting",
        "not ours: automated",
        "to be pruned",
        "kept, locked",
    ];
    assert_eq!(cells, expected);
    let words = "9 snapshots: 4 kept, 1 to be pruned, 2 failed, 1 unfinished, 1 not ours; 1 verified, 2 held.";
    assert!(page.contains(&format!("<figcaption>{words}")), "{}", between(&page, "<figcaption>", "<"));
}

#[test]
fn nothing_to_show_is_a_page_too() {
    let page = render::<Standing>(&[], now());
    assert!(page.contains("<title>snapkeep: 0 healthy</title>") && page.ends_with("</html>"));
}

#[test]
fn of_two_hundred_all_is_shown_and_of_ten_thousand_a_line() {
    let mut standings: Vec<Standing> = (0..9_990).map(|nth| healthy(&format!("target-{nth:05}"))).collect();
    standings.extend((0..10).map(|nth| {
        let name = format!("stale-{nth}");
        Standing::of(facts(&name, Some(&policy()), vec![snapshot(&name, 99, 1)]))
    }));
    let begun = std::time::Instant::now();
    let page = render(&standings, now());
    let took = begun.elapsed();
    assert_eq!(page.matches("<details class=\"card").count(), 200);
    assert_eq!(page.matches("<th scope=\"row\">").count(), 9_800);
    assert!(page.len() < 6 << 20, "{} bytes", page.len());
    assert!(took < TimeDelta::seconds(10).to_std().unwrap(), "{took:?}");
}
