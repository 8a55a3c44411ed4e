# The project: its files, its packages, and which of them the image needs in which order. Project
# and Manifest are read as TOML, whose format is stable, and not through Pkg's internals.

"One package of a Manifest, or the project itself."
struct EnvironmentPackage
    id::Base.PkgId
    version::Union{String,Nothing}
    "Folder of its source, for a package tracked by path."
    path::Union{String,Nothing}
    tree_hash::Union{String,Nothing}
    dependencies::Vector{Base.UUID}
end

"A project with its Manifest, as they are on disk."
struct Environment
    project_file::String
    manifest_file::String
    "Names that the project itself can load: its dependencies, and its own."
    direct::Dict{String,Base.UUID}
    packages::Dict{Base.UUID,EnvironmentPackage}
end

"""
    find_project(project) -> String

Path of the project file that `project` means: a folder, a project file, or a shared environment
such as `@v1.10`; the active project when `nothing`.
"""
function find_project(project::Union{Nothing,AbstractString})
    if project === nothing
        file = Base.active_project()
        file !== nothing && isfile(file) && return abspath(file)
        throw(BuildError("there is no active project";
            hint="start Julia with `--project=DIR`, or give the keyword `project`"))
    end
    isempty(strip(project)) && throw(BuildError("`project` is empty";
        hint="give the folder of a Project.toml, or leave the keyword out"))
    if startswith(project, '@')
        file = Base.load_path_expand(String(project))
        file !== nothing && isfile(file) && return abspath(file)
        throw(BuildError("there is no shared environment `$project`";
            hint="looked in `environments` of each depot: $(join(Base.DEPOT_PATH, ", "))"))
    end
    path = abspath(project)
    isfile(path) && return path
    isdir(path) || throw(BuildError("`project` does not exist: `$path`";
        hint="give the folder of a Project.toml"))
    for name in Base.project_names
        file = joinpath(path, name)
        isfile(file) && return file
    end
    throw(BuildError("there is no Project.toml in `$path`";
        hint="give the folder of a project, or make one with `Pkg.activate` and `Pkg.add`"))
end

function read_toml(file)
    return with_cause("`$file` cannot be read") do
        # Julia 1.5 has its TOML parser in Pkg.
        isdefined(Base, :parsed_toml) ? Base.parsed_toml(file) : Pkg.TOML.parsefile(file)
    end
end

"Installs what the Manifest names and is missing; makes a Manifest where there is none."
function instantiate(project_file; quiet)
    hint = "run `Pkg.instantiate()` in it to see more"
    with_cause("the project `$project_file` cannot be instantiated"; hint=hint) do
        # Pkg's own session state stays as it is: the context is this project's, not the active one.
        context = Pkg.Types.Context(; env=Pkg.Types.EnvCache(project_file))
        # `Pkg.instantiate` wants a registry even when there is nothing to install (Julia 1.10).
        is_instantiated(context) && return nothing
        if VERSION >= v"1.6"
            io = quiet ? devnull : stderr
            Pkg.instantiate(context; io=io, allow_autoprecomp=false)
        else
            Pkg.instantiate(context)
        end
    end
    return nothing
end

function is_instantiated(context)
    isfile(context.env.manifest_file) || return false
    return Pkg.Operations.is_instantiated(VERSION >= v"1.6" ? context.env : context)
end

"""
    read_environment(project_file) -> Environment

# Errors
`BuildError` when a file is missing or not as Julia writes it.
"""
function read_environment(project_file)
    project = read_toml(project_file)
    manifest_file = Base.project_file_manifest_path(project_file)
    if manifest_file === nothing || !isfile(manifest_file)
        throw(BuildError("the project `$project_file` has no Manifest.toml";
            hint="run `Pkg.instantiate()` in it"))
    end
    packages = read_manifest(manifest_file)
    direct = Dict{String,Base.UUID}(
        name => Base.UUID(uuid) for (name, uuid) in get(project, "deps", Dict())
    )
    if haskey(project, "name") && haskey(project, "uuid")
        id = Base.PkgId(Base.UUID(project["uuid"]), project["name"])
        packages[id.uuid] = EnvironmentPackage(id, get(project, "version", nothing),
            dirname(project_file), nothing, collect(values(direct)))
        direct = merge(direct, Dict(id.name => id.uuid))
    end
    return Environment(project_file, manifest_file, direct, packages)
