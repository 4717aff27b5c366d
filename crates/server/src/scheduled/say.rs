//! A report in words and numbers for people, and as plain text.

use std::fmt::Write as _;

use super::figures::Figures;
use crate::api::reports::trend::AlertRow;

/// A share, or a dash.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or("–".to_owned(), |share| format!("{share:.1} %"))
}

/// A mean, or a dash.
pub(super) fn mean(mean: Option<f64>) -> String {
    mean.map_or("–".to_owned(), |mean| format!("{mean:.2}"))
}

/// The interval of a share.
pub(super) fn range([low, high]: [f64; 2]) -> String {
    format!("{low:.1}–{high:.1} %")
}

/// `1 rating`, `7 ratings`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `of 7 ratings`.
pub(super) fn of(what: String) -> String {
    format!("of {what}")
}

/// The days of the period that were unusual.
pub(super) fn unusual(figures: &Figures) -> Vec<&AlertRow> {
    let within =
        |row: &&AlertRow| row.date >= figures.first_day && (row.mean_is_unusual || row.csat_is_unusual);
    figures.alerts.rows.iter().filter(within).collect()
}

/// Against the period before, and where it goes.
pub(super) fn sentences(figures: &Figures) -> Vec<String> {
    let before = &figures.comparison.rows[1].summary;
    let span = match figures.every {
        "day" => "30 days",
        "week" => "13 weeks",
        _ => "12 months",
    };
    let compared = match before.rating_count {
        0 => format!("Nobody rated in the period before ({}).", figures.before),
        count => format!(
            "Against {} ({} satisfied of {}): {}.",
            figures.before,
            percent(before.csat_percent),
            counted(count, "rating"),
            figures.comparison.verdict
        ),
    };
    vec![compared, format!("Over the last {span}: {}.", figures.trend.direction.verdict)]
}

/// The subject of its mail.
pub(super) fn subject(figures: &Figures) -> String {
    let summary = &figures.summary.summary;
    let ratings = counted(summary.rating_count, "rating");
    let headline = match summary.csat_percent {
        Some(share) => format!("{share:.1} % satisfied of {ratings}"),
        None => "no ratings".to_owned(),
    };
    format!("Customer satisfaction, {}: {headline}", figures.title)
}

/// The report as plain text.
pub(super) fn plain(figures: &Figures) -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    write(&mut out, figures).unwrap_or_default();
    out
}

fn write(out: &mut String, figures: &Figures) -> std::fmt::Result {
    let summary = &figures.summary.summary;
    let ratings = counted(summary.rating_count, "rating");
    let queues = if figures.queues.is_empty() { "all queues".to_owned() } else { figures.queues.join(", ") };
    writeln!(out, "Customer satisfaction, {}\n{queues}; days of {}\n", figures.title, figures.time_zone)?;
    let interval = summary.csat_interval.map(|interval| format!("; {}", range(interval))).unwrap_or_default();
    writeln!(out, "Satisfied:     {} of {ratings}{interval}", percent(summary.csat_percent))?;
    writeln!(out, "Mean score:    {} of {ratings}", mean(summary.average_score))?;
    if let Some(row) = figures.funnel.rows.first() {
        let asked = counted(row.offered, "caller");
        writeln!(out, "Response rate: {} of {asked} asked", percent(row.response_rate))?;
    }
    if figures.summary.verdict.starts_with("provisional") {
        writeln!(out, "{}. A mean of so few may still go anywhere.", figures.summary.verdict)?;
    }
    writeln!(out)?;
    sentences(figures).iter().try_for_each(|sentence| writeln!(out, "{sentence}"))?;
    writeln!(out, "\nScores")?;
    for row in figures.summary.rows.iter().rev() {
        writeln!(out, "  {}: {} ({})", row.score, row.rating_count, percent(row.percent))?;
    }
    writeln!(out, "\nUnusual days")?;
    match unusual(figures).as_slice() {
        [] => writeln!(out, "  None, measured by the four weeks before.")?,
        found => found.iter().try_for_each(|row| {
            let ratings = counted(row.rating_count, "rating");
            writeln!(out, "  {}: {} satisfied of {ratings}", row.date, percent(row.csat_percent))
        })?,
    }
    writeln!(out, "\nQueues and agents are in the files beside.")?;
    writeln!(out, "Satisfied are those who gave 4 or 5 of 5. Ranges are 95 % intervals.")?;
    writeln!(out, "The report “{}” of “{}”, by aftercall.", figures.report, figures.tenant)
}
