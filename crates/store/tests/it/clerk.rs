//! The naive model of a store: a careful clerk with a card for each call, and no database.

use std::collections::BTreeMap;

use aftercall_core::OfferState;

/// What happens, in words that both the store and the model are told.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Offered { call: u8, session: u8, suppressed: bool },
    Started { call: u8, session: u8 },
    Answered { call: u8, session: u8, main: bool, score: u8, amends: bool, completes: bool },
    Ended { call: u8, session: u8, state: OfferState },
    Posted { call: u8, score: u8, given: Fields },
    Put { call: u8, score: u8, changes: Vec<(&'static str, Option<&'static str>)>, rated: Option<i64> },
    Erased { call: u8 },
}

/// Optional fields by name, as [`show`] writes them.
pub(crate) type Fields = BTreeMap<&'static str, String>;

/// The naive model: what a careful clerk would do with a card for each call.
#[derive(Default)]
pub(crate) struct Clerk {
    pub(crate) cards: BTreeMap<u8, Card>,
    pub(crate) log: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Card {
    pub(crate) rating: Option<(u8, Fields, u32)>,
    erased: bool,
    offer: Option<Funnel>,
    pub(crate) answers: BTreeMap<bool, (u8, u8, i64)>,
}

pub(crate) struct Funnel {
    session: u8,
    state: OfferState,
    reason: &'static str,
    offered: i64,
    started: Option<i64>,
    answered: Option<i64>,
    ended: Option<i64>,
}

impl Funnel {
    fn new(session: u8, second: i64) -> Self {
        let state = OfferState::Offered;
        Self { session, state, reason: "-", offered: second, started: None, answered: None, ended: None }
    }

    /// Another session got the call's first answer.
    fn pass_to(&mut self, session: u8, second: i64) {
        let started = self.started.or(Some(second));
        *self = Self { started, ..Self::new(session, self.offered) };
    }

    /// Further down, if it is further down and nothing has ended it.
    fn go(&mut self, state: OfferState) {
        let order = [
            OfferState::Suppressed,
            OfferState::Offered,
            OfferState::Started,
            OfferState::Partial,
            OfferState::Completed,
        ];
        let place = |state| order.iter().position(|s| *s == state);
        if self.ended.is_none() && place(state) > place(self.state) {
            (self.state, self.reason) = (state, "-");
        }
    }
}

impl Clerk {
    pub(crate) fn hears(&mut self, event: &Event, second: i64) -> String {
        let call = match event {
            Event::Offered { call, .. }
            | Event::Started { call, .. }
            | Event::Answered { call, .. }
            | Event::Ended { call, .. }
            | Event::Posted { call, .. }
            | Event::Put { call, .. }
            | Event::Erased { call } => *call,
        };
        let card = self.cards.entry(call).or_default();
        match event {
            Event::Offered { session, suppressed, .. } => card.offered(*session, *suppressed, second),
            Event::Started { session, .. } => {
                let funnel = card.offer.get_or_insert_with(|| Funnel::new(*session, second));
                if funnel.session != *session {
                    return "OtherSession".to_owned();
                }
                if funnel.started.is_some() {
                    return "AlreadyHad".to_owned();
                }
                funnel.started = Some(second);
                funnel.go(OfferState::Started);
                "Recorded".to_owned()
            }
            Event::Ended { session, state, .. } => card.ended(*session, *state, second),
            Event::Answered { session, main, score, amends, completes, .. } => {
                card.answered(call, (*session, *main, *score, *amends, *completes), second, &mut self.log)
            }
            Event::Posted { score, given, .. } => card.posted(call, *score, given, second, &mut self.log),
            Event::Put { score, changes, rated, .. } => {
                card.put(call, *score, changes, *rated, &mut self.log)
            }
            Event::Erased { .. } => card.erase(call, &mut self.log),
        }
    }
}

impl Card {
    fn offered(&mut self, session: u8, suppressed: bool, second: i64) -> String {
        let nothing_came_of_it = self.offer.as_ref().is_some_and(|f| {
            let over = if f.state == OfferState::Suppressed { Some(f.offered) } else { f.ended };
            f.session != session && f.answered.is_none() && over.is_some_and(|over| over < second)
        });
        if self.offer.is_some() && (suppressed || !nothing_came_of_it) {
            return "AlreadyHad".to_owned();
        }
        let mut funnel = Funnel::new(session, second);
        if suppressed {
            (funnel.state, funnel.reason) = (OfferState::Suppressed, "busy");
        }
        self.offer = Some(funnel);
        "Recorded".to_owned()
    }

