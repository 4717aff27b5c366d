//! Every number of the product against answers made by scipy, statsmodels and pymannkendall.
//!
//! Run over the vectors of the repository, or over those in `AFTERCALL_REFERENCE_STATS`, which may be
//! made with any seed (`crates/core/tests/vectors/stats/README.md`).

mod files;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use aftercall_core::stats::buckets::iso_week;
use aftercall_core::stats::calendar::{day, day_of};
use aftercall_core::stats::interval::wilson;
use aftercall_core::stats::rank::credibility;
use aftercall_core::stats::trend::{Direction, Kendall};
use aftercall_core::stats::{
    Funnel, Grain, Interval, Level, Method, Stage, Tally, WeekStart, against_rest, charts, compare,
    ranking_by, standardised, trend,
};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde_json::{Map, Value};

use files::{expected, lines};
use source::{Rating, SOURCE, series, tallies, tally, within, zone};

/// Means and shares.
const PLAIN: f64 = 1e-12;
/// Intervals of Wilson and Newcombe.
const SCORE: f64 = 1e-9;
/// Quantiles of t, and p values.
const QUANTILE: f64 = 1e-8;

/// The same within the tolerance; null is nothing.
#[track_caller]
fn same(own: Option<f64>, expected: &Value, tolerance: f64, what: &str) {
    match (own, expected.as_f64()) {
        (None, None) if expected.is_null() => {}
        (Some(own), Some(expected)) => {
            assert!((own - expected).abs() <= tolerance, "{what}: {own} is not {expected}");
        }
        (own, _) => panic!("{what}: {own:?} is not {expected}"),
    }
}

/// The same in percent as the expected shares.
#[track_caller]
fn same_interval(own: Option<Interval>, per: f64, expected: &Value, tolerance: f64, what: &str) {
    same(own.map(|i| i.low / per), &expected[0], tolerance, what);
    same(own.map(|i| i.high / per), &expected[1], tolerance, what);
}

fn counts(value: &Value) -> Tally {
    Tally::new(serde_json::from_value(value.clone()).unwrap()).unwrap()
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn integers(value: &Value) -> Vec<u64> {
    list(value).iter().map(|n| n.as_u64().unwrap()).collect()
}

/// The ratings of a scope: `tenant`, `tenant/queue`, with `*` for any queue.
fn scope(name: &str) -> impl Iterator<Item = &'static Rating> {
    let (tenant, queue) = name.split_once('/').unwrap_or((name, "*"));
    let (tenant, queue) = (tenant.to_owned(), queue.to_owned());
    let inside = move |rating: &&Rating| rating.tenant == tenant && (queue == "*" || rating.queue == queue);
    SOURCE.ratings.iter().filter(inside)
}

#[test]
fn reference_stats_of_every_tenant_queue_and_agent() {
    let mut own: BTreeMap<String, Tally> = BTreeMap::new();
    let keys: [fn(&Rating) -> String; 4] = [
        |r| r.tenant.clone(),
        |r| format!("{}/{}", r.tenant, r.queue),
        |r| format!("{}/{}", r.tenant, r.agent),
        |r| format!("{}/{}/{}", r.tenant, r.queue, r.agent),
    ];
    for key in keys {
        own.extend(tallies(&SOURCE.ratings, key));
    }
    let expected = expected("summary");
    assert!(own.keys().eq(object(&expected).keys()));
    for (scope, tally) in own {
        let row = &expected[&scope];
        assert_eq!(tally.counts().to_vec(), integers(&row["dist"]), "{scope}");
        assert_eq!((tally.count(), tally.sum()), (row["n"].as_u64().unwrap(), row["sum"].as_u64().unwrap()));
        same(tally.mean(), &row["mean"], PLAIN, &scope);
        same(tally.median(), &row["median"], PLAIN, &scope);
        same(tally.standard_deviation(), &row["sd"], PLAIN, &scope);
        for (own, key) in
            [(tally.csat_percent(), "csat"), (tally.dsat_percent(), "dsat"), (tally.net_percent(), "net_sat")]
        {
            same(own, &row[key], 100.0 * PLAIN, &format!("{scope} {key}"));
        }
        same_interval(tally.csat_interval(Level::P95), 100.0, &row["wilson95"], SCORE, &scope);
        if let Some(mean) = row.get("mean_t95") {
            // The reference does not cut to what a score can be.
            let cut =
                serde_json::json!([mean[0].as_f64().unwrap().max(1.0), mean[1].as_f64().unwrap().min(5.0)]);
            same_interval(tally.student_interval(Level::P95), 1.0, &cut, QUANTILE, &scope);
            if tally.count() >= Tally::STUDENT_MIN {
                same_interval(tally.mean_interval(), 1.0, &cut, QUANTILE, &scope);
            }
        }
        if let Some(shares) = row.get("goodman95") {
            for (own, share) in
                tally.distribution_intervals(Level::P95).unwrap().into_iter().zip(list(shares))
            {
                same_interval(Some(own), 100.0, share, SCORE, &scope);
            }
        }
    }
}

