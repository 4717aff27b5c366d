//! The reference's ratings brought in as a file of changes, and every answer of the API that the reference has an answer
//! for, on both databases. Which numbers bind is in docs/statistics.md; `crates/core/tests/it/reference_stats` asks the
//! same of the formulas alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use aftercall_core::TenantId;
use aftercall_core::stats::WeekStart;
use aftercall_store::{Role, Tenant, Zone};
use jiff::Span;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::{Ask, Server};
use crate::reference_files::{expected, lines, text};
use crate::server::PROGRAM;

/// Means and shares.
const PLAIN: f64 = 1e-12;
/// Intervals of Wilson and Newcombe.
const SCORE: f64 = 1e-9;
/// Quantiles of t, and p values.
const QUANTILE: f64 = 1e-8;

super::on_both! {
    reference_stats_through_the_product,
}

async fn reference_stats_through_the_product(server: Server) {
    let reference = Reference::brought_into(server).await;
    reference.as_of().await;
    reference.summaries().await;
    reference.series().await;
    reference.rankings().await;
    reference.mixes().await;
    reference.comparisons().await;
    reference.trends().await;
    reference.charts().await;
}

struct Reference {
    server: Server,
    keys: BTreeMap<String, String>,
    tenants: BTreeMap<String, Value>,
}

/// The same within the tolerance, theirs times `per`; null is nothing.
#[track_caller]
fn same(own: &Value, expected: &Value, per: f64, tolerance: f64, what: &str) {
    match (own.as_f64(), expected.as_f64()) {
        (None, None) if own.is_null() && expected.is_null() => {}
        (Some(own), Some(expected)) => {
            let expected = expected * per;
            assert!((own - expected).abs() <= tolerance * per.abs(), "{what}: {own} is not {expected}");
        }
        _ => panic!("{what}: {own} is not {expected}"),
    }
}

#[track_caller]
fn same_interval(own: &Value, expected: &Value, per: f64, tolerance: f64, what: &str) {
    same(&own[0], &expected[0], per, tolerance, what);
    same(&own[1], &expected[1], per, tolerance, what);
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The counts of the scores of anything that has a distribution.
fn counts(of: &Value) -> Vec<u64> {
    (1..=5).map(|score| of["distribution"][score.to_string()].as_u64().unwrap()).collect()
}

fn integers(value: &Value) -> Vec<u64> {
    list(value).iter().map(|number| number.as_u64().unwrap()).collect()
}

/// By its date, or null.
fn row<'a>(report: &'a Value, date: &str) -> &'a Value {
    list(&report["rows"]).iter().find(|row| row["date"] == date).unwrap()
}

impl Reference {
    async fn brought_into(server: Server) -> Self {
        let tenants: Vec<Value> = serde_json::from_str(&text("data/tenants.json")).unwrap();
        let mut reference = Self { server, keys: BTreeMap::new(), tenants: BTreeMap::new() };
        for tenant in tenants {
            reference.bring_in(&tenant).await;
            reference.tenants.insert(tenant["tenant"].as_str().unwrap().to_owned(), tenant);
        }
        reference
    }

