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
    "Names of its extensions, each with those of the packages that bring it in."
    extensions::Dict{String,Vector{String}}
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
        file !== nothing && isfile(file) && return as_julia_reads(abspath(file))
        throw(BuildError("there is no active project";
            hint="start Julia with `--project=DIR`, or give the keyword `project`"))
    end
    isempty(strip(project)) && throw(BuildError("`project` is empty";
        hint="give the folder of a Project.toml, or leave the keyword out"))
    check_text("`project`", project)
    if startswith(project, '@')
        file = Base.load_path_expand(String(project))
        file !== nothing && isfile(file) && return abspath(file)
        throw(BuildError("there is no shared environment `$project`";
            hint="looked in `environments` of each depot: $(join(Base.DEPOT_PATH, ", "))"))
    end
    path = abspath(project)
    isfile(path) && return as_julia_reads(path)
    isdir(path) || throw(BuildError("`project` does not exist: `$path`";
        hint="give the folder of a Project.toml"))
    file = project_file_in(path)
    file === nothing && throw(BuildError("there is no Project.toml in `$path`";
        hint="give the folder of a project, or make one with `Pkg.activate` and `Pkg.add`"))
    return file
end

"The project file that Julia reads in `folder`."
function project_file_in(folder)
    for name in Base.project_names
        file = joinpath(folder, name)
        isfile(file) && return file
    end
    return nothing
end

"""
The project file at `path`, if Julia reads it where it is given the folder, as child processes are.

# Errors
`BuildError` for a file of another name, and for one beside another that comes first.
"""
function as_julia_reads(path)
    folder = dirname(path)
    read = project_file_in(folder)
    names = join(Base.project_names, " and ")
    basename(path) in Base.project_names || throw(BuildError("`$path` cannot be used as a project";
        cause="of the files in a folder Julia reads those called $names",
        hint="move it to a folder of its own, as `Project.toml`, with its Manifest"))
    basename(read) == basename(path) || throw(BuildError("`$path` cannot be used as a project";
        cause="`$(basename(read))` is beside it, which Julia reads in that folder",
        hint="give the folder to use `$(basename(read))`, or move one of them to another folder"))
    return path
end

function read_toml(file)
    return with_cause("`$file` cannot be read") do
        # Julia 1.5 has its TOML parser in Pkg.
        isdefined(Base, :parsed_toml) ? Base.parsed_toml(file) : Base.invokelatest(pkg(:TOML).parsefile, file)
    end
end

"""
    installed_environment(project_file; quiet) -> Environment

What `read_environment` gives, with all that the Manifest names installed; the Manifest is made
where there is none.

# Errors
`BuildError` when that fails.
"""
function installed_environment(project_file; quiet)
    manifest_file = manifest_of(project_file)
    manifest_file === nothing && check_manifests_of_others(project_file)
    if manifest_file !== nothing
        environment = read_environment(project_file, manifest_file)
        # `Pkg.instantiate` wants a registry even when there is nothing to install (Julia 1.10).
        is_installed(environment) && return environment
    end
    instantiate(project_file; quiet=quiet)
    return resolved_environment(project_file)
end

"""
    resolved_environment(project_file) -> Environment

What `read_environment` gives, where the Manifest has all that the project names.

# Errors
`BuildError` for a dependency that it lacks.
"""
function resolved_environment(project_file)
    environment = read_environment(project_file)
    lacking = String[name for (name, uuid) in environment.direct if !haskey(environment.packages, uuid)]
    isempty(lacking) && return environment
    throw(BuildError("the Manifest of the project `$project_file` lacks `$(join(sort!(lacking), "`, `"))`";
        cause="the project has it as a dependency, `$(environment.manifest_file)` has not",
        hint="run `Pkg.resolve()` in it"))
end

"Path of the project's Manifest, or `nothing` when there is none."
function manifest_of(project_file)
    file = with_cause("`$project_file` cannot be read") do
        Base.project_file_manifest_path(project_file)
    end
    return file !== nothing && isfile(file) ? file : nothing
end

