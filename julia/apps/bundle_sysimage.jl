# An image taken along: a folder with the image, what its packages need when they run, and a launcher that finds
# all of it from where it lies.

"""
    SysimageBundle

What [`bundle_sysimage`](@ref) made. Fields: `folder::String`; `launcher::String`, the path of the script that starts
Julia; `sysimage::String`, that of the image; `artifacts::Int`, their number; `bytes::Int`, the size of the folder;
`paths`, a vector of `(package, times)`: how often files name the folder from which a package was loaded, most first
(Julia keeps the places of methods, which harms nothing; a package may keep a path that it reads);
`warnings::Vector{String}`, what may be missed elsewhere.
"""
struct SysimageBundle
    folder::String
    launcher::String
    sysimage::String
    artifacts::Int
    bytes::Int
    paths::Vector{NamedTuple{(:package, :times),Tuple{String,Int}}}
    warnings::Vector{String}
end

Base.show(io::IO, bundle::SysimageBundle) =
    print(io, "SysimageBundle(", repr(bundle.folder), ", ", Base.format_bytes(bundle.bytes), ")")

function Base.show(io::IO, ::MIME"text/plain", bundle::SysimageBundle)
    print(io, "Sysimage in ", bundle.folder, ", ", Base.format_bytes(bundle.bytes))
    print(io, "\n  start:   ", bundle.launcher)
    print(io, "\n  holds:   ", counted(bundle.artifacts, "artifact"))
    named = ["$(row.package) $(counted(row.times, "time"))" for row in bundle.paths]
    isempty(named) || print(io, "\n  names:   the folders of ", shortened(named, 3))
    foreach(text -> print(io, "\n  warning: ", text), bundle.warnings)
    return nothing
end

"What a folder of this kind is known by, and what is read of it."
const SYSIMAGE_BUNDLE_TABLE = "sysimage.json"

"""
    bundle_sysimage(sysimage_path, folder; project=nothing, force=false, include_lazy_artifacts=false)
        -> SysimageBundle

Copies a sysimage into a new folder, with all that it needs there beside Julia itself, to be used in another place:
by another user, in a container, on a cluster. The folder has

- `start`, which starts Julia on the image with the arguments that it is given;
- the image, with its stamp;
- `project`: Project.toml, Manifest.toml, and LocalPreferences.toml with all preferences of the project;
- `depot`: the artifacts of the packages in the image.

`start` takes the Julia that the environment variable `PCRS_JULIA` names, or else the first on `PATH`, and says so if
that is another build than the one that made the image, or if the CPU cannot run the image. It appends `depot` to `JULIA_DEPOT_PATH`, so that the depot
in which Julia writes is that of the user. The folder may be moved and may be read-only.

Not in it are Julia, the sources of packages (a package that reads files of its own folder when it runs finds
them only where it was built), and packages of the project that are not in the image.

# Arguments
- `sysimage_path::AbstractString`: an image that [`create_sysimage`](@ref) made with this Julia.
- `folder::AbstractString`: what is made. It appears whole, or not at all.

# Keywords
- `project`: the folder of a project, its project file, or a shared environment such as `"@v1.10"`; by default the
  one that the image was built from.
- `force::Bool=false`: replace such a folder; no other, and none that holds more, is ever replaced.
- `include_lazy_artifacts::Bool=false`: install and copy lazy artifacts that are not installed. Those that are
  installed are copied in any case.

# Returns
A [`SysimageBundle`](@ref).

# Errors
[`BuildError`](@ref): the image is missing, has no stamp, or is one of another Julia; the source of one of its
packages is gone, or an artifact cannot be installed; something is at `folder`; files cannot be written. Linux and
macOS, Julia 1.6 and newer.

# Examples
```julia
using PackageCompilerRS
if isfile("Example.so")
    bundle = bundle_sysimage("Example.so", "example-image"; force=true)
    run(`\$(bundle.launcher) -e 'using Example'`)
end
```
"""
function bundle_sysimage(sysimage_path::AbstractString, folder::AbstractString;
    project::Union{Nothing,AbstractString}=nothing,
    force::Bool=false,
    include_lazy_artifacts::Bool=false,
)
    VERSION >= v"1.6" || throw(BuildError("a sysimage cannot be bundled with Julia $VERSION";
        cause="it has no package Artifacts", hint="use Julia 1.6 or newer"))
    SYSTEM.posix || throw(BuildError("a sysimage cannot be bundled on $(SYSTEM.name)";
        cause="its launcher is a script for a POSIX shell"))
    check_text("the path of the sysimage", sysimage_path)
    image = abspath(sysimage_path)
    isfile(image) || throw(BuildError("there is no sysimage `$image`"; hint="build it with `create_sysimage`"))
    target = abspath(folder)
    # The folder may be given with a separator at its end.
    isempty(basename(target)) && (target = dirname(target))
    stamp = stamp_to_bundle(image)
    project_file = find_project(something(project, project_of(stamp)))
    check() = check_target(target, dirname(project_file); force=force, unlike=unlike_sysimage_bundle,
        what="bundled sysimage", kept="the project")
    check()
    packages = packages_to_bundle(stamp)
    warnings = problems_elsewhere(stamp, image, project_file)
    artifacts = in_work_folder(check, target) do work
        with_cause("the sysimage cannot be copied") do
            copy_image(image, stamp, work)
            copy_project(project_file, joinpath(work, "project"))
        end
        depot = mkpath(joinpath(work, "depot"))
        include_lazy = include_lazy_artifacts ? true : :installed
        number, missed = bundle_artifacts(depot, packages; include_lazy=include_lazy)
        append!(warnings, missed)
        with_cause("the launcher cannot be written") do
            start = write_file(joinpath(work, "start"), bundled_script(basename(image)))
            chmod(start, 0o777 & ~current_umask())
            write_file(joinpath(work, SYSIMAGE_BUNDLE_TABLE), write_json(Dict{String,Any}(
                "sysimage" => basename(image), "julia_version" => string(VERSION),
                "cpu_target" => stamp["cpu_target"], "artifacts" => number)))
        end
        number
    end
    bytes, paths = sizes_and_named_folders(target, packages)
    return SysimageBundle(target, joinpath(target, "start"), joinpath(target, basename(image)), artifacts,
        bytes, paths, warnings)
