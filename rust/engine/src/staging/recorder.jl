# For processes under --trace-compile, whose trace is called `NAME.raw.jl`: when they end, what they
# compiled is written to `NAME.jl`.

# Has a name that is left out of the statements.
module PackageCompilerRSRecording

Base.include(@__MODULE__, joinpath(@__DIR__, "whole.jl"))

const TRACE = unsafe_string(Base.JLOptions().trace_compile)
const STATEMENTS = replace(TRACE, r"\.raw\.jl$" => ".jl")

"""
Writes what was traced, with the calls that a trace does not show: those that functions of the
workload make with types that are known are compiled with these functions, which are not in the
image.
"""
function finish()
    lines = isfile(TRACE) ? readlines(TRACE) : String[]
    filter!(line -> !occursin("PackageCompilerRSRecording.", line), lines)
    if any(line -> occursin("Main.", line), lines)
        Base.include(@__MODULE__, joinpath(@__DIR__, "static_calls.jl"))
        # Looked up in the latest world too: Julia 1.12 minds.
        with_static_calls = Base.invokelatest(getfield, @__MODULE__, :with_static_calls)
        lines = Base.invokelatest(with_static_calls, lines)
    end
    write_statements(STATEMENTS, lines)
    return nothing
end

end

atexit(PackageCompilerRSRecording.finish)