"""
A Manifest of another Julia alone is not what the user means to be made anew without a word.

# Errors
`BuildError` that names it.
"""
function check_manifests_of_others(project_file)
    folder = dirname(project_file)
    others = filter!(name -> occursin(r"^(Julia)?Manifest-v\d+\.\d+\.toml$", name), readdir(folder))
    isempty(others) && return nothing
    throw(BuildError("the project `$project_file` has no Manifest.toml, and Julia $VERSION does not " *
                     "read `$(join(others, "`, `"))`";
        cause="such a Manifest is for the Julia in its name (Julia 1.11 and newer)",
        hint="run `Pkg.instantiate()` in it with this Julia, which makes a Manifest.toml"))
end

"Whether there is nothing to install, as `Pkg.instantiate` tells it, but without its start-up time."
function is_installed(environment)
    for uuid in values(environment.direct)
        haskey(environment.packages, uuid) || return false
    end
    for package in values(environment.packages)
        folder = folder_of(package)
        folder === nothing && return false
        has_its_artifacts(package.id.uuid, folder) || return false
    end
    return true
end

"The file that tells of a package's artifacts, or `nothing`."
function artifacts_file(folder)
    files = filter!(isfile, joinpath.(folder, ["JuliaArtifacts.toml", "Artifacts.toml"]))
    return isempty(files) ? nothing : first(files)
end

"Whether a package chooses its artifacts by a script, which Pkg runs."
selects_artifacts(folder) = isfile(joinpath(folder, ".pkg", "select_artifacts.jl"))

"Whether the artifacts of the package `uuid` are installed, or lie where an `Overrides.toml` says."
function has_its_artifacts(uuid, folder)
    file = artifacts_file(folder)
    file === nothing && return true
    return with_cause("the artifacts of `$folder` cannot be checked") do
        # The standard library Artifacts came with Julia 1.6.
        artifacts = loaded_module("56f22d72-fd6d-98f1-02f0-08ddc0907c33", "Artifacts")
        if artifacts === nothing || selects_artifacts(folder)
            # That check does not know whose they are.
            Base.invokelatest(pkg(:Artifacts, :load_artifacts_toml), file; pkg_uuid=uuid)
            return Base.invokelatest(pkg(:Operations, :check_artifacts_downloaded), folder)
        end
        wanted = artifacts.select_downloadable_artifacts(file; pkg_uuid=uuid)
        return all(artifact -> artifacts.artifact_exists(Base.SHA1(artifact["git-tree-sha1"])), values(wanted))
    end
end

"A package that this session or its image has loaded, or `nothing`."
loaded_module(uuid, name) = get(Base.loaded_modules, Base.PkgId(Base.UUID(uuid), name), nothing)

"""
A module of Pkg. It is loaded when something has to be installed: since Julia 1.12 it is not in Julia's
own image, and an image without it needs minutes to precompile it and all that it depends on.
"""
pkg(part) = Base.invokelatest(getproperty, Base.require(@__MODULE__, :Pkg), part)

"What such a module has under `name`, which is as young as the module."
pkg(part, name) = Base.invokelatest(getproperty, pkg(part), name)

"The folder of a package, or `nothing` when it is not there."
function folder_of(package)
    path, tree_hash = package.path, package.tree_hash
    if path !== nothing
        return isdir(path) ? path : nothing
    elseif tree_hash === nothing
        stdlib = joinpath(Sys.STDLIB, package.id.name)
        return isdir(stdlib) ? stdlib : nothing
    end
    for depot in DEPOT_PATH, slug in slugs(package.id.uuid, tree_hash)
        folder = joinpath(depot, "packages", package.id.name, slug)
        isdir(folder) && return folder
    end
    return nothing
end

"Names that Pkg gives the folder of a package with that tree hash; older versions a shorter one."
slugs(uuid, tree_hash) =
    String[Base.version_slug(uuid, Base.SHA1(tree_hash), letters) for letters in (5, 4)]

"Installs what the Manifest names and is missing; makes a Manifest where there is none."
function instantiate(project_file; quiet)
    hint = "run `Pkg.instantiate()` in it to see more"
    with_cause("the project `$project_file` cannot be instantiated"; hint=hint) do
        # Its functions are newer than this one.
        Base.invokelatest(instantiate_with, pkg(:API), pkg(:Types), project_file; quiet=quiet)
    end
    return nothing
