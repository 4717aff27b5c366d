//! A report as a page that every mail client shows: tables, styles at each element, nothing to load, nothing that runs.
//! Clients that know dark mode and narrow screens find a few classes for them.

use std::fmt::{Display, Write as _};

use super::figures::Figures;
use super::say::{counted, mean, of, percent, range};
use crate::api::reports::ranking::RankingRow;

/// Agents that are shown; all are in the file beside.
const AGENTS_MAX: usize = 15;

/// Queues that are shown; all are in the file beside.
const QUEUES_MAX: usize = 25;

/// Days that are named when they were unusual.
const DAYS_MAX: usize = 7;

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<style>
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
.page { background: #17191c !important; } .card { background: #1f2226 !important; border-color: #33373d !important; }
.ink { color: #eceef0 !important; } .mute { color: #a0a6ad !important; } .line { border-color: #33373d !important; }
.rail { background: #2b2f35 !important; } .bar { background: #5b9bd0 !important; }
}
@media (max-width: 480px) {
.card { padding: 20px 16px !important; } .big { display: block !important; width: 100% !important; padding: 0 0 18px !important; }
.wide { display: none !important; }
}
</style>"#;

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const INK: &str = "color:#1c2024";
const MUTE: &str = "color:#687076";
const CELL: &str = "padding:8px 0 8px 12px;border-top:1px solid #e6e8eb;font-size:14px;line-height:20px";
const FIRST: &str =
    "padding:8px 0;border-top:1px solid #e6e8eb;font-size:14px;line-height:20px;word-break:break-word";

/// A text within HTML, whoever wrote it.
struct Safe<T>(T);

impl<T: Display> Display for Safe<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.to_string().chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            _ => f.write_char(c),
        })
    }
}

/// A page being put together.
struct Page(String);

impl Page {
    /// Writing to a `String` cannot fail.
    fn add(&mut self, what: std::fmt::Arguments<'_>) {
        self.0.write_fmt(what).unwrap_or_default();
    }

    fn heading(&mut self, text: &str) {
        self.add(format_args!(
            r#"<h2 class="ink" style="margin:32px 0 8px;font-size:16px;line-height:22px;font-weight:600;{INK}">{}</h2>"#,
            Safe(text)
        ));
    }

    fn sentence(&mut self, text: &str) {
        self.add(format_args!(
            r#"<p class="mute" style="margin:8px 0 0;font-size:14px;line-height:21px;{MUTE}">{}</p>"#,
            Safe(text)
        ));
    }

    /// A large number, with what it is and of what.
    fn big(&mut self, number: &str, name: &str, of_what: &str) {
        self.add(format_args!(
            r#"<td class="big" width="33%" valign="top" style="padding:0 12px 0 0"><div class="ink" style="font-size:30px;line-height:36px;font-weight:600;{INK}">{}</div><div class="ink" style="font-size:14px;line-height:20px;{INK}">{}</div><div class="mute" style="font-size:12px;line-height:17px;{MUTE}">{}</div></td>"#,
            Safe(number),
            Safe(name),
            Safe(of_what)
        ));
    }

