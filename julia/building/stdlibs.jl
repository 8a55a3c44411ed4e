# Standard libraries that go into an image though the project does not name them.

"""
Those of a prompt. Since Julia 1.11 it is a standard library outside Julia's own image. Its caches fit that
image alone: a session on another would first compile it, for a minute or two.
"""
default_stdlibs() = VERSION >= v"1.11" ? ["REPL"] : String[]

"""
    add_stdlibs!(environment, names) -> Vector{Base.PkgId}

Lets `environment` have the standard libraries called `names`, with all that they need, where its Manifest
does not; gives their ids.

# Errors
`BuildError` for a name that no standard library has, with the nearest.
"""
function add_stdlibs!(environment, names)
    ids = Base.PkgId[]
    for name in names
        uuid = is_stdlib(name) ? stdlib_uuid(Base.PkgId(name)) : nothing
        uuid === nothing && throw(unknown_stdlib(name))
        push!(ids, Base.PkgId(uuid, name))
        add_stdlib!(environment.packages, ids[end])
    end
    return ids
end

function add_stdlib!(packages, id)
    haskey(packages, id.uuid) && return nothing
    table = stdlib_table(id)
    needed = Base.PkgId[]
    for (name, uuid) in get(table, "deps", Dict{String,Any}())
        push!(needed, Base.PkgId(Base.UUID(uuid), name))
    end
    packages[id.uuid] = EnvironmentPackage(id, version_in(table), nothing, nothing,
        Base.UUID[other.uuid for other in needed], Dict{String,Vector{String}}())
    for other in needed
        is_stdlib(other.name) && add_stdlib!(packages, other)
    end
    return nothing
end

is_stdlib(name) = isfile(joinpath(Sys.STDLIB, name, "Project.toml"))

function unknown_stdlib(name)
    near = nearest(name, filter!(is_stdlib, readdir(Sys.STDLIB)))
    return BuildError("`include_stdlibs` holds `$name`, which is no standard library of Julia $VERSION";
        hint=isempty(near) ? "name other packages in `packages`" : "did you mean `$(near[1])`?")
end

stdlib_table(id) = read_toml(joinpath(Sys.STDLIB, id.name, "Project.toml"))
stdlib_uuid(id) = (uuid = get(stdlib_table(id), "uuid", nothing); uuid === nothing ? nothing : Base.UUID(uuid))
stdlib_version(id) = version_in(stdlib_table(id))
