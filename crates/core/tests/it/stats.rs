//! What no vector shows of the statistics: what holds for all tallies, and what few make of them.

use std::collections::BTreeMap;

use aftercall_core::Score;
use aftercall_core::stats::buckets::BUCKETS_MAX;
use aftercall_core::stats::compare::{benjamini_hochberg, mann_whitney};
use aftercall_core::stats::probability::{normal_beyond, normal_within, t_beyond, t_deviate};
use aftercall_core::stats::rank::credibility;
use aftercall_core::stats::scales::{customer_effort, net_promoter};
use aftercall_core::stats::trend::{Direction, Line};
use aftercall_core::stats::{
    Charts, Funnel, Grain, Interval, Known, Level, Method, News, Stage, Tally, TooMany, WeekStart,
    against_rest, buckets, charts, compare, ranking_by, standardised, trend,
};
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use proptest::prelude::*;

const METHODS: [Method; 5] = [Method::Mean, Method::Csat, Method::Wilson, Method::Bayes, Method::Credibility];

fn of(counts: [u64; 5]) -> Tally {
    Tally::new(counts).unwrap()
}

/// Few ratings, many, or as many as there can be.
fn tallies() -> impl Strategy<Value = Tally> {
    let counts = |most: u64| proptest::array::uniform5(0..=most);
    let most = Tally::RATINGS_MAX / 5;
    prop_oneof![
        4 => counts(4),
        2 => counts(60),
        1 => counts(1_000_000),
        1 => counts(most),
        1 => (0_usize..5, 0..=Tally::RATINGS_MAX).prop_map(|(at, n)| std::array::from_fn(|i| if i == at { n } else { 0 })),
    ]
    .prop_map(of)
}

fn small() -> impl Strategy<Value = Tally> {
    proptest::array::uniform5(0_u64..6).prop_map(of)
}

fn holds(interval: Interval, value: f64, least: f64, most: f64) -> bool {
    least <= interval.low && interval.low <= value && value <= interval.high && interval.high <= most
}

#[test]
fn the_median_and_the_deviation_of_few_are_as_one_would_count_them() {
    for (counts, median, deviation) in [
        ([0, 0, 0, 0, 0], None, None),
        ([0, 1, 0, 0, 0], Some(2.0), None),
        ([1, 0, 0, 0, 1], Some(3.0), Some(8.0_f64.sqrt())),
        ([0, 1, 1, 0, 0], Some(2.5), Some(0.5_f64.sqrt())),
        ([2, 0, 1, 0, 0], Some(1.0), Some((4.0_f64 / 3.0).sqrt())),
        ([0, 0, 0, 4, 0], Some(4.0), Some(0.0)),
    ] {
        let tally = of(counts);
        assert_eq!(tally.median(), median, "{counts:?}");
        assert_eq!(tally.standard_deviation().is_some(), deviation.is_some(), "{counts:?}");
        let off = tally.standard_deviation().unwrap_or_default() - deviation.unwrap_or_default();
        assert!(off.abs() < 1e-15, "{counts:?}: {off}");
    }
}

#[test]
fn below_a_hundred_ratings_and_without_variance_the_mean_has_the_interval_of_its_posterior() {
    for (counts, low, high) in [
        ([0, 0, 0, 0, 1], 2.187071520504048, 4.955785622353096),
        ([1, 1, 1, 1, 1], 2.0492603498575748, 3.9507396501424252),
        ([0, 2, 3, 20, 30], 4.139628013815378, 4.573415464445492),
        ([0, 0, 0, 0, 99], 4.876929543958356, 5.0),
        ([0, 0, 0, 0, 150], 4.917870026005528, 5.0),
        ([50, 0, 0, 0, 50], 2.601_157_385_995_458, 3.398_842_614_004_541_6),
    ] {
        let own = of(counts).mean_interval().unwrap();
        assert!((own.low - low).abs() < 1e-11 && (own.high - high).abs() < 1e-11, "{counts:?}: {own:?}");
    }
    assert_eq!(Tally::default().mean_interval(), None);
    assert_eq!(of([0, 0, 0, 0, 1]).student_interval(Level::P95), None);
    assert_eq!(of([0, 0, 0, 0, 200]).student_interval(Level::P95), None);
}

