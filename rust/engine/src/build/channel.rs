//! What goes between a build and its caller: events and the result one way, the wish to stop the other.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use pcrs_cache::Stop;

use super::event::Event;
use crate::error::{BuildError, Stage};
use crate::report::BuildReport;

/// Called after each event; must return at once and may be called from any thread.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// Between one build and the [`Build`](crate::Build) that its caller holds.
pub struct Channel<R = BuildReport> {
    cancel: Stop,
    state: Mutex<State<R>>,
    ended: Condvar,
    /// None once nobody listens.
    waker: RwLock<Option<Waker>>,
}

/// Bytes of output that may wait to be taken before more is left out: somebody may start a build
/// and never ask for its events, and the log has every line.
const WAITING: usize = 8 << 20;

struct State<R> {
    events: VecDeque<Event>,
    /// Bytes that the events hold, about.
    waiting: usize,
    left_out: Option<LeftOut>,
    result: Option<Result<R, BuildError>>,
}

/// Lines of output left out since the last event.
struct LeftOut {
    stage: Stage,
    shown: bool,
    lines: u64,
}

impl<R> Default for State<R> {
    fn default() -> Self {
        Self {
            events: VecDeque::new(),
            waiting: 0,
            left_out: None,
            result: None,
        }
    }
}

impl<R> State<R> {
    fn push(&mut self, event: Event) {
        if let Event::Output { stage, shown, .. } = event
            && self.waiting >= WAITING
        {
            let none = LeftOut {
                stage,
                shown: false,
                lines: 0,
            };
            let left_out = self.left_out.get_or_insert(none);
            left_out.shown |= shown;
            left_out.lines += 1;
            return;
        }
        if event == Event::Beat && self.events.back() == Some(&Event::Beat) {
            return;
        }
        if let Some(left_out) = self.left_out.take() {
            self.events.push_back(Event::Output {
                stage: left_out.stage,
                text: format!("[{} more lines]", left_out.lines),
                shown: left_out.shown,
            });
        }
        self.waiting += size(&event);
        self.events.push_back(event);
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.waiting = self.waiting.saturating_sub(size(&event));
        Some(event)
    }
}

fn size(event: &Event) -> usize {
    let text = match event {
        Event::Output { text, .. } => text.len(),
        _ => 0,
    };
    text + size_of::<Event>()
}

impl<R: Clone> Channel<R> {
    pub fn new(waker: Waker) -> Self {
        Self {
            cancel: Stop::default(),
            state: Mutex::default(),
            ended: Condvar::new(),
            waker: RwLock::new(Some(waker)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn send(&self, event: Event) {
        self.state().push(event);
        self.wake();
    }

    /// Tells the result, and that nothing follows.
    pub fn finish(&self, result: Result<R, BuildError>) {
        // Both at once: who sees one may rely on the other.
        let mut state = self.state();
        state.result = Some(result);
        state.push(Event::Finished);
        drop(state);
        self.ended.notify_all();
        self.wake();
    }

    /// The oldest event not yet taken.
    pub fn next_event(&self) -> Option<Event> {
        self.state().pop()
    }

    pub fn cancel(&self) {
        self.cancel.set();
    }

    pub fn cancelled(&self) -> bool {
        self.cancel.is_set()
    }

    /// The wish to stop, for what reads files and knows of no build.
    pub fn stop(&self) -> &Stop {
        &self.cancel
    }

    /// When this returns, the waker is not being called, and never will be.
    pub fn silence(&self) {
        *self.waker.write().unwrap_or_else(|e| e.into_inner()) = None;
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.read().unwrap_or_else(|e| e.into_inner()) {
            waker();
        }
    }

    /// Waits for the result, at most `timeout`; says whether it came.
    pub fn wait(&self, timeout: Duration) -> bool {
        let state = self.state();
        let (state, _) = self
            .ended
            .wait_timeout_while(state, timeout, |state| state.result.is_none())
            .unwrap_or_else(|e| e.into_inner());
        state.result.is_some()
    }

    pub fn result(&self) -> Option<Result<R, BuildError>> {
        self.state().result.clone()
    }
}
