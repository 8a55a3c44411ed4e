# Whether an image is what the project would give now. Whatever cannot be compared makes the answer
# `:unknown`: an image is called fresh only when everything that goes into it was found unchanged.

const Problem = NamedTuple{(:kind, :name, :message),Tuple{Symbol,String,String}}
const RefreshState = NamedTuple{(:state, :message, :log),Tuple{Symbol,String,String}}

"""
    SysimageStatus

What [`sysimage_status`](@ref) gives. Fields:

- `state::Symbol`: `:fresh` when nothing that went into the image has changed, `:stale` when
  something has, `:unknown` when something could not be compared and nothing else has changed;
- `path::String`: the image; `project::String`: the project file it was compared with;
- `problems`: a vector of `(kind, name, message)`, empty for a fresh image. `kind` is
  - `:package`: another version, another source, not in the image, or not in the project;
  - `:preferences` of a package;
  - `:artifacts`: some that a package in the image downloads are not installed any more;
  - `:julia`, `:cpu`, `:base`: the image is for another Julia build or CPU, or the image below it
    has changed;
  - `:workload`, `:workload_dep`, `:statements`, `:script`: a file that went in has changed;
  - `:environment`: a package that is not in the image, but that a workload or script can load, or
    a depot's `Overrides.toml`, from which packages take other artifacts;
  - `:variable`: an environment variable that `environment_inputs` names has another value;
  - `:unknown`: what could not be compared, and preferences that sessions see and builds do not.
  `name` is that of the package or file, and `message` a sentence;
- `refresh`: what launchers that keep the image fresh (`refresh` of [`install_launcher`](@ref)) do about it:
  `(state, message, log)`, where `state` is `:running` while a process builds it anew and `:failed` when the last such
  build has failed; else `nothing`.
"""
struct SysimageStatus
    state::Symbol
    path::String
    project::String
    problems::Vector{Problem}
    refresh::Union{Nothing,RefreshState}
end

function SysimageStatus(path, project, problems)
    state = isempty(problems) ? :fresh :
        all(p -> p.kind === :unknown, problems) ? :unknown : :stale
    refresh = refresh_state(path)
    # What failed was undone.
    state === :fresh && refresh !== nothing && refresh.state === :failed && (refresh = nothing)
    return SysimageStatus(state, path, project, problems, refresh)
end

function Base.show(io::IO, status::SysimageStatus)
    return print(io, "SysimageStatus(", repr(status.state), ", ", repr(status.path), ", ",
        counted(length(status.problems), "problem"), ")")
end

counted(number, thing) = string(number, ' ', thing, number == 1 ? "" : "s")

function Base.show(io::IO, ::MIME"text/plain", status::SysimageStatus)
    print(io, "Sysimage ", status.path)
    isempty(status.project) || print(io, "\nproject  ", status.project)
    print(io, "\nstate    ", status.state)
    width = maximum([0; [length(string(problem.kind)) for problem in status.problems]])
    for problem in status.problems
        print(io, "\n  ", rpad(string(problem.kind), width), "  ", problem.message)
    end
    rebuilt = any(problem -> !(problem.kind in (:unknown, :artifacts)), status.problems)
    rebuilt && print(io, "\nBuild it again with `create_sysimage`")
    refresh = status.refresh
    refresh === nothing || print(io, "\nrefresh  ", refresh.state, ": ", refresh.message, " (log: ", refresh.log, ')')
    return nothing
end

"""
    StatusError <: Exception

An image that could not be compared. Fields:

- `message::String`: what failed;
- `cause::Union{String,Nothing}`: why, as far as is known;
- `hint::Union{String,Nothing}`: what to do next.
"""
struct StatusError <: FileError
    message::String
    cause::Union{String,Nothing}
    hint::Union{String,Nothing}
end

