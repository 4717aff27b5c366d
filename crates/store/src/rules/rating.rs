//! Ratings from outside a session: `POST`, `PUT` and `DELETE` (csat.md, 2.4).

use std::cmp::Ordering;

use aftercall_core::QueueId;

use crate::ids::Ids;
use crate::rating::{Flag, Rating};
use crate::rules::{By, Entry, Known, Op};
use crate::stamp::to_micros;
use crate::words::RatingId;
use crate::write::{Actor, Change, Erasure, NewRating, Replacement, Revision, Written};

impl Known {
    pub(super) fn rate(&mut self, new: &NewRating, ids: &Ids, log: &mut Vec<Entry>) -> Written {
        if self.erased {
            return Written::Gone;
        }
        let by = By::Api(new.actor);
        let Some(stored) = &mut self.rating else {
            let mut rating = created(new, RatingId(ids.next(new.at)));
            // History has no calls here, and nothing is unusual about that.
            if self.offer.is_none() && new.actor != Actor::Import {
                rating.flags.insert(Flag::NoCall);
            }
            log.push(Entry::of(&rating, Op::Created, None, by, new.at));
            self.rating = Some(rating.clone());
            return Written::New(Box::new(rating));
        };
        if !holds(new.within.as_deref(), stored.queue.as_ref()) {
            return Written::OutOfReach;
        }
        match compare(stored, new) {
            Compared::Contradicts => Written::Contradicts(Box::new(stored.clone())),
            Compared::Same => Written::Same(Box::new(stored.clone())),
            Compared::Knows(more) => {
                *stored = *more;
                stored.revision += 1;
                log.push(Entry::of(stored, Op::Filled, Some(stored.score), by, new.at));
                Written::Filled(Box::new(stored.clone()))
            }
        }
    }

    pub(super) fn replace(&mut self, change: &Replacement, log: &mut Vec<Entry>) -> Written {
        if self.erased {
            return Written::Gone;
        }
        let Some(stored) = &mut self.rating else { return Written::Absent };
        let changed = replaced(stored, change);
        if changed == *stored {
            return Written::Same(Box::new(changed));
        }
        let old_score = stored.score;
        *stored = Rating { revision: stored.revision + 1, ..changed };
        let by = By::Api(change.actor);
        log.push(Entry::of(stored, Op::Replaced, Some(old_score), by, change.at));
        Written::Replaced(Box::new(stored.clone()))
    }

    /// Order-free: an erasure is final, else the highest revision holds, and of two alike the first that arrives.
    pub(super) fn revise(&mut self, told: &Revision, ids: &Ids, log: &mut Vec<Entry>) -> Written {
        if self.erased {
            return Written::Gone;
        }
        let (new, by) = (&told.rating, By::Api(told.rating.actor));
        let revision = told.number.saturating_add(1);
        let rating = |id| Rating { revision, ..created(new, id) };
        let Some(stored) = &mut self.rating else {
            let rating = rating(RatingId(ids.next(new.at)));
            let op = if told.number == 0 { Op::Created } else { Op::Amended };
            log.push(Entry::of(&rating, op, None, by, new.at));
            self.rating = Some(rating.clone());
            return Written::New(Box::new(rating));
        };
        match stored.revision.cmp(&revision) {
            Ordering::Greater => Written::Same(Box::new(stored.clone())),
            Ordering::Equal => match compare(stored, new) {
                Compared::Same => Written::Same(Box::new(stored.clone())),
                Compared::Contradicts | Compared::Knows(_) => Written::Contradicts(Box::new(stored.clone())),
            },
            Ordering::Less => {
                let old_score = stored.score;
                let kept = (stored.session.take(), stored.question.take(), std::mem::take(&mut stored.flags));
                *stored = rating(stored.id);
                (stored.session, stored.question, stored.flags) = kept;
                log.push(Entry::of(stored, Op::Amended, Some(old_score), by, new.at));
                Written::Amended(Box::new(stored.clone()))
            }
        }
    }

