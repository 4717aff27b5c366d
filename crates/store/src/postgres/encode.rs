//! Rows on their way into the tables: an array a column, in the order in which [`super::sql`] names them.

use aftercall_core::{AgentId, CallId, Key, QueueId, Score};
use uuid::Uuid;

use crate::event::OutboxRow;
use crate::postgres::Query;
use crate::postgres::cells::Stamp;
use crate::quality::Quality;
use crate::rating::Rating;
use crate::rules::Entry;
use crate::session::{Answer, Offer};
use crate::words::SessionId;

/// One value of every row.
pub(super) fn column<'a, R, V>(rows: &'a [R], value: impl FnMut(&'a R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

/// Ratings, for [`super::sql::INSERT_RATINGS`] and [`super::sql::UPDATE_RATINGS`].
pub(super) fn ratings(query: Query, all: &[&Rating]) -> Query {
    query
        .bind(column(all, |r| r.id.0))
        .bind(column(all, |r| r.call.as_str()))
        .bind(column(all, |r| r.agent.as_ref().map(AgentId::as_str)))
        .bind(column(all, |r| r.queue.as_ref().map(QueueId::as_str)))
        .bind(column(all, |r| number(r.score)))
        .bind(column(all, |r| r.comment.as_ref().map(|comment| comment.expose())))
        .bind(column(all, |r| Stamp::from(r.created_at)))
        .bind(column(all, |r| letter(r.key)))
        .bind(column(all, |r| r.survey.as_ref().map(|survey| survey.as_str())))
        .bind(column(all, |r| r.survey_version.map(i64::from)))
        .bind(column(all, |r| r.channel.as_ref().map(|channel| channel.as_str())))
        .bind(column(all, |r| r.language.as_ref().map(|language| language.as_str())))
        .bind(column(all, |r| r.session.as_ref().map(|session| session.as_str())))
        .bind(column(all, |r| r.question.as_deref()))
        .bind(column(all, |r| i64::from(r.revision)))
        .bind(column(all, |r| r.flags.iter().map(|flag| flag.word()).collect::<Vec<_>>().join(" ")))
}

/// Offers, for [`super::sql::INSERT_OFFERS`] and [`super::sql::UPDATE_OFFERS`].
pub(super) fn offers(query: Query, all: &[&Offer]) -> Query {
    query
        .bind(column(all, |o| o.call.as_str()))
        .bind(column(all, |o| o.session.as_str()))
        .bind(column(all, |o| o.about.agent.as_ref().map(AgentId::as_str)))
        .bind(column(all, |o| o.about.queue.as_ref().map(QueueId::as_str)))
        .bind(column(all, |o| o.about.survey.as_ref().map(|survey| survey.as_str())))
        .bind(column(all, |o| o.about.survey_version.map(i64::from)))
        .bind(column(all, |o| o.about.channel.as_ref().map(|channel| channel.as_str())))
        .bind(column(all, |o| o.about.language.as_ref().map(|language| language.as_str())))
        .bind(column(all, |o| o.state.word()))
        .bind(column(all, |o| o.reason.as_deref()))
        .bind(column(all, |o| Stamp::from(o.offered_at)))
        .bind(column(all, |o| o.started_at.map(Stamp::from)))
        .bind(column(all, |o| o.answered_at.map(Stamp::from)))
        .bind(column(all, |o| o.ended_at.map(Stamp::from)))
}

/// Answers, for [`super::sql::PUT_ANSWERS`].
pub(super) fn answers(query: Query, all: &[(&CallId, &Answer)]) -> Query {
    query
        .bind(column(all, |(call, _)| call.as_str()))
        .bind(column(all, |(_, a)| a.question.as_str()))
        .bind(column(all, |(_, a)| a.session.as_str()))
        .bind(column(all, |(_, a)| letter(a.key)))
        .bind(column(all, |(_, a)| a.score.map(number)))
        .bind(column(all, |(_, a)| a.value.expose()))
        .bind(column(all, |(_, a)| i16::from(a.main)))
        .bind(column(all, |(_, a)| Stamp::from(a.answered_at)))
}

/// Figures of calls, for [`super::sql::PUT_QUALITIES`].
pub(super) fn qualities(query: Query, all: &[(&CallId, &(SessionId, Quality))]) -> Query {
    let figure = |of: fn(&Quality) -> i64| column(all, |(_, (_, quality))| of(quality));
    let perhaps = |of: fn(&Quality) -> Option<i64>| column(all, |(_, (_, quality))| of(quality));
    query
        .bind(column(all, |(call, _)| call.as_str()))
        .bind(column(all, |(_, (session, _))| session.as_str()))
        .bind(figure(|q| q.packets_expected))
        .bind(figure(|q| q.packets_received))
        .bind(figure(|q| q.packets_lost))
        .bind(figure(|q| q.packets_late))
        .bind(figure(|q| q.packets_duplicate))
        .bind(figure(|q| q.jitter_mean_us))
        .bind(figure(|q| q.jitter_max_us))
        .bind(perhaps(|q| q.peer_packets_lost))
        .bind(perhaps(|q| q.peer_jitter_us))
        .bind(perhaps(|q| q.round_trip_us))
        .bind(figure(|q| q.mos_hundredths))
}

/// Entries, for [`super::sql::INSERT_LOG`].
pub(super) fn log(query: Query, all: &[Entry], ids: &[Uuid]) -> Query {
    query
        .bind(ids.to_vec())
        .bind(column(all, |e| e.call.as_str()))
        .bind(column(all, |e| e.op.word()))
        .bind(column(all, |e| i64::from(e.revision)))
        .bind(column(all, |e| Stamp::from(e.arrived_at)))
        .bind(column(all, |e| e.rated_at.map(Stamp::from)))
        .bind(column(all, |e| e.agent.as_ref().map(AgentId::as_str)))
        .bind(column(all, |e| e.queue.as_ref().map(QueueId::as_str)))
        .bind(column(all, |e| e.survey.as_ref().map(|survey| survey.as_str())))
        .bind(column(all, |e| e.old_score.map(number)))
        .bind(column(all, |e| e.new_score.map(number)))
        .bind(column(all, |e| e.by.text()))
        .bind(column(all, |e| e.reason))
        .bind(column(all, |e| e.channel.as_ref().map(|channel| channel.as_str())))
        .bind(column(all, |e| e.language.as_ref().map(|language| language.as_str())))
}

/// Events for webhooks, for [`super::sql::INSERT_OUTBOX`].
pub(super) fn outbox(query: Query, all: &[OutboxRow]) -> Query {
    query
        .bind(column(all, |o| o.webhook.as_str()))
        .bind(column(all, |o| o.event.to_string()))
        .bind(column(all, |o| o.kind.word()))
        .bind(column(all, |o| o.call.as_ref().map(CallId::as_str)))
        .bind(column(all, |o| Stamp::from(o.due_at)))
}

fn number(score: Score) -> i16 {
    i16::from(score.get())
}

fn letter(key: Option<Key>) -> Option<String> {
    key.map(|key| key.char().to_string())
}
