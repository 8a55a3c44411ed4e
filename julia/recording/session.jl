# Loaded by the sessions that `julia_record` starts: only the session itself can follow the calls
# that its trace does not show.
module PackageCompilerRSRecording

include("trace.jl")
include("whole.jl")

# Out of the options goes the `--load` of this file, the first of the commands: OhMyREPL, for one,
# takes a session that has commands for one without a prompt.
let index = Base.fieldindex(Base.JLOptions, :commands)
    option = Ptr{Ptr{Ptr{UInt8}}}(cglobal(:jl_options) + fieldoffset(Base.JLOptions, index))
    others = unsafe_load(option) + sizeof(Ptr)
    unsafe_store!(option, unsafe_load(others) == C_NULL ? C_NULL : others)
end

# Not for the session's own children.
const TRACE = pop!(ENV, "PACKAGECOMPILERRS_TRACE")
const STATEMENTS = pop!(ENV, "PACKAGECOMPILERRS_STATEMENTS")

atexit() do
    isfile(TRACE) && write_statements(STATEMENTS, portable_statements(readlines(TRACE)))
end

end