#[test]
fn recommendation_and_effort_are_what_their_questions_say() {
    let net = net_promoter([1, 0, 0, 0, 0, 0, 1, 1, 1, 2, 4]).unwrap();
    assert_eq!((net.count, net.score), (10, 40.0));
    assert!((net.standard_error - 25.298_221_281_347_036).abs() < 1e-12, "{net:?}");
    let effort = customer_effort([1, 0, 0, 1, 1, 0, 1]).unwrap();
    assert_eq!((effort.count, effort.mean, effort.easy_percent), (4, 4.25, 50.0));
    assert_eq!(net_promoter([0; 11]), None);
    assert_eq!(net_promoter([u64::MAX; 11]), None);
    assert_eq!(customer_effort([0; 7]), None);
    assert_eq!(customer_effort([u64::MAX, 0, 0, 0, 0, 0, 0]).unwrap().mean, 1.0);
}

#[test]
fn who_worked_one_queue_only_is_compared_by_it_and_said_to_miss_the_other() {
    let ratings = [
        ("ann", "easy", of([0, 0, 0, 0, 4])),
        ("ann", "hard", of([2, 0, 0, 0, 0])),
        ("bob", "hard", of([3, 0, 0, 1, 0])),
        ("cy", "easy", of([0, 0, 0, 0, 1])),
        ("cy", "hard", of([5, 0, 0, 0, 0])),
        ("nobody", "easy", Tally::default()),
    ];
    let ranked = standardised(ratings).unwrap();
    let rows: Vec<_> = ranked.iter().map(|r| (r.rank, r.key, r.missing.clone())).collect();
    // Ann and Cy are rated the same in each queue; that Cy had the hard one more often is no matter.
    assert_eq!(rows, [(1, "ann", vec![]), (1, "cy", vec![]), (3, "bob", vec!["easy"])]);
    assert!((ranked[0].mean - (5.0 * 5.0 + 11.0) / 16.0).abs() < 1e-12);
    assert_eq!((ranked[2].mean, ranked[2].csat_percent), (1.75, 25.0));
    assert!((ranked[2].observed_to_expected.unwrap() - 1.0 / (4.0 / 11.0)).abs() < 1e-12);
    // Where nobody is ever satisfied, nobody is more so than expected.
    let never = standardised([("a", 1, of([3, 0, 0, 0, 0])), ("b", 1, of([0, 1, 0, 0, 0]))]).unwrap();
    assert!(never.iter().all(|r| r.observed_to_expected.is_none()));
    let full = of([Tally::RATINGS_MAX, 0, 0, 0, 0]);
    assert_eq!(standardised([("a", 1, full), ("b", 2, full)]), Err(TooMany));
}

#[test]
fn a_delete_is_final_else_the_highest_revision_counts_and_of_equals_the_first_to_arrive() {
    let rated = |revision, arrival, rating| News::Rated { revision, arrival, rating };
    for (news, expected) in [
        (vec![], None),
        (vec![rated(0, 1, 'a')], Some('a')),
        (vec![rated(0, 1, 'a'), rated(1, 2, 'b')], Some('b')),
        (vec![rated(2, 1, 'a'), rated(1, 2, 'b')], Some('a')),
        (vec![rated(1, 1, 'a'), rated(1, 2, 'b')], Some('a')),
        (vec![rated(1, 2, 'b'), rated(1, 1, 'a')], Some('a')),
        (vec![News::Deleted, rated(9, 1, 'a')], None),
        (vec![rated(9, 1, 'a'), News::Deleted], None),
    ] {
        let known = news.iter().cloned().fold(Known::default(), Known::hear);
        assert_eq!(known.rating().copied(), expected, "{news:?}");
    }
}

