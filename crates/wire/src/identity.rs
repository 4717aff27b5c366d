//! Which call, agent and queue a SIP request is about, and who calls.
//!
//! Every fact is looked for in this order, and an empty value is as good as none:
//! 1. the headers that PBXs are configured to send (`X-Agent-Id` ...), in the order of [`Names`];
//! 2. the addresses: the Request-URI, then `To`, then `Refer-To`; in each, first the headers in it
//!    (`?X-Agent-Id=7`), then its parameters (`;agent=7`);
//! 3. `User-to-User`: parameters; a reference without a name is the call's;
//! 4. what only hints at it: `Accept-Language` for the language, `From` for the caller.

use crate::headers::{NameAddr, Parameters, Uri, UserToUser, VALUE_BYTES_MAX};

/// The most headers of one request that are looked at. Requests have thirty.
const HEADERS_MAX: usize = 128;

/// The names of the headers that tell a fact, each list in the order of precedence. Case does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The call that the rating is for.
    pub call: Vec<String>,
    /// The agent who spoke with the caller.
    pub agent: Vec<String>,
    /// The queue through which the call came.
    pub queue: Vec<String>,
    /// The skill for which the call was queued.
    pub skill: Vec<String>,
    /// The survey to put.
    pub survey: Vec<String>,
    /// The caller's language.
    pub language: Vec<String>,
    /// `no` here means: no survey for this call.
    pub wanted: Vec<String>,
}

impl Default for Names {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            call: names(&["X-Call-Id", "X-CSAT-Call-ID"]),
            agent: names(&["X-Agent-Id", "X-CSAT-Agent"]),
            queue: names(&["X-Queue-Id", "X-CSAT-Queue"]),
            skill: names(&["X-Skill-Id", "X-CSAT-Skill"]),
            survey: names(&["X-Survey"]),
            language: names(&["X-Language"]),
            wanted: names(&["X-CSAT"]),
        }
    }
}

/// What a request says about its call. `None` is: it does not say.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CallFacts {
    /// The call that the rating is for. Without one, the SIP Call-ID serves; that is the reader's to add.
    pub call_ref: Option<String>,
    /// The agent who spoke with the caller, as the PBX names them.
    pub agent: Option<String>,
    /// The queue through which the call came, as the PBX names it.
    pub queue: Option<String>,
    /// The skill for which the call was queued.
    pub skill: Option<String>,
    /// The survey to put.
    pub survey: Option<String>,
    /// The languages the caller would have, most wanted first: tags, as they were written.
    pub languages: Vec<String>,
    /// Who calls: a number or user name, from `P-Asserted-Identity` or else `From`.
    pub caller: Option<String>,
    /// The caller asked not to be named (RFC 3323, RFC 3325).
    pub private: bool,
    /// Who diverted the call first (RFC 5806), mostly the number that was dialled: the last one in the list.
    pub diverted_from: Option<String>,
    /// Who referred the caller to us (RFC 3892).
    pub referred_by: Option<String>,
    /// No survey for this call.
    pub suppressed: bool,
}

/// People are shown as present, not by name or number.
impl std::fmt::Debug for CallFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let masked = |person: &Option<String>| person.as_ref().map(|_| "…");
        f.debug_struct("CallFacts")
            .field("call_ref", &self.call_ref)
            .field("agent", &self.agent)
            .field("queue", &self.queue)
            .field("skill", &self.skill)
            .field("survey", &self.survey)
            .field("languages", &self.languages)
            .field("caller", &masked(&self.caller))
            .field("private", &self.private)
            .field("diverted_from", &masked(&self.diverted_from))
            .field("referred_by", &masked(&self.referred_by))
            .field("suppressed", &self.suppressed)
            .finish()
    }
}

/// Collects what a request says. `headers` are its names and values in their order.
#[must_use]
pub fn call_facts(names: &Names, request_uri: &str, headers: &[(&str, &str)]) -> CallFacts {
    let request = Request::new(request_uri, headers);
    let fact = |names, parameters: &[&str]| request.fact(names, parameters);
    CallFacts {
        call_ref: fact(&names.call, &["call", "call_id", "callid", "sid"]).or_else(|| request.reference()),
        agent: fact(&names.agent, &["agent", "agent_id"]),
        queue: fact(&names.queue, &["queue", "queue_id"]),
        skill: fact(&names.skill, &["skill", "skill_id"]),
        survey: fact(&names.survey, &["survey"]),
        languages: by_preference(
            &fact(&names.language, &["language", "lang"])
                .unwrap_or_else(|| request.values("Accept-Language").collect::<Vec<_>>().join(",")),
        ),
        caller: request.caller(),
        private: request.is_private(),
        diverted_from: request.named("Diversion").filter_map(|address| called(&address)).last(),
        referred_by: request.named("Referred-By").find_map(|address| called(&address)),
        suppressed: fact(&names.wanted, &["csat"]).is_some_and(|word| is_no(&word)),
    }
}

/// What a request says of anything else that a survey asks for by this name: the header `X-Survey-NAME`, or a
/// parameter of that name.
#[must_use]
pub fn variable(name: &str, request_uri: &str, headers: &[(&str, &str)]) -> Option<String> {
    Request::new(request_uri, headers).fact(&[format!("X-Survey-{name}")], &[name])
}

