//! What Prometheus gets. Its labels are names of the config, and nothing else.
//!
//! Of runs it tells what is remembered in the state, so that all processes that share one tell the same; only the counts are
//! this process's own.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use snapkeep_providers::model::Quota;

use super::board::Board;
use super::duty::Duty;
use crate::standing::{Freshness, Scheduled, Standing};

/// The content type of [`text`].
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics, in the text format of OpenMetrics.
pub(super) fn text(board: &Arc<Board>, now: DateTime<Utc>) -> Result<String, fmt::Error> {
    let (standings, duty) = (board.standings(), board.duty());
    let mut registry = Registry::with_prefix("snapkeep");
    registry.register_collector(Box::new(Seen { board: board.clone(), duty, standings, now }));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// What is known at one moment.
#[derive(Debug)]
struct Seen {
    board: Arc<Board>,
    duty: Arc<Duty>,
    standings: Vec<Arc<Standing>>,
    now: DateTime<Utc>,
}

type Labels<'l> = [(&'static str, &'l str)];

fn seconds(span: TimeDelta) -> f64 {
    span.num_milliseconds() as f64 / 1000.0
}

fn moment(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

impl Collector for Seen {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.of_process(&mut encoder)?;
        self.of_targets(&mut encoder)?;
        self.of_quotas(&mut encoder)?;
        self.of_schedules(&mut encoder)?;
        self.of_runs(&mut encoder)
    }
}

impl Seen {
    fn of_process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut info = encoder.encode_descriptor("build_info", "The version of snapkeep.", None, MetricType::Gauge)?;
        one(&mut info, &[("version", env!("CARGO_PKG_VERSION"))], 1.0)?;
        let mut plain = |name, help, value: f64| {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        let reload = self.board.reload();
        plain("runs_in_progress", "Runs that go on in this process.", self.board.in_progress() as f64)?;
        plain("config_reload_success", "1 unless the last config was refused.", flag(reload.ok))?;
        plain("config_reload_timestamp_seconds", "When the config was last read.", moment(reload.at))
    }

    fn of_targets(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let targets = || self.duty.catalog.targets.values();
        let mut info =
            encoder.encode_descriptor("target_info", "The targets of the config.", None, MetricType::Gauge)?;
        for target in targets() {
            one(&mut info, &[("target", target.name.as_str()), ("provider", target.settings.name())], 1.0)?;
        }
        let now = self.now;
        let mut each = |name, help, value: &dyn Fn(&Standing) -> Option<f64>| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for standing in &self.standings {
                if let Some(value) = value(standing) {
                    one(&mut metric, &[("target", standing.target.as_str())], value)?;
                }
            }
            Ok::<_, fmt::Error>(())
        };
        each("good_snapshot_age_seconds", "How old the newest good snapshot is.", &|of| of.age(now).map(seconds))?;
        each("good_snapshots", "How many good snapshots there are.", &|of| of.count_good().map(|count| count as f64))?;
        each("max_age_seconds", "How old the newest good snapshot may be.", &|of| of.max_age.map(seconds))?;
        each("target_stale", "1 when no good snapshot is within max_age.", &|of| stale(of, now))?;
        each("verified_age_seconds", "How old the newest verified snapshot is.", &|of| {
            Some(seconds(now - of.newest_verified()?.created_at?))
        })?;
        each("snapshot_size_bytes", "The size of the newest good snapshot.", &|of| {
            of.newest_good()?.size_bytes.map(|bytes| bytes as f64)
        })?;
        each("look_failures", "1 when the snapshots, or a part of them, could not be read.", &|of| {
            Some(flag(!of.failures.is_empty()))
        })
    }

    /// How much of what a cloud allows is used.
    fn of_quotas(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let quotas = self.board.quotas();
        let mut each = |name, help, value: &dyn Fn(&Quota) -> u64| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (target, quotas) in &quotas {
                for quota in quotas {
                    one(&mut metric, &[("target", target.as_str()), ("quota", &quota.name)], value(quota) as f64)?;
                }
            }
            Ok::<_, fmt::Error>(())
        };
        each("quota_used", "How much of a quota of the cloud is used.", &|quota| quota.used)?;
        each("quota_limit", "How much a quota of the cloud allows.", &|quota| quota.limit)
    }

    /// Of each schedule and target, what is remembered in the state.
    fn of_schedules(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut each = |name, help, value: &dyn Fn(&Scheduled, &Standing) -> Option<f64>| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for standing in &self.standings {
                for schedule in &standing.schedules {
                    if let Some(value) = value(schedule, standing) {
                        let labels = [("target", standing.target.as_str()), ("schedule", &schedule.name)];
                        one(&mut metric, &labels, value)?;
                    }
                }
            }
            Ok::<_, fmt::Error>(())
        };
        each("last_success_timestamp_seconds", "When the last run that went well ended.", &|of, _| {
            of.last_success().map(|run| moment(run.ended_at))
        })?;
        each("last_run_timestamp_seconds", "When the last run ended.", &|of, _| {
            of.last_run().map(|run| moment(run.ended_at))
        })?;
        each("last_run_duration_seconds", "How long the last run took.", &|of, _| {
            of.last_run().map(|run| seconds(run.ended_at - run.begun_at))
        })?;
        each("last_run_success", "1 when the last run went well.", &|of, _| {
            of.last_run().map(|run| flag(run.error.is_none()))
        })?;
        let at_work = self.board.at_work();
        let help = "When it runs next, or should have begun, jitter included; not there while it runs.";
        each("next_run_timestamp_seconds", help, &|of, standing| {
            let pair = (standing.target.clone(), of.name.clone());
            of.next_run.filter(|_| !at_work.contains(&pair)).map(moment)
        })
    }

    /// Of each schedule and target, what this process has seen since it began.
    fn of_runs(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.board.counts();
        let mut runs = encoder.encode_descriptor("runs", "Runs of this process.", None, MetricType::Counter)?;
        for ((target, schedule), count) in &counts {
            counted(&mut runs, &[("target", target.as_str()), ("schedule", schedule)], count.runs)?;
        }
        let mut failures = encoder.encode_descriptor(
            "run_failures",
            "Runs of this process that failed.",
            None,
            MetricType::Counter,
        )?;
        for ((target, schedule), count) in &counts {
            counted(&mut failures, &[("target", target.as_str()), ("schedule", schedule)], count.failures)?;
        }
        let help = "How much later than planned the last run of this process began.";
        let mut late = encoder.encode_descriptor("run_late_seconds", help, None, MetricType::Gauge)?;
        for ((target, schedule), count) in counts.iter().filter(|(_, count)| count.runs > 0) {
            one(&mut late, &[("target", target.as_str()), ("schedule", schedule)], seconds(count.late))?;
        }
        Ok(())
    }
}

/// Nothing where no policy says how old the newest may be, or nobody knows how old it is.
fn stale(standing: &Standing, now: DateTime<Utc>) -> Option<f64> {
    standing.max_age?;
    match standing.freshness(now) {
        Freshness::None | Freshness::Stale => Some(1.0),
        Freshness::Ok => Some(0.0),
        Freshness::Unknown => None,
    }
}

fn one(metric: &mut MetricEncoder<'_>, labels: &Labels<'_>, value: f64) -> fmt::Result {
    ConstGauge::new(value).encode(metric.encode_family(&labels.to_vec())?)
}

fn counted(metric: &mut MetricEncoder<'_>, labels: &Labels<'_>, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(metric.encode_family(&labels.to_vec())?)
}
