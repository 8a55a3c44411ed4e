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
export cache_info, clear_cache!, CacheError
export create_app, create_library, AppReport, audit_app, AppAudit
export bundle_sysimage, SysimageBundle
export sysimage_status, SysimageStatus, StatusError, refresh_sysimage
export install_launcher, remove_launcher, list_launchers, LauncherError
export record_statements, start_recording, stop_recording, julia_record, RecordingError

include("../julia/folder.jl")
include("../julia/on_demand.jl")
include("../julia/system.jl")
include("../julia/json.jl")
include("../julia/building/error.jl")
include("../julia/files.jl")
include("../julia/building/installation.jl")
include("../julia/building/environment.jl")
include("../julia/building/stdlibs.jl")
include("../julia/building/engine.jl")
include("../julia/building/cache.jl")
include("../julia/building/test_suite.jl")
include("../julia/building/cpu_target.jl")
include("../julia/building/options.jl")
include("../julia/building/sysimage_toml.jl")
include("../julia/building/plan.jl")
include("../julia/building/progress.jl")
include("../julia/building/report.jl")
include("../julia/building/report_page.jl")
include("../julia/building/several_cpus.jl")
include("../julia/building/create_sysimage.jl")
include("../julia/cpu_flags.jl")
include("../julia/status.jl")
include("../julia/refresh.jl")
include("../julia/watch.jl")
include("../julia/apps/options.jl")
include("../julia/apps/folder.jl")
include("../julia/apps/libraries.jl")
include("../julia/apps/artifacts.jl")
include("../julia/apps/project.jl")
include("../julia/apps/resources.jl")
include("../julia/apps/executables.jl")
include("../julia/apps/audit.jl")
include("../julia/apps/bundle.jl")
include("../julia/apps/create_app.jl")
include("../julia/apps/create_library.jl")
include("../julia/apps/bundle_sysimage.jl")
include("../julia/launchers/launchers.jl")
include("../julia/launchers/places.jl")
include("../julia/launchers/contents.jl")
include("../julia/launchers/artifacts.jl")
include("../julia/launchers/cpus.jl")
include("../julia/launchers/shell.jl")
include("../julia/launchers/desktop.jl")
include("../julia/launchers/jupyter.jl")
include("../julia/launchers/jsonc.jl")
include("../julia/launchers/vscode.jl")
include("../julia/recording/trace.jl")
include("../julia/recording/whole.jl")
include("../julia/recording/recording.jl")

include("../julia/command.jl")

# Documented, and not exported: the names are too common. Julia before 1.11 cannot read `public`.
VERSION >= v"1.11-" && Core.eval(@__MODULE__, Expr(:public, :record, :main, :Launcher, :CacheInfo))

include("../julia/building/precompile.jl")
ccall(:jl_generating_output, Cint, ()) == 1 && run_for_precompilation()

function __init__()
    # SIGTERM and `exit()` run these hooks; without, children would outlive the session.
    atexit(cancel_live_builds)
    return nothing
end

end
