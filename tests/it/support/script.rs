//! Trouble by script: which requests meet it, from when on, and how often.

/// What the requests have in common that may meet trouble.
pub(crate) trait Wanted {
    type Request;

    fn is(&self, request: &Self::Request) -> bool;
}

/// A fault for some of the requests.
#[derive(Clone, Debug)]
pub(crate) struct Trouble<W, F> {
    pub(super) wanted: W,
    first: usize,
    times: usize,
    fault: F,
}

impl<W, F> Trouble<W, F> {
    /// For the first that is wanted.
    pub(super) fn new(wanted: W, fault: F) -> Self {
        Self { wanted, first: 1, times: 1, fault }
    }

    /// Not the first that matches but the nth, counted from one and from when the trouble was given to the server.
    pub(crate) fn nth(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// Also those that match next, so many in all.
    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Also all that match later.
    pub(crate) fn always(self) -> Self {
        self.times(usize::MAX)
    }
}

/// All the trouble, each with how many requests matched it so far.
pub(super) struct Script<W, F> {
    troubles: Vec<(Trouble<W, F>, usize)>,
    /// How many requests met trouble.
    pub(super) fired: usize,
}

impl<W, F> Default for Script<W, F> {
    fn default() -> Self {
        Self { troubles: Vec::new(), fired: 0 }
    }
}

impl<W: Wanted, F: Clone> Script<W, F> {
    pub(super) fn add(&mut self, trouble: Trouble<W, F>) {
        self.troubles.push((trouble, 0));
    }

    /// Takes all trouble away, but not what struck.
    pub(super) fn heal(&mut self) {
        self.troubles.clear();
    }

    /// What happens to a request: of several that are due, the first that was added.
    pub(super) fn meet(&mut self, request: &W::Request) -> Option<F> {
        let mut due = None;
        for (trouble, matched) in &mut self.troubles {
            if trouble.wanted.is(request) {
                *matched += 1;
                if due.is_none() && *matched >= trouble.first && *matched - trouble.first < trouble.times {
                    due = Some(trouble.fault.clone());
                }
            }
        }
        self.fired += usize::from(due.is_some());
        due
    }
}
