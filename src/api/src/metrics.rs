//! Counters of requests, by operation, and the text format in which all figures are told.
//!
//! A request costs a shared lock on a small map and a handful of relaxed additions. Durations fall
//! into few fixed buckets: a scrape must stay small on a small machine.

use http::Method;
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Upper bounds of the histogram's buckets in microseconds, and how they are written in seconds.
/// From a cached read to an upload over a slow line; finer ones would multiply the scrape.
const BOUNDS: [(u64, &str); 11] = [
    (1_000, "0.001"),
    (3_000, "0.003"),
    (10_000, "0.01"),
    (30_000, "0.03"),
    (100_000, "0.1"),
    (300_000, "0.3"),
    (1_000_000, "1"),
    (3_000_000, "3"),
    (10_000_000, "10"),
    (30_000_000, "30"),
    (100_000_000, "100"),
];
/// Most hosts and methods of web sites that are counted by themselves; the rest is counted together.
const HOST_LABELS_MAX: usize = 1000;
const OTHER_HOSTS: &str = "others";
/// The first status that counts as an error, and how many there are.
const ERROR_STATUS_FIRST: u16 = 400;
const ERROR_STATUSES: usize = 200;

/// What this node has answered so far.
#[derive(Debug, Default)]
pub struct Metrics {
    s3: Family,
    admin: Family,
    web: Family,
}

impl Metrics {
    /// Counts one answered S3 request.
    pub fn record_s3(&self, operation: &'static str, status: u16, took: Duration) {
        self.s3.record(Label { name: operation, host: None }, status, took);
    }

    /// Counts one answered request to a web site; `host` is the site's, where it is to be named.
    pub fn record_web(&self, method: &Method, host: Option<&str>, status: u16, took: Duration) {
        let known = ["GET", "HEAD", "OPTIONS"].into_iter().find(|known| *known == method.as_str());
        let host = host.map(|host| if self.web.has_room_for(host) { host } else { OTHER_HOSTS }.to_owned());
        self.web.record(Label { name: known.unwrap_or("OTHER"), host }, status, took);
    }

    /// Counts one answered admin request.
    pub fn record_admin(&self, endpoint: &'static str, status: u16, took: Duration) {
        self.admin.record(Label { name: endpoint, host: None }, status, took);
    }

    /// Writes all counters.
    pub fn render(&self, out: &mut Exposition) {
        self.s3.render(
            out,
            &FamilyNames {
                label: "api_endpoint",
                requests: "api_s3_request_counter",
                errors: "api_s3_error_counter",
                durations: "api_s3_request_duration",
            },
        );
        self.admin.render(
            out,
            &FamilyNames {
                label: "api_endpoint",
                requests: "api_admin_request_counter",
                errors: "api_admin_error_counter",
                durations: "api_admin_request_duration",
            },
        );
        self.web.render(
            out,
            &FamilyNames {
                label: "method",
                requests: "web_request_counter",
                errors: "web_error_counter",
                durations: "web_request_duration",
            },
        );
    }
}

/// The metric names of one API.
struct FamilyNames {
    label: &'static str,
    requests: &'static str,
    errors: &'static str,
    durations: &'static str,
}

/// What is counted by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Label {
    /// The operation, endpoint or method.
    name: &'static str,
    /// The host of a web site.
    host: Option<String>,
}

/// The counters of one API. Operations come from a fixed list and hosts are limited, so the map stays small.
#[derive(Debug, Default)]
struct Family(RwLock<BTreeMap<Label, Arc<Operation>>>);

/// The counters of one operation.
#[derive(Debug)]
struct Operation {
    /// Answers by status, from [`ERROR_STATUS_FIRST`] on.
    errors: Vec<AtomicU64>,
    /// Answers by duration, not cumulated; the last one is beyond every bound.
    durations: [AtomicU64; BOUNDS.len() + 1],
    total_us: AtomicU64,
}

impl Default for Operation {
    fn default() -> Self {
        Self {
            errors: (0..ERROR_STATUSES).map(|_| AtomicU64::new(0)).collect(),
            durations: Default::default(),
            total_us: AtomicU64::new(0),
        }
    }
}

