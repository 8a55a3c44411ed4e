# From the keywords of `create_sysimage` to the plan that the engine follows.

const PLAN_SCHEMA = 1

"""
    default_cpu_target() -> String

As PackageCompiler 2.4: the target of the base image on Julia 1.13 and newer, else `"native"`.
"""
default_cpu_target() = VERSION >= v"1.13-" ? "sysimage" : "native"

const Names = Union{AbstractString,Symbol}

"The keywords of `create_sysimage`, checked for what needs no look at the disk."
function check_keywords(options)
    isempty(strip(options.sysimage_path)) && throw(BuildError("`sysimage_path` is empty";
        hint="give the path of the image to be, such as \"Sysimage.so\""))
    if options.filter_stdlibs && options.incremental
        throw(BuildError("`filter_stdlibs=true` needs `incremental=false`";
            cause="an image built on another one holds all that is in that one"))
    end
    if options.base_sysimage !== nothing && !options.incremental
        throw(BuildError("`base_sysimage` cannot be given with `incremental=false`";
            cause="that builds a base of its own"))
    end
    for (keyword, files) in (
        "precompile_execution_file" => options.precompile_execution_file,
        "precompile_statements_file" => options.precompile_statements_file,
        "script" => options.script,
        "base_sysimage" => options.base_sysimage,
        "log" => options.log,
        "workload_deps" => options.workload_deps,
    )
        if any(file -> isempty(strip(file)), list(files))
            throw(BuildError("`$keyword` holds an empty file name";
                hint="give a path, or leave the keyword out"))
        end
    end
    if !(options.verify in (:load, :trace, false))
        throw(BuildError("`verify` is $(repr(options.verify))"; hint="use :load, :trace or false"))
    end
    for (keyword, number) in ("image_threads" => options.image_threads,
        "trace_jobs" => options.trace_jobs)
        if number !== nothing && number < 1
            throw(BuildError("`$keyword` is $number"; hint="use 1 or more, or leave it out"))
        end
    end
    return nothing
end

list(::Nothing) = String[]
list(item::Names) = [String(item)]
list(items::AbstractVector) = [String(item) for item in items]

"""
    package_names(packages) -> Union{Nothing,Vector{String}}

# Errors
`BuildError` for a name that no package can have.
"""
function package_names(packages)
    packages === nothing && return nothing
    names = list(packages)
    for name in names
        isempty(strip(name)) && throw(BuildError("a package name is empty";
            hint="give the names as the Project.toml has them"))
        Base.isidentifier(name) || throw(BuildError("`$name` is not a package name";
            hint=endswith(name, ".jl") ? "leave out the `.jl`" :
                 "give the names as the Project.toml has them"))
    end
    return names
end

"""
    make_plan(packages, options) -> Dict{String,Any}

Resolves the project and everything else that Julia knows. Paths become absolute.

# Errors
`BuildError` in stage `:check`.
"""
function make_plan(packages, options)
    check_keywords(options)
    names = package_names(packages)
    project_file = find_project(options.project)
    options.dry_run || instantiate(project_file; quiet=options.quiet)
    environment = read_environment(project_file)
    requested = requested_packages(environment, names)
    order = load_order(environment, requested)
    return Dict{String,Any}(
        "schema" => PLAN_SCHEMA,
        "julia" => describe_julia(),
        "project" => Dict(
            "dir" => dirname(project_file),
            "file" => project_file,
            "manifest" => environment.manifest_file,
            "sources" => sources(environment),
        ),
        "packages" => [planned(package, environment, requested, options) for package in order],
        "import_into_main" => options.import_into_main,
        "workloads" => abspath.(list(options.precompile_execution_file)),
        "statement_files" => abspath.(list(options.precompile_statements_file)),
        "script" => options.script === nothing ? nothing : abspath(options.script),
        "base" => base_of(options),
        "cpu_target" => options.cpu_target,
        "build_args" => options.sysimage_build_args.exec,
        "compress" => options.compress_sysimage,
        "compiler" => compiler_from_environment(),
        "sysimage_path" => abspath(options.sysimage_path),
        "log" => options.log === nothing ? nothing : abspath(options.log),
        "verify" => options.verify === false ? "none" : string(options.verify),
        "strict" => options.strict,
        "statement_timeout" => Float64(options.statement_timeout),
        "image_threads" => options.image_threads,
        "trace_jobs" => options.trace_jobs,
        "workload_deps" => abspath.(list(options.workload_deps)),
        "preferences" => preferences(environment),
        "cache" => cache_plan(),
        "force" => options.force,
    )
end

"Folders of the packages whose source can change without a change of the Manifest."
function sources(environment)
    paths = [package.path for package in values(environment.packages)]
    return sort!(unique(filter(path -> path !== nothing && isdir(path), paths)))
end

"The preferences of all packages, which may change their code; they came with Julia 1.6."
function preferences(environment)
    isdefined(Base, :get_preferences) || return ""
    parts = String[]
    with_load_path([dirname(environment.project_file), "@stdlib"]) do
        for uuid in sort!(collect(keys(environment.packages)); by=string)
            values = Base.get_preferences(uuid)
            isempty(values) || push!(parts, string(uuid, ' ', write_json(plain(values))))
        end
    end
    return join(parts, '\n')
end

plain(table::AbstractDict) = Dict{String,Any}(string(k) => plain(v) for (k, v) in table)
plain(items::AbstractVector) = map(plain, items)
plain(value::Union{Bool,Real,AbstractString}) = value
plain(value) = string(value)

"Runs `f` with another `LOAD_PATH`, and without an active project."
function with_load_path(f, path)
    before, active = copy(LOAD_PATH), Base.ACTIVE_PROJECT[]
    try
        copy!(LOAD_PATH, path)
        Base.ACTIVE_PROJECT[] = nothing
        return f()
    finally
        copy!(LOAD_PATH, before)
        Base.ACTIVE_PROJECT[] = active
    end
end

function planned(package, environment, requested, options)
    asked = package.id in requested
    return Dict{String,Any}(
        "name" => package.id.name,
        "uuid" => string(package.id.uuid),
        "version" => package.version,
        "path" => package.path,
        "tree_hash" => package.tree_hash,
        "requested" => asked,
        "direct" => get(environment.direct, package.id.name, nothing) == package.id.uuid &&
                    package.path != dirname(environment.project_file),
        "load" => asked || options.include_transitive_dependencies,
    )
end

function base_of(options)
    options.incremental || return Dict("kind" => "fresh",
        "filter_stdlibs" => options.filter_stdlibs)
    path = options.base_sysimage === nothing ? running_sysimage() : abspath(options.base_sysimage)
    return Dict("kind" => "existing", "path" => path)
end

"JULIA_CC may hold arguments; it is split as Julia splits commands."
function compiler_from_environment()
    haskey(ENV, "JULIA_CC") || return nothing
    text = ENV["JULIA_CC"]
    return with_cause(() -> Base.shell_split(text), "JULIA_CC cannot be split into words: `$text`")
end
