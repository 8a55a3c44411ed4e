# What all but builds share: their errors, and files that users keep.

"""
    FileError <: Exception

Errors about a file for users; each type has the fields `message`, `cause` and `hint`.
"""
abstract type FileError <: Exception end

(::Type{E})(message; cause=nothing, hint=nothing) where {E<:FileError} = E(message, cause, hint)

Base.show(io::IO, err::FileError) = print(io, nameof(typeof(err)), "(", repr(err.message), ")")

Base.showerror(io::IO, err::FileError) = show_failure(io, string(nameof(typeof(err))), err)

"A path from a file or a shell, of which only some expand `~` at its start."
at_home(path) = startswith(path, "~/") && home_folder() !== nothing ? expanduser(path) : path

"What to do for a user without a home (`home_folder`)."
const WITHOUT_HOME = "set HOME, or give the path in full"

"""
    given_path(E, path) -> String

The absolute path of one that a user gives, with `~` for the home.

# Errors
An `E` where there is no home, or it is somebody else's.
"""
given_path(::Type{E}, path) where {E<:FileError} =
    told_as(() -> abspath(expanduser(path)), E, "the path `$path` is not known"; hint=WITHOUT_HOME)

"""
    captured(command) -> (process, out, err)

The process of `command` when it has ended, however it did, and what it wrote to `stdout` and `stderr`.
By way of files: Julia 1.5 does not wait until a buffer has all of it.
"""
function captured(command)
    return mktempdir() do folder
        out, err = joinpath(folder, "out"), joinpath(folder, "err")
        process = run(pipeline(ignorestatus(command); stdin=devnull, stdout=out, stderr=err))
        (process, read(out, String), read(err, String))
    end
end

"""
    find_project(E, project) -> String

The project's file, as of `find_project(project)`.

# Errors
An `E` that says what the `BuildError` would.
"""
function find_project(::Type{E}, project) where {E<:FileError}
    return outside_build(() -> find_project(project), E)
end

"""
    outside_build(f, E)

Runs `f()`, which builds or others share: where nothing is built, its `BuildError`, which speaks of stages, or error of
another concern becomes an `E`.
"""
function outside_build(f, ::Type{E}) where {E<:FileError}
    failure = try
        return f()
    catch err
        err isa Union{BuildError,FileError} || rethrow()
        err
    end
    # Outside of `catch`, so that nobody is shown the stack of the first too.
    throw(E(failure.message, failure.cause, failure.hint))
end

"""
    told_as(f, E, message; hint=nothing)

Runs `f()`; what the file system refuses becomes an `E` with `message`, and the refusal as its cause.
"""
function told_as(f, ::Type{E}, message; hint=nothing) where {E<:FileError}
    failure = try
        return f()
    catch err
        is_refusal(err) || rethrow()
        err
    end
    # Outside of `catch`, so that nobody is shown the stack of the cause too.
    throw(E(message; cause=first_line(failure), hint=hint))
end

"Whether `err` is the file system's: functions of `Base` throw the last of these for a missing folder."
is_refusal(err) = err isa SystemError || err isa Base.IOError || err isa ArgumentError

"""
    write_atomically(E, path, text; executable=false)

Writes `text` to a temporary file, has it on the disk, and renames it into place, which replaces an
older file in one step: it is old or new, never half of each. A link is followed. The folder is made
if need be. The file has the mode and the group of the older one, or else what the umask gives it.

# Errors
An `E` when `path` cannot be written; it is then as it was.
"""
function write_atomically(::Type{E}, path, text; executable=false) where {E<:FileError}
    told_as(E, "`$path` cannot be written") do
        replace_file(link_end(abspath(path)), text, executable ? 0o777 : 0o666)
    end
    return nothing
end

"Where the links at `path` end, whether anything is there or not; `path` itself if it is no link."
function link_end(path)
    # More than that lead in a circle.
    for _ in 1:40
        islink(path) || return path
        folder = realpath(dirname(path))
        path = normpath(joinpath(folder, readlink(path)))
    end
    throw(Base.IOError("the links at `$path` lead in a circle", Base.UV_ELOOP))
end

function replace_file(path, text, mode)
    temporary = tempname(mkpath(dirname(path)); cleanup=false)
    flags = Base.Filesystem.JL_O_WRONLY | Base.Filesystem.JL_O_CREAT | Base.Filesystem.JL_O_EXCL
    io = Base.Filesystem.open(temporary, flags, mode)
    try
        try
            write(io, text)
            flush_to_disk(io)
        finally
            close(io)
        end
        check_whole(temporary, text)
        isfile(path) && keep_mode(temporary, path)
        rename_file(temporary, path)
    catch
        rm(temporary; force=true)
        rethrow()
    end
    return nothing
end

"Throws where the file at `path` has not all of `text`: a full disk may take a part, of which `Base` says nothing."
check_whole(path, text) = filesize(path) == sizeof(text) || throw(SystemError("writing `$path`", Libc.ENOSPC))

"""
    unless_refused(f) -> Bool

Runs `f()`, and says whether the file system took it.
"""
function unless_refused(f)
    try
        f()
    catch err
        is_refusal(err) || rethrow()
        return false
    end
    return true
end

function flush_to_disk(io)
    # Pipes and some network file systems have nothing to flush.
    SYSTEM.flush(io) || Libc.errno() == Libc.EINVAL || systemerror("fsync", true)
    return nothing
end

"Gives the file at `new` the mode and the group of the one at `old`, whose place it is to take."
function keep_mode(new, old)
    mode = filemode(old) & 0o777
    if SYSTEM.posix && stat(old).gid != stat(new).gid
        try
            chown(new, -1, Int(stat(old).gid))
        catch err
            err isa Base.IOError || rethrow()
            # Another group is let in no further than everybody.
            mode = mode & 0o707 | (mode & 0o007) << 3
        end
    end
    chmod(new, mode)
    return nothing
end

"""
`rename(2)` and nothing else: what `Base` has up to Julia 1.11 goes on to copy when that fails, and
`mv(; force=true)` removes the old file first, so that for a moment there is none.
"""
function rename_file(from, to)
    err = ccall(:jl_fs_rename, Int32, (Cstring, Cstring), from, to)
    err < 0 && Base.uv_error("moving a file to `$to`", err)
    return nothing
end
