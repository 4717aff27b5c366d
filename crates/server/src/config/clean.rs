//! Ids as a PBX sends them, cut down to what people call the agent or the queue.

use regex::Regex;

/// The rule by which doors clean ids: one pattern with one group.
#[derive(Debug, Clone)]
pub struct CleanIds(Regex);

impl CleanIds {
    /// Takes a pattern with exactly one group.
    ///
    /// # Errors
    /// When the pattern is not a regular expression, or has no group or several.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let regex = super::values::regex(pattern)?;
        match regex.captures_len() - 1 {
            1 => Ok(Self(regex)),
            groups => Err(format!("must have exactly one group, `(…)`, for the id itself; it has {groups}")),
        }
    }

    /// The id within what was sent, or all of it where the pattern does not match; `None` when nothing
    /// but white space was sent.
    #[must_use]
    pub fn clean<'t>(&self, sent: &'t str) -> Option<&'t str> {
        let sent = sent.trim();
        let group = self.0.captures(sent).and_then(|captures| captures.get(1));
        let id = group.map_or(sent, |group| group.as_str().trim());
        let id = if id.is_empty() { sent } else { id };
        (!id.is_empty()).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_rule_takes_the_agent_out_of_channels_and_uris_and_leaves_plain_ids_alone() {
        let clean = crate::config::Config::built_in().ids_clean;
        for (sent, expected) in [
            ("PJSIP/agent1001-00000a", "agent1001"),
            ("PJSIP/agent1001-0000000a", "agent1001"),
            ("PJSIP/agent1001-1f00000a", "agent1001"),
            ("PJSIP/agent1001", "agent1001"),
            ("SIP/agent1001-00000a", "agent1001"),
            ("SIP/agent1001", "agent1001"),
            ("sip/agent1001", "agent1001"),
            ("Local/agent1001@from-queue-00000001;1", "agent1001"),
            ("Local/agent1001@from-queue/n", "agent1001"),
            ("Agent/agent1001", "agent1001"),
            ("sip:agent1001@host", "agent1001"),
            ("<sips:agent1001@host:5061;transport=tcp>", "agent1001"),
            ("sip:agent1001:secret@host", "agent1001"),
            ("sofia/internal/agent1001@10.0.0.1", "agent1001"),
            ("PJSIP/agent-001", "agent-001"),
            ("PJSIP/agent-001-0000002b", "agent-001"),
            ("sip:agent-00000001@host", "agent-00000001"),
            ("PJSIP/客服一号-0000000a", "客服一号"),
            ("agent1001", "agent1001"),
            ("agent-00000a", "agent-00000a"),
            ("sales-queue", "sales-queue"),
            ("team/agent1001", "team/agent1001"),
            ("agent1001@example.com", "agent1001@example.com"),
            (" agent 1001 ", "agent 1001"),
            ("PJSIP/", "PJSIP/"),
            ("sip:@host", "sip:@host"),
        ] {
            assert_eq!(clean.clean(sent), Some(expected), "{sent}");
        }
        assert_eq!(clean.clean("  "), None);
    }

    #[test]
    fn a_site_may_say_what_an_id_is_with_exactly_one_group() {
        let clean = CleanIds::new("^ext-([0-9]+)").unwrap();
        assert_eq!(clean.clean("ext-42-b"), Some("42"));
        assert_eq!(clean.clean("SIP/42"), Some("SIP/42"));
        assert_eq!(CleanIds::new("^(a*)b").unwrap().clean("b"), Some("b"), "an empty group is no id");
        for (pattern, expected) in [
            ("^ext-", "must have exactly one group, `(…)`, for the id itself; it has 0"),
            ("^(a)(b)", "must have exactly one group, `(…)`, for the id itself; it has 2"),
            ("(", "is not a regular expression: unclosed group"),
        ] {
            assert_eq!(CleanIds::new(pattern).unwrap_err(), expected);
        }
    }
}