/// A request, with its addresses and data read once.
struct Request<'a> {
    headers: &'a [(&'a str, &'a str)],
    /// Request-URI, `To`, `Refer-To`.
    addresses: Vec<Address>,
    data: Vec<UserToUser>,
}

struct Address {
    uri: Uri,
    /// Parameters behind an address without brackets; often they were meant for its URI.
    behind: Parameters,
}

impl<'a> Request<'a> {
    fn new(request_uri: &str, headers: &'a [(&'a str, &'a str)]) -> Self {
        let headers = headers.get(..HEADERS_MAX).unwrap_or(headers);
        let mut request = Self { headers, addresses: Vec::new(), data: Vec::new() };
        let requested = Uri::parse(request_uri).map(|uri| Address { uri, behind: Parameters::default() });
        let named = ["To", "Refer-To"].into_iter().flat_map(|name| request.named(name));
        let addressed = named.map(|address| Address { uri: address.uri, behind: address.parameters });
        let addresses: Vec<Address> = requested.into_iter().chain(addressed).collect();
        let in_headers = request.values("User-to-User").flat_map(UserToUser::parse_list);
        let in_addresses = addresses.iter().filter_map(|address| address.uri.headers.get("User-to-User"));
        let data = in_headers.chain(in_addresses.flat_map(UserToUser::parse_list)).collect();
        request.addresses = addresses;
        request.data = data;
        request
    }

    /// The first that is stated in the order of the module's documentation, without its hints.
    fn fact(&self, names: &[String], parameters: &[&str]) -> Option<String> {
        let in_headers = names.iter().flat_map(|name| self.values(name));
        let in_addresses = self.addresses.iter().flat_map(|Address { uri, behind }| {
            let headers = names.iter().filter_map(|name| uri.headers.get(name));
            headers.chain(first_of(&uri.parameters, parameters)).chain(first_of(behind, parameters))
        });
        let in_data = self.data.iter().flat_map(|data| first_of(&data.parameters, parameters));
        in_headers.chain(in_addresses).chain(in_data).find_map(stated)
    }

    fn reference(&self) -> Option<String> {
        self.data.iter().find_map(|data| stated(data.reference.as_deref()?))
    }

    fn caller(&self) -> Option<String> {
        let known = |address: &NameAddr| !is_anonymous(&address.uri);
        let asserted = self.named("P-Asserted-Identity").filter(known).find_map(|address| called(&address));
        asserted.or_else(|| self.named("From").filter(known).find_map(|address| called(&address)))
    }

    fn is_private(&self) -> bool {
        let asked =
            |word: &str| ["id", "user", "header", "full"].iter().any(|w| w.eq_ignore_ascii_case(word));
        self.values("Privacy").any(|value| value.split([';', ',']).any(|word| asked(word.trim())))
    }

    fn named(&self, header: &str) -> impl Iterator<Item = NameAddr> {
        self.values(header).flat_map(NameAddr::parse_list)
    }

    fn values(&self, header: &str) -> impl Iterator<Item = &'a str> {
        let named = move |name: &str| {
            name.eq_ignore_ascii_case(header) || compact(header).is_some_and(|c| name.eq_ignore_ascii_case(c))
        };
        let readable = |value: &&str| value.len() <= VALUE_BYTES_MAX;
        self.headers.iter().filter(move |(name, _)| named(name)).map(|(_, value)| *value).filter(readable)
    }
}

/// The one-letter names of headers looked at here (RFC 3261, 7.3.3; RFC 3515; RFC 3892).
fn compact(header: &str) -> Option<&'static str> {
    match header {
        "From" => Some("f"),
        "To" => Some("t"),
        "Refer-To" => Some("r"),
        "Referred-By" => Some("b"),
        _ => None,
    }
}

fn first_of<'a>(parameters: &'a Parameters, names: &[&str]) -> impl Iterator<Item = &'a str> {
    names.iter().filter_map(|name| parameters.get(name))
}

fn stated(value: &str) -> Option<String> {
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn called(address: &NameAddr) -> Option<String> {
    address.uri.called().map(str::to_owned)
}

/// RFC 3323, 4.1: `sip:anonymous@anonymous.invalid`.
fn is_anonymous(uri: &Uri) -> bool {
    uri.called().is_some_and(|user| user.eq_ignore_ascii_case("anonymous"))
        || uri.host.eq_ignore_ascii_case("anonymous.invalid")
}

fn is_no(word: &str) -> bool {
    ["no", "off", "false", "0"].iter().any(|no| no.eq_ignore_ascii_case(word))
}

/// The tags of `da, en-gb;q=0.8, *;q=0.1` (RFC 3261, 20.3), most wanted first.
fn by_preference(value: &str) -> Vec<String> {
    let mut wanted: Vec<(&str, f32)> = value
        .split(',')
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().filter(|tag| !tag.is_empty() && *tag != "*")?;
            let quality =
                parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            quality.filter(|quality: &f32| *quality > 0.0).map(|quality| (tag, quality))
        })
        .collect();
    wanted.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    wanted.into_iter().map(|(tag, _)| tag.to_owned()).collect()
}
