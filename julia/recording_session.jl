# Loaded first by the sessions that `julia_record` starts: only the session itself can follow the
# calls that its trace does not show.
module PackageCompilerRSRecording

include("trace.jl")

# Not for the session's own children.
const TRACE = pop!(ENV, "PACKAGECOMPILERRS_TRACE")
const STATEMENTS = pop!(ENV, "PACKAGECOMPILERRS_STATEMENTS")

atexit() do
    isfile(TRACE) && write(STATEMENTS, join(portable_statements(readlines(TRACE)), '\n'))
end

end