    /// A table of texts; the first column is words, the others are numbers. Columns named in `wide` give way on a telephone.
    fn table<const N: usize>(
        &mut self,
        names: [&str; N],
        wide: &[usize],
        rows: impl Iterator<Item = [String; N]>,
    ) {
        self.0.push_str(r#"<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="border-collapse:collapse"><tr>"#);
        let class = |place: usize| if wide.contains(&place) { " wide" } else { "" };
        let align = |place: usize| if place == 0 { "left" } else { "right" };
        for (place, name) in names.iter().enumerate() {
            self.add(format_args!(
                r#"<th class="mute{}" align="{}" style="padding:4px 0 6px {}px;font-size:12px;line-height:16px;font-weight:400;{MUTE}">{}</th>"#,
                class(place),
                align(place),
                if place == 0 { 0 } else { 12 },
                Safe(name)
            ));
        }
        self.0.push_str("</tr>");
        for row in rows {
            self.0.push_str("<tr>");
            for (place, cell) in row.iter().enumerate() {
                let look = if place == 0 { FIRST } else { CELL };
                self.add(format_args!(
                    r#"<td class="ink line{}" align="{}" style="{look};{INK}">{}</td>"#,
                    class(place),
                    align(place),
                    Safe(cell)
                ));
            }
            self.0.push_str("</tr>");
        }
        self.0.push_str("</table>");
    }
}

/// The page.
pub(super) fn page(figures: &Figures) -> String {
    let mut page = Page(HEAD.to_owned());
    let queues = if figures.queues.is_empty() { "all queues".to_owned() } else { figures.queues.join(", ") };
    page.add(format_args!(
        r#"<title>{}</title></head><body class="page" style="margin:0;padding:0;background:#f4f5f6;{FONT}"><table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:16px 8px"><table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:640px;background:#ffffff;border:1px solid #e6e8eb;border-radius:8px;padding:32px 36px;text-align:left"><tr><td>"#,
        Safe(&figures.title)
    ));
    page.add(format_args!(
        r#"<div class="mute" style="font-size:13px;line-height:18px;{MUTE}">Customer satisfaction</div><h1 class="ink" style="margin:2px 0 4px;font-size:24px;line-height:30px;font-weight:600;{INK}">{}</h1><div class="mute" style="margin:0 0 28px;font-size:13px;line-height:18px;{MUTE}">{}</div>"#,
        Safe(&figures.title),
        Safe(format!("{queues}; days of {}", figures.time_zone))
    ));
    headline(&mut page, figures);
    scores(&mut page, figures);
    by_queue(&mut page, figures);
    agents(&mut page, figures);
    days(&mut page, figures);
    funnel(&mut page, figures);
    page.add(format_args!(
        r#"<p class="mute line" style="margin:32px 0 0;padding:16px 0 0;border-top:1px solid #e6e8eb;font-size:12px;line-height:18px;{MUTE}">Satisfied are those who gave 4 or 5 of 5. Ranges are 95 % intervals. The report “{}” of “{}”, by aftercall.</p></td></tr></table></td></tr></table></body></html>"#,
        Safe(&figures.report),
        Safe(&figures.tenant)
    ));
    page.0.push('\n');
    page.0
}

fn headline(page: &mut Page, figures: &Figures) {
    let summary = &figures.summary.summary;
    let ratings = of(counted(summary.rating_count, "rating"));
    let satisfied = match summary.csat_interval {
        Some(interval) => format!("{ratings}; {}", range(interval)),
        None => ratings.clone(),
    };
    page.0.push_str(r#"<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr>"#);
    page.big(&percent(summary.csat_percent), "satisfied", &satisfied);
    page.big(&mean(summary.average_score), "mean score, of 5", &ratings);
    let funnel = figures.funnel.rows.first();
    let asked = match funnel.map_or(0, |row| row.offered) {
        0 => "nobody was asked on the telephone".to_owned(),
        asked => of(counted(asked, "caller") + " asked"),
    };
    page.big(&percent(funnel.and_then(|row| row.response_rate)), "response rate", &asked);
    page.0.push_str("</tr></table>");
    page.0.push_str(r#"<div style="height:20px;line-height:20px">&nbsp;</div>"#);
    if figures.summary.verdict.starts_with("provisional") {
        page.sentence(&format!("{}. A mean of so few may still go anywhere.", figures.summary.verdict));
    }
    super::say::sentences(figures).iter().for_each(|sentence| page.sentence(sentence));
}

fn scores(page: &mut Page, figures: &Figures) {
    page.heading("Scores");
    page.0.push_str(r#"<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="border-collapse:collapse">"#);
    for row in figures.summary.rows.iter().rev() {
        let share = row.percent.unwrap_or_default();
        let width = share.round().clamp(0.0, 100.0);
        page.add(format_args!(
            r#"<tr><td class="ink" width="24" style="padding:4px 0;font-size:14px;{INK}">{}</td><td style="padding:4px 0"><table class="rail" role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#eef0f2;border-radius:3px"><tr><td style="line-height:10px;font-size:0"><div class="bar" style="width:{width}%;height:10px;background:#3a7fb8;border-radius:3px"></div></td></tr></table></td><td class="mute" width="112" align="right" style="padding:4px 0;font-size:13px;white-space:nowrap;{MUTE}">{} · {}</td></tr>"#,
            row.score,
            row.rating_count,
            Safe(percent(row.percent))
        ));
    }
    page.0.push_str("</table>");
}

fn by_queue(page: &mut Page, figures: &Figures) {
    let rows = &figures.by_queue.rows;
    if rows.is_empty() {
        return;
    }
    page.heading("Queues");
    let cells = rows.iter().take(QUEUES_MAX).map(|row| {
        [
            row.group.clone().unwrap_or_else(|| "no queue".to_owned()),
            row.summary.rating_count.to_string(),
            mean(row.summary.average_score),
            percent(row.summary.csat_percent),
            row.summary.csat_interval.map(range).unwrap_or_default(),
        ]
    });
    page.table(["", "ratings", "mean", "satisfied", "range"], &[4], cells);
    more(page, rows.len(), QUEUES_MAX, "queues");
}

fn agents(page: &mut Page, figures: &Figures) {
    let rows = &figures.ranking.rows;
    if rows.is_empty() {
        return;
    }
    page.heading("Agents");
    page.sentence("Ranked by the mean score, drawn towards everyone’s the more the fewer ratings there are.");
    let standing = |row: &RankingRow| match row.trust.strip_prefix("provisional: ") {
        Some(_) => "provisional".to_owned(),
        None => match row.against_rest.as_str() {
            known if known.starts_with("rated higher") => "higher than the others".to_owned(),
            known if known.starts_with("rated lower") => "lower than the others".to_owned(),
            _ => String::new(),
        },
    };
    let cells = rows.iter().take(AGENTS_MAX).map(|row| {
        [
            format!("{}. {}", row.rank, row.agent_id),
            row.rating_count.to_string(),
            mean(row.average_score),
            percent(row.csat_percent),
            standing(row),
        ]
    });
    page.table(["", "ratings", "mean", "satisfied", ""], &[2], cells);
    more(page, rows.len(), AGENTS_MAX, "agents");
}

fn days(page: &mut Page, figures: &Figures) {
    page.heading("Unusual days");
    let found = super::say::unusual(figures);
    if found.is_empty() {
        page.sentence("None, measured by the four weeks before.");
        return;
    }
    let cells = found.iter().take(DAYS_MAX).map(|row| {
        [
            row.date.clone(),
            row.rating_count.to_string(),
            mean(row.average_score),
            percent(row.csat_percent),
            row.csat_limits.map(|limits| format!("usual: {}", range(limits))).unwrap_or_default(),
        ]
    });
    page.table(["", "ratings", "mean", "satisfied", ""], &[4], cells);
    more(page, found.len(), DAYS_MAX, "days");
}

fn funnel(page: &mut Page, figures: &Figures) {
    let Some(row) = figures.funnel.rows.first().filter(|row| row.eligible > 0) else { return };
    page.heading("From the call to the answer");
    let rate = |part: Option<f64>, whole: &str| {
        part.map(|rate| format!("{} of the {whole}", percent(Some(rate)))).unwrap_or_default()
    };
    let steps = [
        ("might have been asked", row.eligible, String::new()),
        ("asked", row.offered, rate(share(row.offered, row.eligible), "calls")),
        ("heard the question", row.started, rate(row.start_rate, "asked")),
        ("answered", row.answered, rate(row.response_rate, "asked")),
        ("answered everything", row.completed, rate(row.completion_rate, "answered")),
    ];
    let cells = steps.into_iter().map(|(name, calls, rate)| [name.to_owned(), calls.to_string(), rate]);
    page.table(["", "calls", ""], &[], cells);
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

fn more(page: &mut Page, all: usize, shown: usize, what: &str) {
    if all > shown {
        page.sentence(&format!("{shown} of {all} {what}; all of them are in the file beside."));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_whatever_is_in_it() {
        let name = "<script>alert('x')</script> & \"<img src=//evil>\"";
        let shown = Safe(name).to_string();
        assert_eq!(
            shown,
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;&lt;img src=//evil&gt;&quot;"
        );
    }
}
