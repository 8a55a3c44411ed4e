//! How the end of a process is told.

use std::process::ExitStatus;

/// The signal that ended it.
#[cfg(unix)]
pub fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
pub fn signal(_status: ExitStatus) -> Option<i32> {
    None
}

/// Ended by an instruction that the CPU does not have.
pub fn is_illegal_instruction(status: ExitStatus) -> bool {
    #[cfg(unix)]
    return signal(status) == Some(libc::SIGILL);
    #[cfg(not(unix))]
    return status.code() == Some(ILLEGAL_INSTRUCTION as i32);
}

/// "code 7"; a shell or compiler driver in between tells a signal of its child as 128 and more, and Windows
/// tells what went wrong in a process as a number below zero.
pub fn code(status: ExitStatus) -> String {
    match status.code() {
        Some(code @ 129..=192) if cfg!(unix) => format!("code {code}, {}", signal_name(code - 128)),
        Some(code) if cfg!(windows) && code < 0 => exception(code as u32),
        Some(code) => format!("code {code}"),
        None => "no code".into(),
    }
}

const ILLEGAL_INSTRUCTION: u32 = 0xC000_001D;

/// Those NTSTATUS values that a crash, a kill or a missing library ends with (ntstatus.h).
fn exception(code: u32) -> String {
    let name = match code {
        0x8000_0003 => "breakpoint",
        0xC000_0005 => "access violation",
        0xC000_0017 => "no memory",
        ILLEGAL_INSTRUCTION => "an instruction that this CPU lacks? see `cpu_target`",
        0xC000_00FD => "stack overflow",
        0xC000_0135 => "a DLL was not found",
        0xC000_0139 => "a DLL lacks a function",
        0xC000_013A => "Ctrl-C",
        0xC000_0374 => "heap corruption",
        0xC000_0409 => "abort",
        _ => return format!("code {code:#010X}"),
    };
    format!("code {code:#010X} ({name})")
}

#[cfg(unix)]
pub fn signal_name(number: i32) -> String {
    let name = match number {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL (an instruction that this CPU lacks? see `cpu_target`)",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS (is the disk full?)",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU (a limit of processor time)",
        libc::SIGXFSZ => "SIGXFSZ (a limit of file size)",
        libc::SIGSYS => "SIGSYS",
        _ => return format!("signal {number}"),
    };
    name.to_string()
}

#[cfg(not(unix))]
pub fn signal_name(number: i32) -> String {
    format!("signal {number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_windows_ends_a_process_with_is_told_by_name() {
        assert_eq!(exception(0xC000_0005), "code 0xC0000005 (access violation)");
        assert_eq!(exception(0xFFFF_FFFF), "code 0xFFFFFFFF");
    }
}
