# Runs a workload as `julia workload.jl` would, under --trace-compile. ARGS: the project's folder, the
# workload or an empty word, and the packages to load when it has run (`recorder.jl`).

let project = ARGS[1], workload = ARGS[2], packages = ARGS[3:end]
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
    isempty(packages) || PackageCompilerRSRecording.load(packages)
end
