const FIXTURES = joinpath(@__DIR__, "fixtures")
const WORKLOADS = joinpath(FIXTURES, "workloads")
# A package with dependencies; one of its names stands for two packages.
const PROJECT = joinpath(FIXTURES, "project")
# An environment with a package in it that does not load.
const WORKSHOP = joinpath(FIXTURES, "workshop")

"Runs `f` with the path of a copy of the fixtures, in a new folder called `name`."
function with_fixtures(f; name="fixtures")
    mktempdir() do dir
        copy = joinpath(dir, name)
        cp(FIXTURES, copy)
        f(copy)
    end
end

"The plan that `create_sysimage` would hand to the engine."
function plan_of(packages=nothing; kwargs...)
    defaults = (sysimage_path="X.so", project=PROJECT, precompile_execution_file=String[],
        precompile_statements_file=String[], incremental=true, filter_stdlibs=false,
        include_transitive_dependencies=true, import_into_main=true, base_sysimage=nothing,
        cpu_target="native", script=nothing, sysimage_build_args=``, compress_sysimage=false,
        dry_run=true, quiet=true, log=nothing, verify=:load, strict=false, statement_timeout=300,
        image_threads=nothing, trace_jobs=nothing, workload_deps=String[], force=false)
    return PackageCompilerRS.make_plan(packages, merge(defaults, (; kwargs...)))
end

names_of(packages) = [package["name"] for package in packages]
