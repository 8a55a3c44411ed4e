# What an image needs from depots: without its artifacts a package may end Julia before there is a prompt, so that
# launchers look for them first.

"""
    needed_artifacts(image, version) -> (image_hash, lines)

The artifacts that the image at `image` needs and that are installed, a line each (`hash name of package`), with the
hash of the image for which that holds. Nothing is known, and both are empty, without a stamp, of an image for
another Julia than this one, and of packages that choose artifacts by a script.
"""
function needed_artifacts(image, version)
    stamp = version == string(VERSION) && VERSION >= v"1.6" ? stamp_beside(image) : nothing
    stamp === nothing && return "", String[]
    lines = String[]
    for held in stamp["packages"]
        uuid = Base.UUID(held["uuid"])
        folder = folder_of((id=Base.PkgId(uuid, held["name"]), path=held["path"], tree_hash=held["tree_hash"]))
        file = folder === nothing || selects_artifacts(folder) ? nothing : artifacts_file(folder)
        file === nothing && continue
        found = outside_build(LauncherError) do
            with_cause(() -> Base.invokelatest(installed_artifacts, uuid, folder, file),
                "the artifacts of $(held["name"]) cannot be read")
        end
        append!(lines, [string(hash, ' ', name, " of ", titled(held)) for (name, hash) in found if !('\n' in name)])
    end
    return stamp["image_hash"], lines
end

"Name and hash of the artifacts of a package that are in a depot; those that a depot replaces lie elsewhere."
function installed_artifacts(uuid, folder, file)
    artifacts = artifacts_library()
    chosen = selected_artifacts(artifacts, uuid, folder, file, false)
    hashes = [name => Base.SHA1(chosen[name]["git-tree-sha1"]) for name in sort!(collect(keys(chosen)))]
    is_installed(hash) = Base.invokelatest(artifacts.artifact_exists, hash) &&
        basename(Base.invokelatest(artifacts.artifact_path, hash)) == string(hash)
    return filter!(pair -> is_installed(pair.second), hashes)
end

"The stamp of an image, without a look at the image; `nothing` for what is none."
function stamp_beside(image)
    path = realpath(image) * ".json"
    isfile(path) || return nothing
    stamp = try
        parse_json(read(path, String))
    catch err
        err isa ArgumentError || rethrow()
        return nothing
    end
    stamp isa AbstractDict && get(stamp, "schema", nothing) == STAMP_SCHEMA || return nothing
    has(key, T) = get(stamp, key, nothing) isa T
    return has("image_hash", AbstractString) && has("packages", AbstractVector) ? stamp : nothing
end
