//! What looks unusual about a rating as it comes in. It is noted on the rating, for people to judge; nothing is
//! ever refused for it.
//!
//! Nobody is remembered by name or number: sources and callers are known by a hash whose key is made anew at
//! every start and never leaves the process.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aftercall_core::{AgentId, CallId, TenantId};

use crate::writer::words::Flag;

/// One caller rates one agent often: the fourth call in a day, and every one after it.
const SAME_CALLER: Rule = Rule { flag: Flag::SameCaller, usual: 3, span: Duration::from_secs(24 * 3600) };

/// One source sends more ratings of one agent than an agent can have calls: the eleventh within a minute.
const BURST: Rule = Rule { flag: Flag::Burst, usual: 10, span: Duration::from_secs(60) };

/// The same where the ratings name no agent: as many as a queue of some twenty agents can have calls.
const BURST_OF_NOBODY: Rule = Rule { flag: Flag::Burst, usual: 60, span: Duration::from_secs(60) };

/// Pairs of source and agent remembered in one generation, of which there are two. A pair takes some 100 bytes
/// (a burst of nobody up to 1 kB): about 10 MB. When there are more, the oldest are forgotten early.
const PAIRS_MAX: usize = 50_000;

/// So many ratings are usual within so long.
#[derive(Debug, Clone, Copy)]
struct Rule {
    flag: Flag,
    usual: usize,
    span: Duration,
}

/// Somebody or something that ratings come from, without saying who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(u64);

/// A rating that comes in.
#[derive(Debug, Clone, Copy)]
pub struct Rated<'a> {
    /// Whose data it is.
    pub tenant: &'a TenantId,
    /// The call that is rated.
    pub call: &'a CallId,
    /// Who is rated.
    pub agent: Option<&'a AgentId>,
    /// The API key or the PBX that it comes from.
    pub source: Source,
    /// Who called, where that is known.
    pub caller: Option<Source>,
}

/// Remembers who rated whom lately.
#[derive(Debug, Default)]
pub struct Unusual {
    hasher: RandomState,
    seen: Mutex<Seen>,
}

/// Two generations: what is not asked for while one fills is forgotten with the next.
#[derive(Debug, Default)]
struct Seen {
    young: HashMap<u64, Lately>,
    old: HashMap<u64, Lately>,
}

/// When, and of which call: at most one more than is usual.
type Lately = VecDeque<(Duration, u64)>;

impl Unusual {
    /// Somebody, by whatever tells them apart.
    pub fn source(&self, who: impl Hash) -> Source {
        Source(self.hasher.hash_one(who))
    }

    /// Notes a rating and says what is unusual about it. The same call's rating again is no further one.
    pub fn rated(&self, rated: &Rated<'_>, now: Duration) -> BTreeSet<Flag> {
        let burst = if rated.agent.is_some() { BURST } else { BURST_OF_NOBODY };
        let by_caller = rated.caller.filter(|_| rated.agent.is_some()).map(|caller| (SAME_CALLER, caller));
        let call = self.hasher.hash_one((rated.tenant, rated.call));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut flags = BTreeSet::new();
        for (rule, source) in [Some((burst, rated.source)), by_caller].into_iter().flatten() {
            let pair = self.hasher.hash_one((rule.flag, rated.tenant, source, rated.agent));
            if seen.note(pair, call, rule, now) > rule.usual {
                flags.insert(rule.flag);
            }
        }
        flags
    }
}

