//! A target's snapshots along time, as a picture whose marks differ by shape, and the same as a table.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use snapkeep_providers::model::{Origin, SnapshotState};

use super::{moment, outside, short};
use crate::plan::Verdict;
use crate::standing::{Judged, Standing};
use crate::{render, units};

/// How many snapshots are shown, the newest.
const SHOWN: usize = 120;
/// The picture's left and right edge, in percent: room for half a mark.
const EDGES: (f64, f64) = (2.5, 97.5);
/// How high the line of one place is.
const LANE: usize = 34;
/// How far two labels of the axis are apart at least, in percent.
const APART: f64 = 11.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;
/// What an axis may say.
const TICKS: [(f64, &str); 16] = [
    (HOUR / 6.0, "10m"),
    (HOUR, "1h"),
    (3.0 * HOUR, "3h"),
    (6.0 * HOUR, "6h"),
    (12.0 * HOUR, "12h"),
    (DAY, "1d"),
    (2.0 * DAY, "2d"),
    (4.0 * DAY, "4d"),
    (7.0 * DAY, "1w"),
    (14.0 * DAY, "2w"),
    (30.0 * DAY, "30d"),
    (60.0 * DAY, "60d"),
    (120.0 * DAY, "120d"),
    (365.0 * DAY, "1y"),
    (730.0 * DAY, "2y"),
    (1825.0 * DAY, "5y"),
];

/// What a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Kept,
    Going,
    Bad,
    Unfinished,
    Foreign,
}

impl Shape {
    const ALL: [Self; 5] = [Self::Kept, Self::Going, Self::Bad, Self::Unfinished, Self::Foreign];

    fn of(judged: &Judged) -> Self {
        let snapshot = &judged.snapshot;
        match snapshot.state {
            SnapshotState::Failed => Self::Bad,
            SnapshotState::Available if !snapshot.is_good() => Self::Bad,
            SnapshotState::Available if judged.verdict == Some(Verdict::Remove) => Self::Going,
            SnapshotState::Available if snapshot.origin != Origin::Owned => Self::Foreign,
            SnapshotState::Available => Self::Kept,
            _ => Self::Unfinished,
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Kept => "m-kept",
            Self::Going => "m-going",
            Self::Bad => "m-bad",
            Self::Unfinished => "m-unfinished",
            Self::Foreign => "m-foreign",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Going => "to be pruned",
            Self::Bad => "failed",
            Self::Unfinished => "unfinished",
            Self::Foreign => "not ours",
        }
    }
}

fn is_verified(judged: &Judged) -> bool {
    judged.snapshot.verified.as_ref().is_some_and(|verified| verified.ok)
}

fn is_held(judged: &Judged) -> bool {
    judged.snapshot.hold.is_some() || judged.snapshot.locked_until.is_some()
}

/// What stands for each mark, once for all pictures.
pub(super) fn shapes() -> Markup {
    html! {
        svg.shapes width="0" height="0" aria-hidden="true" focusable="false" { defs {
            g id="m-kept" { circle.kept r="6.5" {} }
            g id="m-going" { circle.going r="5.5" {} }
            g id="m-bad" { path.failed d="M-5-5L5 5M5-5L-5 5" {} }
            g id="m-unfinished" { path.unfinished d="M0-6L6 5H-6Z" {} }
            g id="m-foreign" { path.foreign d="M0-6.5L6.5 0L0 6.5L-6.5 0Z" {} }
            g id="m-tick" { path.tick d="M-3 .2L-.9 2.4L3.2-2.4" {} }
            g id="m-tick-in" { path.tick-in d="M-3 .2L-.9 2.4L3.2-2.4" {} }
            g id="m-held" { path.held d="M-5-9.5H-9.5V9.5H-5M5-9.5H9.5V9.5H5" {} }
        } }
    }
}

pub(super) fn legend() -> Markup {
    let sample = |shape: &str, more: Option<&str>, words: &str| {
        html! { li {
            svg width="22" height="22" viewBox="-11 -11 22 22" aria-hidden="true" focusable="false" {
                use href={ "#" (shape) } {}
                @if let Some(more) = more { use href={ "#" (more) } {} }
            }
            (words)
        } }
    };
    html! {
        section.legend aria-labelledby="legend-heading" {
            h2 id="legend-heading" { "The marks of a timeline" }
            ul {
                @for shape in Shape::ALL { (sample(shape.id(), None, shape.words())) }
                (sample("m-kept", Some("m-tick-in"), "verified"))
                (sample("m-kept", Some("m-held"), "held"))
                li {
                    svg width="22" height="22" aria-hidden="true" focusable="false" { rect.young width="21" height="22" {} line.limit x1="1" x2="1" y2="22" {} }
                    "younger than max_age"
                }
            }
        }
    }
}

/// Where an age is on the picture, from 0 to 1, which is now. Where most snapshots are young, the ages that half of them
/// have not reached take half of the room.
#[derive(Clone, Copy, Debug)]
struct Axis {
    /// In seconds, as all of it.
    span: f64,
    /// From what age on time is drawn together; linear without.
    unit: Option<f64>,
}

