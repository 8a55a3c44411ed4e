# Building an image again by what its stamp tells of the build that made it.

"""
    refresh_sysimage(sysimage_path; project=nothing, quiet=false, log=nothing) -> BuildReport

Builds the image at `sysimage_path` again, as it was built: with the packages, workloads, files and options that its
stamp names. What has not changed is not built again, so that this is done at once for an image that is up to date.
A package that was left out (`exclude`) may be gone from the project.

# Arguments
- `sysimage_path::AbstractString`: an image that [`create_sysimage`](@ref) made.

# Keywords
- `project`: the folder of a project, its project file, or a shared environment such as `"@v1.10"`; by default the
  one that the image was built from.
- `quiet`, `log`: as for [`create_sysimage`](@ref).

# Returns
A [`BuildReport`](@ref).

# Errors
[`BuildError`](@ref): there is no such image, it has no stamp, or it belongs to an app or a library; and whatever
[`create_sysimage`](@ref) fails with.

# Examples
```julia
using PackageCompilerRS
isfile("Example.so") && refresh_sysimage("Example.so")
```
"""
function refresh_sysimage(sysimage_path::AbstractString;
    project::Union{Nothing,AbstractString}=nothing,
    quiet::Bool=false,
    log::Union{Nothing,AbstractString}=nothing,
)
    check_text("the path of the sysimage", sysimage_path)
    image = abspath(sysimage_path)
    stamp = stamp_to_follow(image)
    plan = plan_again(stamp["plan"], image, something(project, project_of(stamp)); quiet=quiet, log=log)
    return follow_plan(plan, notices(plan); quiet=quiet)
end

"What `create_sysimage` would do now if it were called for `project` as it was for `plan`."
function plan_again(plan, image, project; quiet, log)
    packages, keywords = call_of(plan)
    excluded = keywords[:exclude]
    # What the project has no more is left out by itself.
    isempty(excluded) || (keywords[:exclude] = intersect(excluded, names_in_project(find_project(project))))
    again = make_plan(packages, options_from(merge(keywords, Dict{Symbol,Any}(:sysimage_path => image, :quiet => quiet,
        :log => log, :project => project))))
    # It may come back.
    again["exclude"] = sort!(union(again["exclude"], excluded))
    return again
end

"""
    stamp_to_follow(image) -> Dict

The stamp of the image at that path.

# Errors
`BuildError` where there is none, by which it could be built again.
"""
function stamp_to_follow(image)
    isfile(image) || throw(BuildError("there is no sysimage `$image`"; hint="build it with `create_sysimage`"))
    stamp = inspect_image(image)["stamp"]
    stamp === nothing && throw(BuildError("the sysimage `$image` cannot be built again";
        cause="it has no stamp `$image.json` that tells how it was built", hint="build it with `create_sysimage`"))
    return stamp
end

"""
    call_of(plan) -> (packages, keywords)

What [`create_sysimage`](@ref) was called with to make `plan`, but for the project and the image.

# Errors
`BuildError` for an image of an app or a library.
"""
function call_of(plan)
    get(plan, "app", nothing) === nothing && get(plan, "library", nothing) === nothing ||
        throw(BuildError("the image of an app or a library is not built again by itself";
            hint="call `create_app` or `create_library`"))
    named = String[package["name"] for package in plan["packages"] if package["requested"]]
    keywords = Dict{Symbol,Any}(
        :exclude => strings(plan["exclude"]),
        :precompile_execution_file => String[w["path"] for w in plan["workloads"] if w["kind"] == "script"],
        :workload => TestSuite[TestSuite(w["name"]; test_args=strings(w["args"])) for w in plan["workloads"]
            if w["kind"] == "test_suite"],
        :precompile_statements_file => strings(plan["statement_files"]),
        :include_transitive_dependencies => all(package -> package["load"], plan["packages"]),
        :include_stdlibs => strings(plan["stdlibs"]),
        :sysimage_build_args => Cmd(strings(plan["build_args"])),
        :compress_sysimage => plan["compress"],
        :verify => plan["verify"] == "none" ? false : Symbol(plan["verify"]),
        :statement_timeout => something(plan["statement_timeout"], Inf),
        :idle_limit => something(plan["idle_limit"], Inf),
        :workload_deps => strings(plan["workload_deps"]),
        :environment_inputs => strings(plan["environment_inputs"]),
    )
    for name in (:script, :guard, :cpu_target, :import_into_main, :strict, :image_threads, :trace_jobs,
            :workload_threads, :work_dir, :linked, :compile_all)
        keywords[name] = plan[string(name)]
    end
    base = plan["base"]
    if base["kind"] == "fresh"
        keywords[:incremental] = false
        keywords[:filter_stdlibs] = base["filter_stdlibs"]
    else
        # Julia's own may be another one now. It is named, as this session may run on another image.
        own = same_path(base["path"], plan["julia"]["default_sysimage"])
        keywords[:base_sysimage] = own ? default_sysimage() : base["path"]
    end
    return plan["all_packages"] ? nothing : named, keywords
end

strings(items) = String[item for item in items]
