//! What Prometheus reads from `/metrics`.
//!
//! Our own few lines instead of a crate: every series is known when the program is built (labels
//! come from closed sets: routes, statuses, outcomes), so a registry, label parsing and
//! protobuf are not needed, and a metric is a field that a typo cannot miss.

mod kinds;
mod sip;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use kinds::{Counter, Gauge, Histogram};
pub use sip::SipMetrics;

/// The content type of the text format, version 0.0.4.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests to the API.
    pub http: HttpMetrics,
    /// What is written.
    pub writer: WriterMetrics,
    /// Calls at the SIP door.
    pub sip: SipMetrics,
    /// What is sent to webhooks.
    pub webhooks: WebhookMetrics,
}

/// Requests by what they were and what came of them.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    requests: Mutex<BTreeMap<Labels, Histogram>>,
    /// Connections that are open now.
    pub connections: Gauge,
    /// Those who watch events live.
    pub event_streams: Gauge,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    method: &'static str,
    route: String,
    status: u16,
}

/// What the writer does.
#[derive(Debug, Default)]
pub struct WriterMetrics {
    /// Writes that wait to be taken into a batch.
    pub queued: Gauge,
    /// Batches that were committed.
    pub batches: Counter,
    /// Writes that were committed.
    pub committed: Counter,
    /// Ratings that a later one contradicted: nothing changed.
    pub contradicted: Counter,
    /// Commits that failed and were, or will be, tried again.
    pub retries: Counter,
    /// Writes that the database refused for good while it took others.
    pub refused: Counter,
    /// Writes that could not be kept before the server stopped.
    pub lost: Counter,
    /// How long commits took.
    pub commit: Histogram,
}

/// What is sent to webhooks.
#[derive(Debug, Default)]
pub struct WebhookMetrics {
    /// Events that the other side took.
    pub delivered: Counter,
    /// Attempts that failed and are made again.
    pub failed: Counter,
    /// Events that were given up.
    pub dead: Counter,
}

impl HttpMetrics {
    /// Counts an answered request. `route` is the matched template, never the path.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let labels = Labels { method, route: route.to_owned(), status };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.entry(labels).or_default().observe(took);
    }
}

impl Metrics {
    /// Everything in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = Page(String::new());
        page.family("aftercall_http_request_seconds", "histogram", "Requests and how long they took.");
        let requests = self.http.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, histogram) in requests.iter() {
            let Labels { method, route, status } = labels;
            let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
            page.histogram("aftercall_http_request_seconds", &labels, histogram);
        }
        drop(requests);
        page.gauge("aftercall_http_connections", "Open connections.", &self.http.connections);
        page.gauge("aftercall_event_streams", "Those who watch events live.", &self.http.event_streams);
        let (name, webhooks) = ("aftercall_webhook_attempts_total", &self.webhooks);
        page.family(name, "counter", "Attempts to tell a webhook, by what came of them.");
        for (outcome, counter) in
            [("delivered", &webhooks.delivered), ("failed", &webhooks.failed), ("dead", &webhooks.dead)]
        {
            page.sample(name, &format!("outcome=\"{outcome}\""), counter.get());
        }
        let writer = &self.writer;
        page.gauge("aftercall_writes_queued", "Writes that wait for a batch.", &writer.queued);
        for (name, help, counter) in [
            ("aftercall_write_batches_total", "Batches committed.", &writer.batches),
            ("aftercall_writes_total", "Writes committed.", &writer.committed),
            (
                "aftercall_ratings_contradicted_total",
                "Ratings that a later one contradicted.",
                &writer.contradicted,
            ),
            ("aftercall_write_retries_total", "Commits that failed and are tried again.", &writer.retries),
            ("aftercall_writes_refused_total", "Writes the database refused for good.", &writer.refused),
            ("aftercall_writes_lost_total", "Writes not kept before the server stopped.", &writer.lost),
        ] {
            page.counter(name, help, counter);
        }
        page.family("aftercall_commit_seconds", "histogram", "How long commits took.");
        page.histogram("aftercall_commit_seconds", "", &writer.commit);
        self.sip.render(&mut page);
        page.0
    }
}

/// A page being written. Writing to a `String` cannot fail.
struct Page(String);

impl Page {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        if writeln!(self.0, "{line}").is_err() {
            self.0.push('\n');
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.value(name, "counter", help, counter.get());
    }

    fn value(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        self.line(format_args!("{name} {value}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: u64) {
        self.line(format_args!("{name}{{{labels}}} {value}"));
    }

    fn gauge(&mut self, name: &str, help: &str, gauge: &Gauge) {
        self.family(name, "gauge", help);
        self.line(format_args!("{name} {}", gauge.get()));
    }

    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let (counts, sum) = histogram.read();
        let comma = if labels.is_empty() { "" } else { "," };
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let mut cumulated = 0;
        for (count, edge) in
            counts.iter().zip(Histogram::EDGES_SECONDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]))
        {
            cumulated += count;
            self.line(format_args!("{name}_bucket{{{labels}{comma}le=\"{edge}\"}} {cumulated}"));
        }
        self.line(format_args!("{name}_sum{braced} {}", sum.as_secs_f64()));
        self.line(format_args!("{name}_count{braced} {cumulated}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_reads_as_prometheus_expects() {
        let metrics = Metrics::default();
        metrics.http.answered("GET", "/cc/csat/{call_id}", 200, Duration::from_millis(3));
        metrics.http.answered("GET", "/cc/csat/{call_id}", 200, Duration::from_secs(60));
        metrics.http.connections.add(2);
        metrics.http.connections.add(-1);
        metrics.writer.committed.add(7);
        let page = metrics.render();
        let labels = r#"method="GET",route="/cc/csat/{call_id}",status="200""#;
        for line in [
            "# TYPE aftercall_http_request_seconds histogram".to_owned(),
            format!("aftercall_http_request_seconds_bucket{{{labels},le=\"0.0025\"}} 0"),
            format!("aftercall_http_request_seconds_bucket{{{labels},le=\"0.005\"}} 1"),
            format!("aftercall_http_request_seconds_bucket{{{labels},le=\"10\"}} 1"),
            format!("aftercall_http_request_seconds_bucket{{{labels},le=\"+Inf\"}} 2"),
            format!("aftercall_http_request_seconds_sum{{{labels}}} 60.003"),
            format!("aftercall_http_request_seconds_count{{{labels}}} 2"),
            "aftercall_http_connections 1".to_owned(),
            "aftercall_writes_total 7".to_owned(),
            "aftercall_commit_seconds_bucket{le=\"+Inf\"} 0".to_owned(),
            "aftercall_commit_seconds_sum 0".to_owned(),
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }
}