impl Axis {
    fn of(ages: &[f64]) -> Self {
        let mut ages = ages.to_vec();
        ages.sort_by(f64::total_cmp);
        let span = ages.last().copied().unwrap_or_default().max(HOUR);
        let median = ages.get(ages.len() / 2).copied().unwrap_or_default().max(span / 200.0);
        // ln(1 + median / unit) is half of ln(1 + span / unit)
        let unit = (median < 0.4 * span).then(|| median * median / (span - 2.0 * median));
        Self { span, unit }
    }

    fn place(self, age: f64) -> f64 {
        let age = age.clamp(0.0, self.span);
        1.0 - match self.unit {
            Some(unit) => (age / unit).ln_1p() / (self.span / unit).ln_1p(),
            None => age / self.span,
        }
    }

    fn percent(self, age: f64) -> f64 {
        EDGES.0 + self.place(age) * (EDGES.1 - EDGES.0)
    }

    /// What is said below it: ages far enough from each other, from now on back.
    fn ticks(self) -> Vec<(f64, &'static str)> {
        let mut last = EDGES.1;
        let mut fits = |age: f64| {
            let place = self.percent(age);
            let fits = age <= self.span && last - place >= APART && place >= EDGES.0 + 1.0;
            if fits {
                last = place;
            }
            fits.then_some(place)
        };
        TICKS.iter().filter_map(|(age, words)| Some((fits(*age)?, *words))).collect()
    }
}

fn age(judged: &Judged, now: DateTime<Utc>) -> Option<f64> {
    judged.snapshot.created_at.map(|created| (now - created).as_seconds_f64().max(0.0))
}

/// `2.5%`
fn at(percent: f64) -> String {
    format!("{percent:.1}%")
}

/// The picture and the table; nothing where there are no snapshots.
pub(super) fn timeline(standing: &Standing, now: DateTime<Utc>) -> Markup {
    let all = standing.snapshots.open();
    let shown = &all[..all.len().min(SHOWN)];
    if shown.is_empty() {
        return html! { @if standing.was_read() { p { "No snapshots." } } };
    }
    html! {
        figure {
            (picture(standing, shown, now))
            figcaption { (summary(shown)) @if shown.len() < all.len() { " Older ones: " code { "snapkeep list " (standing.target) } } }
        }
        details.table {
            summary { "These as a table" span.hidden { ": " (standing.target) } }
            (table(shown))
        }
    }
}

/// `12 snapshots: 10 kept, 2 to be pruned; 3 verified, 1 held.`
fn summary(shown: &[Judged]) -> String {
    let count = |words: &str, count: usize| (count > 0).then(|| format!("{count} {words}"));
    let of = |shape: Shape| count(shape.words(), shown.iter().filter(|judged| Shape::of(judged) == shape).count());
    let shapes: Vec<String> = Shape::ALL.into_iter().filter_map(of).collect();
    let verified = count("verified", shown.iter().filter(|judged| is_verified(judged)).count());
    let held = count("held", shown.iter().filter(|judged| is_held(judged)).count());
    let more: Vec<String> = verified.into_iter().chain(held).collect();
    let more = if more.is_empty() { String::new() } else { format!("; {}", more.join(", ")) };
    let word = if shown.len() == 1 { "snapshot" } else { "snapshots" };
    format!("{} {word}: {}{more}.", shown.len(), shapes.join(", "))
}

fn picture(standing: &Standing, shown: &[Judged], now: DateTime<Utc>) -> Markup {
    let places = places(shown);
    let max_age = standing.max_age.map(|age| age.as_seconds_f64());
    let ages: Vec<f64> = shown.iter().filter_map(|judged| age(judged, now)).collect();
    let axis = Axis::of(&ages);
    let height = places.len() * LANE;
    let title = format!("tl-{}", standing.target);
    html! {
        svg.timeline width="100%" height=(height + 22) role="img" aria-labelledby={ (title) " " (title) "-d" } {
            title id=(title) { "Timeline of " (standing.target) }
            desc id={ (title) "-d" } { (summary(shown)) " The same is in the table below." }
            @if let Some(max_age) = max_age.filter(|age| *age < axis.span) {
                rect.young x=(at(axis.percent(max_age))) width=(at(100.0 - axis.percent(max_age))) height=(height) {}
                line.limit x1=(at(axis.percent(max_age))) x2=(at(axis.percent(max_age))) y2=(height) {}
            } @else if max_age.is_some() {
                rect.young width="100%" height=(height) {}
            }
            @for (lane, place) in places.iter().enumerate() {
                line.axis x1="0" x2="100%" y1=(middle(lane)) y2=(middle(lane)) {}
                @if places.len() > 1 { text.place x="0" y=(lane * LANE + 10) { (place_words(place.as_deref())) } }
            }
            // The oldest first: what overlaps, the newest is on top.
            @for judged in shown.iter().rev() {
                @if let Some(age) = age(judged, now) {
                    @let lane = places.iter().position(|place| *place == judged.snapshot.location).unwrap_or_default();
                    (mark(judged, axis.percent(age), middle(lane)))
                }
            }
            @for (place, words) in axis.ticks() { text.when x=(at(place)) y=(height + 16) { (words) } }
            text.now x="100%" y=(height + 16) { "now" }
        }
    }
}

