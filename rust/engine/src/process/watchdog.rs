//! Cleans up after a build whose process was killed outright (SIGKILL, SIGHUP, a crash).
//!
//! A small shell waits at the end of a pipe that only this process holds. While the build lives it
//! is told of each child's process group; when the pipe closes without a goodbye it ends those
//! groups, and what left them, and removes the work folder. A shell, because a library has no executable of its own to
//! start, and code after `fork` in a threaded process may do next to nothing.
//!
//! On Windows a job object ends the children with their parent; the folder is left to the next
//! build's sweep.

#[cfg(not(unix))]
pub use none::Watchdog;
#[cfg(unix)]
pub use unix::Watchdog;

#[cfg(unix)]
mod unix {
    use std::io::{self, Write};
    use std::path::Path;
    use std::process::{ChildStdin, Command, Stdio};
    use std::sync::Mutex;

    use process_wrap::std::{CommandWrap, ProcessSession};

    use crate::process::descendants::{Marks, VARIABLE, WATCHDOG};
    use crate::surroundings::Surroundings;

    const SCRIPT: &str = include_str!("watchdog.sh");

    /// None runs where none could be started, or somebody ended it.
    #[derive(Debug)]
    pub struct Watchdog(Mutex<Option<Running>>);

    #[derive(Debug)]
    struct Running {
        child: Box<dyn process_wrap::std::ChildWrapper>,
        pipe: ChildStdin,
    }

    impl Watchdog {
        /// Starts watching over `folders`, which are absolute, and the children with `marks`.
        ///
        /// # Errors
        /// When `/bin/sh` cannot be started.
        pub fn start(
            folders: &[&Path],
            marks: &Marks,
            surroundings: &Surroundings,
        ) -> io::Result<Self> {
            Self::start_in("/bin/sh", folders, marks, surroundings)
        }

        pub(super) fn start_in(
            shell: &str,
            folders: &[&Path],
            marks: &Marks,
            surroundings: &Surroundings,
        ) -> io::Result<Self> {
            let mut command = Command::new(shell);
            command
                .arg("-c")
                .arg(SCRIPT)
                .arg("packagecompilerrs-watchdog")
                .arg(marks.build())
                .args(folders)
                .env_clear()
                .envs(surroundings.environment.iter().map(|(n, v)| (n, v)))
                // It outlives an enclosing build that ends its marked processes.
                .env_remove(VARIABLE)
                .env(WATCHDOG, "1")
                .current_dir("/")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            // A session of its own: neither Ctrl-C at the terminal nor its end must end it before its
            // turn.
            let mut wrapped = CommandWrap::from(command);
            wrapped.wrap(ProcessSession);
            let mut child = wrapped.spawn()?;
            let pipe = child
                .stdin()
                .take()
                .ok_or_else(|| io::Error::other("the watchdog has no pipe"))?;
            Ok(Self(Mutex::new(Some(Running { child, pipe }))))
        }

        /// Watches nothing.
        pub fn none() -> Self {
            Self(Mutex::new(None))
        }

        /// Puts the process group of `child` under watch.
        pub fn add(&self, child: u32) {
            self.tell(&format!("add {child}\n"));
        }

        /// Takes it off again, once the child has ended: its number may be used anew.
        pub fn remove(&self, child: u32) {
            self.tell(&format!("del {child}\n"));
        }

        fn tell(&self, line: &str) {
            let mut running = self.0.lock().unwrap_or_else(|e| e.into_inner());
            // A watchdog that somebody killed is no reason to fail the build. It is not written to,
            // as that could raise SIGPIPE.
            if running
                .as_mut()
                .is_some_and(|running| !matches!(running.child.try_wait(), Ok(None)))
            {
                *running = None;
            }
            if let Some(running) = running.as_mut() {
                let _ = running.pipe.write_all(line.as_bytes());
            }
        }
    }

    impl Drop for Watchdog {
        fn drop(&mut self) {
            self.tell("done\n");
            let mut running = self.0.lock().unwrap_or_else(|e| e.into_inner());
            if let Some(Running { mut child, pipe }) = running.take() {
                drop(pipe);
                // There is nothing left for it to do, and it may have been stopped.
                let _ = child.start_kill();
                let _ = child.wait();
            }
        }
    }
}

#[cfg(not(unix))]
mod none {
    use std::io;
    use std::path::Path;

    use crate::process::descendants::Marks;
    use crate::surroundings::Surroundings;

    #[derive(Debug)]
    pub struct Watchdog;

    impl Watchdog {
        pub fn start(
            _folders: &[&Path],
            _marks: &Marks,
            _surroundings: &Surroundings,
        ) -> io::Result<Self> {
            Ok(Self)
        }
        pub fn none() -> Self {
            Self
        }
        pub fn add(&self, _child: u32) {}
        pub fn remove(&self, _child: u32) {}
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::process::descendants::Marks;
    use crate::surroundings::Surroundings;

    #[test]
    fn where_there_is_no_shell_nothing_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        Watchdog::start_in(
            "/no/such/shell",
            &[folder.path()],
            &Marks::new(),
            &Surroundings::default(),
        )
        .unwrap_err();
        let none = Watchdog::none();
        none.add(1);
        none.remove(1);
    }

    #[test]
    fn a_folder_is_left_alone_after_a_goodbye() {
        let folder = tempfile::tempdir().unwrap();
        let watchdog =
            Watchdog::start(&[folder.path()], &Marks::new(), &Surroundings::default()).unwrap();
        watchdog.add(u32::MAX);
        watchdog.remove(u32::MAX);
        drop(watchdog);
        assert!(folder.path().exists());
    }
}