    pub(super) fn erase(&mut self, erasure: &Erasure, log: &mut Vec<Entry>) -> Written {
        if self.erased {
            return Written::Gone;
        }
        let offered = || self.offer.as_ref().and_then(|offer| offer.about.queue.as_ref());
        let queue = self.rating.as_ref().map_or_else(offered, |rating| rating.queue.as_ref());
        let nothing = self.rating.is_none() && self.answers.is_empty();
        // History may tell of an erasure before it tells of what was erased.
        if nothing && erasure.actor != Actor::Import || !holds(erasure.within.as_deref(), queue) {
            return Written::Absent;
        }
        let rating = self.rating.take();
        // The offer stays: that a call was offered a survey says nothing of what its caller said.
        let answers = std::mem::take(&mut self.answers).into_values().map(|answer| answer.value).collect();
        self.erased = true;
        log.push(Entry {
            call: erasure.call.clone(),
            op: Op::Deleted,
            revision: rating.as_ref().map_or(1, |r| r.revision + 1),
            arrived_at: erasure.at,
            rated_at: rating.as_ref().map(|r| r.created_at),
            agent: rating.as_ref().and_then(|r| r.agent.clone()),
            queue: rating.as_ref().and_then(|r| r.queue.clone()),
            survey: rating.as_ref().and_then(|r| r.survey.clone()),
            channel: rating.as_ref().and_then(|r| r.channel.clone()),
            language: rating.as_ref().and_then(|r| r.language.clone()),
            old_score: rating.as_ref().map(|r| r.score),
            new_score: None,
            by: By::Api(erasure.actor),
            reason: None,
        });
        Written::Erased(answers)
    }
}

/// Whether a queue is one of those, if any are named.
fn holds(within: Option<&[QueueId]>, queue: Option<&QueueId>) -> bool {
    within.is_none_or(|queues| queue.is_some_and(|queue| queues.contains(queue)))
}

/// How a rating that arrives stands to the one that is there.
enum Compared {
    Contradicts,
    Same,
    /// It repeats the stored one and fills in what that lacks.
    Knows(Box<Rating>),
}

fn created(new: &NewRating, id: RatingId) -> Rating {
    Rating {
        id,
        call: new.call.clone(),
        agent: new.agent.clone(),
        queue: new.queue.clone(),
        score: new.score,
        comment: new.comment.clone(),
        created_at: new.created_at.map_or_else(|| to_micros(new.at), |rated| rated.get()),
        key: new.key,
        survey: new.survey.clone(),
        survey_version: None,
        channel: new.channel.clone(),
        language: new.language.clone(),
        session: None,
        question: None,
        revision: 1,
        flags: new.flags.clone(),
    }
}

fn compare(stored: &Rating, new: &NewRating) -> Compared {
    let mut merged = stored.clone();
    let agrees = stored.score == new.score
        && new.created_at.is_none_or(|rated| rated.get() == stored.created_at)
        && merge(&mut merged.comment, new.comment.as_ref())
        && merge(&mut merged.agent, new.agent.as_ref())
        && merge(&mut merged.queue, new.queue.as_ref())
        && merge(&mut merged.key, new.key.as_ref())
        && merge(&mut merged.survey, new.survey.as_ref())
        && merge(&mut merged.channel, new.channel.as_ref())
        && merge(&mut merged.language, new.language.as_ref());
    if !agrees {
        Compared::Contradicts
    } else if merged == *stored {
        Compared::Same
    } else {
        Compared::Knows(Box::new(merged))
    }
}

/// Fills in what is absent; false when both are there and differ.
pub(super) fn merge<T: Clone + PartialEq>(stored: &mut Option<T>, given: Option<&T>) -> bool {
    match (&*stored, given) {
        (Some(old), Some(new)) => old == new,
        (None, Some(new)) => {
            *stored = Some(new.clone());
            true
        }
        (_, None) => true,
    }
}

fn replaced(stored: &Rating, change: &Replacement) -> Rating {
    let mut rating = stored.clone();
    rating.score = change.score;
    put(&mut rating.comment, &change.comment);
    put(&mut rating.agent, &change.agent);
    put(&mut rating.queue, &change.queue);
    put(&mut rating.key, &change.key);
    put(&mut rating.survey, &change.survey);
    put(&mut rating.channel, &change.channel);
    put(&mut rating.language, &change.language);
    if let Some(rated) = change.created_at {
        rating.created_at = rated.get();
    }
    if rating.survey != stored.survey {
        rating.survey_version = None;
    }
    rating
}

fn put<T: Clone>(field: &mut Option<T>, change: &Change<T>) {
    match change {
        Change::Keep => {}
        Change::Clear => *field = None,
        Change::Set(value) => *field = Some(value.clone()),
    }
}
