# Artifacts of the packages in a bundle.

"""
    bundle_artifacts(depot, order; include_lazy) -> (number, warnings)

Copies the artifacts of the packages in `order`, for this platform, into the folder of a depot, and gives their
number. Those that are not installed are installed; of those that nobody can download there is a warning, as of what
`left_behind` tells. Lazy ones are taken with `include_lazy=true`, and with `:installed` where they are there already. Of a package that chooses by a script
all are taken that it chooses, and lazy ones as with `:installed`.

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
            found, nowhere = Base.invokelatest(artifacts_of, package.id.uuid, source, file, include_lazy)
            for (hash, path) in found
                target = joinpath(folder, hash)
                isdir(target) || copy_folder(path, target)
            end
            append!(warnings, ["the artifact `$name` of $(package.id.name) is not in the folder: it is not installed, " *
                "and `$file` has no `download` for it" for name in nowhere])
        end
    end
    append!(warnings, left_behind(depot, order; include_lazy=include_lazy))
    return isdir(folder) ? length(readdir(folder)) : 0, warnings
end

"""
    left_behind(depot, order; include_lazy) -> Vector{String}

Warnings of what the packages in `order` need and `depot`, into which their artifacts were copied, does not have: the
libraries of a JLL under development, which it takes from the folder `override` in its own by that path; with
`include_lazy=true` lazy artifacts that a script did not choose.
"""
function left_behind(depot, order; include_lazy)
    found = String[]
    for package in order
        source, name = folder_of(package), package.id.name
        source === nothing && continue
        folder = joinpath(source, "override")
        endswith(name, "_jll") && isdir(folder) && push!(found, string("the libraries of $name are not taken along: ",
            "it has them in `$folder`, where it looks for them elsewhere too; remove that folder, or `Pkg.free` the ",
            "package, for those of its artifact"))
        include_lazy === true && selects_artifacts(source) || continue
        file = artifacts_file(source)
        for artifact in (file === nothing ? String[] : lazy_not_in(depot, file))
            push!(found, "the lazy artifact `$artifact` of $name is not taken along: its artifacts are chosen by a " *
                "script, which did not choose that one; use it here once, which installs it, and call this again")
        end
    end
    return found
end

"Names of the lazy artifacts in `file` of which `depot` has none."
function lazy_not_in(depot, file)
    lazy = lazy_entries(file)
    there = Set(name for (name, hash) in lazy if isdir(joinpath(depot, "artifacts", string(hash))))
    return sort!(setdiff(first.(lazy), there))
end

"Name and hash of each lazy artifact in `file` for this platform: of several with one name a script may choose any."
function lazy_entries(file)
    artifacts = artifacts_library()
    found = Pair{String,Base.SHA1}[]
    for (name, given) in read_toml(file), entry in (given isa AbstractVector ? given : [given])
        get(entry, "lazy", false) || continue
        # Only in a list entries name a platform.
        alone = Dict{String,Any}(name => given isa AbstractVector ? Any[entry] : entry)
        Base.invokelatest(artifacts.artifact_meta, name, alone, file) === nothing ||
            push!(found, name => Base.SHA1(entry["git-tree-sha1"]))
    end
    return found
end

"""
Hash and folder of each artifact of the package `uuid` in the folder `source`, and the names of those that are neither
installed nor can be: local ones, which Pkg passes over too.
"""
function artifacts_of(uuid, source, file, include_lazy)
    artifacts = artifacts_library()
    found, nowhere = Pair{String,String}[], String[]
    for (name, entry) in selected_artifacts(artifacts, uuid, source, file, include_lazy)
        hash = Base.SHA1(entry["git-tree-sha1"])
        if !Base.invokelatest(artifacts.artifact_exists, hash)
            haskey(entry, "download") || (push!(nowhere, name); continue)
            Base.invokelatest(pkg(:Artifacts, :ensure_artifact_installed), name, entry, file)
        end
        push!(found, string(hash) => Base.invokelatest(artifacts.artifact_path, hash))
    end
    if include_lazy !== false && selects_artifacts(source)
        # Only the script could tell which is for this machine, and one that was asked for is installed.
        for (_, hash) in lazy_entries(file)
            Base.invokelatest(artifacts.artifact_exists, hash) &&
                push!(found, string(hash) => Base.invokelatest(artifacts.artifact_path, hash))
        end
    end
    return found, sort!(nowhere)
end

"""
The artifacts for this platform. What an `Overrides.toml` says of the package `uuid` is heeded by all that is asked of
them later.
"""
function selected_artifacts(artifacts, uuid, source, file, include_lazy)
    all = Base.invokelatest(artifacts.load_artifacts_toml, file; pkg_uuid=uuid)
    if selects_artifacts(source)
        chosen = Dict{String,Any}()
        for (_, entries) in Base.invokelatest(pkg(:Operations, :collect_artifacts), source)
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

"Julia's own package, loaded if need be."
artifacts_library() = Base.require(Base.PkgId(Base.UUID("56f22d72-fd6d-98f1-02f0-08ddc0907c33"), "Artifacts"))