    async fn bring_in(&mut self, tenant: &Value) {
        let name = tenant["tenant"].as_str().unwrap();
        let id = TenantId::new(name).unwrap();
        let week_start = match tenant["week_start"].as_str().unwrap() {
            "MON" => WeekStart::Monday,
            "SAT" => WeekStart::Saturday,
            _ => WeekStart::Sunday,
        };
        let time_zone = Zone::new(tenant["tz"].as_str().unwrap()).unwrap();
        let (store, now) = (&self.server.store, self.server.clock.now());
        store.create_tenant(&Tenant { id: id.clone(), time_zone, week_start }, now).await.unwrap();
        let mut file =
            "seq,arrived_at,op,revision,tenant,call_id,agent_id,queue_id,score,rated_at\n".to_owned();
        for line in lines("data/events.csv").iter().filter(|line| line[4] == name) {
            writeln!(file, "{}", line.join(",")).unwrap();
        }
        let folder = self.server.folder.path();
        std::fs::write(folder.join("events.csv"), file).unwrap();
        let settings = format!("[database]\nurl = \"{}\"\n", self.server.url());
        std::fs::write(folder.join("aftercall.toml"), settings).unwrap();
        let best = tenant["best_score"].to_string();
        let command = "import csv events.csv --column created_at=rated_at --ignore seq --ignore tenant --config aftercall.toml";
        let mut import = Command::new(PROGRAM);
        import.args(command.split(' ')).args(["--tenant", name, "--best-score", &best]).current_dir(folder);
        let done = import.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        // Once more changes nothing.
        let again = import.output().unwrap();
        assert!(String::from_utf8_lossy(&again.stderr).contains(": 0 new, "), "{again:?}");
        while !store.catch_up(&id, now).await.unwrap().is_idle() {}
        self.keys.insert(name.to_owned(), self.server.key(name, Role::Admin).await);
    }

    async fn ask(&self, tenant: &str, path: &str) -> Value {
        let key = format!("Bearer {}", self.keys[tenant]);
        let answer = Ask::get(path).header("authorization", &key).send(&self.server.router).await;
        assert_eq!(answer.status, 200, "{tenant} {path}: {}", answer.text);
        answer.json()
    }

    /// `from` and `to` of all of a tenant's days.
    fn days(&self, tenant: &str) -> String {
        let day = |name: &str| self.tenants[tenant][name].as_str().unwrap().to_owned();
        format!("from={}&to={}", day("from_date"), day("to_date"))
    }

    async fn as_of(&self) {
        for (key, rows) in object(&expected("as_of")) {
            let (time, tenant) = key.split_once('/').unwrap();
            let day = |place: usize| rows[place]["label"].as_str().unwrap();
            let window = format!("from={}&to={}", day(list(rows).len() - 1), day(0));
            let report = self.ask(tenant, &format!("/cc/reports/csat?{window}&as_of={time}")).await;
            for expected in list(rows) {
                let own = row(&report, expected["label"].as_str().unwrap());
                let sum: u64 = (1..).zip(counts(own)).map(|(score, count)| score * count).sum();
                let told = (own["rating_count"].as_u64(), Some(sum));
                assert_eq!(told, (expected["n"].as_u64(), expected["sum"].as_u64()), "{key} {own}");
            }
        }
    }

    async fn summaries(&self) {
        for (scope, expected) in object(&expected("summary")) {
            let parts: Vec<&str> = scope.split('/').collect();
            let tenant = parts[0];
            // Agents are named after their tenant.
            let is_agent = |name: &&str| name.starts_with(tenant);
            let (agent, queue) =
                (parts[1..].iter().find(|n| is_agent(n)), parts[1..].iter().find(|n| !is_agent(n)));
            let filter = [("agent", agent), ("queue", queue)];
            let filter: Vec<String> = filter
                .iter()
                .filter_map(|(name, value)| value.map(|value| format!("{name}={value}")))
                .collect();
            let report =
                self.ask(tenant, &format!("/cc/reports/csat/distribution?{}", filter.join("&"))).await;
            let documented = match (agent, queue) {
                (Some(agent), None) => Some(format!("/cc/csat/agent/{agent}")),
                (None, Some(queue)) => Some(format!("/cc/csat/queue/{queue}")),
                _ => None,
            };
            let mut answers = vec![report.clone()];
            if let Some(path) = documented {
                answers.push(self.ask(tenant, &path).await);
            }
            for own in answers {
                assert_eq!(counts(&own), integers(&expected["dist"]), "{scope}");
                assert_eq!(own["rating_count"], expected["n"], "{scope}");
                same(&own["average_score"], &expected["mean"], 1.0, PLAIN, scope);
                same(&own["csat_percent"], &expected["csat"], 1.0, 100.0 * PLAIN, scope);
                same_interval(&own["csat_interval"], &expected["wilson95"], 100.0, SCORE, scope);
            }
            same(&report["median_score"], &expected["median"], 1.0, PLAIN, scope);
            same(&report["standard_deviation"], &expected["sd"], 1.0, PLAIN, scope);
            if expected["n"].as_u64() >= Some(100) {
                same_interval(&report["mean_interval"], &expected["mean_t95"], 1.0, QUANTILE, scope);
            }
            for (own, share) in
                list(&report["rows"]).iter().zip(expected["goodman95"].as_array().into_iter().flatten())
            {
                same_interval(&own["interval"], share, 100.0, SCORE, scope);
            }
        }
    }

