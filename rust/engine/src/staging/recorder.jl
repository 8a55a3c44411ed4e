# For processes under --trace-compile, whose trace is called `NAME.raw.jl`: when they end, what they
# compiled is written to `NAME.jl`. What finalizers compile after that the engine adds.

# Has a name that is left out of the statements.
module PackageCompilerRSRecording

Base.include(@__MODULE__, joinpath(@__DIR__, "whole.jl"))

const TRACE = unsafe_string(Base.JLOptions().trace_compile)
const STATEMENTS = replace(TRACE, r"\.raw\.jl$" => ".jl")

"""
Loads what the image will hold, each `uuid name`: its sessions start with all of it, and what an
`__init__` compiles is wanted in the image too. One that cannot be loaded is the image process's to tell.
"""
function load(packages)
    for package in packages
        uuid, name = split(package, ' '; limit=2)
        try
            Base.require(Base.PkgId(Base.UUID(String(uuid)), String(name)))
        catch
        end
    end
    return nothing
end

# A statement for it in the trace is where what comes after `finish` begins. Called through a variable, lest
# it be compiled together with its caller, which leaves none.
finished() = flush(stdout)
last_step = finished

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
    last_step()
    return nothing
end

end

atexit(PackageCompilerRSRecording.finish)