"""
    sysimage_status(path; project=nothing) -> SysimageStatus
    sysimage_status(; project=nothing) -> SysimageStatus

Whether the sysimage at `path`, or that of this session, is still what the project would give. What
an image was built from is in its stamp: the file `path * ".json"` beside it, and for the session's
image the image itself. Only files are read; no process is started.

`project` is the folder of a project, its project file, or a shared environment such as
`"@v1.10"`. Left out, it is the project that the image at `path` was built from, and for the image of
this session the active one.

Compared are the Julia build, the CPU (with `cpu_target="native"`), the base image, the versions and
tree hashes of the packages, where they are installed and what `Pkg.build` made there, the source of
packages tracked by path, preferences, and the workloads, scripts and statement files with all they
include. With a workload or script this holds for the whole Manifest, as it may load any package of
it. Not seen is what somebody edits in an installed package; not compared are options of the build,
and what a workload reads by itself, unless `workload_deps` named it.

An image without a stamp, such as PackageCompiler makes, is never fresh. Of the one that this
session runs on, the loaded packages are compared with the Manifest.

# Returns
A [`SysimageStatus`](@ref); a missing image is `:unknown`.

# Errors
[`StatusError`](@ref) when `project` does not exist, or the image cannot be read.

# Examples
```julia
using PackageCompilerRS
status = sysimage_status("Example.so"; project="@v1.10")
if status.state !== :fresh
    foreach(problem -> println(problem.message), status.problems)
    create_sysimage("Example"; sysimage_path="Example.so", project="@v1.10")
end
```
"""
sysimage_status(path::AbstractString; project::Union{Nothing,AbstractString}=nothing) =
    outside_build(() -> status_of(path, project), StatusError)

sysimage_status(; project::Union{Nothing,AbstractString}=nothing) =
    outside_build(() -> status_of_session(project), StatusError)

function status_of(path, project)
    isempty(strip(path)) && throw(StatusError("the path of the sysimage is empty";
        hint="give the path of the image, or call `sysimage_status()` for that of this session"))
    check_text("the path of the sysimage", path)
    image = abspath(path)
    given = project === nothing ? nothing : find_project(project)
    isfile(image) || return SysimageStatus(image, something(given, ""),
        [unknown(image, "there is no such file")])
    inspected = inspect_image(image)
    # The type lets one method be compiled for all below.
    stamp = inspected["stamp"]::Union{Nothing,Dict{String,Any}}
    stamp === nothing &&
        return SysimageStatus(image, something(given, ""), without_stamp(image, inspected))
    return compared(stamp, image, something(given, project_of(stamp)))
end

project_of(stamp) = stamp["plan"]["project"]["file"]::String

function compared(stamp, image, project_file)
    isfile(project_file) || return SysimageStatus(image, project_file, [unknown(project_file,
        "its project `$project_file` is gone; give another one with the keyword `project`")])
    return SysimageStatus(image, project_file, compare(stamp, image, project_file))
end

function status_of_session(project)
    image, stamp = running_sysimage(), stamp_of_session()
    active = Base.active_project()
    has_none = project === nothing && (active === nothing || !isfile(active))
    stamp !== nothing && has_none && return compared(stamp, image, project_of(stamp))
    project_file = find_project(project)
    problems = stamp !== nothing ? compare(stamp, image, project_file) :
        same_path(image, default_sysimage()) ?
        [unknown(image, "this session runs on Julia's own image")] :
        compare_loaded(image, project_file)
    return SysimageStatus(image, project_file, problems)
end

problem(kind, name, message) = Problem((kind, name, message))
unknown(name, message) = problem(:unknown, name, message)

same_path(a, b) = a == b || (ispath(a) && ispath(b) && realpath(a) == realpath(b))

"Whether this session's image is one of ours: its stamp may have been stripped to an empty one."
holds_stamp() = isdefined(Base, :PACKAGECOMPILERRS_STAMP)

"What this session's image was built from (`image_process.jl` leaves it there), or `nothing`."
function stamp_of_session()
    holds_stamp() || return nothing
    text = getfield(Base, :PACKAGECOMPILERRS_STAMP)[]::String
    isempty(text) && return nothing
    return parse_json(text)
end

function without_stamp(image, inspected)
    inspected["is_sysimage"] || return [unknown(image, "it is not a sysimage")]
    same_path(image, default_sysimage()) && return [unknown(image, "it is Julia's own image")]
    inspected["fits_julia"] === false &&
        return [problem(:julia, "", "not an image of this Julia, $VERSION")]
    message = inspected["stamp_exists"] ?
        "`$image.json` is not the stamp of this image: one of them was replaced" :
        "it has no stamp `$image.json`, which `create_sysimage` writes"
    next = "start Julia on it and call `sysimage_status()` there, which compares what is loaded"
    return [unknown(image, string(message, "; ", next))]
end

# With a stamp

"The layout of stamps (`stamp.rs`)."
const STAMP_SCHEMA = 1

