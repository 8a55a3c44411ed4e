# The project of a bundle: what its workers load packages by, and where its preferences are.

"""
    bundle_project(work, environment, package; include_preferences)

Writes a Project.toml with names and UUIDs and the package's version only, all of which the image tells too, and the
preferences that the project has.
"""
function bundle_project(work, environment, package; include_preferences)
    direct = Dict{String,Any}(name => string(uuid) for (name, uuid) in environment.direct
        if package === nothing || uuid != package.uuid)
    project = Dict{String,Any}("deps" => direct)
    if package !== nothing
        merge!(project, Dict{String,Any}("name" => package.name, "uuid" => string(package.uuid)))
        # Pkg would take it for 0.0.0.
        version = environment.packages[package.uuid].version
        version === nothing || (project["version"] = version)
    end
    preferences = include_preferences ? preferences_by_name(environment) : Dict{String,Any}()
    extras = extras_for(preferences, environment)
    isempty(extras) || (project["extras"] = extras)
    share = joinpath(work, "share", "julia")
    write_file(joinpath(share, "Project.toml"), toml(project))
    isempty(preferences) || write_file(joinpath(share, "LocalPreferences.toml"), toml(preferences))
    return nothing
end

"""
The packages with `preferences` that the project does not name itself, as its `[extras]`: preferences are found by the
name that the project knows.
"""
extras_for(preferences, environment) =
    Dict{String,Any}(entry.id.name => string(entry.id.uuid) for entry in values(environment.packages)
        if haskey(preferences, entry.id.name) && !haskey(environment.direct, entry.id.name))

function preferences_by_name(environment)
    found = Dict{String,Any}()
    with_load_path([dirname(environment.project_file), "@stdlib"]) do
        for entry in values(environment.packages)
            preferences = Base.get_preferences(entry.id.uuid)
            isempty(preferences) || (found[entry.id.name] = preferences)
        end
    end
    return found
end

"""
    toml(table) -> String

A table as TOML, with its keys in order. The standard library TOML is not in every image, and would have to
be precompiled.

# Errors
`BuildError` for a value that TOML does not have.
"""
toml(table) = sprint(write_toml, table, String[])

function write_toml(io, table, path)
    names = sort!(collect(keys(table)))
    for name in names
        table[name] isa AbstractDict || println(io, toml_key(name), " = ", toml_value(table[name]))
    end
    for name in names
        table[name] isa AbstractDict || continue
        below = [path; toml_key(name)]
        println(io, "\n[", join(below, '.'), ']')
        write_toml(io, table[name], below)
    end
    return nothing
end

toml_key(name) = occursin(r"^[A-Za-z0-9_-]+$", name) ? name : toml_value(name)
toml_value(value::Bool) = string(value)
toml_value(value::Integer) = string(value)
toml_value(value::AbstractFloat) =
    isnan(value) ? "nan" : isinf(value) ? (value < 0 ? "-inf" : "inf") : string(value)
toml_value(values::AbstractVector) = string('[', join(map(toml_value, values), ", "), ']')
toml_value(table::AbstractDict) =
    string("{", join((string(toml_key(k), " = ", toml_value(table[k])) for k in sort!(collect(keys(table)))), ", "), "}")
toml_value(value) = throw(BuildError("a preference is $(shown(value)), a $(typeof(value))";
    hint="use text, numbers, true or false, arrays or tables"))

function toml_value(text::AbstractString)
    return sprint() do io
        print(io, '"')
        for c in text
            if c == '"' || c == '\\'
                print(io, '\\', c)
            elseif c < ' ' || c == '\x7f'
                print(io, "\\u", string(UInt32(c); base=16, pad=4))
            else
                print(io, c)
            end
        end
        print(io, '"')
    end
end
