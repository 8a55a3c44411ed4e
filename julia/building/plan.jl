# From the keywords of `create_sysimage` to the plan that the engine follows.

const PLAN_SCHEMA = 1

"""
    package_names(packages, keyword) -> Union{Nothing,Vector{String}}

# Errors
`BuildError` for a name that no package can have, and what is no name.
"""
function package_names(packages, keyword="packages")
    packages === nothing && return nothing
    packages isa Union{Names,AbstractVector} ||
        throw(wrong_value(keyword, packages, in_words(Union{Names,AbstractVector})))
    check_names(keyword, packages)
    names = list(packages)
    for name in names
        isempty(strip(name)) && throw(BuildError("a package name is empty in `$keyword`";
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
function make_plan(packages, options::Options)
    check_options(options)
    names = package_names(packages)
    excluded = package_names(options.exclude, "exclude")
    names === nothing || isempty(excluded) || throw(BuildError("`exclude` is given with `packages`";
        hint="it is for builds of all that the project has, without `packages`"))
    project_file = find_project(options.project)
    check_text("the project's path", project_file)
    environment = options.dry_run ? resolved_environment(project_file) :
        installed_environment(project_file; quiet=options.quiet)
    requested = requested_packages(environment, names)
    if names === nothing
        unborn = setdiff(without_source(environment), excluded)
        for name in unborn
            options.quiet || @info "`$name` itself is left out of the image: there is no `$(main_file(project_file, name))`"
        end
        # Not among what the user excludes: its source may come.
        left_out = String[excluded; unborn]
        isempty(left_out) || (requested = without(environment, requested, left_out))
    end
    stdlibs = stdlibs_of(options)
    order = load_order(environment, [requested; add_stdlibs!(environment, stdlibs)])
    base = base_of(options)
    check_stdlibs(order, base)
    return Dict{String,Any}(
        "schema" => PLAN_SCHEMA,
        "julia" => describe_julia(),
        "project" => describe_project(environment, order),
        "packages" => planned(order, environment, requested; stdlibs=stdlibs,
            all_of_them=options.include_transitive_dependencies),
        "all_packages" => names === nothing,
        "exclude" => sort!(excluded),
        "stdlibs" => stdlibs,
        "import_into_main" => options.import_into_main,
        "workloads" => workloads(environment, options),
        "statement_files" => absolute(options.precompile_statements_file),
        "script" => options.script === nothing ? nothing : abspath(options.script),
        "guard" => options.guard,
        "base" => base,
        "cpu_target" => options.cpu_target,
        "build_args" => options.sysimage_build_args.exec,
        "compress" => options.compress_sysimage,
        "compiler" => compiler_from_environment(),
        "sysimage_path" => abspath(options.sysimage_path),
        "log" => options.log === nothing ? nothing : abspath(options.log),
        "work_dir" => options.work_dir === nothing ? nothing : abspath(options.work_dir),
        "verify" => options.verify === false ? "none" : string(options.verify),
        "strict" => options.strict,
        "statement_timeout" => seconds_of_limit(options.statement_timeout),
        "image_threads" => options.image_threads,
        "trace_jobs" => options.trace_jobs,
        "workload_threads" => options.workload_threads,
        "workload_deps" => absolute(options.workload_deps),
        "preferences" => preferences(environment),
        "cache" => cache_plan(),
        "force" => options.force,
        "allocator" => allocator(),
        "linked" => options.linked,
        "compile_all" => options.compile_all,
        "interposer" => interposer(),
        "idle_limit" => seconds_of_limit(options.idle_limit),
        "environment_inputs" => list(options.environment_inputs),
        "surroundings" => surroundings(),
    )
end

"""
Environment and working folder of this session, which children inherit. The engine's threads must not
look for themselves while this process may change them.
"""
function surroundings()
    variables = Vector{Any}[]
    told = Dict{String,String}(ENV)
    depots = depots_of_children()
    depots === nothing || (told["JULIA_DEPOT_PATH"] = depots)
    for (name, value) in told
        push!(variables, Any[text_or_bytes(name), text_or_bytes(value)])
    end
    # Without a home shells leave `~` as it is.
    home = something(home_folder(), joinpath(pwd(), "~"))
    return Dict{String,Any}("environment" => variables, "folder" => pwd(), "home" => home)
end

"""
The `JULIA_DEPOT_PATH` by which children, who read no startup.jl, have all `depots` of this session, where packages
are looked for; `variable` is the session's own. `nothing` where it stays as it is.
"""
function depots_for_children(variable, depots)
    nameable, separator = nameable_depots(depots), SYSTEM.list_separator
    variable === nothing && return isempty(nameable) ? nothing : join(nameable, separator)
    known = [abspath(at_home(entry)) for entry in split(variable, separator) if !isempty(entry)]
    more = setdiff(nameable, known)
    return isempty(more) ? nothing : join([variable; more], separator)
end

"The `JULIA_DEPOT_PATH` of children; `nothing` where it stays this session's."
depots_of_children() = something(depots_to_write(DEPOT_PATH),
    Some(depots_for_children(get(ENV, "JULIA_DEPOT_PATH", nothing), DEPOT_PATH)))

"""
The `JULIA_DEPOT_PATH` by which children write their caches into one of `depots` that takes them, where the first does
not: Julia writes to the first alone. `nothing` where that takes them.
"""
function depots_to_write(depots)
    nameable = nameable_depots(depots)
    (isempty(nameable) || takes_caches(first(nameable))) && return nothing
    at = findfirst(takes_caches, nameable)
    return join(unique!([at === nothing ? spare_depot() : nameable[at]; nameable]), SYSTEM.list_separator)
end

"Those that a list can name: one that holds the separator is left out."
nameable_depots(depots) = String[abspath(depot) for depot in depots if !(SYSTEM.list_separator in depot)]

"Whether this user can write precompile caches into `depot`, or make it."
function takes_caches(depot)
    place = joinpath(depot, "compiled", "v$(VERSION.major).$(VERSION.minor)")
    while !ispath(place) && dirname(place) != place
        place = dirname(place)
    end
    may_write_and_enter = 0x03
    # Windows has no such permissions.
    return isdir(place) && (!SYSTEM.posix || ccall(:access, Cint, (Cstring, Cint), place, may_write_and_enter) == 0)
end

const SPARE_DEPOT = Ref("")

"A depot that goes with this session."
function spare_depot()
    isdir(SPARE_DEPOT[]) || (SPARE_DEPOT[] = mktempdir())
    return SPARE_DEPOT[]
end

text_or_bytes(text) = isvalid(text) ? text : Int[byte for byte in codeunits(text)]

"Path of the library that the Julias that generate code preload, for its allocator; there is one on Linux."
function allocator()
    path = library_path("packagecompilerrs_allocator")
    return get(ENV, "PCRS_ALLOCATOR", "") == "0" || !isfile(path) ? nothing : path
end

"Path of the library that the process of a linked image preloads; it is built for Linux on x86-64."
function interposer()
    path = library_path("packagecompilerrs_interpose")
    return isfile(path) ? path : nothing
end

"What is run to see what it compiles: scripts, then test suites."
function workloads(environment, options)
    found = Dict{String,Any}[]
    given = options.workload isa AbstractVector ? options.workload : [options.workload]
    for path in absolute(options.precompile_execution_file)
        push!(found, planned_script(path))
    end
    for item in given
        item isa AbstractString && push!(found, planned_script(abspath(item)))
    end
    for item in given
        item isa TestSuite && push!(found, planned_tests(environment, item))
    end
    # A script may be named by both keywords.
    return unique(found)
end

planned_script(path) = Dict{String,Any}("kind" => "script", "path" => path)

absolute(files) = String[abspath(file) for file in list(files)]

describe_project(environment, order) = Dict{String,Any}(
    "dir" => dirname(environment.project_file),
    "file" => environment.project_file,
    "manifest" => environment.manifest_file,
    "sources" => sources(environment),
    "others" => others(environment, order),
)

"Folders of the packages whose source can change without a change of the Manifest."
function sources(environment)
    folders = Set{String}()
    for package in values(environment.packages)
        path = package.path
        path !== nothing && isdir(path) && push!(folders, path)
    end
    return sort!(collect(folders))
end

"The packages that are not in `order`."
function others(environment, order)
    planned = Set{Base.UUID}()
    for package in order
        push!(planned, package.id.uuid)
    end
    rest = Base.UUID[]
    for uuid in keys(environment.packages)
        uuid in planned || push!(rest, uuid)
    end
    packages = environment.packages
    return Dict{String,Any}[described(packages[uuid]) for uuid in sorted(environment, rest)]
end

described(package) = Dict{String,Any}(
    "name" => package.id.name,
    "uuid" => string(package.id.uuid),
    "version" => package.version,
    "path" => package.path,
    "tree_hash" => package.tree_hash,
)

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

"""
    unseen_preferences(project, packages) -> Vector{Tuple{String,String}}

Names of those of `packages` (tables with `name` and `uuid`) for which sessions in the folder `project`
find other preferences than a build does, each with a sentence. A build knows the project only, and
not the other entries of `LOAD_PATH`, so that an image is the same for whoever builds it.
"""
function unseen_preferences(project, packages)
    found = Tuple{String,String}[]
    isdefined(Base, :get_preferences) || return found
    others = String[entry for entry in LOAD_PATH if entry != "@"]
    of_all = preferences_on([project; others], packages)
    of_project = preferences_on([project, "@stdlib"], packages)
    of_all == of_project && return found
    by_place = [(entry, preferences_on([entry], packages)) for entry in others]
    for (i, package) in enumerate(packages)
        of_all[i] == of_project[i] && continue
        places = String["`$(something(Base.load_path_expand(entry), entry))`"
                        for (entry, values) in by_place if !isempty(values[i])]
        name = package["name"]
        push!(found, (name, "preferences of $name in $(join(places, " and ")) are seen by sessions, " *
            "and not by the build, which reads those of the project `$project`: set them there too"))
    end
    return found
end

function preferences_on(path, packages)
    return with_load_path(path) do
        Dict{String,Any}[plain(Base.get_preferences(Base.UUID(package["uuid"]))) for package in packages]
    end
end

"What is to be said of a plan before it is followed."
function notices(plan)
    found = String[text for (_, text) in unseen_preferences(plan["project"]["dir"], plan["packages"])]
    # Nobody precompiles packages on the image of an app.
    get(plan, "app", nothing) === nothing &&
        append!(found, unusable_cpu_target(plan["cpu_target"], get(ENV, "JULIA_CPU_TARGET", "")))
    return found
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

"""
The packages of `order` with what the image does with each: it loads those `requested`, the standard libraries
called `stdlibs`, and with `all_of_them` the rest.
"""
function planned(order, environment, requested; stdlibs, all_of_them)
    settled = settled_packages(order)
    packages = Dict{String,Any}[]
    for package in order
        table = planned_package(package, environment, requested, settled)
        table["load"] = all_of_them || table["requested"] || package.id.name in stdlibs
        push!(packages, table)
    end
    return packages
end

"Those that are tracked by content, as is all that they need: only a new Manifest changes them."
function settled_packages(order)
    settled = Set{Base.UUID}()
    # Dependencies come first.
    for package in order
        package.path === nothing && issubset(package.dependencies, settled) &&
            push!(settled, package.id.uuid)
    end
    return settled
end

function planned_package(package, environment, requested, settled)
    table = described(package)
    table["requested"] = package.id in requested
    table["direct"] = get(environment.direct, package.id.name, nothing) == package.id.uuid &&
                      package.path != dirname(environment.project_file)
    table["settled"] = package.id.uuid in settled
    return table
end

"Names of the standard libraries that go in beside `packages`."
function stdlibs_of(options)
    # A base without standard libraries is asked for to be without what nobody names.
    options.include_stdlibs === nothing && return options.incremental ? default_stdlibs() : String[]
    return something(package_names(options.include_stdlibs, "include_stdlibs"), String[])
end

function base_of(options)
    options.incremental || return Dict{String,Any}("kind" => "fresh",
        "filter_stdlibs" => options.filter_stdlibs)
    path = options.base_sysimage === nothing ? session_base(options) : abspath(options.base_sysimage)
    return Dict{String,Any}("kind" => "existing", "path" => path)
end

"""
A standard library that the base holds cannot be replaced by the one that the Manifest names.

# Errors
`BuildError` that names both.
"""
function check_stdlibs(order, base)
    # What another image holds, its start on it tells (`verify`).
    same_path(get(base, "path", ""), running_sysimage()) || return nothing
    replaced = filter(package -> is_replaced_stdlib(package), order)
    isempty(replaced) && return nothing
    inside = packages_in_image(running_sysimage())
    for package in replaced
        package.id in inside || continue
        name, here = package.id.name, stdlib_version(package.id)
        origin_of(package.id).path == joinpath(something(package.path, ""), "src", "$name.jl") &&
            continue
        throw(BuildError("the base image holds $name $(something(here, "of Julia $VERSION")), the " *
                         "Manifest wants $(something(package.version, "another one"))";
            cause="what an image holds, one built on it cannot replace",
            hint="use `incremental=false`, or remove $name from the Manifest's replaced packages " *
                 "with `Pkg.free(\"$name\")`"))
    end
    return nothing
end

is_replaced_stdlib(package) = (package.path !== nothing || package.tree_hash !== nothing) &&
    isdir(joinpath(Sys.STDLIB, package.id.name)) && stdlib_uuid(package.id) == package.id.uuid

"""
The image that a session like this one builds on. One of ours holds packages as they were, which
nothing replaces, so that what it was built on takes its place.
"""
function session_base(options)
    running = running_sysimage()
    ours = holds_stamp()
    stamp = stamp_of_image(running, ours, stamp_of_session())
    if stamp === nothing
        ours && !options.quiet && @warn "Building on `$running`, the image of this session, whose packages stay as " *
            "they are: it was stripped of what it was built on, and `$running.json` is not beside it. Give another image as " *
            "`base_sysimage`."
        return running
    end
    below = get(stamp["plan"]["base"], "path", default_sysimage())
    isfile(below) || throw(BuildError("the image of this session was built on `$below`, which is gone";
        hint="give another image as `base_sysimage`; this session's own is `$running`"))
    options.quiet || @info "Building on `$below`, as the image of this session was: that itself " *
                           "holds packages as they were. Give it as `base_sysimage` to build on it."
    return below
end

"""
What the image at `path` was built from: `held`, the stamp in it, or, where one of `ours` was stripped of that, the one
beside it. `nothing` where there is none.
"""
stamp_of_image(path, ours, held) = held === nothing && ours ? inspect_image(path)["stamp"] : held

function compiler_from_environment()
    haskey(ENV, "JULIA_CC") || return nothing
    text = ENV["JULIA_CC"]
    check_text("JULIA_CC", text)
    return with_cause(() -> compiler_words(text), "JULIA_CC cannot be split into words: `$text`")
end

"""
JULIA_CC may hold arguments: it is split as Julia splits commands, unless it is the path of a file. In a path of Windows
a backslash is no escape.
"""
function compiler_words(text, system=SYSTEM)
    isfile(text) && return [text]
    return Base.shell_split(system.posix ? text : replace(text, '\\' => "\\\\"))
end