    async fn series(&self) {
        let mut elsewhere = 0;
        for (key, rows) in object(&expected("series")) {
            let parts: Vec<&str> = key.split('/').collect();
            let (tenant, period) = (parts[0], parts[parts.len() - 1]);
            if period == "quarter" {
                continue;
            }
            let agent = if parts.len() == 3 { format!("&agent={}", parts[1]) } else { String::new() };
            let days = self.days(tenant);
            let report = self.ask(tenant, &format!("/cc/reports/csat?period={period}&{days}{agent}")).await;
            assert_eq!(list(&report["rows"]).len(), list(rows).len(), "{key}");
            for (own, expected) in list(&report["rows"]).iter().zip(list(rows)) {
                let what = format!("{key} {}", own["date"]);
                assert_eq!(own["date"], expected["label"], "{what}");
                let instants = [(&own["start"], &expected["start"]), (&own["end"], &expected["end"])];
                let is_same = |(own, expected): &(&Value, &Value)| {
                    own.as_str().unwrap().replace(".000000Z", "Z") == expected.as_str().unwrap()
                };
                if !instants.iter().all(is_same) || expected.get("by_interval_n").is_some() {
                    // Havana's clocks in the autumn of 2026 differ from one edition of the database of zones to another.
                    assert_eq!(tenant, "hav", "{what}: {own}");
                    elsewhere += 1;
                    continue;
                }
                assert_eq!(counts(own), integers(&expected["dist"]), "{what}");
                assert_eq!(own["rating_count"], expected["n"], "{what}");
                same(&own["average_score"], &expected["mean"], 1.0, PLAIN, &what);
                same(&own["csat_percent"], &expected["csat"], 1.0, 100.0 * PLAIN, &what);
            }
        }
        assert!(elsewhere <= 40, "{elsewhere} buckets of Havana are not compared");
    }