end

function read_manifest(file)
    manifest = read_toml(file)
    # Format 1 has the packages at top level, format 2 below `deps`.
    table = haskey(manifest, "manifest_format") ? get(manifest, "deps", Dict()) : manifest
    entries = [(name, entry) for (name, all) in table if all isa Vector for entry in all]
    by_name = Dict{String,Vector{Base.UUID}}()
    for (name, entry) in entries
        push!(get!(() -> Base.UUID[], by_name, name), Base.UUID(entry["uuid"]))
    end
    packages = Dict{Base.UUID,EnvironmentPackage}()
    for (name, entry) in entries
        id = Base.PkgId(Base.UUID(entry["uuid"]), name)
        path = get(entry, "path", nothing)
        path === nothing || (path = normpath(joinpath(dirname(file), path)))
        packages[id.uuid] = EnvironmentPackage(id, get(entry, "version", nothing), path,
            get(entry, "git-tree-sha1", nothing), dependencies_of(entry, by_name))
    end
    return packages
end

"A Manifest names dependencies, and gives their UUIDs only where a name is not unique."
function dependencies_of(entry, by_name)
    deps = get(entry, "deps", String[])
    deps isa AbstractDict && return [Base.UUID(uuid) for uuid in values(deps)]
    return [by_name[name][1] for name in deps if haskey(by_name, name)]
end

"""
    requested_packages(environment, names) -> Vector{Base.PkgId}

The packages called `names`; all that the project can load when `nothing`.

# Errors
`BuildError` for a name that is not in the project, with the nearest that are.
"""
function requested_packages(environment, names)
    known = environment.direct
    names === nothing && (names = sort!(collect(keys(known))))
    return map(unique(names)) do name
        haskey(known, name) && return Base.PkgId(known[name], name)
        throw(unknown_package(environment, name))
    end
end

function unknown_package(environment, name)
    message = "`$name` is not in the project `$(environment.project_file)`"
    near = nearest(name, keys(environment.direct))
    hint = if !isempty(near)
        "did you mean $(join(string.('`', near, '`'), " or "))?"
    elseif any(package -> package.id.name == name, values(environment.packages))
        "it is only a dependency of another package; add it with `Pkg.add(\"$name\")`"
    else
        "add it with `Pkg.add(\"$name\")`"
    end
    return BuildError(message; hint=hint)
end

"Up to three of `names` that a slip of the keyboard could turn into `name`."
function nearest(name, names)
    scored = [(edit_distance(lowercase(name), lowercase(other)), other) for other in names]
    limit = max(1, length(name) ÷ 3)
    return [other for (_, other) in Iterators.take(sort!(filter!(s -> s[1] <= limit, scored)), 3)]
end

"Letters to insert, remove, replace or swap with their neighbour to make `a` into `b`."
function edit_distance(a, b)
    a, b = collect(a), collect(b)
    d = [i == 0 ? j : j == 0 ? i : 0 for i in 0:length(a), j in 0:length(b)]
    for i in 1:length(a), j in 1:length(b)
        best = min(d[i, j + 1] + 1, d[i + 1, j] + 1, d[i, j] + (a[i] != b[j]))
        if i > 1 && j > 1 && a[i] == b[j - 1] && a[i - 1] == b[j]
            best = min(best, d[i - 1, j - 1] + 1)
        end
        d[i + 1, j + 1] = best
    end
    return d[end, end]
end

"""
    load_order(environment, roots) -> Vector{EnvironmentPackage}

The packages that `roots` need, themselves included, each after its dependencies. The order depends
on nothing but the Manifest: names, then UUIDs, decide where dependencies do not.
"""
function load_order(environment, roots)
    order = EnvironmentPackage[]
    seen = Set{Base.UUID}()
    function visit(uuid)
        (uuid in seen || !haskey(environment.packages, uuid)) && return nothing
        push!(seen, uuid)
        package = environment.packages[uuid]
        foreach(visit, sorted(environment, package.dependencies))
        push!(order, package)
        return nothing
    end
    foreach(visit, sorted(environment, [id.uuid for id in roots]))
    return order
end

function sorted(environment, uuids)
    name(uuid) = haskey(environment.packages, uuid) ? environment.packages[uuid].id.name : ""
    return sort(uuids; by=uuid -> (name(uuid), string(uuid)))
end