end

function instantiate_with(api, types, project_file; quiet)
    # Pkg's own session state stays as it is: the context is this project's, not the active one.
    context() = types.Context(; env=types.EnvCache(project_file))
    if VERSION < v"1.6"
        api.instantiate(context())
        return nothing
    end
    io = quiet ? devnull : stderr
    manifest_of(project_file) === nothing && needs_no_registry(project_file) &&
        is_resolved(api, context(); io=io) && return nothing
    api.instantiate(context(); io=io, allow_autoprecomp=false)
    return nothing
end

"Whether Pkg could make a Manifest with the registries that there are; what a package at a path needs may be in none."
function is_resolved(api, context; io)
    try
        api.resolve(context; io=io)
        return true
    catch err
        err isa InterruptException && rethrow()
        return false
    end
end

"""
Whether all that a project without a Manifest names is here: `Pkg.instantiate` clones General even for a
project without dependencies (Julia 1.12), where `Pkg.resolve` does not.
"""
function needs_no_registry(project_file)
    project = read_toml(project_file)
    sources = get(project, "sources", Dict{String,Any}())
    names = collect(keys(direct_dependencies(project)))
    filter!(name -> !is_stdlib(name) && !haskey(get(sources, name, Dict{String,Any}()), "path"), names)
    return isempty(names) || issubset(names, packages_of_workspace(project_file))
end

"Names of the packages in the workspace (Julia 1.12) that the project at `file` is part of."
function packages_of_workspace(file)
    isdefined(Base, :base_project) || return String[]
    root = Base.base_project(file)
    while root !== nothing
        file, root = root, Base.base_project(root)
    end
    names = String[]
    for project in projects_below(file)
        table = read_toml(project)
        haskey(table, "uuid") && haskey(table, "name") && push!(names, table["name"])
    end
    return names
end

"The project file `file`, and those of the workspace that it describes, each once."
function projects_below(file, found=String[])
    file in found && return found
    push!(found, file)
    table = get(read_toml(file), "workspace", nothing)
    for folder in (table isa AbstractDict ? get(table, "projects", String[]) : String[])
        project = project_file_in(normpath(joinpath(dirname(file), folder)))
        project === nothing || projects_below(project, found)
    end
    return found
end

"""
    read_environment(project_file) -> Environment

# Errors
`BuildError` when a file is missing or not as Julia writes it.
"""
function read_environment(project_file)
    manifest_file = manifest_of(project_file)
    if manifest_file === nothing
        check_manifests_of_others(project_file)
        throw(BuildError("the project `$project_file` has no Manifest.toml";
            hint="run `Pkg.instantiate()` in it"))
    end
    return read_environment(project_file, manifest_file)
end

function read_environment(project_file, manifest_file)
    project = read_toml(project_file)
    packages = read_manifest(manifest_file)
    return as_project(project_file) do
        direct = add_project!(packages, project, project_file)
        keep_reachable!(packages, direct)
        Environment(project_file, manifest_file, direct, packages)
    end
end

as_project(f, project_file) = with_cause(f, "`$project_file` is not as Pkg writes a project";
    hint="correct it, and run `Pkg.resolve()` in it")

"Names that the project itself can load, whether its Manifest has them or not."
function names_in_project(project_file)
    project = read_toml(project_file)
    return as_project(project_file) do
        keys(add_project!(Dict{Base.UUID,EnvironmentPackage}(), project, project_file))
    end
end

"""
Names and UUIDs of what a Project.toml depends on. One that is weak as well is there for Julias before 1.9, which know
no weak dependencies: for Pkg it is none.
"""
function direct_dependencies(project)
    direct = uuids_in(project, "deps")
    VERSION < v"1.9" && return direct
    weak = uuids_in(project, "weakdeps")
    return filter!(pair -> get(weak, pair.first, nothing) != pair.second, direct)
end

