# Runs a workload as `julia workload.jl` would, under --trace-compile. ARGS: the project's folder, and
# the workload, if any.

let project = ARGS[1], workload = length(ARGS) > 1 ? ARGS[2] : ""
    empty!(LOAD_PATH)
    push!(LOAD_PATH, project, "@stdlib")
    separator = Sys.iswindows() ? ";" : ":"
    # For processes that the workload starts (Distributed); a path with the list separator in it
    # cannot be handed on that way.
    occursin(separator, project) || (ENV["JULIA_LOAD_PATH"] = project * separator * "@stdlib")
    empty!(ARGS)
    if workload != ""
        # As in `abspath(PROGRAM_FILE) == @__FILE__`.
        Core.eval(Base, :(PROGRAM_FILE = $workload))
        Base.include(Main, workload)
    end
end
