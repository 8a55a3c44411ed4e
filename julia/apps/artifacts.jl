# Artifacts of the packages in a bundle.

"""
    bundle_artifacts(depot, order; include_lazy) -> (number, warnings)

Copies the artifacts of the packages in `order`, for this platform, into the folder of a depot, and gives their
number. Those that are not installed are installed; of those that nobody can download there is a warning. Lazy ones are
taken with `include_lazy=true`, and with `:installed` where they are there already.

# Errors
`BuildError` for one that cannot be.
"""
function bundle_artifacts(depot, order; include_lazy)
    folder, warnings = joinpath(depot, "artifacts"), String[]
    for package in order
        source = folder_of(package)
        source === nothing && continue
        file = artifacts_file(source)
        file === nothing && continue
        with_cause("the artifacts of $(package.id.name) cannot be bundled") do
            found, nowhere = Base.invokelatest(artifacts_of, source, file, include_lazy)
            for (hash, path) in found
                target = joinpath(folder, hash)
                isdir(target) || copy_folder(path, target)
            end
            append!(warnings, ["the artifact `$name` of $(package.id.name) is not in the folder: it is not installed, " *
                "and `$file` has no `download` for it" for name in nowhere])
        end
    end
    return isdir(folder) ? length(readdir(folder)) : 0, warnings
end

"""
Hash and folder of each artifact of the package in the folder `source`, and the names of those that are neither
installed nor can be: local ones, which Pkg passes over too.
"""
function artifacts_of(source, file, include_lazy)
    artifacts = standard_library("56f22d72-fd6d-98f1-02f0-08ddc0907c33", "Artifacts")
    found, nowhere = Pair{String,String}[], String[]
    for (name, entry) in selected_artifacts(artifacts, source, file, include_lazy)
        hash = Base.SHA1(entry["git-tree-sha1"])
        if !Base.invokelatest(artifacts.artifact_exists, hash)
            haskey(entry, "download") || (push!(nowhere, name); continue)
            Base.invokelatest(pkg(:Artifacts).ensure_artifact_installed, name, entry, file)
        end
        push!(found, string(hash) => Base.invokelatest(artifacts.artifact_path, hash))
    end
    return found, sort!(nowhere)
end

"The artifacts for this platform."
function selected_artifacts(artifacts, source, file, include_lazy)
    if selects_artifacts(source)
        chosen = Dict{String,Any}()
        for (_, entries) in Base.invokelatest(pkg(:Operations).collect_artifacts, source)
            merge!(chosen, entries)
        end
        return chosen
    end
    chosen = Dict{String,Any}()
    all = Base.invokelatest(artifacts.load_artifacts_toml, file)
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
