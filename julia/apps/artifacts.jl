# Artifacts of the packages in a bundle.

"""
    bundle_artifacts(depot, order; include_lazy) -> Int

Copies the artifacts of the packages in `order`, for this platform, into the folder of a depot, and gives their
number. Those that are not installed are installed. Lazy ones are taken with `include_lazy=true`, and with
`:installed` where they are there already.

# Errors
`BuildError` for one that cannot be.
"""
function bundle_artifacts(depot, order; include_lazy)
    folder = joinpath(depot, "artifacts")
    for package in order
        source = folder_of(package)
        source === nothing && continue
        file = artifacts_file(source)
        file === nothing && continue
        with_cause("the artifacts of $(package.id.name) cannot be bundled") do
            for (hash, path) in Base.invokelatest(artifacts_of, package.id.uuid, source, file, include_lazy)
                target = joinpath(folder, hash)
                isdir(target) || copy_folder(path, target)
            end
        end
    end
    return isdir(folder) ? length(readdir(folder)) : 0
end

"""
    left_behind(order) -> Vector{String}

Warnings of the packages in `order` whose libraries are in no artifact: a JLL under development takes them from the folder
`override` in its own, by that path.
"""
function left_behind(order)
    found = String[]
    for package in order
        source = folder_of(package)
        source === nothing && continue
        folder = joinpath(source, "override")
        endswith(package.id.name, "_jll") && isdir(folder) && push!(found, string("the libraries of ",
            "$(package.id.name) are not taken along: it has them in `$folder`, where it looks for them elsewhere too; ",
            "remove that folder, or `Pkg.free` the package, for those of its artifact"))
    end
    return found
end

"Hash and folder of each artifact of the package `uuid` in the folder `source`."
function artifacts_of(uuid, source, file, include_lazy)
    artifacts = standard_library("56f22d72-fd6d-98f1-02f0-08ddc0907c33", "Artifacts")
    found = Pair{String,String}[]
    for (name, entry) in selected_artifacts(artifacts, uuid, source, file, include_lazy)
        hash = Base.SHA1(entry["git-tree-sha1"])
        if !Base.invokelatest(artifacts.artifact_exists, hash)
            Base.invokelatest(pkg(:Artifacts).ensure_artifact_installed, name, entry, file)
        end
        push!(found, string(hash) => Base.invokelatest(artifacts.artifact_path, hash))
    end
    return found
end

"""
The artifacts for this platform. What an `Overrides.toml` says of the package `uuid` is heeded by all that is asked of
them later.
"""
function selected_artifacts(artifacts, uuid, source, file, include_lazy)
    all = Base.invokelatest(artifacts.load_artifacts_toml, file; pkg_uuid=uuid)
    if selects_artifacts(source)
        chosen = Dict{String,Any}()
        for (_, entries) in Base.invokelatest(pkg(:Operations).collect_artifacts, source)
            merge!(chosen, entries)
        end
        return chosen
    end
    chosen = Dict{String,Any}()
    for name in keys(all)
        # For this platform; not only those that can be downloaded.
        entry = Base.invokelatest(artifacts.artifact_meta, name, all, file)
        entry === nothing && continue
        is_taken = include_lazy === true || !get(entry, "lazy", false) || (include_lazy === :installed &&
            Base.invokelatest(artifacts.artifact_exists, Base.SHA1(entry["git-tree-sha1"])))
        is_taken && (chosen[name] = entry)
    end
    return chosen
end

"A package of Julia's own, loaded if need be."
standard_library(uuid, name) = Base.require(Base.PkgId(Base.UUID(uuid), name))
