//! Remembering what was heard, to know a prompt that is played again: prompts are encoded once, so a
//! repeat has the same bytes.

/// Bytes of G.711 a millisecond.
const A_MS: usize = 8;

/// So much of a prompt is compared: longer than the words that two prompts may share, and short enough that
/// a lost packet rarely falls into it.
const COMPARED_BYTES: usize = 600 * A_MS;

/// Less than this is a click or a beep, and no prompt.
const COMPARED_BYTES_MIN: usize = 100 * A_MS;

/// The longest stretch kept: a minute, 480 kB. Questions are shorter.
const STRETCH_BYTES_MAX: usize = 60_000 * A_MS;

/// Stretches kept of what follows a key; a survey asks a question a handful of times.
const STRETCHES_MAX: usize = 16;

/// What was said without a pause.
#[derive(Debug, Clone, Default)]
struct Stretch {
    bytes: Vec<u8>,
    /// It was on already when a key was pressed: what comes before this is what the key was pressed into.
    began_before_key: bool,
    /// Where it was quiet first.
    quiet_from: Option<usize>,
    /// It ended by itself, not because a key was pressed.
    ended: bool,
}

/// What was heard around the last key, and whether any of it was heard twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    now: Stretch,
    /// The prompt that the key answers, then what followed.
    kept: Vec<Stretch>,
    /// The key pressed; none where a repeat is nothing wrong.
    key: Option<String>,
    /// The key after which something was heard again.
    again: Option<String>,
}

impl Memory {
    /// Hears a packet; what is quiet belongs to a stretch that has begun.
    pub(super) fn hear(&mut self, payload: &[u8], loud: bool, silence: u8) {
        if self.now.bytes.is_empty() && !loud {
            return;
        }
        if !loud {
            self.now.quiet_from.get_or_insert(self.now.bytes.len());
        }
        // Where a prompt begins within its first packet differs from one time to the next.
        let leading = if self.now.bytes.is_empty() {
            payload.iter().take_while(|byte| **byte == silence).count()
        } else {
            0
        };
        self.now.bytes.extend(&payload[leading..]);
        if self.now.bytes.len() > STRETCH_BYTES_MAX {
            self.pause(silence);
        }
    }

    /// Nobody speaks any more.
    pub(super) fn pause(&mut self, silence: u8) {
        self.now.ended = true;
        self.close(silence);
    }

    /// A key was pressed: from now on what was heard must not be heard again, unless that was asked for.
    pub(super) fn key(&mut self, key: char, silence: u8) {
        let sounding = !self.now.bytes.is_empty();
        self.close(silence);
        self.now.began_before_key = sounding;
        let last = self.kept.len().saturating_sub(1);
        self.kept.drain(..last);
        self.key = (key != '*').then(|| key.to_string());
    }

    /// One more key of the same answer.
    pub(super) fn another_key(&mut self, key: char) {
        if key == '*' {
            self.key = None;
        } else if let Some(keys) = &mut self.key {
            keys.push(key);
        }
    }

    /// The key after which what was heard before was heard again.
    pub(super) fn asked_again_after(&self) -> Option<&str> {
        self.again.as_deref()
    }

    fn close(&mut self, silence: u8) {
        let mut stretch = std::mem::take(&mut self.now);
        let silent = stretch.bytes.iter().rev().take_while(|byte| **byte == silence).count();
        stretch.bytes.truncate(stretch.bytes.len() - silent);
        if stretch.bytes.is_empty() {
            return;
        }
        if self.again.is_none() && self.kept.iter().any(|earlier| repeats(earlier, &stretch)) {
            self.again.clone_from(&self.key);
        }
        if self.kept.len() == STRETCHES_MAX {
            self.kept.remove(0);
        }
        self.kept.push(stretch);
    }
}

/// Whether a stretch has in it how an earlier one began, or ends as it did.
fn repeats(earlier: &Stretch, later: &Stretch) -> bool {
    let head = &earlier.bytes[..earlier.bytes.len().min(COMPARED_BYTES)];
    if head.len() < COMPARED_BYTES_MIN {
        return false;
    }
    // A tone is like itself: while the prompt plays on, it is not played again.
    let from = if later.began_before_key { later.quiet_from } else { Some(0) };
    let rest = from.and_then(|from| later.bytes.get(from..)).unwrap_or_default();
    let begins = rest.windows(head.len()).any(|part| part == head);
    let tail = &earlier.bytes[earlier.bytes.len() - head.len()..];
    begins || (earlier.ended && rest.ends_with(tail))
}