"""
    compare(stamp, image, project_file) -> Vector{Problem}

What differs between the build that `stamp` tells of and one by the same options now.
"""
function compare(stamp, image, project_file)
    problems = Problem[]
    if get(stamp, "schema", nothing) != STAMP_SCHEMA
        push!(problems, unknown(image, "its stamp is of another version of PackageCompilerRS"))
        return problems
    end
    stamp["content_key"] === nothing && push!(problems, unknown(image,
        "files changed while it was built, or could not be read then: what is in it is not known"))
    environment = try
        read_environment(project_file)
    catch err
        err isa BuildError || rethrow()
        push!(problems, unknown(project_file, told_in_one_line(err)))
        return problems
    end
    plan = stamp["plan"]
    requested = requested_now(plan, environment)
    stdlibs = String[name for name in get(plan, "stdlibs", [])]
    order = load_order(environment, [requested; add_stdlibs!(environment, filter(is_stdlib, stdlibs))])
    find_missing!(problems, environment, requested, order)
    now = try
        stamp_of(plan_now(plan, environment, requested, order), image)
    catch err
        err isa BuildError || rethrow()
        push!(problems, unknown(image, "its stamp cannot be used: " * told_in_one_line(err)))
        return problems
    end
    compare_julia!(problems, stamp, now)
    compare_base!(problems, stamp, now, image)
    compare_packages!(problems, stamp, now, environment, order)
    compare_files!(problems, stamp, now)
    compare_artifacts!(problems, stamp, now)
    find_missing_artifacts!(problems, stamp, environment)
    compare_variables!(problems, stamp, now)
    compare_preferences!(problems, stamp, now)
    for (name, text) in unseen_preferences(dirname(project_file), now["plan"]["packages"])
        push!(problems, unknown(name, text))
    end
    runs_code(plan) && compare_others!(problems, stamp, now, environment)
    return unique!(problems)
end

told_in_one_line(err) = err.cause === nothing ? err.message : string(err.message, ": ", err.cause)

"Whether code of the user's ran for the image, which could load whatever is in the project."
runs_code(plan) = !isempty(plan["workloads"]) || plan["script"] !== nothing

"The packages that were asked for, as far as the project still has them."
function requested_now(plan, environment)
    if plan["all_packages"]
        excluded = [get(plan, "exclude", []); without_source(environment)]
        return filter!(id -> !(id.name in excluded), requested_packages(environment, nothing))
    end
    asked = filter(package -> package["requested"], plan["packages"])
    ids = [Base.PkgId(Base.UUID(package["uuid"]), package["name"]) for package in asked]
    return filter!(id -> get(environment.direct, id.name, nothing) == id.uuid, ids)
end

"`plan` with this session's Julia and the project as it is."
function plan_now(plan, environment, requested, order)
    return merge(plan, Dict{String,Any}(
        "julia" => describe_julia(),
        "project" => describe_project(environment, order),
        "packages" => planned(order, environment, requested; stdlibs=String[], all_of_them=true),
        "preferences" => preferences(environment),
        "surroundings" => surroundings(),
    ))
end

function compare_julia!(problems, stamp, now)
    julia, here = stamp["plan"]["julia"], now["plan"]["julia"]
    if (julia["version"], julia["arch"]) != (here["version"], here["arch"])
        push!(problems, problem(:julia, "", string("built by Julia ", julia["version"], " for ",
            julia["arch"], "; this is ", here["version"], " for ", here["arch"])))
    else
        for (then, part) in part_pairs(stamp, now, "julia")
            changed(then, part) && push!(problems, problem(:julia, something(then, part)["name"],
                "built by another build of Julia $VERSION: " *
                "`$(something(then, part)["name"])` is not the same"))
            push_gaps!(problems, then, part)
        end
    end
    targets = cpu_names(stamp["cpu_target"])
    if julia["cpu"] != here["cpu"]
        message = "built on a $(julia["cpu"]) with cpu_target=\"$(stamp["cpu_target"])\"; " *
            "this is a $(here["cpu"])"
        "native" in targets && push!(problems, problem(:cpu, julia["cpu"], message))
        # The target of the base, which may have been this very CPU.
        "sysimage" in targets && !on_default_image(stamp) && push!(problems, unknown("", message))
    end
    lacks = flags_lacking(get(stamp, "cpus", nothing), cpu_flags())
    isempty(lacks) || push!(problems, problem(:cpu, here["cpu"],
        "for CPUs with more than this one has (without $(join(lacks, ", "))): Julia does not start on it here"))
    return nothing
end

function on_default_image(stamp)
    plan = stamp["plan"]
    return get(plan["base"], "path", nothing) == plan["julia"]["default_sysimage"]
end

