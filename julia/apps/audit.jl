# What a bundle holds and needs.

const SystemLibrary =
    NamedTuple{(:name, :version, :needed_by),Tuple{String,Union{String,Nothing},Vector{String}}}
const PartRow = NamedTuple{(:part, :bytes),Tuple{String,Int}}
const LinkRow = NamedTuple{(:file, :leads_to),Tuple{String,String}}
const PathRow = NamedTuple{(:path, :file, :times),Tuple{String,String,Int}}

"""
    AppAudit

What [`audit_app`](@ref) found. Fields:

- `folder::String`, `bytes::Int`;
- `parts`: a vector of `(part, bytes)`, largest first: `"image"`, `"Julia"` (its runtime, and LLVM),
  `"libraries"`, `"artifacts"`, `"executables"` and `"other"`;
- `system`: a vector of `(name, version, needed_by)`, libraries that the system must have: those of its C
  library first, with the highest version that is asked for, such as `"GLIBC_2.34"`;
- `links`: a vector of `(file, leads_to)`, links that lead out of the folder, and break elsewhere;
- `paths`: a vector of `(path, file, times)`, paths of this machine that files hold. Julia keeps the places
  of methods in its images, which harms nothing; a package may keep a path that it reads.
"""
struct AppAudit
    folder::String
    bytes::Int
    parts::Vector{PartRow}
    system::Vector{SystemLibrary}
    links::Vector{LinkRow}
    paths::Vector{PathRow}
end

"""
    audit_app(folder) -> AppAudit

Reads an app or a library that [`create_app`](@ref) or [`create_library`](@ref) made at `folder`: what
it needs of the system that it runs on, what it holds, and what in it names this machine.

# Errors
`BuildError` when the folder cannot be read, or is no such bundle.

# Examples
```julia
using PackageCompilerRS
isdir("GreetCompiled") && audit_app("GreetCompiled")
```
"""
function audit_app(folder::AbstractString)
    folder = abspath(folder)
    isdir(folder) || throw(BuildError("there is no folder `$folder`"))
    is_bundle(folder) || throw(BuildError("`$folder` is no app or library";
        hint="give the folder that `create_app` or `create_library` made"))
    table = ask_about(:pcrs_start_audit, Dict{String,Any}(
        "folder" => folder, "paths" => paths_of_this_machine()))
    files = table["files"]
    return AppAudit(
        folder,
        sum(Int[file[2] for file in files]),
        parts_of(files, image_of(folder)),
        SystemLibrary[SystemLibrary((l["name"], l["version"], String[l["needed_by"]...])) for l in table["system"]],
        LinkRow[LinkRow((link[1], link[2])) for link in table["links"]],
        PathRow[PathRow((path[1], path[2], path[3])) for path in table["paths"]],
    )
end

"Folders that another machine need not have; no part of one of the others."
function paths_of_this_machine()
    found = String[abspath(Sys.BINDIR, ".."); DEPOT_PATH; tempdir()]
    home = home_folder()
    home === nothing || pushfirst!(found, home)
    found = unique!(String[rstrip(abspath(path), '/') for path in found])
    # `/` and the like are everywhere.
    filter!(path -> count(==('/'), path) >= 1 && length(path) > 3, found)
    return filter(path -> !any(other -> other != path && startswith(path, other * "/"), found), found)
end

"The image's path in the bundle as its table has it; `nothing` without a table, as in PackageCompiler's."
function image_of(folder)
    table = joinpath(folder, APP_TABLE)
    return isfile(table) ? parse_json(read(table, String))["sysimage"] : nothing
end

function parts_of(files, sysimage)
    sizes = Dict{String,Int}()
    for (file, bytes) in files
        part = part_of(file, sysimage)
        sizes[part] = get(sizes, part, 0) + bytes
    end
    return sort!(PartRow[PartRow((part, bytes)) for (part, bytes) in sizes]; by=row -> (-row.bytes, row.part))
end

function part_of(file, sysimage=nothing)
    name = basename(file)
    startswith(file, "bin/") && return "executables"
    startswith(file, "share/julia/artifacts/") && return "artifacts"
    (startswith(name, "libjulia") || startswith(name, "libLLVM")) && return "Julia"
    # That of a library is not among Julia's private ones.
    is_image = sysimage === nothing ? startswith(name, "sys.") || dirname(file) == "lib" : file == sysimage
    is_image && return "image"
    return startswith(file, "lib/") ? "libraries" : "other"
end

Base.show(io::IO, audit::AppAudit) =
    print(io, "AppAudit(", repr(audit.folder), ", ", Base.format_bytes(audit.bytes), ")")

function Base.show(io::IO, ::MIME"text/plain", audit::AppAudit)
    println(io, "Bundle ", audit.folder, " (", Base.format_bytes(audit.bytes), ")")
    parts = [string(row.part, ' ', Base.format_bytes(row.bytes)) for row in audit.parts]
    println(io, "  holds:   ", join(parts, ", "))
    needs = [library.version === nothing ? library.name : string(library.name, " (", library.version, ')')
             for library in audit.system]
    print(io, "  needs:   ", isempty(needs) ? "nothing of the system" : join(needs, ", "))
    for link in shown_rows(audit.links)
        print(io, "\n  broken elsewhere: the link ", link.file, " leads to ", link.leads_to)
    end
    by_path = Dict{String,Vector{String}}()
    foreach(row -> push!(get!(by_path, row.path, String[]), row.file), audit.paths)
    for path in sort!(collect(keys(by_path)))
        print(io, "\n  names ", path, " in ", shortened(by_path[path], 3))
    end
    return nothing
end

shown_rows(rows) = rows[1:min(5, end)]
