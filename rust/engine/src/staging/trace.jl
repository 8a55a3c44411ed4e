# Runs a workload as `julia workload.jl` would, under --trace-compile.
let session = Module(:PackageCompilerRSSession)
    Base.include(session, joinpath(@__DIR__, "session.jl"))
    records = Base.invokelatest(getfield(session, :read_records), ARGS[1])
    project = records["project"][1]
    copy!(LOAD_PATH, [project, "@stdlib"])
    separator = Sys.iswindows() ? ';' : ':'
    # For processes that the workload starts (Distributed); a path with the list separator in it
    # cannot be handed on that way.
    occursin(separator, project) || (ENV["JULIA_LOAD_PATH"] = join(LOAD_PATH, separator))
    empty!(ARGS)
    for workload in get(() -> String[], records, "workload")
        # As in `abspath(PROGRAM_FILE) == @__FILE__`.
        Core.eval(Base, :(PROGRAM_FILE = $workload))
        Base.include(Main, workload)
    end
end
