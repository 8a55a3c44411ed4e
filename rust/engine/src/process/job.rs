//! Of Windows: the job object of a child, with all that it starts. It ends with its last handle, and so with this
//! process, however this ends.
//!
//! `process_wrap`'s own job waits for a notification of its completion port, each of which comes once: its
//! `try_wait` takes them, and its `wait` then waits for ever (job_object.rs of 10.0.1). Here the processes are
//! waited for.

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use process_wrap::std::{ChildWrapper, CommandWrap, CommandWrapper};
use windows::Win32::Foundation::HANDLE;
use windows::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicProcessIdList,
    JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject,
    TerminateJobObject,
};
use windows::Win32::System::Threading::{OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject};

/// How long processes that were ended are waited for. One in the midst of a slow call ends late.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a process that is ended here says, as one that Windows ends at Ctrl-C.
const EXIT: u32 = 1;

/// Puts a child into a job of its own. To be wrapped around a command before `process_wrap`'s `JobObject`: that
/// starts the child suspended, and lets it go once it is in both.
#[derive(Debug)]
pub struct InJob;

impl CommandWrapper for InJob {
    fn wrap_child(
        &mut self,
        inner: Box<dyn ChildWrapper>,
        _core: &CommandWrap,
    ) -> io::Result<Box<dyn ChildWrapper>> {
        let job = match inner.process_handle() {
            Some(process) => Job::of(process),
            None => Err(io::Error::other("the child has no handle")),
        };
        // Where jobs cannot lie in one another, the child may outlive this process, and no more.
        let job = job.ok();
        Ok(Box::new(Member { inner, job }))
    }
}

/// A child in its job.
#[derive(Debug)]
struct Member {
    inner: Box<dyn ChildWrapper>,
    job: Option<Job>,
}

impl ChildWrapper for Member {
    fn inner(&self) -> &dyn ChildWrapper {
        self.inner.as_ref()
    }

    fn inner_mut(&mut self) -> &mut dyn ChildWrapper {
        self.inner.as_mut()
    }

    fn into_inner(self: Box<Self>) -> Box<dyn ChildWrapper> {
        self.inner
    }

    fn process_handle(&self) -> Option<BorrowedHandle<'_>> {
        self.inner.process_handle()
    }

    /// Ends the child and all that it started, and waits until they have ended.
    fn start_kill(&mut self) -> io::Result<()> {
        match &self.job {
            Some(job) => job.end(),
            None => self.inner.start_kill(),
        }
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        self.inner.wait()
    }
}

/// Ends `child`, which is [`contained`](super::child), and its descendants, and waits until they are gone: as
/// long as one is not, it has files open that are about to be removed.
pub fn end(child: &mut dyn ChildWrapper) {
    // What is below `process_wrap`'s job, whose part is left to it where there is no other.
    let _ = child.inner_mut().start_kill();
    let _ = child.start_kill();
    let _ = child.inner_mut().wait();
}

#[derive(Debug)]
struct Job(OwnedHandle);

/// What `JobObjectBasicProcessIdList` fills in, with more room than its own type has.
#[repr(C)]
struct Members {
    assigned: u32,
    listed: u32,
    ids: [usize; 1024],
}

impl Job {
    /// A job with `process` in it.
    fn of(process: BorrowedHandle<'_>) -> io::Result<Self> {
        // SAFETY: no attributes and no name is what the call documents for a job of one's own, which no child
        // inherits; the handle is new and nobody else's.
        let job = unsafe { OwnedHandle::from_raw_handle(CreateJobObjectW(None, None)?.0) };
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        let size = u32::try_from(size_of_val(&limits)).unwrap_or(0);
        let handle = HANDLE(job.as_raw_handle());
        // SAFETY: `limits` is what this sort of information is, of that size, and outlives the call; both
        // handles are open.
        unsafe {
            SetInformationJobObject(
                handle,
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size,
            )?;
            AssignProcessToJobObject(handle, HANDLE(process.as_raw_handle()))?;
        }
        Ok(Self(job))
    }

