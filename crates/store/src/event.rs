//! What is told of what happened to ratings, and of alerts: to webhooks, and to whoever watches live. Pure.
//!
//! An event is made of a row of `cc_csat_log` or `cc_alerts` whenever it is told, so it is the same each time, and no
//! comment is in it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use aftercall_core::stats::ChartRule;
use aftercall_core::{AgentId, CallId, QueueId, Score, SurveyName, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::rules::{By, Entry, Op};
use crate::words::{NotAnId, WebhookName};
use crate::write::Actor;

/// What kind of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// A call was rated.
    RatingCreated,
    /// A rating is low: when it comes, or because it was changed.
    RatingLow,
    /// A rating was changed, corrected or filled in.
    RatingAmended,
    /// A rating was erased.
    RatingDeleted,
    /// A day was unusual.
    AlertRaised,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::RatingCreated, Self::RatingLow, Self::RatingAmended, Self::RatingDeleted, Self::AlertRaised];

    /// The word in the database, in JSON and in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::RatingCreated => "rating.created",
            Self::RatingLow => "rating.low",
            Self::RatingAmended => "rating.amended",
            Self::RatingDeleted => "rating.deleted",
            Self::AlertRaised => "alert.raised",
        }
    }
}

/// Names an event for good, wherever and however often it is told. Events sort as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    /// The id of its row.
    pub(crate) source: Uuid,
    /// Of two events of one row the later: that it is low.
    is_low: bool,
}

/// Behind the row's id, for the second event of a row.
const LOW: &str = "-low";

impl EventId {
    /// Before every event.
    pub const FIRST: Self = Self { source: Uuid::nil(), is_low: false };

    pub(crate) const fn of(source: Uuid, is_low: bool) -> Self {
        Self { source, is_low }
    }

    /// Before every event of that instant and later ones.
    #[must_use]
    pub fn at(instant: Timestamp) -> Self {
        let millis = u64::try_from(instant.as_millisecond()).unwrap_or(0);
        Self::of(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid(), false)
    }

    /// Behind every event of a row.
    pub(crate) fn behind(source: Uuid) -> Self {
        Self::of(Uuid::from_u128(source.as_u128().saturating_add(1)), false)
    }

    /// The place behind this event, before every other.
    #[must_use]
    pub fn next(self) -> Self {
        if self.is_low { Self::behind(self.source) } else { Self { is_low: true, ..self } }
    }

    /// When its row was written, to the millisecond.
    #[must_use]
    pub fn instant(&self) -> Timestamp {
        let (seconds, nanos) = self.source.get_timestamp().map_or((0, 0), |at| at.to_unix());
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Timestamp::new(seconds, i32::try_from(nanos).unwrap_or(0)).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.source.hyphenated(), if self.is_low { LOW } else { "" })
    }
}

impl FromStr for EventId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (id, is_low) = text.strip_suffix(LOW).map_or((text, false), |id| (id, true));
        // One way to write it: ids are compared as text, too.
        let source = Uuid::try_parse(id).ok().filter(|source| source.hyphenated().to_string() == id);
        source.map(|source| Self { source, is_low }).ok_or(NotAnId)
    }
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub id: EventId,
    /// What kind.
    pub kind: EventKind,
    /// When it happened.
    pub at: Timestamp,
    /// What it is about.
    pub about: Subject,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// A rating, as it was after that.
    Rating(Rated),
    /// An unusual day.
    Alert(Alert),
}

impl Event {
    /// The queue it is about, if any.
    #[must_use]
    pub fn queue(&self) -> Option<&QueueId> {
        match &self.about {
            Subject::Rating(rated) => rated.queue.as_ref(),
            Subject::Alert(alert) => alert.queue.as_ref(),
        }
    }

    /// The call it is about, if any.
    #[must_use]
    pub fn call(&self) -> Option<&CallId> {
        match &self.about {
            Subject::Rating(rated) => Some(&rated.call),
            Subject::Alert(_) => None,
        }
    }
}

/// A rating at one of its revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rated {
    /// The call that is rated.
    pub call: CallId,
    /// The agent.
    pub agent: Option<AgentId>,
    /// The queue.
    pub queue: Option<QueueId>,
    /// The survey that asked.
    pub survey: Option<SurveyName>,
    /// When the caller rated.
    pub rated_at: Option<Timestamp>,
    /// One more for each change.
    pub revision: u32,
    /// What it was before.
    pub previous_score: Option<Score>,
    /// What it is; `None`: erased.
    pub score: Option<Score>,
}

/// A day that is unusual by a rule. What was raised stays, whatever comes late.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The queue; `None`: the whole tenant.
    pub queue: Option<QueueId>,
    /// The local day.
    pub day: Date,
    /// By which rule.
    pub rule: ChartRule,
    /// How many ratings the day had.
    pub rating_count: u64,
    /// The day's figure: a mean score, or a percentage.
    pub value: f64,
    /// What is usual.
    pub centre: f64,
    /// Between which limits; none where many small steps added up.
    pub limits: Option<[f64; 2]>,
}

