//! SIP and telephone URIs (RFC 3261, 19.1; RFC 3966).

use super::{BadValue, Parameters, VALUE_BYTES_MAX, decoded};

/// The kinds of URI that name someone to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
}

/// An address to call.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    /// Which kind.
    pub scheme: Scheme,
    /// The user part, or the number of a `tel:` URI, decoded and without a password.
    pub user: Option<String>,
    /// The host as written, an IPv6 address in its brackets; empty for `tel:`.
    pub host: String,
    /// The port, if a valid one is given.
    pub port: Option<u16>,
    /// What follows with `;`.
    pub parameters: Parameters,
    /// What follows with `?`: headers for the request that the URI is put into.
    pub headers: Parameters,
}

impl Uri {
    /// Reads a URI: a Request-URI, or what stands in an address's brackets.
    ///
    /// # Errors
    /// When it is too long, of another scheme, or names nobody.
    pub fn parse(text: &str) -> Result<Self, BadValue> {
        if text.len() > VALUE_BYTES_MAX {
            return Err(BadValue::TooLong);
        }
        let (scheme, rest) = text.trim().split_once(':').ok_or(BadValue::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "sip" => Self::sip(Scheme::Sip, rest),
            "sips" => Self::sip(Scheme::Sips, rest),
            "tel" => Self::tel(rest),
            _ => Err(BadValue::Scheme),
        }
    }

    /// The user part as a person or machine is known by it: of a telephone number in a user part
    /// (`+49301234;npdi`), only the number.
    #[must_use]
    pub fn called(&self) -> Option<&str> {
        let user = self.user.as_deref()?;
        let number = user.starts_with(|c: char| c == '+' || c.is_ascii_digit());
        let name = if number { user.split(';').next()? } else { user };
        Some(name.trim()).filter(|name| !name.is_empty())
    }

    fn sip(scheme: Scheme, rest: &str) -> Result<Self, BadValue> {
        // An `@` must be escaped in both a user part and in headers, yet PBXs put Call-IDs into the latter.
        let (user_info, rest) = rest.split_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (address, headers) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parts = address.split(';');
        let (host, port) = host_and_port(parts.next().unwrap_or_default().trim());
        if host.is_empty() {
            return Err(BadValue::Nobody);
        }
        let user = user_info.and_then(|info| info.split(':').next());
        Ok(Self {
            scheme,
            user: user.map(decoded).filter(|user| !user.is_empty()),
            host: host.to_owned(),
            port,
            parameters: Parameters::read(parts),
            headers: Parameters::read(headers.split('&')),
        })
    }

    fn tel(rest: &str) -> Result<Self, BadValue> {
        let mut parts = rest.split(';');
        let number = decoded(parts.next().unwrap_or_default().trim());
        if number.is_empty() {
            return Err(BadValue::Nobody);
        }
        Ok(Self {
            scheme: Scheme::Tel,
            user: Some(number),
            host: String::new(),
            port: None,
            parameters: Parameters::read(parts),
            headers: Parameters::default(),
        })
    }
}

/// The user part may be a number: only what routes is shown.
impl std::fmt::Debug for Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}:…@{}", self.scheme, self.host)
    }
}

fn host_and_port(text: &str) -> (&str, Option<u16>) {
    let end_of_ipv6 = text.find(']').map(|bracket| bracket + 1);
    let host_end = end_of_ipv6.or(text.find(':')).unwrap_or(text.len());
    let (host, port) = text.split_at(host_end);
    (host, port.strip_prefix(':').and_then(|port| port.parse().ok()))
}