    fn ended(&mut self, session: u8, state: OfferState, second: i64) -> String {
        let funnel = self.offer.get_or_insert_with(|| Funnel::new(session, second));
        if funnel.session != session {
            return "OtherSession".to_owned();
        }
        if funnel.ended.is_some() {
            return "AlreadyHad".to_owned();
        }
        funnel.ended = Some(second);
        let answered = matches!(funnel.state, OfferState::Partial | OfferState::Completed);
        let speaks_of_answers =
            matches!(state, OfferState::Failed | OfferState::Completed | OfferState::Partial);
        if speaks_of_answers || !answered {
            (funnel.state, funnel.reason) = (state, "why");
        }
        "Recorded".to_owned()
    }

    fn answered(
        &mut self,
        call: u8,
        (session, main, score, amends, completes): (u8, bool, u8, bool, bool),
        second: i64,
        log: &mut Vec<String>,
    ) -> String {
        if self.erased {
            return "Gone".to_owned();
        }
        let funnel = self.offer.get_or_insert_with(|| Funnel::new(session, second));
        let old = self.answers.get(&main).copied();
        if old.is_none() && funnel.session != session && funnel.answered.is_none() {
            funnel.pass_to(session, second);
        }
        let own = funnel.session == session;
        let over = own && funnel.ended.is_some();
        let (mine, news) = match old {
            None => (true, true),
            Some((theirs, ..)) if theirs != session => (false, false),
            Some((_, known, when)) => (true, amends && known != score && second >= when && !over),
        };
        if own && mine && news {
            let state = if completes { OfferState::Completed } else { OfferState::Partial };
            funnel.answered.get_or_insert(second);
            if old.is_some() { funnel.state = state } else { funnel.go(state) }
        }
        let too_late =
            mine && !news && amends && old.is_some_and(|(_, known, when)| known != score && second >= when);
        if mine && news {
            self.answers.insert(main, (session, score, second));
        }
        if !main {
            return if !mine {
                "OtherSession"
            } else if news {
                "Recorded"
            } else {
                "AlreadyHad"
            }
            .to_owned();
        }
        let Some((stored, fields, revision)) = &mut self.rating else {
            // Every main answer that was kept left a rating, which only an erasure takes.
            assert!(mine && news);
            let key = char::from(b'6' - score).to_string();
            let fields = [
                ("agent", "a1"),
                ("queue", "q1"),
                ("survey", "csat-survey"),
                ("version", "3"),
                ("channel", "phone"),
                ("language", "zh"),
                ("question", "rating"),
                ("key", key.as_str()),
            ];
            let mut fields: Fields = fields.map(|(name, value)| (name, value.to_owned())).into();
            fields.insert("session", format!("s{session}"));
            fields.insert("rated", second.to_string());
            log.push(format!("c{call} created 1 - {score}"));
            self.rating = Some((score, fields, 1));
            return self.told("new", call);
        };
        let owns = fields.get("session") == Some(&format!("s{session}"));
        if mine && !news && !too_late {
            return self.told("same", call);
        }
        if mine && news && old.is_some() && owns {
            log.push(format!("c{call} amended {} {stored} {score}", *revision + 1));
            (*stored, *revision) = (score, *revision + 1);
            fields.insert("key", char::from(b'6' - score).to_string());
            return self.told("amended", call);
        }
        if *stored == score {
            return self.filled(call, score, log);
        }
        log.push(format!("c{call} conflict {revision} {stored} {score}"));
        self.told("contradicts", call)
    }

