//! The JSON of answers (csat.md, section 4). Names are promises; numbers are not rounded.

use std::collections::BTreeMap;

use aftercall_core::AgentId;
use aftercall_core::stats::{self, Grain, Level, Ranked, Tally, Verdict};
use aftercall_store::{Comment, Quality, Rating};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A rating. What is not known is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatingView {
    /// Its id (UUIDv7).
    pub id: String,
    /// The call.
    pub call_id: String,
    /// The agent who spoke with the caller.
    pub agent_id: Option<String>,
    /// The queue through which the call came.
    pub queue_id: Option<String>,
    /// 1 (worst) to 5 (best).
    #[schema(minimum = 1, maximum = 5)]
    pub score: u8,
    /// What the caller wrote.
    pub comment: Option<String>,
    /// When the caller rated: RFC 3339, UTC, microseconds.
    #[schema(format = DateTime, example = "2026-11-22T08:00:00.000000Z")]
    pub created_at: String,
    /// What the caller pressed. Not the score.
    pub key: Option<String>,
    /// The survey that asked.
    pub survey: Option<String>,
    /// Its version.
    pub survey_version: Option<u32>,
    /// How the caller was asked.
    pub channel: Option<String>,
    /// The language the caller was asked in.
    pub language: Option<String>,
    /// 1 when new, one more for each change.
    pub revision: u32,
    /// What looked unusual when it arrived: recorded, not judged.
    pub flags: Vec<&'static str>,
}

impl From<&Rating> for RatingView {
    fn from(rating: &Rating) -> Self {
        Self {
            id: rating.id.to_string(),
            call_id: rating.call.to_string(),
            agent_id: rating.agent.as_ref().map(ToString::to_string),
            queue_id: rating.queue.as_ref().map(ToString::to_string),
            score: rating.score.get(),
            comment: rating.comment.as_ref().map(Comment::expose).map(str::to_owned),
            created_at: instant(rating.created_at),
            key: rating.key.map(|key| key.to_string()),
            survey: rating.survey.as_ref().map(ToString::to_string),
            survey_version: rating.survey_version,
            channel: rating.channel.as_ref().map(|channel| channel.as_str().to_owned()),
            language: rating.language.as_ref().map(ToString::to_string),
            revision: rating.revision,
            flags: rating.flags.iter().map(|flag| flag.word()).collect(),
        }
    }
}

/// A call's rating with what else is known of the call.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatedCall {
    /// The rating.
    #[serde(flatten)]
    pub rating: RatingView,
    /// How the call's media went; null where no RTP came.
    pub quality: Option<QualityView>,
}

/// How a call's media went.
#[derive(Debug, Serialize, ToSchema)]
pub struct QualityView {
    /// Packets that the caller's sequence numbers count.
    #[schema(minimum = 0)]
    pub packets_expected: i64,
    /// Those of them that came.
    #[schema(minimum = 0)]
    pub packets_received: i64,
    /// Those that did not.
    #[schema(minimum = 0)]
    pub packets_lost: i64,
    /// Those that came after a later one.
    #[schema(minimum = 0)]
    pub packets_late: i64,
    /// Those that came again.
    #[schema(minimum = 0)]
    pub packets_duplicate: i64,
    /// The mean interarrival jitter (RFC 3550), in milliseconds.
    pub jitter_mean_ms: f64,
    /// Its highest value, in milliseconds.
    pub jitter_max_ms: f64,
    /// Packets of ours that the caller's side reported lost; null where it reported nothing.
    pub peer_packets_lost: Option<i64>,
    /// The jitter that it reported, in milliseconds.
    pub peer_jitter_ms: Option<f64>,
    /// There and back, by RTCP, in milliseconds; null where it was not measured.
    pub round_trip_ms: Option<f64>,
    /// The mean opinion score estimated (ITU-T G.107): 1 (bad) to 4.5.
    #[schema(minimum = 1, maximum = 4.5)]
    pub mos: f64,
}

impl From<Quality> for QualityView {
    fn from(quality: Quality) -> Self {
        let ms = |us: i64| us as f64 / 1000.0;
        Self {
            packets_expected: quality.packets_expected,
            packets_received: quality.packets_received,
            packets_lost: quality.packets_lost,
            packets_late: quality.packets_late,
            packets_duplicate: quality.packets_duplicate,
            jitter_mean_ms: ms(quality.jitter_mean_us),
            jitter_max_ms: ms(quality.jitter_max_us),
            peer_packets_lost: quality.peer_packets_lost,
            peer_jitter_ms: quality.peer_jitter_us.map(ms),
            round_trip_ms: quality.round_trip_us.map(ms),
            mos: quality.mos_hundredths as f64 / 100.0,
        }
    }
}