function uuids_in(project, table)
    found = Dict{String,Base.UUID}()
    for (name, uuid) in get(project, table, Dict{String,Any}())
        found[name] = Base.UUID(uuid)
    end
    return found
end

"The Manifest of a workspace (Julia 1.12) has the packages of all its projects; those of others go."
function keep_reachable!(packages, direct)
    reached = Set{Base.UUID}()
    next = collect(values(direct))
    while !isempty(next)
        uuid = pop!(next)
        (uuid in reached || !haskey(packages, uuid)) && continue
        push!(reached, uuid)
        append!(next, packages[uuid].dependencies)
    end
    return filter!(pair -> pair.first in reached, packages)
end

"Adds the project to `packages` if it is one, and gives the names that it can load."
function add_project!(packages, project, project_file)
    direct = direct_dependencies(project)
    if haskey(project, "name") && haskey(project, "uuid")
        id = Base.PkgId(Base.UUID(project["uuid"]), project["name"])
        packages[id.uuid] = EnvironmentPackage(id, version_in(project),
            dirname(project_file), nothing, collect(values(direct)), extensions_of(project))
        direct[id.name] = id.uuid
    end
    return direct
end

"""
    read_manifest(file) -> Dict{Base.UUID,EnvironmentPackage}

# Errors
`BuildError` when the file cannot be read or is not as Pkg writes it.
"""
function read_manifest(file)
    manifest = read_toml(file)
    return with_cause(() -> packages_of(manifest, dirname(file)),
        "`$file` is not as Pkg writes a Manifest";
        hint="remove it, and run `Pkg.instantiate()` in its project")
end

"The packages of a Manifest in `folder`, where its relative paths start."
function packages_of(manifest, folder)
    # Format 1 has the packages at top level, format 2 below `deps`.
    has_format = haskey(manifest, "manifest_format")
    table = has_format ? get(manifest, "deps", Dict{String,Any}()) : manifest
    by_name = Dict{String,Base.UUID}()
    for (name, entries) in table
        entries isa Vector && !isempty(entries) || continue
        by_name[name] = Base.UUID(entries[1]["uuid"])
    end
    packages = Dict{Base.UUID,EnvironmentPackage}()
    for name in keys(by_name), entry in table[name]
        id = Base.PkgId(Base.UUID(entry["uuid"]), name)
        path = text_of(entry, "path")
        path === nothing || (path = normpath(joinpath(folder, path)))
        packages[id.uuid] = EnvironmentPackage(id, version_in(entry), path,
            text_of(entry, "git-tree-sha1"), dependencies_of(entry, by_name), extensions_of(entry))
    end
    return packages
end

text_of(table, key)::Union{String,Nothing} = get(table, key, nothing)

"The version in a table, as Julia shows it: the `2025.11.04` of MozillaCACerts_jll (Julia 1.12.5) is 2025.11.4."
function version_in(table)
    text = text_of(table, "version")
    text === nothing && return nothing
    # Julia 1.5 has no `tryparse` of it.
    return occursin(Base.VERSION_REGEX, text) ? string(VersionNumber(text)) : text
end

function extensions_of(table)
    found = Dict{String,Vector{String}}()
    for (name, triggers) in get(table, "extensions", Dict{String,Any}())
        found[name] = triggers isa AbstractString ? [triggers] : String[t for t in triggers]
    end
    return found
end

"A Manifest names dependencies, and gives their UUIDs only where a name is not unique."
function dependencies_of(entry, by_name)
    deps = get(entry, "deps", String[])
    deps isa AbstractDict && return Base.UUID[Base.UUID(uuid) for uuid in values(deps)]
    found = Base.UUID[]
    for name in deps
        haskey(by_name, name) && push!(found, by_name[name])
    end
    return found
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
    ids = Base.PkgId[]
    for name in unique(names)
        haskey(known, name) || throw(unknown_package(environment, name))
        push!(ids, Base.PkgId(known[name], name))
    end
    return ids
end