#[test]
fn charts_need_a_baseline_that_varies_and_tell_places_in_the_series_that_was_given() {
    let (good, fair, none) = (of([0, 0, 0, 5, 15]), of([0, 2, 0, 6, 12]), Tally::default());
    let bad = of([20, 0, 0, 0, 0]);
    let series = [none, good, fair, none, good, fair, good, bad, good];
    let charts_ = charts(&series, 4);
    let (share, mean) = (charts_.csat.unwrap(), charts_.mean.unwrap());
    assert_eq!((share.unusual, mean.unusual), (vec![7], vec![7]));
    assert_eq!(share.limits.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1, 2, 4, 5, 6, 7, 8]);
    assert_eq!((mean.shift_up, mean.shift_down), (None, Some(7)));
    // What comes after the baseline does not move it.
    assert_eq!(charts(&series[..7], 4).mean.unwrap().limits, mean.limits);
    for (series, baseline) in [
        (&series[..], 8),
        (&series[..], 1),
        (&series[..], 0),
        (&[good, good, good, bad][..], 3),
        (&[][..], 2),
    ] {
        assert_eq!(charts(series, baseline), Charts::default(), "{baseline}");
    }
}

#[test]
fn there_is_no_trend_of_fewer_than_four_buckets_nor_of_more_than_a_trend_can_hold() {
    let (low, high, none) = (of([0, 1, 0, 0, 0]), of([0, 0, 0, 1, 0]), Tally::default());
    assert_eq!(trend(&[]), Ok(None));
    assert_eq!(trend(&[low, none, high, none, low]), Ok(None));
    assert!(trend(&[low, none, high, none, low, high]).unwrap().is_some());
    assert!(trend(&vec![none; BUCKETS_MAX]).unwrap().is_none());
    assert!(trend(&vec![none; BUCKETS_MAX + 1]).is_err());
    let level = trend(&[high; 6]).unwrap().unwrap();
    assert_eq!((level.slope, level.mann_kendall.p, level.hamed_rao.unwrap().p), (0.0, 1.0, 1.0));
    let flat = Interval { low: 0.0, high: 0.0 };
    assert_eq!(level.line, Line { intercept: 4.0, slope: 0.0, slope_interval: flat, p: 1.0 });
}

#[test]
fn a_bucket_without_ratings_keeps_its_place_in_a_trend() {
    let at = |step: u64| of([0, 0, 10 - step, step, 0]);
    let none = Tally::default();
    let steady = trend(&[at(0), at(1), none, at(3), none, at(5), at(6), at(7)]).unwrap().unwrap();
    assert_eq!(steady.buckets, 6);
    assert!((steady.slope - 0.1).abs() < 1e-12 && (steady.line.slope - 0.1).abs() < 1e-12, "{steady:?}");
    assert!((steady.line.intercept - 3.0).abs() < 1e-12 && steady.line.p < 1e-9, "{steady:?}");
    assert_eq!((steady.mann_kendall.s, steady.mann_kendall.direction), (15, Direction::Rising));
}

#[test]
fn where_clocks_change_within_an_hour_either_side_is_a_bucket() {
    let now = Timestamp::MAX;
    for (name, day, count, odd) in [
        ("UTC", date(2026, 3, 29), 24, vec![]),
        ("Europe/Berlin", date(2026, 3, 29), 23, vec![]),
        ("Europe/Berlin", date(2026, 10, 25), 25, vec![]),
        ("Asia/Kathmandu", date(2026, 3, 29), 24, vec![]),
        // 02:00 becomes 02:30, and the other way 02:00 becomes 01:30.
        ("Australia/Lord_Howe", date(2026, 10, 4), 24, vec![(2, 0.5)]),
        ("Australia/Lord_Howe", date(2026, 4, 5), 25, vec![(2, 0.5)]),
        ("Pacific/Apia", date(2011, 12, 30), 0, vec![]),
    ] {
        let zone = TimeZone::get(name).unwrap();
        let hours = buckets(day..=day, Grain::Hour, &zone, now).unwrap();
        assert_eq!(hours.len(), count, "{name} {day}");
        let unusual = hours.iter().enumerate().filter(|(_, hour)| hour.hours() != 1.0);
        assert_eq!(unusual.map(|(at, hour)| (at, hour.hours())).collect::<Vec<_>>(), odd, "{name} {day}");
    }
}

