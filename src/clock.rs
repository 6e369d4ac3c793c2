//! The one clock. It comes in as an argument everywhere; tests move it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::words::Timestamp;

/// What tells the time.
#[derive(Clone, Debug)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until it is moved. Clones move together.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(start.0))))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Some(moment) => Timestamp(moment.load(Ordering::SeqCst)),
            #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
            None => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
        }
    }

    /// Moves a manual clock by so many microseconds; the machine's clock stays as it is.
    pub fn advance(&self, micros: i64) {
        if let Some(moment) = &self.0 {
            moment.fetch_add(micros, Ordering::SeqCst);
        }
    }
}
