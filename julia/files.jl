# What launchers and recordings share: their errors, and files that users keep.

"""
    FileError <: Exception

Errors about a file for users; each type has the fields `message`, `cause` and `hint`.
"""
abstract type FileError <: Exception end

(::Type{E})(message; cause=nothing, hint=nothing) where {E<:FileError} = E(message, cause, hint)

Base.show(io::IO, err::FileError) = print(io, nameof(typeof(err)), "(", repr(err.message), ")")

Base.showerror(io::IO, err::FileError) = show_failure(io, string(nameof(typeof(err))), err)

"""
    find_project(E, project) -> String

The project's file, as of `find_project(project)`.

# Errors
An `E` that says what the `BuildError` would.
"""
function find_project(::Type{E}, project) where {E<:FileError}
    try
        return find_project(project)
    catch err
        err isa BuildError || rethrow()
        throw(E(err.message, err.cause, err.hint))
    end
end

"""
    write_atomically(E, path, text; mode)

Writes `text` to a temporary file beside `path` and renames it into place, which replaces an older
file in one step: it is old or new, never half of each. The folder is made if need be. `mode` is
that of the older file, or else `0o644`.

# Errors
An `E` when `path` cannot be written; it is then as it was.
"""
function write_atomically(
    ::Type{E}, path, text; mode=isfile(path) ? filemode(path) & 0o777 : 0o644
) where {E<:FileError}
    try
        replace_file(abspath(path), text, mode)
    catch err
        err isa SystemError || err isa Base.IOError || rethrow()
        throw(E("`$path` cannot be written"; cause=first_line(err)))
    end
    return nothing
end

function replace_file(path, text, mode)
    temporary, io = mktemp(mkpath(dirname(path)); cleanup=false)
    try
        try
            write(io, text)
        finally
            close(io)
        end
        chmod(temporary, mode)
        # `mv(; force=true)` removes the old file first: for a moment there is none.
        Base.Filesystem.rename(temporary, path)
    catch
        rm(temporary; force=true)
        rethrow()
    end
    return nothing
end
