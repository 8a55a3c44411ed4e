"""
Builds sysimages: Julia sessions saved to a shared library, with packages loaded and functions
compiled. [`create_sysimage`](@ref) is the way in; its keywords and defaults are those of
PackageCompiler.jl.
"""
module PackageCompilerRS

using Libdl: Libdl

# Before Julia 1.9 every session compiles this package anew, which takes a third less time this way;
# the code mostly waits for other processes.
VERSION < v"1.9" && @eval Base.Experimental.@optlevel 0

export create_sysimage, BuildError, BuildPreview, BuildReport, slowest_statements, write_report
export TestSuite
export cache_info, clear_cache!
export sysimage_status, SysimageStatus
export install_launcher, remove_launcher, list_launchers, LauncherError
export record, start_recording, stop_recording, julia_record, RecordingError

for file in (
    "json.jl",
    "building/error.jl",
    "building/installation.jl",
    "building/environment.jl",
    "building/engine.jl",
    "building/cache.jl",
    "building/test_suite.jl",
    "building/options.jl",
    "building/sysimage_toml.jl",
    "building/plan.jl",
    "building/progress.jl",
    "building/report.jl",
    "building/create_sysimage.jl",
    "status.jl",
    "files.jl",
    "launchers/launchers.jl",
    "launchers/places.jl",
    "launchers/contents.jl",
    "launchers/shell.jl",
    "launchers/desktop.jl",
    "launchers/jupyter.jl",
    "launchers/jsonc.jl",
    "launchers/vscode.jl",
    "recording/trace.jl",
    "recording/whole.jl",
    "recording/recording.jl",
)
    include(joinpath("..", "julia", file))
end

include(joinpath("..", "julia", "building", "precompile.jl"))
ccall(:jl_generating_output, Cint, ()) == 1 && run_for_precompilation()

function __init__()
    # SIGTERM and `exit()` run these hooks; without, children would outlive the session.
    atexit(cancel_live_builds)
    return nothing
end

end