/// A page of ratings, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatingPage {
    /// The ratings.
    pub ratings: Vec<RatingView>,
    /// Where the next page begins (`cursor=…`); null on the last one. The `Link` header has the whole address.
    pub next_cursor: Option<String>,
}

/// What ratings add up to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// The plain mean of the scores; null when there are none.
    pub average_score: Option<f64>,
    /// How many ratings.
    pub rating_count: u64,
    /// How many of each score.
    #[schema(example = json!({"1": 0, "2": 0, "3": 1, "4": 1, "5": 2}))]
    pub distribution: BTreeMap<String, u64>,
    /// The share of scores 4 and 5, in percent; null when there are no ratings.
    pub csat_percent: Option<f64>,
    /// Its 95 % Wilson interval, in percent: low, high.
    pub csat_interval: Option<[f64; 2]>,
}

impl From<&Tally> for Summary {
    fn from(tally: &Tally) -> Self {
        let distribution =
            (1..).zip(tally.counts()).map(|(score, count): (u8, u64)| (score.to_string(), count));
        Self {
            average_score: tally.mean(),
            rating_count: tally.count(),
            distribution: distribution.collect(),
            csat_percent: tally.csat_percent(),
            csat_interval: tally.csat_interval(Level::P95).map(Into::into),
        }
    }
}

/// Scores day by day.
#[derive(Debug, Serialize, ToSchema)]
pub struct Trend {
    /// How many days.
    pub days: usize,
    /// The zone whose days they are.
    #[schema(example = "UTC")]
    pub time_zone: String,
    /// Where they go.
    #[serde(flatten)]
    pub direction: Direction,
    /// Every one of them, oldest first.
    pub points: Vec<Point>,
}

/// Where scores go over periods of one length.
#[derive(Debug, Serialize, ToSchema)]
pub struct Direction {
    /// In words, with its pace.
    #[schema(example = "rising, about 0.2 points a month, beyond chance")]
    pub verdict: String,
    /// How many periods have ratings; with fewer than four there is no trend.
    pub periods_rated: usize,
    /// The change of the mean from a period to the next: the median of all pairs' (Theil-Sen).
    pub slope: Option<f64>,
    /// Its 95 % interval: low, high.
    pub slope_interval: Option<[f64; 2]>,
    /// How often chance alone makes as much of a trend (Mann-Kendall as modified by Hamed and Rao, where that can tell).
    pub p: Option<f64>,
}

impl Direction {
    /// Of a trend over periods of that length, each with its ratings.
    #[must_use]
    pub fn of(trend: Option<&stats::Trend>, tallies: &[Tally], grain: Grain) -> Self {
        Self {
            verdict: Verdict::of_trend(trend, grain).to_string(),
            periods_rated: tallies.iter().filter(|tally| tally.count() > 0).count(),
            slope: trend.map(|trend| trend.slope),
            slope_interval: trend.map(|trend| trend.slope_interval.into()),
            p: trend.map(|trend| trend.hamed_rao.unwrap_or(trend.mann_kendall).p),
        }
    }
}

/// A day.
#[derive(Debug, Serialize, ToSchema)]
pub struct Point {
    /// Which.
    #[schema(format = Date, example = "2026-11-01")]
    pub date: String,
    /// How many ratings.
    pub rating_count: u64,
    /// Their mean; null when there are none.
    pub average_score: Option<f64>,
    /// Whether only a part of the day counts: today, or a day that `from` or `to` cuts.
    pub partial: bool,
}

/// An agent's results.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentResults {
    /// The agent.
    pub agent_id: String,
    /// All of it.
    #[serde(flatten)]
    pub summary: Summary,
    /// Day by day.
    pub trend: Trend,
}

/// A queue's results.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueResults {
    /// The queue.
    pub queue_id: String,
    /// All of it.
    #[serde(flatten)]
    pub summary: Summary,
    /// Day by day.
    pub trend: Trend,
    /// Its agents, best first.
    pub ranking: Vec<Place>,
}

/// An agent's place within a queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct Place {
    /// 1 is best; equal ones share a rank, and the next counts them all (1, 2, 2, 4).
    pub rank: usize,
    /// The agent.
    pub agent_id: String,
    /// The plain mean of the agent's scores in this queue.
    pub average_score: Option<f64>,
    /// How many.
    pub rating_count: u64,
    /// What the rank is by: the mean, drawn towards everyone's the more the fewer ratings there are.
    pub adjusted_score: f64,
}

impl From<Ranked<AgentId>> for Place {
    fn from(ranked: Ranked<AgentId>) -> Self {
        Self {
            rank: ranked.rank,
            agent_id: ranked.key.to_string(),
            average_score: ranked.tally.mean(),
            rating_count: ranked.tally.count(),
            adjusted_score: ranked.score,
        }
    }
}

/// RFC 3339, UTC, with microseconds.
#[must_use]
pub fn instant(at: Timestamp) -> String {
    format!("{at:.6}")
}
