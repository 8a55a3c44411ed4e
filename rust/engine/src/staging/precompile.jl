# Fills the precompile caches of the asked packages and what they need, and of nothing else in the
# environment.
include("session.jl")

const PKG = Base.PkgId(Base.UUID("44cfe95a-1eb2-52ea-b672-e2afdf69b78f"), "Pkg")

"Whether Julia's way to precompile several packages at once need not be compiled itself."
can_precompile_in_parallel() = isdefined(Base, :Precompilation) || haskey(Base.loaded_modules, PKG)

"Several packages at once, with what Julia has for it; nothing before Julia 1.9."
function precompile_in_parallel(ids)
    names = [id.name for id in ids]
    if isdefined(Base, :Precompilation)
        Base.Precompilation.precompilepkgs(names)
    else
        Pkg = Base.require(PKG)
        specs = [Pkg.PackageSpec(; name=id.name, uuid=id.uuid) for id in ids]
        # Else it would look for a registry, which there may be none of.
        Pkg.API.precompile(Pkg.Types.Context(), specs; already_instantiated=true)
    end
    return nothing
end

"""
The extensions that Julia will load by itself (1.9 and newer) when all that is `planned` is loaded. It is told of each
package's now rather than then, and keeps them by the packages that are still missing (base/loading.jl, to 1.12).
"""
function coming_extensions(planned)
    isdefined(Base, :EXT_DORMITORY) || return Base.PkgId[]
    foreach(Base.insert_extension_triggers, planned)
    awaited = Dict{Base.PkgId,Vector{Base.PkgId}}()
    for (package, extensions) in Base.EXT_DORMITORY, extension in extensions
        push!(get!(() -> Base.PkgId[], awaited, extension.id), package)
    end
    # The base may hold a package with extensions that this project does not have.
    return Base.PkgId[id for (id, packages) in awaited
                      if issubset(packages, planned) && Base.locate_package(id) !== nothing]
end

"""
Those of `packages` that have to be loaded for the caches that are missing to be made: all where it is an extension's,
which is a cache of its own, and on which no package's depends. Julia 1.10 and newer can tell.
"""
function without_caches(packages, planned)
    isdefined(Base, :isprecompiled) || return packages
    try
        all(Base.isprecompiled, coming_extensions(planned)) || return packages
        # What the image holds is not loaded from a cache.
        return filter(id -> !haskey(Base.loaded_modules, id) && !Base.isprecompiled(id), packages)
    catch
        # Precompiling says more plainly what is wrong.
        return packages
    end
end

function precompile_packages(records, journal)
    packages, planned = packages_of(records, "package"), packages_of(records, "planned")
    left = without_caches(packages, planned)
    # Julia refuses when all that it is asked for is in the image (JuliaLang/julia issue 63189).
    direct = filter(id -> !haskey(Base.loaded_modules, id), packages_of(records, "direct"))
    if value_of(records, "parallel") == "true" && !isempty(left) && !isempty(direct) && can_precompile_in_parallel()
        try
            precompile_in_parallel(direct)
        catch err
            # Loading one by one says more plainly which package it is.
            println(stderr, sprint(showerror, err))
        end
        # The project's own package, which is none of its dependencies, and extensions of what the image holds.
        left = without_caches(packages, planned)
    end
    # What a package needs comes before it.
    for id in left
        try
            Base.require(id)
        catch
            note(journal, "failed", id.name)
            rethrow()
        end
    end
    return nothing
end

"""
Notes the files that Julia read for a package whose text does not tell them all: those of the newest cache
that was made of `main`. `id` has the package's UUID, and the name of the package or of an extension.
"""
function note_files(journal, id, main)
    own = basename(dirname(main)) == "src" ? id : Base.PkgId(Base.uuid5(id.uuid, id.name), id.name)
    caches = sort(Base.find_all_in_cache_path(own); by=mtime, rev=true)
    for cache in caches
        # Before Julia 1.12 with their times.
        files = String[file isa Tuple ? first(file) : file for file in last(Base.cache_dependencies(cache))]
        any(file -> ispath(file) && Base.samefile(file, main), files) || continue
        note(journal, "of", string(id.uuid))
        foreach(file -> note(journal, "file", abspath(file)), files)
        return nothing
    end
    return nothing
end

function list_files(records, journal)
    for (id, main) in zip(packages_of(records, "list"), values_of(records, "main"))
        try
            note_files(journal, id, main)
        catch err
            # Then a change of these files is not noticed, as the report says.
            println(stderr, "What Julia read for $(id.name) is not known: ", sprint(showerror, err))
        end
    end
    return nothing
end

let records = read_records(ARGS[1])
    journal = Journal(value_of(records, "journal"))
    use_project(records)
    precompile_packages(records, journal)
    list_files(records, journal)
    close(journal)
end
