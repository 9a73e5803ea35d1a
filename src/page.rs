//! The status page: one HTML document that needs nothing else, no script, no file, no network.
//!
//! A pure function of how the targets stand and of the clock. Every text from outside is escaped by the template itself.

use std::borrow::Borrow;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use self::target::Fold;
use crate::standing::{Freshness, Standing, order};
use crate::{render, units};

mod target;
mod timeline;

#[cfg(test)]
mod tests;

const STYLE: &str = include_str!("page/style.css");
/// How many targets are shown with all that is known of them; more would be too much for a browser, and for anybody.
const DETAILED: usize = 200;
/// How many of those in trouble are open.
const OPEN: usize = 20;

/// What the page may load and run: its own style, and nothing else. For a header too.
pub(crate) static SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
});

/// The page of these targets, those in trouble first.
pub(crate) fn render<S: Borrow<Standing>>(standings: &[S], now: DateTime<Utc>) -> String {
    let mut sorted: Vec<&Standing> = standings.iter().map(Borrow::borrow).collect();
    sorted.sort_by_cached_key(|standing| order(standing, now));
    let (trouble, healthy): (Vec<_>, Vec<_>) = sorted.into_iter().partition(|standing| standing.is_in_trouble(now));
    let detailed = DETAILED.saturating_sub(trouble.len());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(*SECURITY_POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title(trouble.len(), standings.len())) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the targets" }
                (timeline::shapes())
                (header(standings, now))
                main id="main" {
                    (timeline::legend())
                    (group("attention", "Need attention", &trouble, DETAILED, now))
                    (group("healthy", "Healthy", &healthy, detailed, now))
                }
                footer { p {
                    "Made by snapkeep " (env!("CARGO_PKG_VERSION")) " at " (moment(now)) ". It does not change by itself: load it again."
                } }
            }
        }
    }
    .into_string()
}

fn title(trouble: usize, all: usize) -> String {
    match trouble {
        0 => format!("snapkeep: {all} healthy"),
        _ => format!("snapkeep: {trouble} of {all} need attention"),
    }
}

fn header<S: Borrow<Standing>>(standings: &[S], now: DateTime<Utc>) -> Markup {
    let all = || standings.iter().map(Borrow::borrow);
    let count = |freshness| all().filter(|standing| standing.freshness(now) == freshness).count();
    let failing = all().filter(|standing| standing.is_failing()).count();
    let tile = |count: usize, words: &str, class: &str| {
        html! { li.tile.(class).none[count == 0] { b { (count) } " " (words) } }
    };
    html! {
        header {
            h1 { "snapkeep status" }
            p.made { "As of " (moment(now)) }
            ul.tiles aria-label="Summary" {
                (tile(standings.len(), if standings.len() == 1 { "target" } else { "targets" }, "all"))
                (tile(count(Freshness::Ok), "ok", "ok"))
                (tile(count(Freshness::Stale), "stale", "stale"))
                (tile(count(Freshness::None), "without a good snapshot", "bad"))
                (tile(count(Freshness::Unknown), "unknown", "unknown"))
                (tile(failing, "failing", "failing"))
            }
        }
    }
}

/// The first of them with all that is known, the rest as rows of a table.
fn group(id: &str, heading: &str, standings: &[&Standing], detailed: usize, now: DateTime<Utc>) -> Markup {
    let (first, rest) = standings.split_at(detailed.min(standings.len()));
    html! {
        section id=(id) aria-labelledby={ (id) "-heading" } {
            h2 id={ (id) "-heading" } { (heading) " (" (standings.len()) ")" }
            @if standings.is_empty() { p { "None." } }
            @for (nth, standing) in first.iter().enumerate() { (target::card(standing, fold(standing, nth, now), now)) }
            @if !rest.is_empty() { (rows(rest, first.len(), now)) }
        }
    }
}

fn fold(standing: &Standing, nth: usize, now: DateTime<Utc>) -> Fold {
    if nth < OPEN && standing.is_in_trouble(now) { Fold::Open } else { Fold::Closed }
}

fn rows(standings: &[&Standing], before: usize, now: DateTime<Utc>) -> Markup {
    let which = if before == 0 { "All" } else { "The other" };
    html! {
        details.rows {
            summary { (which) " " (standings.len()) " in few words" }
            p { "All of one: " code { "snapkeep status TARGET --html FILE" } }
            table {
                thead { tr {
                    th scope="col" { "Target" }
                    th scope="col" { "State" }
                    th scope="col" { "Age" }
                    th.wide scope="col" { "May be" }
                    th.wide scope="col" { "Next run (UTC)" }
                    th.wide scope="col" { "Last error" }
                } }
                tbody { @for standing in standings {
                    @let error = target::error_in_few_words(standing, now);
                    tr {
                        th scope="row" { (standing.target) }
                        td.(standing.freshness(now).word()) { (standing.freshness(now).word()) @if standing.is_failing() { ", failing" } }
                        td { (units::or_dash(standing.age(now).map(units::duration))) }
                        td.wide { (units::or_dash(standing.max_age.map(units::duration))) }
                        td.wide { (units::or_dash(standing.next_run().map(short))) }
                        td.wide { (units::or_dash(error)) }
                    }
                } }
            }
        }
    }
}

/// A text that came from outside: nothing in it can hide, or turn what stands beside it around.
fn outside(text: &str) -> Markup {
    let lines: Vec<String> = text.lines().map(render::visible).collect();
    html! { bdi { (lines.join("\n")) } }
}

/// `2026-11-22 02:15:00 UTC`
fn moment(moment: DateTime<Utc>) -> Markup {
    html! { time datetime=(moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)) { (units::time(moment)) " UTC" } }
}

/// `2026-11-22 02:15`
fn short(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M").to_string()
}

/// `3h 5m ago`, `in 2d 1h`
fn from_now(moment: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match now - moment {
        ago if ago >= TimeDelta::zero() => format!("{} ago", units::duration(ago)),
        ahead => format!("in {}", units::duration(-ahead)),
    }
}