fn middle(lane: usize) -> usize {
    lane * LANE + LANE / 2 + 2
}

/// Where the snapshots are, that of the newest first.
fn places(shown: &[Judged]) -> Vec<Option<Arc<str>>> {
    let mut places = Vec::new();
    for judged in shown {
        if !places.contains(&judged.snapshot.location) {
            places.push(judged.snapshot.location.clone());
        }
    }
    places
}

/// A region, or the name of a store.
fn place_words(place: Option<&str>) -> String {
    render::visible(place.and_then(|place| place.split(':').next()).unwrap_or("elsewhere"))
}

fn mark(judged: &Judged, x: f64, y: usize) -> Markup {
    let (shape, x) = (Shape::of(judged), at(x));
    let snapshot = &judged.snapshot;
    let tick = if shape == Shape::Kept { "#m-tick-in" } else { "#m-tick" };
    html! {
        g {
            title { (units::or_dash(snapshot.created_at.map(short))) " UTC, " (units::or_dash(snapshot.size_bytes.map(units::bytes))) ", " (marks(judged)) }
            use href={ "#" (shape.id()) } x=(x) y=(y) {}
            @if is_verified(judged) && shape != Shape::Bad { use href=(tick) x=(x) y=(y) {} }
            @if is_held(judged) { use href="#m-held" x=(x) y=(y) {} }
        }
    }
}

/// `kept, verified (restore), held`
fn marks(judged: &Judged) -> String {
    let snapshot = &judged.snapshot;
    let shape = match Shape::of(judged) {
        Shape::Bad if snapshot.state == SnapshotState::Available => "failed in verification".to_owned(),
        Shape::Unfinished => snapshot.state.to_string(),
        Shape::Foreign => format!("not ours: {}", snapshot.origin),
        shape => shape.words().to_owned(),
    };
    let verified = snapshot.verified.as_ref().filter(|verified| verified.ok);
    let verified = verified.map(|verified| format!("verified ({})", verified.level));
    let held = is_held(judged).then(|| if snapshot.hold.is_some() { "held" } else { "locked" }.to_owned());
    [Some(shape), verified, held].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn table(shown: &[Judged]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Made (UTC)" }
                th scope="col" { "Size" }
                th scope="col" { "What it is" }
            } }
            tbody { @for judged in shown {
                @let snapshot = &judged.snapshot;
                tr {
                    td {
                        @match snapshot.created_at { Some(created) => (moment(created)), None => "unknown" }
                        small { (outside(snapshot.native_id.as_str())) }
                    }
                    td { (units::or_dash(snapshot.size_bytes.map(units::bytes))) }
                    td {
                        (marks(judged))
                        @if !judged.reasons.is_empty() { small.why { (outside(&judged.reasons.join("; "))) } }
                    }
                }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_snapshots_are_in_each_half_of_the_picture() {
        let ages: Vec<f64> = [0.0, 1.0, 2.0, 3.0, 7.0, 30.0, 90.0, 180.0, 365.0].map(|days| days * DAY).to_vec();
        let axis = Axis::of(&ages);
        assert!((axis.place(7.0 * DAY) - 0.5).abs() < 0.001);
        assert_eq!((axis.place(0.0), axis.place(365.0 * DAY)), (1.0, 0.0));
        assert!(ages.windows(2).all(|two| axis.place(two[0]) > axis.place(two[1])));
    }

    #[test]
    fn what_is_regular_is_drawn_as_it_is() {
        let ages: Vec<f64> = (0..10).map(|day| f64::from(day) * DAY).collect();
        let axis = Axis::of(&ages);
        assert!((axis.place(4.5 * DAY) - 0.5).abs() < 0.001);
    }

    #[test]
    fn an_axis_of_one_moment_or_none_is_one() {
        for ages in [vec![], vec![0.0], vec![0.0, 0.0, 0.0], vec![1e12]] {
            let axis = Axis::of(&ages);
            for age in [0.0, 1.0, DAY, 1e13] {
                assert!((0.0..=1.0).contains(&axis.place(age)), "{ages:?} {age}");
            }
        }
    }

    #[test]
    fn labels_keep_apart() {
        for days in [0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0] {
            let ages: Vec<f64> = (0..20).map(|nth| days * DAY * f64::from(nth).exp2() / 524_288.0).collect();
            let ticks = Axis::of(&ages).ticks();
            assert!(ticks.windows(2).all(|two| two[0].0 - two[1].0 >= APART), "{days}: {ticks:?}");
        }
    }
}
