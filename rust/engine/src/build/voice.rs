//! How a build speaks: to its caller and into its log; and how it is told to stop.

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use pcrs_cache::Stop;

use super::channel::Channel;
use super::event::Event;
use crate::error::Stage;

pub struct Voice<'a> {
    channel: &'a Channel,
    log: Mutex<File>,
    started: Instant,
    /// The warnings so far: a build may come by the same place twice, as on a layer and without, and need not tell
    /// them again.
    told: Mutex<Vec<String>>,
}

impl<'a> Voice<'a> {
    /// `told` are the warnings that the caller has heard before the build began again.
    pub fn new(channel: &'a Channel, log: File, started: Instant, told: Vec<String>) -> Self {
        Self {
            channel,
            log: Mutex::new(log),
            started,
            told: told.into(),
        }
    }

    /// The warnings that it has told.
    pub fn told(self) -> Vec<String> {
        self.told.into_inner().unwrap_or_else(|e| e.into_inner())
    }

    /// The wish to stop, for what reads.
    pub fn stop(&self) -> &Stop {
        self.channel.stop()
    }

    pub fn cancelled(&self) -> bool {
        self.channel.cancelled()
    }

    pub fn event(&self, event: Event) {
        self.channel.send(event);
    }

    pub fn warn(&self, stage: Stage, text: impl Into<String>) {
        let text = text.into();
        self.log(&format!("warning: {text}"));
        let mut told = self.told.lock().unwrap_or_else(|e| e.into_inner());
        if told.contains(&text) {
            return;
        }
        told.push(text.clone());
        drop(told);
        self.event(Event::Warning { stage, text });
    }

    pub fn output(&self, stage: Stage, text: &str, shown: bool) {
        self.log(&format!("{}| {text}", stage.name()));
        self.event(Event::Output {
            stage,
            text: text.to_string(),
            shown,
        });
    }

    /// Seconds since the build began.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// A line of the log, with the seconds since the start.
    pub fn log(&self, line: &str) {
        // One write a line: the file is not buffered, so that a crash loses nothing.
        let line = format!("[{:8.2}] {line}\n", self.seconds());
        let mut log = self.log.lock().unwrap_or_else(|e| e.into_inner());
        // A log that cannot be written is no reason to lose the image.
        let _ = log.write_all(line.as_bytes());
    }
}
