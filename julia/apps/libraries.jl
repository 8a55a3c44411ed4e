# Libraries that a bundle brings: those that Julia starts with, those of the standard libraries in the
# image, and what these need, without the C library.

"""
The libraries of standard libraries, as their files' names begin, and of Julia itself. What they need in
turn is read from the files.
"""
const LIBRARIES_OF = Dict{String,Vector{String}}(
    "Base" => ["libjulia-codegen", "libgcc_s", "libstdc++", "libopenlibm", "libgmp", "libmpfr", "libpcre2-8"],
    "CompilerSupportLibraries_jll" => ["libatomic", "libgfortran", "libgomp", "libquadmath", "libssp"],
    "dSFMT_jll" => ["libdSFMT"],
    "GMP_jll" => ["libgmpxx"],
    "LibCURL_jll" => ["libcurl"],
    "LibGit2_jll" => ["libgit2"],
    "LibSSH2_jll" => ["libssh2"],
    "LibUnwind_jll" => ["libunwind"],
    "MbedTLS_jll" => ["libmbedcrypto", "libmbedtls", "libmbedx509"],
    "OpenBLAS_jll" => ["libopenblas"],
    "OpenSSL_jll" => ["libcrypto", "libssl"],
    "SuiteSparse_jll" => ["libamd", "libbtf", "libcamd", "libccolamd", "libcholmod", "libcolamd", "libklu",
        "libldl", "librbio", "libspqr", "libsuitesparseconfig", "libumfpack"],
    "Zlib_jll" => ["libz"],
    "Zstd_jll" => ["libzstd"],
    "libblastrampoline_jll" => ["libblastrampoline"],
    "nghttp2_jll" => ["libnghttp2"],
)

"""
    bundle_libraries(work, packages) -> Vector{String}

Copies the libraries for an image with `packages`, a set of names; `nothing` where these are not known, and may be all
in the table above. Gives warnings.

# Errors
`BuildError` when one that is needed is nowhere.
"""
function bundle_libraries(work, packages)
    libjulia, internal = runtime_libraries()
    public, private = dirname(libjulia), dirname(internal)
    folders = library_folders(public, private)
    # Where Julia was built, libjulia-internal lies beside libjulia, and looks for others there.
    place = public == private ? joinpath(work, "lib") : joinpath(work, "lib", basename(private))
    foreach(mkpath, (joinpath(work, "lib", "julia"), place))

    wanted = wanted_libraries(folders, stems(packages, libjulia), Libdl.dllist())
    closure = ask_about(:pcrs_start_closure, Dict{String,Any}(
        "roots" => unique!(map(realpath, [libjulia; wanted])), "folders" => unique!([folders; public])))

    copies = Dict{String,String}()
    for name in readdir(public)
        is_version_of(name, "libjulia") && copy_library(joinpath(public, name), joinpath(work, "lib"), copies)
    end
    # Those that libjulia loads by a path from its folder.
    for path in loaded_by(libjulia)
        source = joinpath(public, path)
        isfile(source) && copy_library(source, mkpath(joinpath(work, "lib", dirname(path))), copies)
    end
    for path in wanted
        copy_library(path, place, copies)
    end
    for library in closure["libraries"]
        startswith(library["name"], "libjulia") && haskey(copies, realpath(library["path"])) && continue
        copy_library(library["path"], place, copies; name=library["name"])
    end
    return String["`$(m["name"])` is nowhere on this machine; $(basename(m["needed_by"])) needs it"
                  for m in closure["missing"]]
end

"How the names of wanted libraries begin."
function stems(packages, libjulia)
    found = copy(LIBRARIES_OF["Base"])
    push!(found, "libjulia-internal")
    append!(found, first.(split.(basename.(loaded_by(libjulia)), ".so"; limit=2)))
    # Not all that lies beside them: a distribution's Julia may have its libraries among those of the system.
    for package in something(packages, keys(LIBRARIES_OF))
        append!(found, get(LIBRARIES_OF, package, String[]))
    end
    return unique!(found)
end

"The libraries that libjulia itself loads, by paths from its folder: a list in its data, with colons between."
function loaded_by(libjulia)
    found = match(r"[\x20-\x7e]*libjulia-internal\.so[\x20-\x7e]*:", String(read(libjulia)))
    found === nothing && return String[]
    return String[lstrip(path, '@') for path in split(found.match, ':'; keepempty=false)]
end

"""
The folders in which Julia's libraries lie: where it was built, its own beside libjulia in `public`, and those of
others below that.
"""
library_folders(public, private) =
    unique!(String[realpath(folder) for folder in (private, joinpath(public, "julia")) if isdir(folder)])

"""
Paths of the libraries in `folders` that `stems` name, and of those that are nowhere there but among the
`loaded` of this session: a Julia of a distribution's may take the system's.
"""
function wanted_libraries(folders, stems, loaded)
    found = String[]
    for folder in folders
        append!(found, libraries_in(folder, stems))
    end
    for stem in stems
        any(path -> is_version_of(basename(path), stem), found) && continue
        at = findfirst(path -> is_version_of(basename(path), stem), loaded)
        at === nothing || push!(found, loaded[at])
    end
    return found
end

"Paths of the libraries in `folder` whose names begin as one of `stems` and go on with a version."
function libraries_in(folder, stems)
    found = String[]
    for name in readdir(folder)
        # Julia's own image is not that of the bundle.
        startswith(name, "lib") && occursin(".so", name) && !endswith(name, ".debug") || continue
        any(stem -> is_version_of(name, stem), stems) || continue
        # A link that leads nowhere helps nobody.
        ispath(joinpath(folder, name)) && push!(found, joinpath(folder, name))
    end
    return found
end

"Whether the file `name` is the library `stem`: openblas has the width of its integers in between."
function is_version_of(name, stem)
    startswith(name, stem) || return false
    rest = SubString(name, ncodeunits(stem) + 1)
    return occursin(r"^(64_?)?(\.so|-[0-9.]+[a-z]*\.so)", rest)
end

"""
Copies the library at `path` into `folder`, as `name` as well. Names of one file become links to the first of
them, also where an installation has copies in the place of links, as `cp -L` leaves them;
`copies` has the files that are there.
"""
function copy_library(path, folder, copies; name=basename(path))
    names, real = [name; names_along(path)], realpath(path)
    is_there(name) = (target = joinpath(folder, name); ispath(target) || islink(target))
    is_there(name) && return nothing
    if !haskey(copies, real)
        twin = findfirst(copied -> same_content(copied, real), copies)
        copies[real] = twin === nothing ? copy_real(real, path, folder, name) : copies[twin]
    end
    for other in names
        is_there(other) || symlink(relpath(copies[real], folder), joinpath(folder, other))
    end
    return nothing
end

function copy_real(real, path, folder, name)
    # Under its own name, where the others lie beside it.
    own = dirname(real) == realpath(dirname(path)) ? basename(real) : name
    copied = copy_file(real, joinpath(folder, own))
    # The owner may change it, whatever it was.
    chmod(copied, filemode(real) | 0o200)
    return copied
end

function same_content(a, b)
    filesize(a) == filesize(b) || return false
    return open(a) do left
        open(b) do right
            while !eof(left)
                read(left, 2^20) == read(right, 2^20) || return false
            end
            true
        end
    end
end

"The names of a file on the way of links from `path` to it."
function names_along(path)
    names = String[basename(path)]
    while islink(path)
        path = joinpath(dirname(path), readlink(path))
        push!(names, basename(path))
    end
    return names
end
