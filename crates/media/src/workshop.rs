//! Where prompts are encoded as G.722 and Opus: one thread, apart from those that keep time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::{io, thread};

use aftercall_wire::codec::Codec;

use crate::clip::Clip;

/// Clips that wait to be made: some twenty prompts in each of ten languages and two codecs. What finds no room is
/// ordered again with the next packet.
const ORDERS_MAX: usize = 512;

/// Takes orders for clips. The thread behind it ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    orders: SyncSender<Order>,
}

struct Order {
    clip: Arc<Clip>,
    codec: Codec,
}

impl Workshop {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub(crate) fn start() -> io::Result<Self> {
        let (orders, queue) = sync_channel(ORDERS_MAX);
        thread::Builder::new().name("rtp-encode".to_owned()).spawn(move || work(&queue))?;
        Ok(Self { orders })
    }

    /// Has a clip made that was asked for. Does not wait.
    pub(crate) fn order(&self, clip: Arc<Clip>, codec: Codec) {
        if let Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) =
            self.orders.try_send(Order { clip, codec })
        {
            order.clip.wide().ask_again(codec);
        }
    }
}

fn work(queue: &Receiver<Order>) {
    while let Ok(Order { clip, codec }) = queue.recv() {
        // A fault of the encoder is not to keep every later prompt waiting; this one it silences.
        if catch_unwind(AssertUnwindSafe(|| clip.wide().make(codec))).is_err() {
            clip.wide().silence(codec);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn clip() -> Arc<Clip> {
        Arc::new(Clip::tone(440, Duration::from_millis(40)))
    }

    #[test]
    fn what_finds_no_room_may_be_ordered_again() {
        let (orders, _queue) = sync_channel(1);
        let workshop = Workshop { orders };
        let [taken, refused] = [clip(), clip()];
        for clip in [&taken, &refused] {
            assert!(clip.wide().ask(Codec::Opus));
            workshop.order(Arc::clone(clip), Codec::Opus);
        }
        assert!(!taken.wide().ask(Codec::Opus));
        assert!(refused.wide().ask(Codec::Opus));
    }

    #[test]
    fn what_is_ordered_is_made_and_the_work_ends_with_the_last_who_may_order() {
        let (orders, queue) = sync_channel(2);
        let workshop = Workshop { orders };
        let clip = clip();
        workshop.order(Arc::clone(&clip), Codec::G722);
        workshop.order(Arc::clone(&clip), Codec::Opus);
        drop(workshop);
        work(&queue);
        assert!(clip.wide().g722().is_some() && clip.wide().opus().is_some());
    }
}