#[test]
fn the_bucket_that_is_not_over_is_said_to_be_partial() {
    let now: Timestamp = "2026-11-18T12:00:00Z".parse().unwrap();
    let days = date(2026, 11, 1)..=date(2026, 11, 18);
    for (grain, dates) in [
        (Grain::Week(WeekStart::Monday), "2026-10-26 2026-11-02 2026-11-09 ~2026-11-16"),
        (Grain::Week(WeekStart::Sunday), "2026-11-01 2026-11-08 ~2026-11-15"),
        (Grain::Week(WeekStart::Saturday), "2026-10-31 2026-11-07 ~2026-11-14"),
        (Grain::Month, "~2026-11-01"),
        (Grain::Quarter, "~2026-10-01"),
    ] {
        let shown =
            |b: &aftercall_core::stats::Bucket| format!("{}{}", if b.partial { "~" } else { "" }, b.date);
        let own: Vec<_> =
            buckets(days.clone(), grain, &TimeZone::UTC, now).unwrap().iter().map(shown).collect();
        assert_eq!(own.join(" "), dates, "{grain:?}");
    }
    let hours = buckets(date(2026, 11, 18)..=date(2026, 11, 18), Grain::Hour, &TimeZone::UTC, now).unwrap();
    assert_eq!(hours.iter().position(|hour| hour.partial), Some(12));
}

#[test]
fn buckets_are_as_many_as_can_be_answered_for() {
    let days = |last| buckets(date(2000, 1, 1)..=last, Grain::Day, &TimeZone::UTC, Timestamp::MAX);
    let last = date(2000, 1, 1).saturating_add(Span::new().days(3_659));
    assert_eq!(days(last).unwrap().len(), BUCKETS_MAX);
    assert!(days(last.tomorrow().unwrap()).is_err());
    assert_eq!(days(date(1999, 12, 31)), Ok(vec![]));
    let end = jiff::civil::Date::MAX;
    assert_eq!(buckets(end..=end, Grain::Month, &TimeZone::UTC, Timestamp::MAX).unwrap().len(), 1);
}

#[test]
fn what_chance_does_is_known_far_out_and_for_any_number_of_ratings() {
    for (own, expected) in [
        (normal_beyond(0.0), 1.0),
        (normal_beyond(-1.0), 0.317_310_507_862_914_1),
        (normal_beyond(3.000_000_1), 0.002_699_795_176_890_641),
        (normal_beyond(10.0), 1.523_970_604_832_094_6e-23),
        (t_beyond(1.0, 1.0), 0.5),
        (t_beyond(-2.0, 5.0), 0.101_939_478_829_918_2),
        (t_beyond(f64::INFINITY, 3.0), 0.0),
        (t_beyond(40.0, 50.0), 1.241_242_378_437_269e-39),
        (t_beyond(8.0, 1_000.0), 3.4266614823914978e-15),
        (t_beyond(3.3, 1_000.0), 0.00100099672500209),
        (t_beyond(5.0, 2_500.0), 6.13021960669879e-07),
        (t_deviate(0.95, 1.0), 12.706_204_736_174_7),
        (t_deviate(0.95, 4_999.0), 1.960_438_646_661_525),
        (t_deviate(0.95, 1e18), 1.959_963_984_540_054),
    ] {
        assert!((own / expected - 1.0).abs() < 1e-11 || own == expected, "{own} is not {expected}");
    }
    assert!((normal_within(4.0) - 0.999_936_657_516_333_8).abs() < 1e-15);
}

