# What differs between operating systems, in one table. Functions whose answer depends on it take a row of it, so that
# the branch of each system is tested on any. (Names of libraries' files are Julia's: `Libdl.dlext`.)

"""
What the package knows of an operating system. Fields:

- `name::String`: as a sentence has it;
- `posix::Bool`: whether there are `/bin/sh` and groups of files;
- `list_separator::Char`: between the paths in `PATH`;
- `library_prefix::String`, `executable_suffix::String`: of names of files;
- `command_suffix::String`: of the file of a launcher for shells;
- `desktop_entries::Bool`: whether menus are made of `.desktop` files;
- `jupyter_folder`: a function that gives the folder where Jupyter looks for kernels of the user;
- `jupyter_interrupts::String`: the `interrupt_mode` of IJulia's kernels;
- `stat::String`: a command that prints size and times of files, to the nanosecond; empty without a POSIX shell;
- `modified::String`: a command that prints when files, or links themselves, were changed, in seconds since 1970;
- `apps::Bool`: whether apps and libraries can be made;
- `flush`: a function that has the disk take what was written to an open file, and says whether it did;
- `without_interrupts`: a function that calls one while Ctrl-C is left to child processes.
"""
struct System
    name::String
    posix::Bool
    list_separator::Char
    library_prefix::String
    executable_suffix::String
    command_suffix::String
    desktop_entries::Bool
    jupyter_folder::Function
    jupyter_interrupts::String
    stat::String
    modified::String
    apps::Bool
    flush::Function
    without_interrupts::Function
end

"""
The user's home as `ask` tells it; `nothing` without one: where `HOME` is not set, and the system does not know the user,
as in a container that was started for a number.
"""
function home_folder(ask=homedir)
    try
        return ask()
    catch err
        err isa Base.IOError || rethrow()
        return nothing
    end
end

"By the XDG Base Directory Specification, a relative path in the variable does not count."
function data_home()
    folder = get(ENV, "XDG_DATA_HOME", "")
    return isabspath(folder) ? folder : joinpath(homedir(), ".local", "share")
end

# Jupyter's folders are those of `jupyter_core` (`jupyter_data_dir` in its paths.py).
jupyter_on_posix() = joinpath(data_home(), "jupyter")
jupyter_on_mac() = joinpath(homedir(), "Library", "Jupyter")
jupyter_on_windows() = joinpath(get(homedir, ENV, "APPDATA"), "jupyter")

fsync(io) = ccall(:fsync, Cint, (Cint,), reinterpret(Int32, io.handle)) == 0
flush_file_buffers(io) = ccall(:FlushFileBuffers, stdcall, Cint, (Ptr{Cvoid},), io.handle) != 0

"Julia leaves a signal alone whose handler is `SIG_IGN`."
function without_sigint(f)
    sigint, sig_ign = Cint(2), Ptr{Cvoid}(1)
    handler = ccall(:signal, Ptr{Cvoid}, (Cint, Ptr{Cvoid}), sigint, sig_ign)
    try
        return f()
    finally
        ccall(:signal, Ptr{Cvoid}, (Cint, Ptr{Cvoid}), sigint, handler)
    end
end

function without_console_control(f)
    ignore(yes) = ccall((:SetConsoleCtrlHandler, "kernel32"), stdcall, Cint, (Ptr{Cvoid}, Cint), C_NULL, yes)
    ignore(1)
    try
        return f()
    finally
        ignore(0)
    end
end

# GNU's and BSD's `stat` have different options.
const GNU_STAT, BSD_STAT = "stat -L -c '%s %y %z'", "/usr/bin/stat -L -f '%z %Fm %Fc'"
const GNU_MODIFIED, BSD_MODIFIED = "stat -c %Y", "/usr/bin/stat -f %m"

const SYSTEMS = Dict{Symbol,System}(
    :linux => System("Linux", true, ':', "lib", "", "", true, jupyter_on_posix, "signal", GNU_STAT,
        GNU_MODIFIED, true, fsync, without_sigint),
    :bsd => System("BSD", true, ':', "lib", "", "", true, jupyter_on_posix, "signal", BSD_STAT,
        BSD_MODIFIED, false, fsync, without_sigint),
    :macos => System("macOS", true, ':', "lib", "", "", false, jupyter_on_mac, "signal", BSD_STAT,
        BSD_MODIFIED, false, fsync, without_sigint),
    :windows => System("Windows", false, ';', "", ".exe", ".cmd", false, jupyter_on_windows, "message", "",
        "", false, flush_file_buffers, without_console_control),
)

"The row of the system with this `Sys.KERNEL`; one that is not known is taken for a Linux."
function system_of(kernel)
    kernel === :Darwin && return SYSTEMS[:macos]
    kernel in (:NT, :Windows) && return SYSTEMS[:windows]
    kernel in (:FreeBSD, :OpenBSD, :NetBSD, :DragonFly) && return SYSTEMS[:bsd]
    return SYSTEMS[:linux]
end

const SYSTEM = system_of(Sys.KERNEL)