impl Alert {
    /// The event of an alert under its id.
    pub(crate) fn event(self, id: Uuid, at: Timestamp) -> Event {
        Event { id: EventId::of(id, false), kind: EventKind::AlertRaised, at, about: Subject::Alert(self) }
    }
}

/// An entry of the log, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) id: Uuid,
    pub(crate) op: Op,
    pub(crate) at: Timestamp,
    pub(crate) rated: Rated,
}

impl Happening {
    /// What is told of an entry; of history that is brought along, and of what changed nothing, there is nothing to tell.
    pub(crate) fn of(entry: &Entry, id: Uuid) -> Option<Self> {
        if entry.by == By::Api(Actor::Import) {
            return None;
        }
        let rated = Rated {
            call: entry.call.clone(),
            agent: entry.agent.clone(),
            queue: entry.queue.clone(),
            survey: entry.survey.clone(),
            rated_at: entry.rated_at,
            revision: entry.revision,
            previous_score: entry.old_score,
            score: entry.new_score,
        };
        Some(Self { id, op: entry.op, at: entry.arrived_at, rated })
    }

    /// One of its events, of which it is known that there is one.
    pub(crate) fn event(self, id: EventId, kind: EventKind) -> Event {
        Event { id, kind, at: self.at, about: Subject::Rating(self.rated) }
    }

    /// Its events, where a score up to `low` is low.
    pub(crate) fn events(&self, low: Score) -> impl Iterator<Item = Event> {
        let is_low = |score: Option<Score>| score.is_some_and(|score| score <= low);
        let kind = match self.op {
            Op::Created => Some(EventKind::RatingCreated),
            Op::Filled | Op::Amended | Op::Replaced => Some(EventKind::RatingAmended),
            // Of a call that nobody rated nobody was told.
            Op::Deleted => self.rated.previous_score.is_some().then_some(EventKind::RatingDeleted),
            Op::Conflict => None,
        };
        let became_low = is_low(self.rated.score) && !is_low(self.rated.previous_score);
        let low = (kind.is_some() && became_low).then_some(EventKind::RatingLow);
        [(kind, false), (low, true)]
            .into_iter()
            .filter_map(|(kind, is_low)| Some(self.clone().event(EventId::of(self.id, is_low), kind?)))
    }
}

/// Some events, in the order of their ids.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// They.
    pub events: Vec<Event>,
    /// Where the next page begins; `None`: there are no more.
    pub next: Option<EventId>,
}

/// Two runs of at most `limit` rows in the order of their ids as one page, which begins at `from` and goes no further
/// than both are known.
pub(crate) fn merged(
    from: EventId,
    happenings: &[Happening],
    alerts: Vec<Event>,
    limit: usize,
    low: Score,
) -> EventPage {
    let end = |is_full: bool, last: Option<Uuid>| if is_full { last } else { None };
    let ends = [
        end(happenings.len() >= limit, happenings.last().map(|last| last.id)),
        end(alerts.len() >= limit, alerts.last().map(|last| last.id.source)),
    ];
    let known_to = ends.into_iter().flatten().min();
    let events = happenings.iter().flat_map(|happening| happening.events(low)).chain(alerts);
    let known = |id: EventId| known_to.is_none_or(|known_to| id.source <= known_to);
    let mut events: Vec<Event> = events.filter(|event| event.id >= from && known(event.id)).collect();
    events.sort_by_key(|event| event.id);
    EventPage { events, next: known_to.map(EventId::behind) }
}

/// What a webhook is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Whose events.
    pub tenant: TenantId,
    /// The webhook's name.
    pub webhook: WebhookName,
    /// Which kinds.
    pub kinds: BTreeSet<EventKind>,
    /// Of which queues; `None`: of all, and of none.
    pub queues: Option<Vec<QueueId>>,
    /// Up to which score a rating is low.
    pub low_score: Score,
}

impl Subscription {
    /// Whether this one is told.
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        let in_queues = |queues: &Vec<QueueId>| event.queue().is_some_and(|queue| queues.contains(queue));
        self.kinds.contains(&event.kind) && self.queues.as_ref().is_none_or(in_queues)
    }
}

/// A row on its way into the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    pub(crate) webhook: WebhookName,
    pub(crate) event: EventId,
    pub(crate) kind: EventKind,
    pub(crate) call: Option<CallId>,
    pub(crate) due_at: Timestamp,
}

impl OutboxRow {
    pub(crate) fn of(subscription: &Subscription, event: &Event, due_at: Timestamp) -> Self {
        let webhook = subscription.webhook.clone();
        Self { webhook, event: event.id, kind: event.kind, call: event.call().cloned(), due_at }
    }
}