function compare_base!(problems, stamp, now, image)
    below = stamp["unknown_base"]
    below === nothing || push!(problems, unknown(below,
        "built upon `$below`, which has no stamp that says what it holds"))
    # That one is among the parts of Julia.
    on_default_image(stamp) && return nothing
    for (then, part) in part_pairs(stamp, now, "base")
        # The image has replaced the one it was built upon, whose packages its stamp has too.
        same_path(then["name"], image) && continue
        if part["hash"] === nothing && then["hash"] !== nothing
            push!(problems, unknown(then["name"],
                "the image below cannot be read: $(join(part["gaps"], "; "))"))
        else
            changed(then, part) && push!(problems, problem(:base, then["name"],
                "the image below, `$(then["name"])`, has changed"))
            push_gaps!(problems, then, part)
        end
    end
    return nothing
end

function compare_packages!(problems, stamp, now, environment, order)
    wanted = Set(string(package.id.uuid) for package in order)
    asked_then, asked_now = asked_for(stamp), asked_for(now)
    sources = sources_of(now)
    for held in stamp["packages"]
        uuid, name = held["uuid"], held["name"]
        add(message) = push!(problems, problem(:package, name, string(titled(held), message)))
        package = get(environment.packages, Base.UUID(uuid), nothing)
        if package === nothing
            # A base may hold more than the project has.
            held["from_base"] || add(" in the image, not among what the project needs of the Manifest")
            continue
        end
        append!(problems, package_problems(held, package, sources))
        if uuid in asked_then && !(uuid in asked_now)
            add(" in the image, no dependency of the project itself any more")
        elseif uuid in asked_now && !(uuid in asked_then)
            add(" in the image as a dependency of others, now one of the project itself")
        elseif !(uuid in wanted || held["from_base"])
            add(" in the image, where no package asked for needs it any more")
        end
    end
    inside = Set(held["uuid"] for held in stamp["packages"])
    for package in now["plan"]["packages"]
        package["uuid"] in inside || push!(problems, problem(:package, package["name"],
            string(titled(package), is_of_julia(package) ?
                " not among the packages that the image was built with" : " not in the image")))
    end
    return nothing
end

asked_for(stamp) = Set(p["uuid"] for p in stamp["plan"]["packages"] if p["requested"])

"Packages that the project or another package needs, and the Manifest lacks."
function find_missing!(problems, environment, requested, order)
    known = keys(environment.packages)
    for id in requested
        id.uuid in known || push!(problems, problem(:package, id.name,
            "$(id.name) in the Project.toml, not in the Manifest: run `Pkg.resolve()`"))
    end
    for package in order, uuid in package.dependencies
        uuid in known || push!(problems, unknown(package.id.name,
            "$(package.id.name) needs the package with the UUID $uuid, not in the Manifest"))
    end
    return nothing
end

titled(package) = package["version"] === nothing ? package["name"] :
    string(package["name"], ' ', package["version"])

"A package that comes with Julia: which one that is, the Manifest does not decide."
is_of_julia(package) = package["tree_hash"] === nothing && package["path"] === nothing

"The folders of a stamp's packages: by path those tracked by path, by UUID those installed."
sources_of(stamp) =
    Dict(p["name"] => p for p in stamp["parts"] if p["kind"] in ("source", "installed"))

source_of(package, sources) = get(sources, something(package["path"], package["uuid"]), nothing)

"How `held`, a package in the image, and the project's `package` differ."
function package_problems(held, package, sources)
    name, now = held["name"], described(package)
    is_of_julia(held) && is_of_julia(now) && return Problem[]
    place = held["from_base"] ? "in the image, from the one below" : "in the image"
    stale(message) = [problem(:package, name, message)]
    if held["version"] != now["version"]
        return stale(string(titled(held), ' ', place, ", ",
            something(now["version"], "without a version"), " in the Manifest"))
    elseif (held["path"] === nothing) != (now["path"] === nothing)
        return stale(now["path"] === nothing ?
            "$(titled(held)) $place from `$(held["path"])`, from a registry or repository now" :
            "$(titled(held)) $place from a registry or repository, from `$(now["path"])` now")
    elseif held["tree_hash"] != now["tree_hash"]
        return stale("$(titled(held)) $place is of the tree $(held["tree_hash"]), " *
                     "$(now["tree_hash"]) in the Manifest")
    elseif held["path"] !== nothing && !same_path(held["path"], now["path"])
        return stale("$(titled(held)) $place from `$(held["path"])`, from `$(now["path"])` now")
    end
    source = source_of(now, sources)
    source === nothing && return stale("$(titled(held)): there is no `$(now["path"])` any more")
    held["source_hash"] === nothing &&
        return [unknown(name, "$(titled(held)): its source was not read when the image was built")]
    source["hash"] === nothing || source["hash"] == held["source_hash"] ||
        return stale(string(titled(held), held["path"] === nothing ?
            ": it is installed elsewhere now, or its build has made something else" :
            ": its source in `$(now["path"])` has changed"))
    return [unknown(name, "$(titled(held)): $gap") for gap in source["gaps"]]
