//! What sessions tell: the funnel of a call, and the answers given in it (engine.md).

use aftercall_core::{OfferState, Score};
use jiff::Timestamp;

use crate::ids::Ids;
use crate::rating::Rating;
use crate::rules::rating::merge;
use crate::rules::{By, Entry, Known, Op};
use crate::session::{Answer, Offer, Session};
use crate::stamp::to_micros;
use crate::words::RatingId;
use crate::write::{Answered, Ended, Offered, Put, Started, Written};

impl Known {
    pub(super) fn offered(&mut self, offered: &Offered) -> Written {
        let (state, reason) = match &offered.put {
            Put::ToCaller => (OfferState::Offered, None),
            Put::Suppressed { reason } => (OfferState::Suppressed, Some(reason.clone())),
        };
        // A call that came to nothing may be tried once more, say after `busy`: the later try counts.
        let again = state == OfferState::Offered
            && self.offer.as_ref().is_some_and(|offer| {
                offer.session != offered.session.id && came_to_nothing(offer, offered.at)
            });
        if self.offer.is_some() && !again {
            return Written::AlreadyHad;
        }
        self.offer = Some(Offer { state, reason, ..put_to_caller(&offered.session, offered.at) });
        Written::Recorded
    }

    pub(super) fn started(&mut self, started: &Started) -> Written {
        let Some(offer) = self.own_offer(&started.session, started.at) else {
            return Written::OtherSession;
        };
        if offer.started_at.is_some() {
            return Written::AlreadyHad;
        }
        offer.started_at = Some(to_micros(started.at));
        advance(offer, OfferState::Started);
        Written::Recorded
    }

    pub(super) fn ended(&mut self, ended: &Ended) -> Written {
        let Some(offer) = self.own_offer(&ended.session, ended.at) else {
            return Written::OtherSession;
        };
        if offer.ended_at.is_some() {
            return Written::AlreadyHad;
        }
        offer.ended_at = Some(to_micros(ended.at));
        // An ending cannot take back that there were answers; whether they were all, it knows best.
        if reach(ended.ending.state) >= reach(offer.state).min(ANSWERED) {
            offer.state = ended.ending.state;
            offer.reason.clone_from(&ended.ending.reason);
        }
        Written::Recorded
    }

    pub(super) fn answered(&mut self, answered: &Answered, ids: &Ids, log: &mut Vec<Entry>) -> Written {
        if self.erased {
            return Written::Gone;
        }
        let standing = self.standing(answered);
        let news = matches!(standing, Standing::First | Standing::Amends);
        if standing == Standing::First && reach(answered.state) >= ANSWERED {
            self.take_over(answered);
        }
        if let Some(offer) = self.own_offer(&answered.session, answered.at).filter(|_| news) {
            // Consent to be asked is no answer yet.
            if reach(answered.state) >= ANSWERED {
                offer.answered_at.get_or_insert_with(|| to_micros(answered.at));
            }
            match standing {
                // After a change of mind more may be asked than was before.
                Standing::Amends if reach(answered.state) >= ANSWERED => offer.state = answered.state,
                _ => advance(offer, answered.state),
            }
        }
        if news {
            self.answers.insert(answered.question.clone(), answer(answered));
        }
        match answered.score {
            Some(score) if answered.main => self.rated(answered, score, standing, ids, log),
            _ => match standing {
                Standing::First | Standing::Amends => Written::Recorded,
                Standing::Repeats | Standing::TooLate => Written::AlreadyHad,
                Standing::OtherSession => Written::OtherSession,
            },
        }
    }

    /// What a main answer means for the rating.
    fn rated(
        &mut self,
        new: &Answered,
        score: Score,
        standing: Standing,
        ids: &Ids,
        log: &mut Vec<Entry>,
    ) -> Written {
        let by = By::Session(new.session.id.clone());
        let Some(stored) = &mut self.rating else {
            return match standing {
                Standing::First | Standing::Amends => {
                    let rating = created(new, score, RatingId(ids.next(new.at)));
                    log.push(Entry::of(&rating, Op::Created, None, by, new.at));
                    self.rating = Some(rating.clone());
                    Written::New(Box::new(rating))
                }
                Standing::Repeats | Standing::TooLate => Written::AlreadyHad,
                Standing::OtherSession => Written::OtherSession,
            };
        };
        let own = stored.session.as_ref() == Some(&new.session.id);
        let reason = match standing {
            Standing::Amends if own => {
                let old_score = stored.score;
                stored.score = score;
                stored.key = new.key;
                stored.revision += 1;
                log.push(Entry::of(stored, Op::Amended, Some(old_score), by, new.at));
                return Written::Amended(Box::new(stored.clone()));
            }
            Standing::Repeats => return Written::Same(Box::new(stored.clone())),
            // A rating that says the same contradicts nothing, whoever gave it; the call itself may know more.
            _ if stored.score == score => {
                if !fill(stored, new) {
                    return Written::Same(Box::new(stored.clone()));
                }
                stored.revision += 1;
                log.push(Entry::of(stored, Op::Filled, Some(score), by, new.at));
                return Written::Filled(Box::new(stored.clone()));
            }
            Standing::TooLate => "session_ended",
            _ if stored.session.is_none() => "rated_through_api",
            _ if own => "other_question",
            _ => "rated_in_other_session",
        };
        log.push(Entry {
            old_score: Some(stored.score),
            new_score: Some(score),
            agent: new.session.about.agent.clone(),
            queue: new.session.about.queue.clone(),
            survey: new.session.about.survey.clone(),
            channel: new.session.about.channel.clone(),
            language: new.session.about.language.clone(),
            rated_at: Some(to_micros(new.at)),
            reason: Some(reason),
            ..Entry::of(stored, Op::Conflict, None, by, new.at)
        });
        Written::Contradicts(Box::new(stored.clone()))
    }

