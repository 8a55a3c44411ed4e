//! Cleans up after a build whose process was killed outright (SIGKILL, SIGHUP, a crash).
//!
//! A small shell waits at the end of a pipe that only this process holds. While the build lives it
//! is told of each child's process group; when the pipe closes without a goodbye it ends those
//! groups and removes the work folder. A shell, because a library has no executable of its own to
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

    use process_wrap::std::{CommandWrap, ProcessGroup};

    const SCRIPT: &str = include_str!("watchdog.sh");

    #[derive(Debug)]
    pub struct Watchdog(Mutex<Option<Running>>);

    #[derive(Debug)]
    struct Running {
        child: Box<dyn process_wrap::std::ChildWrapper>,
        pipe: ChildStdin,
    }

    impl Watchdog {
        /// Starts watching over `folder`.
        ///
        /// # Errors
        /// When `/bin/sh` cannot be started.
        pub fn start(folder: &Path) -> io::Result<Self> {
            let mut command = Command::new("/bin/sh");
            command
                .arg("-c")
                .arg(SCRIPT)
                .arg("packagecompilerrs-watchdog")
                .arg(folder)
                .current_dir("/")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            // A group of its own: Ctrl-C at the terminal must not end it before its turn.
            let mut wrapped = CommandWrap::from(command);
            wrapped.wrap(ProcessGroup::leader());
            let mut child = wrapped.spawn()?;
            let pipe = child
                .stdin()
                .take()
                .ok_or_else(|| io::Error::other("the watchdog has no pipe"))?;
            Ok(Self(Mutex::new(Some(Running { child, pipe }))))
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
            if let Some(running) = running.as_mut() {
                // A watchdog that somebody killed is no reason to fail the build.
                let _ = running.pipe.write_all(line.as_bytes());
            }
        }
    }

    impl Drop for Watchdog {
        fn drop(&mut self) {
            let mut running = self.0.lock().unwrap_or_else(|e| e.into_inner());
            if let Some(Running {
                mut child,
                mut pipe,
            }) = running.take()
            {
                let _ = pipe.write_all(b"done\n");
                drop(pipe);
                let _ = child.wait();
            }
        }
    }
}

#[cfg(not(unix))]
mod none {
    use std::io;
    use std::path::Path;

    #[derive(Debug)]
    pub struct Watchdog;

    impl Watchdog {
        pub fn start(_folder: &Path) -> io::Result<Self> {
            Ok(Self)
        }
        pub fn add(&self, _child: u32) {}
        pub fn remove(&self, _child: u32) {}
    }
}