    fn handle(&self) -> HANDLE {
        HANDLE(self.0.as_raw_handle())
    }

    /// Its processes that have not ended, as far as these can be waited for.
    fn processes(&self) -> Vec<OwnedHandle> {
        let mut members = Members {
            assigned: 0,
            listed: 0,
            ids: [0; 1024],
        };
        let size = u32::try_from(size_of_val(&members)).unwrap_or(0);
        // SAFETY: `members` is what this sort of information is, of that size, and outlives the call. Where there
        // are more, those that have room are listed.
        let _ = unsafe {
            QueryInformationJobObject(
                Some(self.handle()),
                JobObjectBasicProcessIdList,
                (&raw mut members).cast(),
                size,
                None,
            )
        };
        let listed = members.ids.iter().take(members.listed as usize);
        let ids = listed.filter_map(|&id| u32::try_from(id).ok());
        ids.filter_map(|id| {
            // SAFETY: takes any number; the handle is new and nobody else's.
            let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, false, id) }.ok()?;
            // SAFETY: as above.
            Some(unsafe { OwnedHandle::from_raw_handle(process.0) })
        })
        .collect()
    }

    /// Ends its processes, and waits until they have.
    fn end(&self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            // Opened while they are listed: one that is ended leaves the list before it has closed its files.
            let processes = self.processes();
            // SAFETY: the job is open.
            unsafe { TerminateJobObject(self.handle(), EXIT)? };
            for process in &processes {
                let left = until.saturating_duration_since(Instant::now());
                let left = u32::try_from(left.as_millis()).unwrap_or(0);
                // SAFETY: the handle is open.
                unsafe { WaitForSingleObject(HANDLE(process.as_raw_handle()), left) };
            }
            // Again until none is found: one may just have started another.
            if processes.is_empty() || Instant::now() >= until {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead, BufReader};
    use std::os::windows::fs::OpenOptionsExt;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::sync::mpsc;

    use super::super::child::contained;
    use super::*;

    #[test]
    fn a_child_that_has_ended_is_not_waited_for_again() {
        let (told, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let mut command = Command::new("cmd");
            command.args(["/c", "exit", "3"]);
            let mut child = contained(command).spawn().unwrap();
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            // Whatever its job has told is taken.
            for _ in 0..5 {
                child.try_wait().unwrap();
            }
            end(child.as_mut());
            told.send(status.code()).unwrap();
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(Some(3)));
    }

    const ROLE: &str = "PCRS_TEST_JOB_ROLE";
    const HELD: &str = "PCRS_TEST_JOB_HELD";

    /// A process of this test, in one of its other roles.
    fn this_test(role: &str) -> Command {
        let test = std::thread::current().name().unwrap().to_string();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &test, "--nocapture"]);
        command.env(ROLE, role).stdin(Stdio::piped());
        command
    }

    #[expect(clippy::disallowed_methods, reason = "of processes of this test")]
    #[test]
    fn what_a_child_started_has_closed_its_files_when_it_was_ended() {
        match std::env::var(ROLE).as_deref() {
            Ok("child") => {
                let mut holder = this_test("holder").spawn().unwrap();
                // What `wait` would close, and so end it.
                let _input = holder.stdin.take();
                holder.wait().unwrap();
                return;
            }
            Ok(_) => {
                let held = PathBuf::from(std::env::var_os(HELD).unwrap());
                let file = File::options().read(true).share_mode(0).open(held);
                println!("\nit is open");
                std::io::stdin().lines().for_each(drop);
                drop(file.unwrap());
                return;
            }
            Err(_) => {}
        }
        let folder = tempfile::tempdir().unwrap();
        let held = folder.path().join("held");
        std::fs::write(&held, "x").unwrap();
        let mut command = this_test("child");
        command.env(HELD, &held).stdout(Stdio::piped());
        let mut child = contained(command).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout().take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "it is open"));
        assert!(File::open(&held).is_err());
        end(child.as_mut());
        File::open(&held).unwrap();
    }
}