    async fn rankings(&self) {
        for (scope, expected) in object(&expected("ranking")) {
            let (tenant, queue) = scope.split_once('/').map_or((scope.as_str(), None), |(t, q)| (t, Some(q)));
            let filter = queue.map_or(String::new(), |queue| format!("&queue={queue}"));
            for (method, key, per, tolerance) in [
                ("mean", "mean", 1.0, PLAIN),
                ("csat", "csat", 100.0, PLAIN),
                ("wilson", "wilson_lb95", 100.0, SCORE),
                ("bayes", "bayes_avg_10", 1.0, PLAIN),
                ("credibility", "credibility_mean", 1.0, PLAIN),
            ] {
                let path = format!("/cc/reports/csat/ranking?method={method}{filter}");
                let report = self.ask(tenant, &path).await;
                let key = if expected["methods"].get(key).is_some() { key } else { "bayes_avg_10" };
                let expected_places = &expected["methods"][key];
                assert_eq!(
                    list(&report["rows"]).len(),
                    object(&expected["agents"]).len(),
                    "{scope} {method}"
                );
                for own in list(&report["rows"]) {
                    let agent = own["agent_id"].as_str().unwrap();
                    let what = format!("{scope} {method} {agent}");
                    assert_eq!(own["rating_count"], expected["agents"][agent]["n"], "{what}");
                    same(&own["score"], &expected_places["score"][agent], per, tolerance, &what);
                    assert_eq!(own["rank"], expected_places["rank_competition"][agent], "{what}");
                    let rest = &expected["vs_rest"][agent];
                    same(&own["p_adjusted"], &rest["p_bh"], 1.0, QUANTILE, &what);
                    let stands_out = own["against_rest"].as_str().unwrap();
                    let stands_out = stands_out.ends_with(", beyond chance");
                    assert_eq!(stands_out, rest["flag"].as_bool().unwrap(), "{what}: {own}");
                }
            }
            if let Some(queue) = queue {
                let places = self.ask(tenant, &format!("/cc/csat/queue/{queue}")).await["ranking"].clone();
                for own in list(&places) {
                    let agent = own["agent_id"].as_str().unwrap();
                    let credibility = &expected["methods"]["credibility_mean"];
                    same(&own["adjusted_score"], &credibility["score"][agent], 1.0, PLAIN, agent);
                    assert_eq!(own["rank"], credibility["rank_competition"][agent], "{agent}");
                    assert_eq!(own["rating_count"], expected["agents"][agent]["n"], "{agent}");
                }
            }
        }
    }

    async fn mixes(&self) {
        for (tenant, agents) in object(&expected("mix")) {
            let report = self.ask(tenant, "/cc/reports/csat/ranking?method=adjusted").await;
            assert_eq!(list(&report["rows"]).len(), object(agents).len(), "{tenant}");
            for own in list(&report["rows"]) {
                let agent = own["agent_id"].as_str().unwrap();
                let expected = &agents[agent];
                assert_eq!(own["rating_count"], expected["n"], "{agent}");
                same(&own["score"], &expected["direct_mean"], 1.0, PLAIN, agent);
                same(&own["observed_to_expected"], &expected["oe_ratio_csat"], 1.0, PLAIN, agent);
                let is_whole = list(&own["missing_queues"]).is_empty();
                assert_eq!(is_whole, expected["full_coverage"].as_bool().unwrap(), "{agent}");
            }
        }
    }

    async fn comparisons(&self) {
        for (name, expected) in object(&expected("compare")) {
            let parts: Vec<&str> = name.split('/').collect();
            // What is made up has no ratings behind it.
            let [tenant, queue, span, from] = parts[..] else { continue };
            let filter = if queue == "*" { String::new() } else { format!("&queue={queue}") };
            let (from, against, to) = match span {
                "month" => {
                    let first: Date = format!("{from}-01").parse().unwrap();
                    let month = Span::new().months(1);
                    (first, first.saturating_sub(month), first.saturating_add(month))
                }
                _ => {
                    let first: Date = from.parse().unwrap();
                    let days = Span::new().days(if span == "day" { 1 } else { span[1..].parse().unwrap() });
                    (first, first.saturating_sub(days), first.saturating_add(days))
                }
            };
            let last = to.yesterday().unwrap();
            let mut path = format!("/cc/reports/csat/compare?from={from}&to={last}{filter}");
            if span == "month" {
                path += &format!("&against_from={against}");
            }
            let own = self.ask(tenant, &path).await;
            let side = |side: &Value| integers(side.get("dist").unwrap_or(side));
            let sides: Vec<_> = list(&own["rows"]).iter().map(counts).collect();
            assert_eq!(sides, [side(&expected["cur"]), side(&expected["prev"])], "{name}: {own}");
            let Some(difference) = expected.get("csat_diff_pp") else {
                assert!(own["csat_difference"].is_null(), "{name}: {own}");
                continue;
            };
            same(&own["csat_difference"], difference, 1.0, 100.0 * PLAIN, name);
            same(&own["mean_difference"], &expected["mean_diff"], 1.0, PLAIN, name);
            same_interval(&own["csat_difference_interval"], &expected["ci95_newcomb"], 100.0, SCORE, name);
            same(&own["p"], &expected["mann_whitney"]["p"], 1.0, QUANTILE, name);
            same(&own["superiority"], &expected["mann_whitney"]["prob_superiority"], 1.0, PLAIN, name);
        }
    }