end

"Packages take their artifacts from elsewhere where a depot says so."
function compare_artifacts!(problems, stamp, now)
    for (then, part) in part_pairs(stamp, now, "overrides")
        name = something(then, part)["name"]
        changed(then, part) && push!(problems, problem(:environment, name,
            "the artifacts of packages: `$name` has changed"))
        push_gaps!(problems, then, part)
    end
    return nothing
end

"Packages look for their artifacts when they are initialised, so that without them Julia may not even start."
function find_missing_artifacts!(problems, stamp, environment)
    for held in stamp["packages"]
        package = get(environment.packages, Base.UUID(held["uuid"]), nothing)
        folder = package === nothing ? nothing : folder_of(package)
        folder === nothing && continue
        try
            has_its_artifacts(package.id.uuid, folder) || push!(problems, problem(:artifacts, held["name"], string(titled(held),
                " needs artifacts that are not installed, without which sessions may fail to start: run ",
                "`Pkg.instantiate()` in the project")))
        catch err
            err isa BuildError || rethrow()
            push!(problems, unknown(held["name"], told_in_one_line(err)))
        end
    end
    return nothing
end

const FILE_KINDS = (:workload => "workload", :workload_dep => "`workload_deps`",
    :statements => "statement file", :script => "script")

function compare_files!(problems, stamp, now)
    # Who names dependencies has been told of what cannot be followed.
    told = !isempty(stamp["plan"]["workload_deps"])
    for (kind, word) in FILE_KINDS, (then, part) in part_pairs(stamp, now, string(kind))
        name = then["name"]
        if then["hash"] !== nothing && part["hash"] === nothing
            push!(problems, problem(kind, name, ispath(name) ?
                "$word `$name` cannot be read any more: $(join(part["gaps"], "; "))" :
                "$word `$name` is gone"))
        elseif changed(then, part)
            push!(problems, problem(kind, name, kind in (:workload, :script) ?
                "$word `$name`, or what it includes, has changed" : "$word `$name` has changed"))
        elseif !(told && kind in (:workload, :script) && then["hash"] !== nothing)
            push_gaps!(problems, then, part)
        end
    end
    return nothing
end

function compare_variables!(problems, stamp, now)
    for (then, part) in part_pairs(stamp, now, "variable")
        name = something(then, part)["name"]
        changed(then, part) && push!(problems, problem(:variable, name,
            "the environment variable `$name` (`environment_inputs`) has another value"))
    end
    return nothing
end

function compare_preferences!(problems, stamp, now)
    then, here = preferences_by_uuid(stamp), preferences_by_uuid(now)
    inside = Dict(held["uuid"] => held["name"] for held in stamp["packages"])
    for uuid in sort!(collect(union(keys(then), keys(here))))
        get(then, uuid, "") == get(here, uuid, "") && continue
        if haskey(inside, uuid)
            push!(problems, problem(:preferences, inside[uuid],
                "the preferences of $(inside[uuid]) have changed"))
        elseif runs_code(stamp["plan"])
            push!(problems, problem(:environment, uuid, "the preferences of the package with the " *
                "UUID $uuid have changed, which a workload or script may load"))
        end
    end
    return nothing
end

function preferences_by_uuid(stamp)
    lines = split(stamp["plan"]["preferences"], '\n'; keepempty=false)
    return Dict(String(first(split(line, ' '))) => String(line) for line in lines)
end