proptest! {
    #[test]
    fn tallies_add_up_in_any_order(mut some in proptest::collection::vec(small(), 1..8), at in 0_usize..8) {
        let total = Tally::total(&some).unwrap();
        let last = some.len() - 1;
        some.swap(0, at.min(last));
        prop_assert_eq!(Tally::total(&some).unwrap(), total);
        prop_assert_eq!(total.without(&some[0]).merge(&some[0]).unwrap(), total);
        prop_assert_eq!(Tally::default().without(&total), Tally::default());
        let mut one_by_one = Tally::default();
        for (score, n) in Score::ALL.into_iter().zip(total.counts()) {
            (0..n).for_each(|_| one_by_one.add(score).unwrap());
        }
        prop_assert_eq!(one_by_one, total);
    }

    #[test]
    fn whatever_was_rated_figures_are_finite_and_intervals_hold_them(tally in tallies(), level in 0.5..0.9999) {
        let level = Level::new(level).unwrap();
        if tally.count() == 0 {
            prop_assert!(tally.median().is_none() && tally.net_percent().is_none() && tally.dsat_percent().is_none());
            prop_assert!(tally.mean_interval().is_none() && tally.distribution_intervals(level).is_none());
            return Ok(());
        }
        let (mean, csat) = (tally.mean().unwrap(), tally.csat_percent().unwrap());
        prop_assert!((1.0..=5.0).contains(&tally.median().unwrap()));
        prop_assert!((tally.net_percent().unwrap() - (csat - tally.dsat_percent().unwrap())).abs() < 1e-9);
        prop_assert!(holds(tally.csat_interval(level).unwrap(), csat, 0.0, 100.0));
        let shares = tally.distribution_intervals(level).unwrap();
        for (interval, n) in shares.into_iter().zip(tally.counts()) {
            prop_assert!(holds(interval, 100.0 * (n as f64 / tally.count() as f64), 0.0, 100.0));
        }
        let interval = tally.mean_interval().unwrap();
        prop_assert!(1.0 <= interval.low && interval.low <= interval.high && interval.high <= 5.0);
        if let Some(student) = tally.student_interval(level) {
            prop_assert!(holds(student, mean, 1.0, 5.0));
            prop_assert!(tally.standard_deviation().unwrap() > 0.0);
        }
    }

    #[test]
    fn a_comparison_turned_round_says_the_opposite(one in tallies(), other in tallies()) {
        let (there, back) = (compare(&one, &other), compare(&other, &one));
        prop_assert_eq!(there.is_some(), one.count() > 0 && other.count() > 0);
        let (Some(there), Some(back)) = (there, back) else { return Ok(()) };
        prop_assert_eq!(there.csat_difference, -back.csat_difference);
        prop_assert_eq!(there.mean_difference, -back.mean_difference);
        prop_assert!((there.csat_interval.low + back.csat_interval.high).abs() < 1e-9);
        prop_assert!(holds(there.csat_interval, there.csat_difference, -100.0, 100.0), "{there:?}");
        prop_assert_eq!(there.ranks.p, back.ranks.p);
        prop_assert!((0.0..=1.0).contains(&there.ranks.p) && (0.0..=1.0).contains(&there.ranks.superiority));
        prop_assert!((there.ranks.superiority + back.ranks.superiority - 1.0).abs() < 1e-12);
    }

    #[test]
    fn pairs_are_counted_as_one_by_one(one in small(), other in small()) {
        let each = |tally: &Tally| -> Vec<u64> {
            (1..).zip(tally.counts()).flat_map(|(score, n)| vec![score; usize::try_from(n).unwrap()]).collect()
        };
        let mut u = 0.0;
        for (a, b) in each(&one).iter().flat_map(|a| each(&other).into_iter().map(move |b| (*a, b))) {
            u += match a.cmp(&b) { std::cmp::Ordering::Greater => 1.0, std::cmp::Ordering::Equal => 0.5, std::cmp::Ordering::Less => 0.0 };
        }
        prop_assert_eq!(mann_whitney(&one, &other).map(|test| test.u), (one.count() * other.count() > 0).then_some(u));
    }

    #[test]
    fn more_comparisons_make_p_values_larger_never_smaller_and_keep_their_order(
        p_values in proptest::collection::vec(0.0..=1.0, 0..20),
    ) {
        let adjusted = benjamini_hochberg(&p_values);
        for (p, q) in p_values.iter().zip(&adjusted) {
            prop_assert!(p <= q && *q <= 1.0);
            for (other_p, other_q) in p_values.iter().zip(&adjusted) {
                prop_assert!(p > other_p || q <= other_q);
            }
        }
        let mut turned = p_values.clone();
        turned.reverse();
        let mut back = benjamini_hochberg(&turned);
        back.reverse();
        prop_assert_eq!(back, adjusted);
    }

    #[test]
    fn an_agent_has_a_rest_unless_alone(agents in proptest::collection::vec(tallies(), 0..6)) {
        let rests = against_rest(&agents);
        prop_assert_eq!(rests.len(), agents.len());
        let Ok(all) = Tally::total(&agents) else {
            prop_assert!(rests.iter().all(Option::is_none));
            return Ok(());
        };
        for (own, rest) in agents.iter().zip(rests) {
            prop_assert_eq!(rest.is_some(), own.count() > 0 && own.count() < all.count());
            let Some(rest) = rest else { continue };
            prop_assert!(rest.ranks.p <= rest.p_adjusted && rest.p_adjusted <= 1.0);
            prop_assert_eq!(rest.stands_out, rest.p_adjusted <= 0.05);
        }
    }

    #[test]
    fn ranks_do_not_depend_on_the_order_in_which_agents_come(
        some in proptest::collection::vec(tallies(), 0..8), turn in 0_usize..8,
    ) {
        let agents: Vec<(usize, Tally)> = some.into_iter().enumerate().collect();
        let mut turned = agents.clone();
        turned.rotate_left(turn.min(agents.len()));
        for method in METHODS {
            let ranked = ranking_by(method, agents.clone());
            prop_assert_eq!(&ranked, &ranking_by(method, turned.clone()));
            prop_assert_eq!(ranked.len(), agents.iter().filter(|(_, tally)| tally.count() > 0).count());
            for (place, row) in (1..).zip(&ranked) {
                let range = if matches!(method, Method::Csat | Method::Wilson) { 0.0..=100.0 } else { 1.0..=5.000_000_001 };
                prop_assert!(range.contains(&row.score), "{:?} {}", method, row.score);
                prop_assert!(row.rank <= place);
                let first = &ranked[row.rank - 1];
                prop_assert!(first.rank == row.rank && (first.score - row.score).abs() < 1e-9);
            }
        }
        let variances = credibility(agents.iter().map(|(_, tally)| tally));
        prop_assert!(variances.is_none_or(|c| c.within.is_finite() && c.between.is_finite()));
    }

    #[test]
    fn with_one_queue_there_is_nothing_to_standardise(some in proptest::collection::vec(small(), 1..6)) {
        let cells: Vec<_> = some.iter().enumerate().map(|(agent, tally)| (agent, "only", *tally)).collect();
        let own = standardised(cells.iter().rev().copied()).unwrap();
        let plain: BTreeMap<_, _> = ranking_by(Method::Mean, some.into_iter().enumerate())
            .into_iter().map(|r| (r.key, (r.rank, r.score))).collect();
        prop_assert_eq!(own.len(), plain.len());
        for row in own {
            prop_assert!((row.mean - plain[&row.key].1).abs() < 1e-12 && row.missing.is_empty());
            prop_assert_eq!(row.rank, plain[&row.key].0);
            prop_assert_eq!(row.csat_percent, row.tally.csat_percent().unwrap());
        }
    }

    #[test]
    fn a_trend_seen_from_its_end_is_the_opposite(some in proptest::collection::vec(tallies(), 0..40)) {
        let mut turned = some.clone();
        turned.reverse();
        let (Some(there), Some(back)) = (trend(&some).unwrap(), trend(&turned).unwrap()) else {
            prop_assert!(some.iter().filter(|tally| tally.count() > 0).count() < 4);
            return Ok(());
        };
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        prop_assert!(near(there.slope, -back.slope) && there.slope.is_finite());
        prop_assert!(holds(there.slope_interval, there.slope, f64::MIN, f64::MAX));
        prop_assert!(near(there.slope_interval.low, -back.slope_interval.high));
        prop_assert_eq!((there.mann_kendall.s, there.mann_kendall.p), (-back.mann_kendall.s, back.mann_kendall.p));
        prop_assert!(near(there.line.slope, -back.line.slope), "{:?} {:?}", there.line, back.line);
        prop_assert!(holds(there.line.slope_interval, there.line.slope, f64::MIN, f64::MAX));
        prop_assert!((0.0..=1.0).contains(&there.line.p) && there.line.intercept.is_finite());
        if let Some(test) = there.hamed_rao {
            prop_assert!((0.0..=1.0).contains(&test.p) && test.z.is_finite() && test.variance >= 0.0);
        }
    }

    #[test]
    fn charts_are_finite_whatever_was_rated(some in proptest::collection::vec(tallies(), 0..30), baseline in 0_usize..12) {
        let own = charts(&some, baseline);
        if let Some(share) = own.csat {
            prop_assert!(share.sigma_z.is_finite() && share.limits.iter().all(|(_, i)| holds(*i, share.centre, 0.0, 100.0)));
            prop_assert!(share.unusual.iter().all(|place| some[*place].count() > 0));
        }
        if let Some(mean) = own.mean {
            prop_assert!(mean.moving_range > 0.0 && mean.limits.low < mean.centre && mean.centre < mean.limits.high);
        }
    }

    #[test]
    fn nobody_answers_who_was_not_asked(calls in proptest::array::uniform6(0_u64..50), other in proptest::array::uniform6(0_u64..50)) {
        let funnel = Funnel::new(calls).unwrap().merge(&Funnel::new(other).unwrap()).unwrap();
        let reached = Stage::ALL.map(|stage| funnel.reached(stage));
        prop_assert!(reached.is_sorted_by(|a, b| a >= b) && reached[0] == calls.iter().chain(&other).sum::<u64>());
        let rates = [funnel.offer_rate(), funnel.start_rate(), funnel.response_rate(), funnel.completion_rate()];
        prop_assert!(rates.iter().flatten().all(|rate| (0.0..=100.0).contains(rate)));
        prop_assert_eq!(funnel.response_rate().is_none(), reached[2] == 0);
    }

    #[test]
    fn news_in_any_order_and_twice_leave_the_same_knowledge(
        news in proptest::collection::vec((0_u32..3, proptest::bool::weighted(0.1)), 0..6), turn in 0_usize..6,
    ) {
        let said = |(arrival, (revision, deleted)): (usize, &(u32, bool))| match deleted {
            true => News::Deleted,
            false => News::Rated { revision: *revision, arrival: arrival as u64, rating: arrival },
        };
        let news: Vec<News<usize>> = news.iter().enumerate().map(said).collect();
        let mut turned: Vec<_> = news.iter().chain(&news).cloned().collect();
        turned.rotate_left(turn.min(news.len()));
        turned.reverse();
        let hear = |all: Vec<News<usize>>| all.into_iter().fold(Known::default(), Known::hear);
        prop_assert_eq!(hear(news), hear(turned));
    }

    #[test]
    fn buckets_lie_end_to_end_and_every_instant_of_theirs_is_in_one(
        start in 0_i32..20_000, days in 0_i32..90, which in 0_usize..5, zone in 0_usize..5,
    ) {
        let names = ["America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Africa/Cairo", "Pacific/Apia"];
        let zone = TimeZone::get(names[zone]).unwrap();
        let week = Grain::Week(WeekStart::Saturday);
        let grain = [Grain::Hour, Grain::Day, week, Grain::Month, Grain::Quarter][which];
        let from = date(1975, 1, 1).saturating_add(Span::new().days(start));
        let to = from.saturating_add(Span::new().days(days));
        let own = buckets(from..=to, grain, &zone, Timestamp::MIN).unwrap();
        prop_assert!(own.windows(2).all(|pair| pair[0].span.end == pair[1].span.start && pair[0].date <= pair[1].date));
        prop_assert!(own.iter().all(|bucket| bucket.hours() >= 0.0 && bucket.partial));
        if grain == Grain::Hour {
            prop_assert!(own.iter().all(|bucket| bucket.hours() > 0.0 && bucket.hours() <= 1.0));
        }
        let edges = aftercall_core::stats::calendar::day(grain.first_day(from), &zone).span.start;
        prop_assert!(own.first().is_none_or(|bucket| bucket.span.start == edges));
    }
}

#[test]
fn a_funnel_refuses_what_would_overflow() {
    let full = Funnel::new([u64::MAX, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(Funnel::new([u64::MAX, 1, 0, 0, 0, 0]), Err(TooMany));
    assert_eq!(full.merge(&full), Err(TooMany));
    assert_eq!(full.merge(&Funnel::new([0, 1, 0, 0, 0, 0]).unwrap()), Err(TooMany));
}
