# Fills the precompile caches of the asked packages and what they need, and of nothing else in the
# environment.
include("session.jl")

"Several packages at once, with what Julia has for it; nothing before Julia 1.9."
function precompile_in_parallel(ids)
    names = [id.name for id in ids]
    if isdefined(Base, :Precompilation)
        Base.Precompilation.precompilepkgs(names)
    else
        Pkg = Base.require(Base.PkgId(Base.UUID("44cfe95a-1eb2-52ea-b672-e2afdf69b78f"), "Pkg"))
        specs = [Pkg.PackageSpec(; name=id.name, uuid=id.uuid) for id in ids]
        # Else it would look for a registry, which there may be none of.
        Pkg.API.precompile(Pkg.Types.Context(), specs; already_instantiated=true)
    end
    return nothing
end

"Whether every package has a cache that this process would load (Julia 1.9 and newer can tell)."
function all_precompiled(ids)
    isdefined(Base, :isprecompiled) || return false
    try
        return all(Base.isprecompiled, ids)
    catch
        # Precompiling says more plainly what is wrong.
        return false
    end
end

function precompile_packages(records)
    # What the image holds is not loaded from a cache.
    packages = filter(id -> !haskey(Base.loaded_modules, id), packages_of(records, "package"))
    all_precompiled(packages) && return nothing
    direct = packages_of(records, "direct")
    if value_of(records, "parallel") == "true" && !isempty(direct)
        try
            precompile_in_parallel(direct)
            # The project's own package is none of its dependencies.
            packages = filter(!Base.isprecompiled, packages)
        catch err
            # Loading one by one says more plainly which package it is.
            println(stderr, sprint(showerror, err))
        end
    end
    foreach(Base.require, packages)
    return nothing
end

let records = read_records(ARGS[1])
    use_project(records)
    precompile_packages(records)
end