    /// How an answer stands to what was answered before.
    fn standing(&self, new: &Answered) -> Standing {
        let Some(old) = self.answers.get(&new.question) else { return Standing::First };
        if old.session != new.session.id {
            return Standing::OtherSession;
        }
        let repeats = (old.key, old.score, &old.value) == (new.key, new.score, &new.value);
        if repeats || !new.amends || to_micros(new.at) < old.answered_at {
            return Standing::Repeats;
        }
        if self.has_ended(&new.session) { Standing::TooLate } else { Standing::Amends }
    }

    fn has_ended(&self, session: &Session) -> bool {
        self.offer.as_ref().is_some_and(|offer| offer.session == session.id && offer.ended_at.is_some())
    }

    /// Of two sessions of one call, the first of which had not ended when the second began (its caller vanished
    /// without a word), the one that got the call's first answer is the one that the funnel tells of. When it
    /// started was not kept, but it has.
    fn take_over(&mut self, answered: &Answered) {
        if let Some(offer) = &mut self.offer
            && offer.session != answered.session.id
            && offer.answered_at.is_none()
        {
            let started_at = offer.started_at.or_else(|| Some(to_micros(answered.at)));
            *offer = Offer { started_at, ..put_to_caller(&answered.session, offer.offered_at) };
        }
    }

    /// The call's offer if it is this session's. A session that speaks must have been offered, so
    /// an offer of which nothing was heard is made up for.
    fn own_offer(&mut self, session: &Session, at: Timestamp) -> Option<&mut Offer> {
        let offer = self.offer.get_or_insert_with(|| put_to_caller(session, at));
        (offer.session == session.id).then_some(offer)
    }
}

/// How an answer stands to what was answered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing was.
    First,
    /// The session that gave the answer changes it.
    Amends,
    /// It says nothing new, or is older than what is known.
    Repeats,
    /// The session that gave the answer is over: only a `PUT` may change it now.
    TooLate,
    /// Another session gave the answer.
    OtherSession,
}

/// Whether an offer ended before `at` without any answer.
fn came_to_nothing(offer: &Offer, at: Timestamp) -> bool {
    let over = if offer.state == OfferState::Suppressed { Some(offer.offered_at) } else { offer.ended_at };
    offer.answered_at.is_none() && over.is_some_and(|over| over < to_micros(at))
}

/// Moves a funnel forward while it is not over.
fn advance(offer: &mut Offer, state: OfferState) {
    if offer.ended_at.is_none() && reach(state) > reach(offer.state) {
        offer.state = state;
        offer.reason = None;
    }
}

/// How far down the funnel there are answers.
const ANSWERED: u8 = 3;

/// How far down the funnel a state is. `Failed` may follow any.
fn reach(state: OfferState) -> u8 {
    match state {
        OfferState::Suppressed => 0,
        OfferState::Offered => 1,
        OfferState::Started | OfferState::Declined | OfferState::Abandoned | OfferState::NoInput => 2,
        OfferState::Partial => ANSWERED,
        OfferState::Completed | OfferState::Failed => 4,
    }
}

fn put_to_caller(session: &Session, at: Timestamp) -> Offer {
    Offer {
        call: session.call.clone(),
        session: session.id.clone(),
        about: session.about.clone(),
        state: OfferState::Offered,
        reason: None,
        offered_at: to_micros(at),
        started_at: None,
        answered_at: None,
        ended_at: None,
    }
}

fn answer(new: &Answered) -> Answer {
    Answer {
        question: new.question.clone(),
        session: new.session.id.clone(),
        key: new.key,
        score: new.score,
        value: new.value.clone(),
        main: new.main,
        answered_at: to_micros(new.at),
    }
}

/// Fills in what a rating lacks and the session knows; says whether that was anything.
fn fill(stored: &mut Rating, new: &Answered) -> bool {
    let about = &new.session.about;
    let before = stored.clone();
    if stored.survey.is_none() {
        stored.survey_version = about.survey_version;
    }
    merge(&mut stored.agent, about.agent.as_ref());
    merge(&mut stored.queue, about.queue.as_ref());
    merge(&mut stored.survey, about.survey.as_ref());
    merge(&mut stored.channel, about.channel.as_ref());
    merge(&mut stored.language, about.language.as_ref());
    merge(&mut stored.key, new.key.as_ref());
    *stored != before
}

fn created(new: &Answered, score: Score, id: RatingId) -> Rating {
    let about = new.session.about.clone();
    Rating {
        id,
        call: new.session.call.clone(),
        agent: about.agent,
        queue: about.queue,
        score,
        comment: None,
        created_at: to_micros(new.at),
        key: new.key,
        survey: about.survey,
        survey_version: about.survey_version,
        channel: about.channel,
        language: about.language,
        session: Some(new.session.id.clone()),
        question: Some(new.question.clone()),
        revision: 1,
        flags: new.flags.clone(),
    }
}
