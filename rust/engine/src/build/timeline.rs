//! What runs when, for the report.

use std::sync::Mutex;
use std::time::Instant;

use crate::error::Stage;
use crate::report::{Span, SpanKind};

/// All that has run in one build so far.
#[derive(Debug)]
pub struct Timeline {
    started: Instant,
    spans: Mutex<Vec<Span>>,
}

impl Timeline {
    /// Of a build that began at `started`.
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            spans: Mutex::new(Vec::new()),
        }
    }

    /// Something begins; it ends when what is returned is dropped. `layer`: it is for the layer below the
    /// image.
    pub fn begin(
        &self,
        kind: SpanKind,
        stage: Stage,
        what: impl Into<String>,
        layer: bool,
    ) -> Running<'_> {
        let start = self.now();
        let span = Span {
            stage,
            kind,
            what: what.into(),
            layer,
            start,
            stop: start,
            turn: None,
        };
        Running {
            timeline: self,
            span,
            waits: false,
        }
    }

    /// What has ended so far, by its start.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = self.lock().clone();
        spans.sort_by(|a, b| a.start.total_cmp(&b.start));
        for span in &mut spans {
            span.start = in_milliseconds(span.start);
            span.stop = in_milliseconds(span.stop);
            span.turn = span.turn.map(in_milliseconds);
        }
        spans
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Seconds to three places, as more would only make reports longer.
pub fn in_milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Something that runs.
#[derive(Debug)]
pub struct Running<'a> {
    timeline: &'a Timeline,
    span: Span,
    waits: bool,
}

impl Running<'_> {
    /// It began when the build did.
    #[must_use]
    pub fn from_the_start(mut self) -> Self {
        self.span.start = 0.0;
        self
    }

    /// Whether it still waits for its turn.
    pub fn waits(&mut self, waits: bool) {
        if waits || self.waits {
            self.span.turn = Some(self.timeline.now());
        }
        self.waits = waits;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.span.stop = self.timeline.now();
        self.timeline.lock().push(self.span.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_is_told_by_its_start() {
        let timeline = Timeline::new(Instant::now());
        let mut long = timeline.begin(SpanKind::Process, Stage::Image, "long", true);
        drop(timeline.begin(SpanKind::Engine, Stage::Check, "short", false));
        long.waits(true);
        assert_eq!(timeline.spans().len(), 1);
        drop(long);
        let whole = timeline.begin(SpanKind::Stage, Stage::Trace, "whole", false);
        drop(whole.from_the_start());
        let spans = timeline.spans();
        let names: Vec<&str> = spans.iter().map(|span| &*span.what).collect();
        assert_eq!(names, ["whole", "long", "short"]);
        let [whole, long, short] = &spans[..] else {
            panic!()
        };
        assert_eq!(whole.start, 0.0);
        assert!(long.layer && long.start <= short.start && short.stop <= long.stop);
        assert_eq!((whole.turn, short.turn), (None, None));
        assert!(
            long.turn
                .is_some_and(|turn| long.start <= turn && turn <= long.stop)
        );
    }
}