end

"The bytes of all files in `folder`, and how often they name the folders of packages."
function sizes_and_named_folders(folder, packages)
    names = Dict{String,String}()
    for package in packages
        source = folder_of(package)
        source === nothing || (names[source] = package.id.name)
    end
    table = ask_about(:pcrs_start_audit, Dict{String,Any}("folder" => folder, "paths" => collect(keys(names))))
    times = Dict{String,Int}()
    for (path, file, number) in table["paths"]
        # The stamp has them all, and nobody reads it there.
        endswith(file, "." * Libdl.dlext * ".json") && continue
        times[names[path]] = get(times, names[path], 0) + number
    end
    bytes = sum(Int[size for (_, size) in table["files"]])
    return bytes, sort!([(package=name, times=number) for (name, number) in times]; by=row -> (-row.times, row.package))
end

"What tells that `folder` was not made here, or holds more than that."
function unlike_sysimage_bundle(folder)
    path = joinpath(folder, SYSIMAGE_BUNDLE_TABLE)
    isfile(path) && isfile(joinpath(folder, "start")) || return "it has no `start` and `$SYSIMAGE_BUNDLE_TABLE`"
    table = try
        parse_json(read(path, String))
    catch err
        err isa InterruptException && rethrow()
        nothing
    end
    image = table isa AbstractDict ? get(table, "sysimage", nothing) : nothing
    image isa AbstractString || return "its `$SYSIMAGE_BUNDLE_TABLE` names no sysimage"
    for name in readdir(folder)
        name in ("start", "project", "depot", SYSIMAGE_BUNDLE_TABLE, image, image * ".json") ||
            return "it holds `$name`, which is of no bundled sysimage"
    end
    return nothing
end