"The project's own name, where it is a package whose source is not there, as in a container that installs what it needs first."
function without_source(environment)
    file = environment.project_file
    own = filter(pair -> pair.second.path == dirname(file), environment.packages)
    names = String[package.id.name for package in values(own) if haskey(environment.direct, package.id.name)]
    return filter!(name -> !isfile(main_file(file, name)), names)
end

"The file at which Julia begins to load the package `name` of the project, as far as that names another than `src/NAME.jl`."
function main_file(project_file, name)
    project, folder = read_toml(project_file), dirname(project_file)
    given = text_of(project, "path")
    if VERSION >= v"1.12-"
        return joinpath(folder, something(given, text_of(project, "entryfile"), joinpath("src", "$name.jl")))
    end
    path = joinpath(folder, something(given, ""))
    return isfile(path) ? path : joinpath(path, "src", "$name.jl")
end

"""
    without(environment, requested, excluded) -> Vector{Base.PkgId}

`requested` but for the packages called `excluded`.

# Errors
`BuildError` for a name that is not in the project, or that another package needs.
"""
function without(environment, requested, excluded)
    for name in setdiff(excluded, keys(environment.direct))
        needs(id) = any(package -> package.id.name == name, load_order(environment, [id]))
        needing = [string('`', id.name, '`') for id in requested if needs(id)]
        isempty(needing) || throw(BuildError("`exclude` holds `$name`, which is no package of the project, but a " *
                                             "dependency of $(join(needing, ", ", " and "))";
            hint="exclude $(join(needing, ", ", " and ")), or leave `$name` in"))
    end
    out = requested_packages(environment, excluded)
    kept = setdiff(requested, out)
    for id in kept, package in load_order(environment, [id])
        package.id in out && throw(BuildError("`exclude` holds `$(package.id.name)`, which " *
                                              "`$(id.name)` needs";
            hint="exclude `$(id.name)` too, or leave `$(package.id.name)` in"))
    end
    return kept
end

function unknown_package(environment, name)
    for package in values(environment.packages)
        haskey(package.extensions, name) || continue
        owner = package.id.name
        others = join(sort(package.extensions[name]), ", ", " and ")
        return BuildError("`$name` is an extension of `$owner`, and no package";
            hint="leave it out: it goes in by itself when $owner and $others do")
    end
    message = "`$name` is not in the project `$(environment.project_file)`"
    weak = get(read_toml(environment.project_file), "weakdeps", Dict{String,Any}())
    VERSION >= v"1.9" && haskey(weak, name) && return BuildError(message; cause="it is only a weak " *
        "dependency there, which Pkg does not install for it", hint="give as `project` one that depends on it")
    near = nearest(name, keys(environment.direct))
    hint = if !isempty(near)
        "did you mean $(join(string.('`', near, '`'), " or "))?"
    elseif any(package -> package.id.name == name, values(environment.packages))
        "it is only a dependency of another package; add it with `Pkg.add(\"$name\")`"
    elseif (member = workspace_member(environment.project_file, name)) !== nothing
        "it is a project of this workspace; give its folder, `project=$(repr(member))`"
    else
        "add it with `Pkg.add(\"$name\")`"
    end
    return BuildError(message; hint=hint)
end

"The folder of the project called `name` in the workspace (Julia 1.12) that `file` describes; `nothing` if there is none."
function workspace_member(file, name)
    for project in projects_below(file)
        project != file && get(read_toml(project), "name", nothing) == name && return dirname(project)
    end
    return nothing
end

"Up to three of `names` that a slip of the keyboard could turn into `name`."
nearest(@nospecialize(name), @nospecialize(names)) =
    on_demand(nearest_of, String(name), String[other for other in names])::Vector{String}

function nearest_of(name, names)
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
    foreach(visit, sorted(environment, Base.UUID[id.uuid for id in roots]))
    return order
end

"`uuids` by the names of their packages, and where these are the same by themselves."
function sorted(environment, uuids)
    labels = Dict{String,Base.UUID}()
    for uuid in uuids
        package = get(environment.packages, uuid, nothing)
        name = package === nothing ? "" : package.id.name
        labels[string(name, ' ', uuid)] = uuid
    end
    return Base.UUID[labels[label] for label in sort!(collect(keys(labels)))]
end
