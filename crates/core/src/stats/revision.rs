//! What is known of one rating after news of it came in any order.

/// One piece of news about a rating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News<T> {
    /// It is this, by its `revision`th version; `arrival` says which of two came first.
    Rated {
        /// The version, counted by who amends.
        revision: u32,
        /// The place in the order of arrival.
        arrival: u64,
        /// The rating.
        rating: T,
    },
    /// It is deleted, for good.
    Deleted,
}

/// What is known of one rating.
///
/// The highest revision counts, of equal ones the first arrival, and a delete is final. So the same
/// news in any order, and any of it twice, leaves the same knowledge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Known<T> {
    /// Nothing was heard.
    #[default]
    Nothing,
    /// It is this.
    Rated {
        /// The version it is by.
        revision: u32,
        /// The arrival of that version.
        arrival: u64,
        /// The rating.
        rating: T,
    },
    /// It was deleted: whatever else comes is too late.
    Deleted,
}

impl<T> Known<T> {
    /// Hears one more piece of news.
    #[must_use]
    pub fn hear(self, news: News<T>) -> Self {
        match (self, news) {
            (Self::Deleted, _) | (_, News::Deleted) => Self::Deleted,
            (Self::Rated { revision, arrival, rating }, News::Rated { revision: other, arrival: at, .. })
                if (other, std::cmp::Reverse(at)) <= (revision, std::cmp::Reverse(arrival)) =>
            {
                Self::Rated { revision, arrival, rating }
            }
            (_, News::Rated { revision, arrival, rating }) => Self::Rated { revision, arrival, rating },
        }
    }

    /// The rating that counts, if there is one.
    #[must_use]
    pub fn rating(&self) -> Option<&T> {
        match self {
            Self::Rated { rating, .. } => Some(rating),
            Self::Nothing | Self::Deleted => None,
        }
    }
}
