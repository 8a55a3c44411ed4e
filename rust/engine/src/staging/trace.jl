# Runs a workload as `julia workload.jl` would, under --trace-compile. ARGS: the project's folder,
# where the statements go, and the workload, if any.

# Has a name that is left out of the statements.
module PackageCompilerRSRecording

const TRACE = unsafe_string(Base.JLOptions().trace_compile)
const STATEMENTS = ARGS[2]

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
        lines = Base.invokelatest(getfield(@__MODULE__, :with_static_calls), lines)
    end
    write(STATEMENTS, join(lines, '\n'))
    return nothing
end

end

let project = ARGS[1], workload = length(ARGS) > 2 ? ARGS[3] : ""
    empty!(LOAD_PATH)
    push!(LOAD_PATH, project, "@stdlib")
    separator = Sys.iswindows() ? ";" : ":"
    # For processes that the workload starts (Distributed); a path with the list separator in it
    # cannot be handed on that way.
    occursin(separator, project) || (ENV["JULIA_LOAD_PATH"] = project * separator * "@stdlib")
    empty!(ARGS)
    atexit(PackageCompilerRSRecording.finish)
    if workload != ""
        # As in `abspath(PROGRAM_FILE) == @__FILE__`.
        Core.eval(Base, :(PROGRAM_FILE = $workload))
        Base.include(Main, workload)
    end
end