"Packages outside the image, which a workload or the script could load."
function compare_others!(problems, stamp, now, environment)
    sources_then, sources_now = sources_of(stamp), sources_of(now)
    before = Set(held["uuid"] for held in stamp["packages"])
    may_load = "which a workload or script may load"
    for other in stamp["plan"]["project"]["others"]
        push!(before, other["uuid"])
        package = get(environment.packages, Base.UUID(other["uuid"]), nothing)
        if package === nothing
            push!(problems, problem(:environment, other["name"],
                "$(titled(other)), $may_load, is not in the Manifest any more"))
            continue
        end
        folder = source_of(other, sources_then)
        held = merge(other, Dict("from_base" => false,
            "source_hash" => folder === nothing ? nothing : folder["hash"]))
        for found in package_problems(held, package, sources_now)
            found.kind === :unknown ? push!(problems, found) :
            push!(problems, problem(:environment, other["name"], string(titled(other),
                " when the image was built, ", titled(described(package)), " with another ",
                "version or source now, ", may_load)))
        end
    end
    for package in now["plan"]["project"]["others"]
        package["uuid"] in before || push!(problems, problem(:environment, package["name"],
            "$(titled(package)), $may_load, is new in the Manifest"))
    end
    return nothing
end

"The parts of one kind, each as it was and as it is; `nothing` on the side that lacks it."
function part_pairs(stamp, now, kind)
    then = Dict(p["name"] => p for p in stamp["parts"] if p["kind"] == kind)
    here = Dict(p["name"] => p for p in now["parts"] if p["kind"] == kind)
    names = sort!(collect(union(keys(then), keys(here))))
    return [(get(then, name, nothing), get(here, name, nothing)) for name in names]
end

changed(then, now) = then === nothing || now === nothing ||
    (then["hash"] !== nothing && now["hash"] !== nothing && then["hash"] != now["hash"])

"What the hashes of a part that seems unchanged do not say."
function push_gaps!(problems, then, now)
    for part in (then, now)
        part === nothing || changed(then, now) ||
            append!(problems, [unknown(part["name"], gap) for gap in part["gaps"]])
    end
    return nothing
end

# Without a stamp

"What can be told of the image of this session from the packages loaded in it."
function compare_loaded(image, project_file)
    problems = Problem[]
    environment = try
        read_environment(project_file)
    catch err
        err isa BuildError || rethrow()
        return push!(problems, unknown(project_file, told_in_one_line(err)))
    end
    for id in sort!(packages_in_image(image); by=id -> (id.name, string(id.uuid)))
        package = get(environment.packages, id.uuid, nothing)
        package === nothing && continue
        message = origin_problem(id, origin_of(id), package)
        message === nothing || push!(problems, problem(:package, id.name, message))
    end
    return push!(problems, unknown(image, "it has no stamp: of what went into it, only versions " *
        "and places of its packages can be compared"))
end

"Version and source file of a loaded package, as far as they are known."
function origin_of(id)
    if isdefined(Base, :pkgorigins)
        origin = get(Base.pkgorigins, id, nothing)
        if origin !== nothing
            # Known since Julia 1.9.
            version = hasfield(typeof(origin), :version) ? origin.version : nothing
            return (version=version, path=pathof(Base.loaded_modules[id]))
        end
    end
    # Every module but a bare one has this method, made where the module begins.
    loaded = Base.loaded_modules[id]
    isdefined(loaded, :eval) || return (version=nothing, path=nothing)
    return (version=nothing, path=string(first(methods(loaded.eval)).file))
end

"How a loaded package differs from the project's `package`, as far as can be told, or `nothing`."
function origin_problem(id, origin, package)
    if origin.version !== nothing && package.version !== nothing &&
       string(origin.version) != package.version
        return "$(id.name) $(origin.version) in the image, $(package.version) in the Manifest"
    end
    origin.path === nothing && return nothing
    # A loaded package is at <folder>/src/Name.jl.
    folder = dirname(dirname(origin.path))
    if package.path !== nothing
        same_path(folder, package.path) && return nothing
        return "$(id.name) in the image from `$folder`, from `$(package.path)` now"
    end
    package.tree_hash === nothing && return nothing
    basename(folder) in slugs(id.uuid, package.tree_hash) && return nothing
    now = something(package.version, "another version")
    return "$(id.name) in the image from `$folder`, $now of the tree $(package.tree_hash) in the " *
           "Manifest"
end

"The packages of this session that came with its image, and were not loaded since."
function packages_in_image(image)
    ids = [id for id in keys(Base.loaded_modules) if id.uuid !== nothing]
    isdefined(Base, :in_sysimage) && return filter!(Base.in_sysimage, ids)
    # Objects of the image lie in the image.
    library = Libdl.dlopen(image)
    start = UInt(Libdl.dlsym(library, :jl_system_image_data))
    size = unsafe_load(Ptr{Csize_t}(Libdl.dlsym(library, :jl_system_image_size)))
    is_inside(id) =
        start <= UInt(pointer_from_objref(Base.loaded_modules[id])) < start + size
    return filter!(is_inside, ids)
end