#[test]
fn reference_stats_of_shares_at_95_and_90_percent() {
    let expected = expected("proportion_ci");
    let rows = list(&expected["rows"]);
    assert!(rows.len() >= 200);
    let at_90 = Level::new(0.9).unwrap();
    for row in rows {
        let (part, whole) = (row[0].as_u64().unwrap(), row[1].as_u64().unwrap());
        for (level, interval) in [(Level::P95, &row[2]), (at_90, &row[3])] {
            same_interval(wilson(part, whole, level), 1.0, interval, SCORE, &format!("{part}/{whole}"));
        }
    }
}

#[test]
fn reference_stats_of_days_and_weeks() {
    let expected = expected("calendar");
    assert!(list(&expected["days"]).len() >= 25 && list(&expected["weeks"]).len() >= 180);
    for row in list(&expected["days"]) {
        let date: Date = row["date"].as_str().unwrap().parse().unwrap();
        let zone = zone(row["tz"].as_str().unwrap());
        let span = day(date, &zone).span;
        assert_eq!(
            [span.start, span.end].map(|at| at.to_string()),
            [&row["start"], &row["end"]].map(str),
            "{row}"
        );
        let hours = span.start.duration_until(span.end).as_secs_f64() / 3600.0;
        same(Some(hours), &row["hours"], 0.0, &row.to_string());
    }
    for row in list(&expected["weeks"]) {
        let date: Date = row["date"].as_str().unwrap().parse().unwrap();
        assert_eq!(iso_week(date), str(&row["iso"]));
        for (start, key) in
            [(WeekStart::Monday, "mon"), (WeekStart::Sunday, "sun"), (WeekStart::Saturday, "sat")]
        {
            assert_eq!(Grain::Week(start).first_day(date).to_string(), str(&row[key]), "{row}");
        }
    }
}

