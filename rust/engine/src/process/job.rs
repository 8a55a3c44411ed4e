//! Of Windows: a job object whose processes end with this one, however it ends.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::OnceLock;

use process_wrap::std::{ChildWrapper, CommandWrap, CommandWrapper};
use windows::Win32::Foundation::HANDLE;
use windows::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject,
};

/// Puts a child into the job, and so all that it starts. To be wrapped around a command before
/// `process_wrap`'s `JobObject`: that starts the child suspended, and lets it go once it is in a job of its
/// own, inside this one.
#[derive(Debug)]
pub struct EndsWithParent;

impl CommandWrapper for EndsWithParent {
    fn wrap_child(
        &mut self,
        child: Box<dyn ChildWrapper>,
        _core: &CommandWrap,
    ) -> io::Result<Box<dyn ChildWrapper>> {
        static JOB: OnceLock<Option<OwnedHandle>> = OnceLock::new();
        if let Some(job) = JOB.get_or_init(|| create().ok())
            && let Some(process) = child.process_handle()
        {
            let (job, process) = (job.as_raw_handle(), process.as_raw_handle());
            // SAFETY: both handles are open, as `JOB` and `child` live.
            // Where jobs cannot lie in one another, the child may outlive this process, and no more.
            let _ = unsafe { AssignProcessToJobObject(HANDLE(job), HANDLE(process)) };
        }
        Ok(child)
    }
}

/// A job that ends with its last handle, which is this process's.
fn create() -> io::Result<OwnedHandle> {
    // SAFETY: no attributes and no name is what the call documents for a job of one's own, which no child
    // inherits; the handle is new and nobody else's.
    let job = unsafe { OwnedHandle::from_raw_handle(CreateJobObjectW(None, None)?.0) };
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    let size = u32::try_from(size_of_val(&limits)).unwrap_or(0);
    // SAFETY: `limits` is what this sort of information is, of that size, and outlives the call.
    unsafe {
        SetInformationJobObject(
            HANDLE(job.as_raw_handle()),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            size,
        )?;
    }
    Ok(job)
}
