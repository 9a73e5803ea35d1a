//! One target on the page: a line that says how it stands, and below it all that is known.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::timeline::timeline;
use super::{from_now, moment, outside, short};
use crate::failure::Failure;
use crate::history::{Run, RunError};
use crate::plan::Verdict;
use crate::standing::{Freshness, Scheduled, Standing};
use crate::units;

/// What was looked at longer ago than that is told with when.
const LONG_AGO: TimeDelta = TimeDelta::minutes(1);

/// Whether all that is known is seen at once, or when it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    Open,
    Closed,
}

pub(super) fn card(standing: &Standing, fold: Fold, now: DateTime<Utc>) -> Markup {
    let freshness = standing.freshness(now);
    html! {
        details.card.(freshness.word()) id={ "t-" (standing.target) } open[fold == Fold::Open] {
            summary {
                (badge(freshness))
                h3 { (standing.target) }
                span.provider { (standing.provider) }
                span.age { (age(standing, now)) }
                span.spark { (sparkline(standing)) }
                span.next { (next_run(standing, now)) }
                @if let Some(error) = error_in_few_words(standing, now) { span.failing { (error) } }
            }
            div.body {
                @for failure in &standing.failures { (failure_block(failure)) }
                @for schedule in &standing.schedules {
                    @if let Some((run, error)) = schedule.error() { (error_block(schedule, run, error, now)) }
                }
                (facts(standing, now))
                (timeline(standing, now))
                @for schedule in &standing.schedules { (schedule_block(schedule, now)) }
            }
        }
    }
}

fn badge(freshness: Freshness) -> Markup {
    let shape = match freshness {
        Freshness::Ok => "M3 8.5L6.5 12L13 4.5",
        Freshness::Stale => "M8 2.5V8.5L12 11M8 1.5A6.5 6.5 0 1 0 8.01 1.5",
        Freshness::None => "M4 4L12 12M12 4L4 12",
        Freshness::Unknown => "M5 5.5A3 3 0 1 1 8 9V10.5M8 13V13.5",
    };
    html! {
        span.badge.(freshness.word()) {
            svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" focusable="false" { path d=(shape) {} }
            (freshness.word())
        }
    }
}

/// A bar as long as the age beside what it may be, and both in words.
fn age(standing: &Standing, now: DateTime<Utc>) -> Markup {
    let words = match (standing.age(now), standing.newest_good()) {
        (Some(age), _) => format!("{} old", units::duration(age)),
        (None, Some(_)) => "of unknown age".to_owned(),
        (None, None) => return html! { (none(standing)) },
    };
    let limit = match standing.max_age {
        Some(max) => format!("may be {}", units::duration(max)),
        None => "no max_age".to_owned(),
    };
    html! {
        @if let (Some(age), Some(max)) = (standing.age(now), standing.max_age) { (bar(age, max)) }
        span { (words) ", " (limit) }
    }
}

/// What is said where there is no such snapshot.
fn none(standing: &Standing) -> &'static str {
    if standing.count_good().is_some() { "no good snapshot" } else { "not known" }
}

fn bar(age: TimeDelta, max: TimeDelta) -> Markup {
    let (age, max) = (age.as_seconds_f64().max(0.0), max.as_seconds_f64().max(1.0));
    let longest = age.max(max * 1.25);
    let percent = |seconds: f64| format!("{:.1}%", seconds / longest * 100.0);
    html! {
        svg.bar width="100%" height="12" aria-hidden="true" focusable="false" {
            rect.track y="3" width="100%" height="6" rx="3" {}
            rect.fill.over[age > max] y="3" width=(percent(age)) height="6" rx="3" {}
            line.limit x1=(percent(max)) x2=(percent(max)) y2="12" {}
        }
    }
}

/// The sizes as bars, each as high as it is beside the largest; in words below.
fn sparkline(standing: &Standing) -> Markup {
    let sizes = standing.sizes();
    let largest = sizes.iter().map(|(_, size)| *size).max().unwrap_or_default().max(1);
    let height = |size: u64| (size as f64 / largest as f64 * 20.0).max(1.0);
    html! {
        @if sizes.len() > 1 {
            svg width="120" height="20" viewBox="0 0 120 20" aria-hidden="true" focusable="false" {
                @for (nth, (_, size)) in sizes.iter().enumerate() {
                    rect x=(nth * 4) y=(format!("{:.1}", 20.0 - height(*size))) width="3" height=(format!("{:.1}", height(*size))) {}
                }
            }
        }
    }
}

fn next_run(standing: &Standing, now: DateTime<Utc>) -> Markup {
    html! {
        @match standing.next_run() {
            Some(next) => { "next run " (short(next)) " UTC" span.hidden { ", " (from_now(next, now)) } }
            None if standing.schedules.is_empty() => "no schedule",
            None => "",
        }
    }
}

/// `create failed 3h ago`
pub(super) fn error_in_few_words(standing: &Standing, now: DateTime<Utc>) -> Option<String> {
    if !standing.failures.is_empty() {
        return Some("could not be read".to_owned());
    }
    let (_, run, error) = standing.last_error()?;
    Some(format!("{} failed {}", error.what(), from_now(run.ended_at, now)))
}

fn failure_block(failure: &Failure) -> Markup {
    html! {
        div.error {
            p { strong { "Could not be read" } " " code { (failure.code) } }
            p.message { (outside(&failure.message)) }
            @for cause in &failure.causes { p.cause { "caused by: " (outside(cause)) } }
            @if let Some(hint) = &failure.hint { p.hint { "hint: " (outside(hint)) } }
        }
    }
}