fn str(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn grain(name: &str, week: WeekStart) -> Grain {
    match name {
        "day" => Grain::Day,
        "week" => Grain::Week(week),
        "month" => Grain::Month,
        "quarter" => Grain::Quarter,
        other => panic!("{other}"),
    }
}

#[test]
fn reference_stats_of_series() {
    let expected = expected("series");
    assert!(object(&expected).len() >= 28);
    for (key, rows) in object(&expected) {
        let parts: Vec<&str> = key.split('/').collect();
        let tenant = SOURCE.tenant(parts[0]);
        let agent = (parts.len() == 3).then(|| parts[1]);
        let ratings = scope(parts[0]).filter(|rating| agent.is_none_or(|agent| rating.agent == agent));
        let own = series(tenant, grain(parts[parts.len() - 1], tenant.week), ratings);
        assert_eq!(own.len(), list(rows).len(), "{key}");
        for ((bucket, tally), row) in own.into_iter().zip(list(rows)) {
            let what = format!("{key} {}", bucket.date);
            assert_eq!(bucket.date.to_string(), str(&row["label"]), "{what}");
            let span = [bucket.span.start, bucket.span.end].map(|at| at.to_string());
            assert_eq!(span, [&row["start"], &row["end"]].map(str), "{what}");
            same(Some(bucket.hours()), &row["hours"], 0.0, &what);
            // Where a generator with two editions of the time zone database counted twice, the
            // span decides, and its counts are of something else.
            if let Some(counted) = row.get("by_interval_n") {
                assert_eq!(tally.count(), counted.as_u64().unwrap(), "{what}");
                continue;
            }
            assert_eq!(tally.count(), row["n"].as_u64().unwrap(), "{what}");
            assert_eq!(tally.counts().to_vec(), integers(&row["dist"]), "{what}");
            same(tally.mean(), &row["mean"], PLAIN, &what);
            same(tally.csat_percent(), &row["csat"], 100.0 * PLAIN, &what);
        }
    }
}

#[test]
fn reference_stats_as_of_a_time() {
    let expected = expected("as_of");
    assert!(object(&expected).len() >= 9);
    for (key, rows) in object(&expected) {
        let (time, name) = key.split_once('/').unwrap();
        let (at, tenant): (Timestamp, _) = (time.parse().unwrap(), SOURCE.tenant(name));
        let known = SOURCE.as_of(at);
        let last = day_of(at, &tenant.zone);
        for (back, row) in (0_i64..).zip(list(rows)) {
            let date = last.checked_sub(Span::new().days(back)).unwrap();
            assert_eq!(date.to_string(), str(&row["label"]), "{key}");
            let of_tenant = known.iter().filter(|rating| rating.tenant == name);
            let own = within(of_tenant, &day(date, &tenant.zone).span);
            assert_eq!(own.count(), row["n"].as_u64().unwrap(), "{key} {date}");
            assert_eq!(own.sum(), row["sum"].as_u64().unwrap(), "{key} {date}");
        }
    }
}

#[test]
fn reference_stats_of_rankings() {
    let expected = expected("ranking");
    assert!(object(&expected).len() >= 4);
    for (name, row) in object(&expected) {
        let agents = tallies(scope(name), |rating| rating.agent.clone());
        assert!(agents.keys().eq(object(&row["agents"]).keys()), "{name}");
        for (agent, tally) in &agents {
            assert_eq!(*tally, counts(&row["agents"][agent]["dist"]), "{name} {agent}");
        }
        let prior = &row["prior"]["credibility"];
        let own = credibility(agents.values()).unwrap();
        same(Some(own.within), &prior["within"], SCORE, name);
        same(Some(own.between), &prior["between"], SCORE, name);
        let weight = prior["C"].as_f64().unwrap_or_default();
        same(own.weight(), &prior["C"], SCORE * weight, name);
        same(Some(own.mean), &row["prior"]["grand_mean"], PLAIN, name);
        for (method, key, per, tolerance) in [
            (Method::Mean, "mean", 1.0, PLAIN),
            (Method::Csat, "csat", 100.0, PLAIN),
            (Method::Wilson, "wilson_lb95", 100.0, SCORE),
            (Method::Bayes, "bayes_avg_10", 1.0, PLAIN),
            (Method::Credibility, "credibility_mean", 1.0, PLAIN),
        ] {
            let ranked = ranking_by(method, agents.clone());
            assert_eq!(ranked.len(), agents.len());
            // Where no variance between agents shows, the reference has no credibility mean.
            let key = if row["methods"].get(key).is_some() { key } else { "bayes_avg_10" };
            let expected = &row["methods"][key];
            for place in ranked {
                let what = format!("{name} {method:?} {}", place.key);
                same(Some(place.score / per), &expected["score"][&place.key], tolerance, &what);
                let rank = expected["rank_competition"][&place.key].as_u64().unwrap();
                assert_eq!(place.rank as u64, rank, "{what}");
            }
        }
    }
}

#[test]
fn reference_stats_of_agents_against_the_rest() {
    let expected = expected("ranking");
    for (name, row) in object(&expected) {
        let agents = tallies(scope(name), |rating| rating.agent.clone());
        let tallies: Vec<Tally> = agents.values().copied().collect();
        for (agent, own) in agents.keys().zip(against_rest(&tallies)) {
            let (expected, own) = (&row["vs_rest"][agent], own.unwrap());
            same(Some(own.ranks.p), &expected["p"], QUANTILE, agent);
            same(Some(own.p_adjusted), &expected["p_bh"], QUANTILE, agent);
            assert_eq!(own.stands_out, expected["flag"].as_bool().unwrap(), "{name} {agent}");
        }
    }
}

/// The two spans that a comparison's name says.
fn compared(name: &str) -> Option<(Tally, Tally)> {
    let parts: Vec<&str> = name.split('/').collect();
    let [tenant, queue, span, from] = parts[..] else { return None };
    let zone = &SOURCE.tenant(tenant).zone;
    let between = |from: Date, to: Date| {
        let ratings = scope(&format!("{tenant}/{queue}")).collect::<Vec<_>>();
        within(ratings, &(day(from, zone).span.start..day(to, zone).span.start))
    };
    let month = |from: &str| -> Date { format!("{from}-01").parse().unwrap() };
    let (before, from, to) = match span {
        "month" => {
            let first = month(from);
            let span = Span::new().months(1);
            (first.checked_sub(span).unwrap(), first, first.checked_add(span).unwrap())
        }
        _ => {
            let days = Span::new().days(match span {
                "day" => 1,
                other => other[1..].parse().unwrap(),
            });
            let first: Date = from.parse().unwrap();
            (first.checked_sub(days).unwrap(), first, first.checked_add(days).unwrap())
        }
    };
    Some((between(from, to), between(before, from)))
}

#[test]
fn reference_stats_of_comparisons() {
    let expected = expected("compare");
    assert!(object(&expected).len() >= 80);
    for (name, row) in object(&expected) {
        // An empty side is described in full instead of by its counts.
        let side = |side: &Value| counts(side.get("dist").unwrap_or(side));
        let (current, previous) = compared(name).unwrap_or_else(|| (side(&row["cur"]), side(&row["prev"])));
        assert_eq!((current, previous), (side(&row["cur"]), side(&row["prev"])), "{name}");
        let Some(own) = compare(&current, &previous) else {
            assert!(current.count() == 0 || previous.count() == 0, "{name}");
            assert!(row.get("csat_diff_pp").is_none(), "{name}");
            continue;
        };
        same(Some(own.csat_difference), &row["csat_diff_pp"], 100.0 * PLAIN, name);
        same(Some(own.mean_difference), &row["mean_diff"], PLAIN, name);
        same_interval(Some(own.csat_interval), 100.0, &row["ci95_newcomb"], SCORE, name);
        let ranks = &row["mann_whitney"];
        same(Some(own.ranks.u), &ranks["u"], 0.0, name);
        same(Some(own.ranks.p), &ranks["p"], QUANTILE, name);
        same(Some(own.ranks.superiority), &ranks["prob_superiority"], PLAIN, name);
    }
}

#[track_caller]
fn same_test(own: Option<Kendall>, expected: &Value, what: &str) {
    same(own.map(|test| test.z), &expected["z"], QUANTILE, what);
    same(own.map(|test| test.p), &expected["p"], QUANTILE, what);
    let word = match own.map_or(Direction::None, |test| test.direction) {
        Direction::Rising => "increasing",
        Direction::Falling => "decreasing",
        Direction::None => "no trend",
    };
    assert_eq!(word, str(&expected["trend"]), "{what}");
}

#[test]
fn reference_stats_of_trends() {
    let expected = expected("trend");
    assert!(object(&expected).len() >= 8);
    for (key, row) in object(&expected) {
        let (name, length) = key.split_once('/').unwrap();
        let tenant = SOURCE.tenant(name);
        let own = series(tenant, grain(length, tenant.week), scope(name));
        let tallies: Vec<Tally> = own.into_iter().map(|(_, tally)| tally).collect();
        let rated: Vec<u64> = (0..).zip(&tallies).filter(|(_, t)| t.count() > 0).map(|(i, _)| i).collect();
        assert_eq!(rated, integers(&row["x"]), "{key}");
        let own = trend(&tallies).unwrap().unwrap();
        assert_eq!(own.buckets, rated.len());
        same(Some(own.slope), &row["theil_sen"]["slope"], PLAIN, key);
        same(Some(own.slope_interval.low), &row["theil_sen"]["low"], PLAIN, key);
        same(Some(own.slope_interval.high), &row["theil_sen"]["high"], PLAIN, key);
        let plain = &row["mann_kendall"];
        same(Some(own.mann_kendall.s as f64), &plain["s"], 0.0, key);
        same(Some(own.mann_kendall.variance), &plain["var_s"], 1e-6, key);
        same(Some(own.mann_kendall.tau), &plain["tau"], PLAIN, key);
        same_test(Some(own.mann_kendall), plain, key);
        same_test(own.hamed_rao, &row["mann_kendall_hamed_rao"], key);
        same(Some(own.line.slope), &row["wls"]["slope"], PLAIN, key);
        same_interval(Some(own.line.slope_interval), 1.0, &row["wls"]["ci95"], QUANTILE, key);
        same(Some(own.line.p), &row["wls"]["p"], QUANTILE, key);
    }
}

#[test]
fn reference_stats_of_charts() {
    let expected = expected("spc");
    assert!(object(&expected).len() >= 5);
    for (key, row) in object(&expected) {
        let (of, length) = key.rsplit_once('/').unwrap();
        let tenant = SOURCE.tenant(of.split('/').next().unwrap());
        let own = series(tenant, grain(length, tenant.week), scope(of));
        // The reference counts rated buckets, we count all.
        let rated: Vec<usize> = (0..own.len()).filter(|place| own[*place].1.count() > 0).collect();
        let labels: Vec<String> = rated.iter().map(|place| own[*place].0.date.to_string()).collect();
        assert_eq!(labels, list(&row["labels"]).iter().map(str).collect::<Vec<_>>(), "{key}");
        let places = |expected: &Value| -> Vec<usize> {
            integers(expected).iter().map(|place| rated[usize::try_from(*place).unwrap()]).collect()
        };
        let place = |expected: &Value| expected.as_u64().map(|place| rated[usize::try_from(place).unwrap()]);
        let tallies: Vec<Tally> = own.into_iter().map(|(_, tally)| tally).collect();
        let charts = charts(&tallies, usize::try_from(row["p"]["baseline"].as_u64().unwrap()).unwrap());
        let (share, mean) = (charts.csat.unwrap(), charts.mean.unwrap());
        same(Some(share.centre / 100.0), &row["p"]["p_bar"], PLAIN, key);
        same(Some(share.sigma_z), &row["p"]["laney_sigma_z"], SCORE, key);
        for ((place, own), (expected_place, limits)) in
            share.limits.iter().zip(rated.iter().zip(list(&row["p"]["laney_limits"])))
        {
            assert_eq!(place, expected_place);
            same_interval(Some(*own), 100.0, limits, SCORE, key);
        }
        assert_eq!(share.limits.len(), rated.len());
        assert_eq!(share.unusual, places(&row["p"]["laney_rules"]["r1"]), "{key}");
        same(Some(mean.centre), &row["xmr"]["mean"], PLAIN, key);
        same(Some(mean.moving_range), &row["xmr"]["mr_bar"], PLAIN, key);
        same(Some(mean.limits.low), &row["xmr"]["lcl"], 10.0 * PLAIN, key);
        same(Some(mean.limits.high), &row["xmr"]["ucl"], 10.0 * PLAIN, key);
        assert_eq!(mean.unusual, places(&row["xmr"]["rules"]["r1"]), "{key}");
        assert_eq!(mean.shift_up, place(&row["cusum"]["first_up"]), "{key}");
        assert_eq!(mean.shift_down, place(&row["cusum"]["first_down"]), "{key}");
    }
}

#[test]
fn reference_stats_of_agents_with_everyones_mix_of_queues() {
    let expected = expected("mix");
    assert!(object(&expected).len() >= 3);
    for (name, agents) in object(&expected) {
        let cells = tallies(scope(name), |rating| (rating.agent.clone(), rating.queue.clone()));
        let queues: BTreeSet<&String> = cells.keys().map(|(_, queue)| queue).collect();
        let own = standardised(cells.iter().map(|((agent, queue), tally)| (agent, queue, *tally))).unwrap();
        assert_eq!(own.len(), object(agents).len());
        for agent in own {
            let row = &agents[agent.key];
            assert_eq!(agent.tally.count(), row["n"].as_u64().unwrap());
            same(Some(agent.mean), &row["direct_mean"], PLAIN, agent.key);
            same(Some(agent.csat_percent), &row["direct_csat"], 100.0 * PLAIN, agent.key);
            same(agent.observed_to_expected, &row["oe_ratio_csat"], PLAIN, agent.key);
            assert_eq!(agent.missing.is_empty(), row["full_coverage"].as_bool().unwrap(), "{}", agent.key);
            let covered = list(&row["strata_covered"]);
            let missing = queues.iter().filter(|queue| !covered.iter().any(|q| q == queue.as_str()));
            assert!(missing.eq(agent.missing.iter()), "{}", agent.key);
        }
    }
}

#[test]
fn reference_stats_of_responses() {
    // tenant, call_id, agent_id, queue_id, ended_at, stage
    let mut own: BTreeMap<String, [u64; 6]> = BTreeMap::new();
    for line in lines("data/calls.csv") {
        let stage = match line[5].as_str() {
            "ineligible" => 0,
            "not_offered" => 1,
            "offered_hangup" => 2,
            "started_no_answer" | "invalid_only" => 3,
            "answered_partial" => 4,
            "completed" => 5,
            other => panic!("{other}"),
        };
        for key in [line[0].clone(), format!("{}/{}", line[0], line[3]), format!("{}/{}", line[0], line[2])] {
            own.entry(key).or_default()[stage] += 1;
        }
    }
    let expected = expected("response");
    assert!(own.keys().eq(object(&expected).keys()));
    for (scope, calls) in own {
        let (row, funnel) = (&expected[&scope], Funnel::new(calls).unwrap());
        for (stage, key) in
            Stage::ALL.into_iter().zip(["handled", "eligible", "offered", "started", "answered", "completed"])
        {
            assert_eq!(funnel.reached(stage), row[key].as_u64().unwrap(), "{scope} {key}");
        }
        for (own, key) in [
            (funnel.offer_rate(), "offer_rate"),
            (funnel.start_rate(), "start_rate"),
            (funnel.response_rate(), "response_rate"),
            (funnel.response_rate_of_eligible(), "response_rate_eligible"),
            (funnel.response_rate_of_handled(), "response_rate_handled"),
            (funnel.completion_rate(), "completion_rate"),
            (funnel.abandonment(), "abandonment"),
        ] {
            same(own, &row[key], 100.0 * PLAIN, &format!("{scope} {key}"));
        }
        same_interval(funnel.response_interval(Level::P95), 100.0, &row["response_wilson95"], SCORE, &scope);
    }
}

#[test]
fn reference_stats_are_of_all_the_data() {
    assert_eq!(tally(&SOURCE.ratings).count(), SOURCE.ratings.len() as u64);
    assert!(SOURCE.log.len() > SOURCE.ratings.len() && SOURCE.ratings.len() > 30_000);
}