    /// A session says the same as the stored rating, and knows whom and what it was about.
    fn filled(&mut self, call: u8, score: u8, log: &mut Vec<String>) -> String {
        let Some((_, fields, revision)) = &mut self.rating else {
            unreachable!("it is the same as a rating")
        };
        let key = char::from(b'6' - score).to_string();
        let mut known = vec![("agent", "a1"), ("queue", "q1"), ("channel", "phone"), ("language", "zh")];
        known.push(("key", key.as_str()));
        if !fields.contains_key("survey") {
            known.extend([("survey", "csat-survey"), ("version", "3")]);
        }
        known.retain(|(name, _)| !fields.contains_key(*name));
        if known.is_empty() {
            return self.told("same", call);
        }
        fields.extend(known.into_iter().map(|(name, value)| (name, value.to_owned())));
        *revision += 1;
        log.push(format!("c{call} filled {revision} {score} {score}"));
        self.told("filled", call)
    }

    fn posted(&mut self, call: u8, score: u8, given: &Fields, second: i64, log: &mut Vec<String>) -> String {
        if self.erased {
            return "Gone".to_owned();
        }
        let Some((stored, fields, revision)) = &mut self.rating else {
            let mut fields = given.clone();
            fields.entry("rated").or_insert(second.to_string());
            if self.offer.is_none() {
                fields.insert("flags", "no_call".to_owned());
            }
            log.push(format!("c{call} created 1 - {score}"));
            self.rating = Some((score, fields, 1));
            return self.told("new", call);
        };
        if *stored != score
            || given.iter().any(|(name, value)| fields.get(name).is_some_and(|old| old != value))
        {
            return self.told("contradicts", call);
        }
        let before = fields.len();
        fields.extend(given.clone());
        if fields.len() == before {
            return self.told("same", call);
        }
        *revision += 1;
        log.push(format!("c{call} filled {revision} {score} {score}"));
        self.told("filled", call)
    }

    fn put(
        &mut self,
        call: u8,
        score: u8,
        changes: &[(&'static str, Option<&'static str>)],
        rated: Option<i64>,
        log: &mut Vec<String>,
    ) -> String {
        if self.erased {
            return "Gone".to_owned();
        }
        let Some((stored, fields, revision)) = &mut self.rating else { return "Absent".to_owned() };
        let before = (*stored, fields.clone());
        for (name, value) in changes.iter().copied().collect::<BTreeMap<_, _>>() {
            match value {
                Some(value) => fields.insert(name, value.to_owned()),
                None => fields.remove(name),
            };
        }
        fields.extend(rated.map(|second| ("rated", second.to_string())));
        if (score, &*fields) == (before.0, &before.1) {
            return self.told("same", call);
        }
        *revision += 1;
        log.push(format!("c{call} replaced {revision} {stored} {score}"));
        *stored = score;
        self.told("replaced", call)
    }

    fn erase(&mut self, call: u8, log: &mut Vec<String>) -> String {
        if self.erased {
            return "Gone".to_owned();
        }
        if self.rating.is_none() && self.answers.is_empty() {
            return "Absent".to_owned();
        }
        let (revision, score) =
            self.rating.as_ref().map_or((1, "-".to_owned()), |(s, _, r)| (r + 1, s.to_string()));
        log.push(format!("c{call} deleted {revision} {score} -"));
        // The extra question's before the rating's: in the order of their names.
        let said: Vec<String> =
            self.answers.values().map(|(_, score, _)| format!(" label {score}")).collect();
        *self = Self { erased: true, offer: self.offer.take(), ..Self::default() };
        format!("Erased{}", said.concat())
    }

    fn told(&self, word: &str, call: u8) -> String {
        format!("{word}: {}", self.shown(call))
    }

    pub(crate) fn shown(&self, call: u8) -> String {
        let Some((score, fields, revision)) = &self.rating else {
            return if self.erased { "Erased" } else { "Never" }.to_owned();
        };
        let order = [
            "comment", "agent", "queue", "rated", "key", "survey", "version", "channel", "language",
            "session", "question", "flags",
        ];
        let words: String =
            order.iter().filter_map(|name| Some(format!(" {name}={}", fields.get(name)?))).collect();
        format!("c{call} {score}{words} r{revision}")
    }

    pub(crate) fn funnel(&self) -> String {
        let Some(f) = &self.offer else { return "none".to_owned() };
        let second = |at: Option<i64>| at.map_or("-".to_owned(), |at| at.to_string());
        let (word, session) = (f.state.word(), f.session);
        let times = [Some(f.offered), f.started, f.answered, f.ended].map(second).join(" ");
        format!("{word} {} s{session} {times}", f.reason)
    }
}