fn facts(standing: &Standing, now: DateTime<Utc>) -> Markup {
    let policy =
        standing.count(Verdict::Keep).zip(standing.count(Verdict::Remove)).zip(standing.count(Verdict::Refused));
    html! {
        dl {
            div { dt { "Newest good" } dd { (newest(standing, now)) } }
            div { dt { "Newest verified" } dd { (newest_verified(standing, now)) } }
            @if let Some(good) = standing.count_good() { div { dt { "Good ones" } dd { (good) } } }
            @if let Some(sizes) = sizes_in_words(standing) { div { dt { "Sizes" } dd { (sizes) } } }
            div { dt { "Retention" } dd {
                @match policy {
                    Some(((keep, remove), 0)) => { "keeps " (keep) ", prunes " (remove) }
                    Some(((keep, remove), refused)) => { "keeps " (keep) ", prunes " (remove) ", refuses to prune " (refused) }
                    None if standing.count_good().is_some() => "no policy: everything is kept",
                    None => "not known",
                }
                @for refusal in &standing.refusals { p.warning { "Nothing is pruned: " (refusal) } }
            } }
            @if now - standing.seen_at > LONG_AGO { div { dt { "Looked at" } dd { (moment(standing.seen_at)) ", " (from_now(standing.seen_at, now)) } } }
        }
    }
}

fn newest(standing: &Standing, now: DateTime<Utc>) -> Markup {
    html! {
        @match standing.newest_good() {
            Some(snapshot) => {
                @if let Some(created) = snapshot.created_at { (moment(created)) ", " (from_now(created, now)) }
                small { (outside(&snapshot.id.to_string())) @if let Some(size) = snapshot.size_bytes { ", " (units::bytes(size)) } }
            }
            None => (none(standing)),
        }
    }
}

fn newest_verified(standing: &Standing, now: DateTime<Utc>) -> Markup {
    let verified = standing.newest_verified();
    html! {
        @match verified.and_then(|snapshot| Some((snapshot, snapshot.verified.as_ref()?))) {
            Some((snapshot, verified)) => {
                @if let Some(created) = snapshot.created_at { (moment(created)) ", " (from_now(created, now)) }
                small { (verified.level) ", verified " (from_now(verified.at, now)) }
            }
            None if standing.count_good().is_some() => "none",
            None => "not known",
        }
    }
}

/// `1.3 GiB; 1.0 GiB to 1.3 GiB over the last 12`
fn sizes_in_words(standing: &Standing) -> Option<String> {
    let sizes: Vec<u64> = standing.sizes().iter().map(|(_, size)| *size).collect();
    let (least, most, last) = (sizes.iter().min()?, sizes.iter().max()?, sizes.last()?);
    let [least, most, last] = [least, most, last].map(|size| units::bytes(*size));
    Some(match sizes.len() {
        1 => last,
        count => format!("{last}; {least} to {most} over the last {count}"),
    })
}

fn schedule_block(schedule: &Scheduled, now: DateTime<Utc>) -> Markup {
    // One that stands is told above.
    let earlier = schedule.last_failure().filter(|_| schedule.error().is_none());
    let earlier = earlier.and_then(|run| Some((run, run.error.as_ref()?)));
    html! {
        section.schedule {
            h4 { "Schedule " (outside(&schedule.name)) }
            dl {
                @if let Some(next) = schedule.next_run { div { dt { "Next run" } dd { (moment(next)) ", " (from_now(next, now)) } } }
                @if let Some(begun_at) = schedule.unfinished_since { div { dt { "Unfinished" } dd { "since " (moment(begun_at)) ": it runs, or was cut off" } } }
                div { dt { "Last run" } dd { @match schedule.last_run() { Some(run) => (last_run(run, now)), None => "never" } } }
                div { dt { "Last success" } dd { @match schedule.last_success() { Some(run) => (ended(run, now)), None => "never" } } }
            }
            @if let Some((run, error)) = earlier { (error_block(schedule, run, error, now)) }
        }
    }
}

fn ended(run: &Run, now: DateTime<Utc>) -> Markup {
    html! { (moment(run.ended_at)) ", " (from_now(run.ended_at, now)) }
}

fn last_run(run: &Run, now: DateTime<Utc>) -> Markup {
    let deleted = (run.deleted > 0).then(|| format!(", deleted {}", run.deleted));
    html! {
        (ended(run, now)) ", " (if run.error.is_some() { "failed" } else { "went well" })
        " in " (units::duration(run.ended_at - run.begun_at)) (deleted.unwrap_or_default())
        small {
            @if let Some(snapshot) = &run.snapshot { (outside(snapshot)) ", " (units::or_dash(run.size_bytes.map(units::bytes))) ", " }
            "on " (outside(&run.host))
        }
    }
}

/// What went wrong in a run; fainter where one went well since.
fn error_block(schedule: &Scheduled, run: &Run, error: &RunError, now: DateTime<Utc>) -> Markup {
    let past = schedule.error().is_none();
    html! {
        div.error.past[past] {
            p {
                strong { @if past { "Failed earlier, went well since" } @else { "Schedule " (outside(&schedule.name)) " failed" } }
                ": " (error.what()) ", " code { (outside(&error.code)) } ", at " (ended(run, now)) ", try " (run.attempt)
            }
            p.message { (outside(&error.message)) }
            @if let Some(hint) = &error.hint { p.hint { "hint: " (outside(hint)) } }
        }
    }
}