function stamp_to_bundle(image)
    name = basename(image)
    name in ("start", "project", "depot", SYSIMAGE_BUNDLE_TABLE) && throw(BuildError(
        "a sysimage called `$name` cannot be bundled"; cause="something else has that name in the folder",
        hint="rename it, with its stamp"))
    stamp = inspect_image(image)["stamp"]
    stamp === nothing && throw(BuildError("the sysimage `$image` cannot be bundled";
        cause="it has no stamp `$image.json` that tells what it needs", hint="build it with `create_sysimage`"))
    get(stamp, "schema", nothing) == STAMP_SCHEMA || throw(BuildError("the sysimage `$image` cannot be bundled";
        cause="its stamp is of another version of PackageCompilerRS", hint="build it again with `create_sysimage`"))
    return stamp
end

"The packages in the image, with their sources, which tell of artifacts."
function packages_to_bundle(stamp)
    packages = [(id=Base.PkgId(Base.UUID(held["uuid"]), held["name"]), path=held["path"], tree_hash=held["tree_hash"])
        for held in stamp["packages"]]
    for package in packages
        is_of_julia = package.path === nothing && package.tree_hash === nothing
        is_of_julia || folder_of(package) !== nothing || throw(BuildError(
            "what $(package.id.name) needs is not known"; cause=package.path === nothing ?
            "its source is not installed any more" : "there is no `$(package.path)` any more",
            hint="install it with `Pkg.instantiate()`, or build the sysimage again"))
    end
    return packages
end

"""
What the user is to know of the image before it is elsewhere.

# Errors
`BuildError` where it is an image of another Julia.
"""
function problems_elsewhere(stamp, image, project_file)
    problems = compare(stamp, image, project_file)
    julia = findfirst(problem -> problem.kind === :julia, problems)
    julia === nothing || throw(BuildError("the sysimage `$image` cannot be bundled"; cause=problems[julia].message,
        hint="call `bundle_sysimage` in the Julia that built it"))
    # Artifacts are installed where they are not.
    warnings = String[problem.message for problem in problems if !(problem.kind in (:unknown, :artifacts))]
    "native" in cpu_names(stamp["cpu_target"]) && push!(warnings,
        "built with cpu_target=\"native\": it starts on CPUs that can do all that this one can")
    return warnings
end

"""
# Errors
`BuildError` where the image was replaced meanwhile.
"""
function copy_image(image, stamp, work)
    # The stamp lies beside the file that a link leads to.
    real = realpath(image)
    copied = copy_file(real, joinpath(work, basename(image)))
    copy_file(real * ".json", copied * ".json")
    now = inspect_image(copied)["stamp"]
    now !== nothing && now["image_hash"] == stamp["image_hash"] || throw(BuildError(
        "the sysimage `$image` was replaced while it was copied"; hint="try again"))
    return nothing
end

"""
Copies project and Manifest, with all preferences that the build found: those of a member of a workspace (Julia 1.12)
may be in the projects above it, which stay behind.
"""
function copy_project(project_file, folder)
    environment = read_environment(project_file)
    preferences = preferences_by_name(environment)
    project, copied = read_toml(project_file), joinpath(folder, basename(project_file))
    named = get(project, "extras", Dict{String,Any}())
    extras = merge(extras_for(preferences, environment), named)
    length(extras) == length(named) ? copy_file(project_file, copied) :
        write_file(copied, toml(merge(project, Dict{String,Any}("extras" => extras))))
    copy_file(environment.manifest_file, joinpath(folder, basename(environment.manifest_file)))
    isempty(preferences) || write_file(joinpath(folder, "LocalPreferences.toml"), toml(preferences))
    return nothing
end

"The launcher in the folder, which starts the image with the file name `image`."
function bundled_script(image)
    # A commit that Julia's sources do not hold is not found there elsewhere either.
    file = Base.find_source_file("version_git.jl")
    commit = Base.GIT_VERSION_INFO.commit
    known = !isempty(commit) && file !== nothing && isfile(file) && occursin(commit, read(file, String))
    return render("bundled.sh", Dict("SYSIMAGE" => shell_quote(image), "VERSION" => shell_quote(string(VERSION)),
        "COMMIT" => shell_quote(known ? commit : ""), "JULIA_ON_PATH" => fragment("julia_on_path.sh"),
        "CPU" => fragment("cpu.sh")))
end