impl Seen {
    /// How many ratings this pair has had within the rule's span, this one included.
    fn note(&mut self, pair: u64, call: u64, rule: Rule, now: Duration) -> usize {
        if self.young.len() >= PAIRS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        let lately = self.young.entry(pair).or_insert_with(|| old.remove(&pair).unwrap_or_default());
        lately.retain(|(at, seen)| now.saturating_sub(*at) < rule.span && *seen != call);
        lately.push_back((now, call));
        if lately.len() > rule.usual + 1 {
            lately.pop_front();
        }
        lately.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Line {
        unusual: Unusual,
        tenant: TenantId,
    }

    impl Line {
        fn new() -> Self {
            Self { unusual: Unusual::default(), tenant: TenantId::default() }
        }

        fn rated(&self, call: u32, agent: &str, source: &str, caller: Option<&str>, second: u64) -> String {
            let (call, agent) = (CallId::new(format!("c{call}")).unwrap(), AgentId::new(agent).ok());
            let rated = Rated {
                tenant: &self.tenant,
                call: &call,
                agent: agent.as_ref(),
                source: self.unusual.source(source),
                caller: caller.map(|caller| self.unusual.source(caller)),
            };
            let flags = self.unusual.rated(&rated, Duration::from_secs(second));
            flags.into_iter().map(Flag::word).collect::<Vec<_>>().join(" ")
        }
    }

    #[test]
    fn the_fourth_rating_of_an_agent_by_a_caller_within_a_day_is_noted_and_the_next_day_none_is() {
        let line = Line::new();
        let hour = 3600;
        for (call, second, flags) in [
            (1, 0, ""),
            (2, 5 * hour, ""),
            (3, 10 * hour, ""),
            (4, 15 * hour, "same_caller"),
            (5, 20 * hour, "same_caller"),
            (6, 48 * hour, ""),
        ] {
            assert_eq!(line.rated(call, "ann", "pbx", Some("138"), second), flags, "call {call}");
        }
    }

    #[test]
    fn other_callers_other_agents_unknown_callers_and_nobodys_ratings_are_not_the_same_caller() {
        let line = Line::new();
        for call in 0..8 {
            let agent = ["ann", "bob", "cem"][call as usize % 3];
            assert_eq!(line.rated(call, agent, "pbx", Some("138"), 100 * u64::from(call)), "");
            assert_eq!(line.rated(100 + call, "dan", "pbx", None, 100 * u64::from(call)), "");
            let caller = format!("{call}");
            assert_eq!(line.rated(200 + call, "eve", "pbx", Some(&caller), 100 * u64::from(call)), "");
            assert_eq!(line.rated(300 + call, "", "pbx", Some("138"), 100 * u64::from(call)), "");
        }
    }

    #[test]
    fn more_ratings_of_one_agent_in_a_minute_than_there_can_be_calls_are_a_burst_of_their_source() {
        let line = Line::new();
        let flags: Vec<_> = (0..12).map(|call| line.rated(call, "ann", "key-1", None, 5)).collect();
        assert_eq!((flags[9].as_str(), flags[10].as_str(), flags[11].as_str()), ("", "burst", "burst"));
        assert_eq!(line.rated(50, "ann", "key-2", None, 5), "", "another source");
        assert_eq!(line.rated(51, "bob", "key-1", None, 5), "", "another agent");
        assert_eq!(line.rated(52, "ann", "key-1", None, 65), "", "a minute later");
        let nobodys: Vec<_> = (100..162).map(|call| line.rated(call, "", "key-1", None, 70)).collect();
        assert_eq!((nobodys[59].as_str(), nobodys[60].as_str()), ("", "burst"));
    }

    #[test]
    fn hearing_of_a_call_again_is_no_further_rating() {
        let line = Line::new();
        for second in 0..40 {
            assert_eq!(line.rated(1, "ann", "key-1", Some("138"), second), "");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_who_is_asked_for_stays() {
        let line = Line::new();
        for call in 0..3 {
            line.rated(call, "ann", "pbx", Some("138"), 0);
        }
        for caller in 0..3 * PAIRS_MAX as u32 {
            if caller % 10_000 == 0 {
                assert_eq!(line.rated(2, "ann", "pbx", Some("138"), 1), "");
            }
            line.rated(10, "bob", "pbx", Some(&caller.to_string()), 1);
        }
        assert_eq!(line.rated(4, "ann", "pbx", Some("138"), 2), "same_caller");
        let seen = line.unusual.seen.lock().unwrap();
        assert!(seen.young.len() + seen.old.len() <= 2 * PAIRS_MAX);
    }
}