/// Who is told; nobody, unless it was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    pub(crate) fn new(all: Vec<Subscription>) -> Self {
        Self(all)
    }

    fn of<'a>(&'a self, tenant: &'a TenantId) -> impl Iterator<Item = &'a Subscription> + Clone {
        self.0.iter().filter(move |subscription| subscription.tenant == *tenant)
    }

    /// What is to be sent of a tenant's new entries.
    pub(crate) fn rows(&self, tenant: &TenantId, log: &[Entry], ids: &[Uuid]) -> Vec<OutboxRow> {
        let mut rows = Vec::new();
        for subscription in self.of(tenant) {
            let happenings = log.iter().zip(ids).filter_map(|(entry, id)| Happening::of(entry, *id));
            for happening in happenings {
                let events = happening.events(subscription.low_score);
                let wanted = events.filter(|event| subscription.wants(event));
                rows.extend(wanted.map(|event| OutboxRow::of(subscription, &event, happening.at)));
            }
        }
        rows
    }

    /// The same of an alert.
    pub(crate) fn rows_of(&self, tenant: &TenantId, alert: &Event) -> Vec<OutboxRow> {
        let wanted = self.of(tenant).filter(|subscription| subscription.wants(alert));
        wanted.map(|subscription| OutboxRow::of(subscription, alert, alert.at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(number: u8) -> Option<Score> {
        Score::try_from(number).ok()
    }

    fn happening(op: Op, before: u8, after: u8) -> Happening {
        let rated = Rated {
            call: "c".parse().unwrap(),
            agent: None,
            queue: None,
            survey: None,
            rated_at: None,
            revision: 1,
            previous_score: score(before),
            score: score(after),
        };
        Happening { id: EventId::at(Timestamp::UNIX_EPOCH).source, op, at: Timestamp::UNIX_EPOCH, rated }
    }

    #[test]
    fn each_change_is_told_once_and_a_rating_is_low_when_it_becomes_so() {
        for (op, before, after, told) in [
            (Op::Created, 0, 5, "rating.created"),
            (Op::Created, 0, 3, "rating.created"),
            (Op::Created, 0, 2, "rating.created rating.low"),
            (Op::Amended, 5, 1, "rating.amended rating.low"),
            (Op::Amended, 2, 1, "rating.amended"),
            (Op::Replaced, 1, 5, "rating.amended"),
            (Op::Filled, 1, 1, "rating.amended"),
            (Op::Deleted, 1, 0, "rating.deleted"),
            (Op::Deleted, 0, 0, ""),
            (Op::Conflict, 5, 1, ""),
        ] {
            let events: Vec<&str> = happening(op, before, after)
                .events(score(2).unwrap())
                .map(|event| event.kind.word())
                .collect();
            assert_eq!(events.join(" "), told, "{op:?} {before} {after}");
        }
    }

    #[test]
    fn an_id_reads_back_sorts_as_its_text_and_is_written_in_one_way_only() {
        let early: Timestamp = "2026-11-22T08:00:00.001Z".parse().unwrap();
        let (first, later) = (EventId::at(early), EventId::at("2026-11-22T08:00:00.002Z".parse().unwrap()));
        let low = EventId::of(first.source, true);
        let ids = [EventId::FIRST, first, low, later];
        assert!(ids.is_sorted() && ids.map(|id| id.to_string()).is_sorted());
        for id in ids {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!((first.instant(), low.instant()), (early, early));
        let text = first.to_string();
        for other in [text.to_uppercase(), text.replace('-', ""), format!("{text}-"), String::new()] {
            assert_eq!(other.parse::<EventId>(), Err(NotAnId), "{other}");
        }
    }

    #[test]
    fn a_page_of_two_tables_ends_where_one_of_them_is_not_known_further() {
        let id = |second: i64| EventId::at(Timestamp::from_second(second).unwrap()).source;
        let rating = |second: i64| Happening { id: id(second), ..happening(Op::Created, 0, 5) };
        let alert = |second: i64| {
            let alert = Alert {
                queue: None,
                day: "2026-11-22".parse().unwrap(),
                rule: ChartRule::Mean,
                rating_count: 1,
                value: 1.0,
                centre: 4.0,
                limits: None,
            };
            alert.event(id(second), Timestamp::UNIX_EPOCH)
        };
        let seconds = |happenings: &[i64], alerts: &[i64], limit| {
            let happenings: Vec<_> = happenings.iter().map(|s| rating(*s)).collect();
            let alerts = alerts.iter().map(|s| alert(*s)).collect();
            let page = merged(EventId::FIRST, &happenings, alerts, limit, score(2).unwrap());
            let seconds = page.events.iter().map(|event| event.id.instant().as_second());
            (seconds.collect::<Vec<_>>(), page.next.map(|next| next.instant().as_second()))
        };
        assert_eq!(seconds(&[1, 3], &[2, 4], 9), (vec![1, 2, 3, 4], None));
        assert_eq!(seconds(&[1, 3], &[2, 4], 2), (vec![1, 2, 3], Some(3)));
        assert_eq!(seconds(&[1, 3], &[], 2), (vec![1, 3], Some(3)));
        assert_eq!(seconds(&[], &[2, 4], 2), (vec![2, 4], Some(4)));
    }
}