impl Family {
    fn record(&self, label: Label, status: u16, took: Duration) {
        let operation = self.operation(label);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let slot = BOUNDS.iter().position(|(bound, _)| took_us <= *bound).unwrap_or(BOUNDS.len());
        operation.durations[slot].fetch_add(1, Ordering::Relaxed);
        operation.total_us.fetch_add(took_us, Ordering::Relaxed);
        let error =
            status.checked_sub(ERROR_STATUS_FIRST).and_then(|at| operation.errors.get(usize::from(at)));
        if let Some(error) = error {
            error.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn operation(&self, label: Label) -> Arc<Operation> {
        if let Some(found) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&label) {
            return Arc::clone(found);
        }
        let mut operations = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(operations.entry(label).or_default())
    }

    /// Whether a host is counted already, or is not one too many.
    fn has_room_for(&self, host: &str) -> bool {
        let counted = self.0.read().unwrap_or_else(PoisonError::into_inner);
        counted.len() < HOST_LABELS_MAX || counted.keys().any(|label| label.host.as_deref() == Some(host))
    }

    fn render(&self, out: &mut Exposition, names: &FamilyNames) {
        let operations = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        out.counter(names.requests, "Requests answered");
        for (label, operation) in &operations {
            let requests: u64 = operation.durations.iter().map(load).sum();
            out.value(names.requests, &label.pairs(names, None), requests);
        }
        out.counter(names.errors, "Requests answered with an error");
        for (label, operation) in &operations {
            for (status, counter) in (ERROR_STATUS_FIRST..).zip(&operation.errors) {
                if load(counter) > 0 {
                    let status = status.to_string();
                    out.value(
                        names.errors,
                        &label.pairs(names, Some(("status_code", &status))),
                        load(counter),
                    );
                }
            }
        }
        out.histogram(names.durations, "Seconds from a request's head to its answer");
        for (label, operation) in &operations {
            let mut cumulated = 0;
            let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
            for (bound, counter) in bounds.zip(&operation.durations) {
                cumulated += load(counter);
                out.suffixed(names.durations, "_bucket", &label.pairs(names, Some(("le", bound))), cumulated);
            }
            let seconds = Duration::from_micros(load(&operation.total_us)).as_secs_f64();
            out.suffixed(names.durations, "_sum", &label.pairs(names, None), seconds);
            out.suffixed(names.durations, "_count", &label.pairs(names, None), cumulated);
        }
    }
}

impl Label {
    /// As it is written, with one label more.
    fn pairs<'a>(&'a self, names: &FamilyNames, more: Option<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
        let host = self.host.as_deref().map(|host| ("domain", host));
        [Some((names.label, self.name)), host, more].into_iter().flatten().collect()
    }
}

/// Figures in Prometheus's text format, as they are written.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a figure that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str) {
        self.begin(name, help, "gauge");
    }

    /// Begins a figure that only goes up.
    pub fn counter(&mut self, name: &str, help: &str) {
        self.begin(name, help, "counter");
    }

    fn histogram(&mut self, name: &str, help: &str) {
        self.begin(name, help, "histogram");
    }

    fn begin(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One value of the figure that was begun.
    pub fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.suffixed(name, "", labels, value);
    }

    fn suffixed(&mut self, name: &str, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.line(format_args!("{name}{suffix}"));
        for (at, (label, text)) in labels.iter().enumerate() {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let before = if at == 0 { '{' } else { ',' };
            self.line(format_args!("{before}{label}=\"{escaped}\""));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.line(format_args!("{end} {value}\n"));
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("writing to a string cannot fail");
    }

    /// The text.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(metrics: &Metrics) -> String {
        let mut out = Exposition::default();
        metrics.render(&mut out);
        out.finish()
    }

    #[test]
    fn requests_errors_and_durations_are_counted() {
        let metrics = Metrics::default();
        for (status, ms) in [(200, 1), (404, 2), (404, 20), (503, 1_000_000)] {
            metrics.record_s3("GetObject", status, Duration::from_millis(ms));
        }
        metrics.record_s3("Odd", 999, Duration::ZERO);
        let text = text_of(&metrics);
        for line in [
            "# TYPE api_s3_request_duration histogram",
            "api_s3_request_counter{api_endpoint=\"GetObject\"} 4",
            "api_s3_error_counter{api_endpoint=\"GetObject\",status_code=\"404\"} 2",
            "api_s3_error_counter{api_endpoint=\"GetObject\",status_code=\"503\"} 1",
            "api_s3_request_duration_bucket{api_endpoint=\"GetObject\",le=\"0.001\"} 1",
            "api_s3_request_duration_bucket{api_endpoint=\"GetObject\",le=\"0.003\"} 2",
            "api_s3_request_duration_bucket{api_endpoint=\"GetObject\",le=\"0.03\"} 3",
            "api_s3_request_duration_bucket{api_endpoint=\"GetObject\",le=\"100\"} 3",
            "api_s3_request_duration_bucket{api_endpoint=\"GetObject\",le=\"+Inf\"} 4",
            "api_s3_request_duration_sum{api_endpoint=\"GetObject\"} 1000.023",
            "api_s3_request_duration_count{api_endpoint=\"GetObject\"} 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("status_code=\"999\""));
    }

    #[test]
    fn labels_are_escaped() {
        let mut out = Exposition::default();
        out.value("a", &[("b", "c\"\\\n")], 1);
        assert_eq!(out.finish(), "a{b=\"c\\\"\\\\\\n\"} 1\n");
    }

    #[test]
    fn bounds_ascend_and_are_written_as_they_are() {
        assert!(BOUNDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (micros, text) in BOUNDS {
            let seconds: f64 = text.parse().unwrap();
            assert_eq!(Duration::from_micros(micros), Duration::from_secs_f64(seconds));
        }
    }
}
