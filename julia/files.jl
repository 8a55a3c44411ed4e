# Files that users keep: they are old or new, never half of each.

"""
    write_atomically(path, text; mode=0o644)

Writes `text` to a temporary file beside `path` and renames it into place, which replaces an older
file in one step. The folder is made if need be.

# Errors
`SystemError` or `Base.IOError`; `path` is then as it was.
"""
function write_atomically(path, text; mode=0o644)
    folder = mkpath(dirname(abspath(path)))
    temporary, io = mktemp(folder; cleanup=false)
    try
        try
            write(io, text)
        finally
            close(io)
        end
        chmod(temporary, mode)
        # `mv(; force=true)` removes the old file first: for a moment there is none.
        Base.Filesystem.rename(temporary, String(path))
    catch
        rm(temporary; force=true)
        rethrow()
    end
    return nothing
end

is_file_error(err) = err isa SystemError || err isa Base.IOError