    async fn trends(&self) {
        for (key, expected) in object(&expected("trend")) {
            let (tenant, period) = key.split_once('/').unwrap();
            let path = format!("/cc/reports/csat/trend?period={period}&{}", self.days(tenant));
            let own = self.ask(tenant, &path).await;
            let theil_sen = &expected["theil_sen"];
            same(&own["slope"], &theil_sen["slope"], 1.0, PLAIN, key);
            same(&own["slope_interval"][0], &theil_sen["low"], 1.0, PLAIN, key);
            same(&own["slope_interval"][1], &theil_sen["high"], 1.0, PLAIN, key);
            same(&own["p"], &expected["mann_kendall_hamed_rao"]["p"], 1.0, QUANTILE, key);
            let line = |place: usize| own["rows"][place]["line"].as_f64().unwrap();
            same(&Value::from(line(1) - line(0)), &expected["wls"]["slope"], 1.0, SCORE, key);
            let word = match expected["mann_kendall_hamed_rao"]["trend"].as_str().unwrap() {
                "increasing" => "rising",
                "decreasing" => "falling",
                _ => "no trend",
            };
            assert!(own["verdict"].as_str().unwrap().starts_with(word), "{key}: {}", own["verdict"]);
        }
    }

    async fn charts(&self) {
        for (key, expected) in object(&expected("spc")) {
            let parts: Vec<&str> = key.split('/').collect();
            let [tenant, queue, period] = parts[..] else { panic!("{key}") };
            let filter = if queue == "*" { String::new() } else { format!("&queue={queue}") };
            let baseline = &expected["p"]["baseline"];
            let days = self.days(tenant);
            let path = format!("/cc/reports/csat/alerts?period={period}&baseline={baseline}&{days}{filter}");
            let own = self.ask(tenant, &path).await;
            let (p, xmr, cusum) = (&expected["p"], &expected["xmr"], &expected["cusum"]);
            same(&own["mean_centre"], &xmr["mean"], 1.0, PLAIN, key);
            same(&own["mean_limits"][0], &xmr["lcl"], 1.0, 10.0 * PLAIN, key);
            same(&own["mean_limits"][1], &xmr["ucl"], 1.0, 10.0 * PLAIN, key);
            same(&own["csat_centre"], &p["p_bar"], 100.0, PLAIN, key);
            // The reference names rated periods by their place among these.
            let rated: Vec<&Value> =
                list(&own["rows"]).iter().filter(|row| row["rating_count"] != 0).collect();
            let labels: Vec<&Value> = rated.iter().map(|row| &row["date"]).collect();
            assert_eq!(labels, list(&expected["labels"]).iter().collect::<Vec<_>>(), "{key}");
            let places = |name: &str| -> Vec<u64> {
                (0..).zip(&rated).filter(|(_, row)| row[name] == true).map(|(place, _)| place).collect()
            };
            assert_eq!(places("csat_is_unusual"), integers(&p["laney_rules"]["r1"]), "{key}");
            assert_eq!(places("mean_is_unusual"), integers(&xmr["rules"]["r1"]), "{key}");
            for (own, limits) in rated.iter().zip(list(&p["laney_limits"])) {
                same_interval(&own["csat_limits"], limits, 100.0, SCORE, key);
            }
            for (name, place) in [("shift_up", &cusum["first_up"]), ("shift_down", &cusum["first_down"])] {
                let date = place.as_u64().map(|place| &rated[usize::try_from(place).unwrap()]["date"]);
                assert_eq!(&own[name], date.unwrap_or(&Value::Null), "{key} {name}");
            }
        }
    }
}
