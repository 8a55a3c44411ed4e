# Files of statements that one process writes as it ends and another reads: they are known to be
# whole by their last line. Also included by itself into sessions that record or run workloads.

const STATEMENTS_END = "# end of statements"

"""
    write_statements(path, statements)

Writes the file beside `path` and renames it, so that it is there whole or not at all.

# Errors
What `write` throws; an `ErrorException` where the system took less than it was given, and said
nothing, as on some full disks.
"""
function write_statements(path, statements)
    part = path * ".part"
    text = string(join(statements, '\n'), '\n', STATEMENTS_END, '\n')
    open(io -> write(io, text), part, "w")
    filesize(part) == sizeof(text) || error("`$part` is not whole: no space left on device?")
    mv(part, path; force=true)
    return nothing
end

"The statements in a file that `write_statements` has written; `nothing` where it has not, or only in part."
function read_statements(path)
    lines = isfile(path) ? readlines(path) : String[]
    isempty(lines) || pop!(lines) != STATEMENTS_END ? nothing : filter!(!isempty, lines)
end
