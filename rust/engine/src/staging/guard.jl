# Warns at the start of a session when the active project's Manifest has other packages than the
# image, or the source of one tracked by path is another. It stays in the image and runs in each
# session, so it is short, and reads the Manifest line by line: a TOML parser takes longer than all the
# rest of it.
module PackageCompilerRSGuard

"A package in the image; empty texts for what is not known."
struct Held
    uuid::String
    name::String
    version::String
    tree_hash::String
    has_path::Bool
    "What `source_of` gave for its folder when the image was made, or 0."
    source::UInt32
end

"Set while the image is made."
const HELD = Held[]

"How many packages the warning names."
const MOST = 3

function __init__()
    # Nothing that goes wrong here may stop a session.
    try
        is_wanted() && warn()
    catch
    end
    return nothing
end

"Not in a process that makes an image or a cache, nor in a worker, whose master has warned."
function is_wanted()
    isempty(HELD) && return false
    ccall(:jl_generating_output, Cint, ()) == 0 || return false
    Base.JLOptions().worker == 0 || return false
    return get(ENV, "PCRS_GUARD", "") != "0"
end

function warn()
    project = Base.active_project()
    project isa String && isfile(project) || return nothing
    manifest = Base.project_file_manifest_path(project)
    known = manifest isa String && isfile(manifest)
    image = unsafe_string(Base.JLOptions().image_file)
    text = warning(HELD, read(project, String), dirname(project), known ? read(manifest, String) : "",
        known ? manifest : project, image)
    # Core's stream writes without anything of Base that would have to be compiled.
    text === nothing || Core.print(Core.stderr, text)
    return nothing
end

"""
What to tell, or `nothing`. `project` and `text` are the texts of the project file, in the folder `home`, and of the
Manifest, which may lie elsewhere, as in a workspace. `path` is that of the Manifest, or of the project file where
there is none.
"""
function warning(held::Vector{Held}, project::String, home::String, text::String, path::String, image::String)
    found = disagreements(held, text, dirname(path))
    compare_own!(found, held, own_uuid(project), home)
    isempty(found) && return nothing
    message = "Warning: packages in the sysimage are not those of the project.\n"
    for i in 1:min(length(found), MOST)
        message = string(message, "  ", found[i], '\n')
    end
    if length(found) > MOST
        message = string(message, "  and ", string(length(found) - MOST), " more\n")
    end
    return string(message, "  image:    ", image, isempty(text) ? "\n  project:  " : "\n  Manifest: ", path,
        "\nThis session uses the packages in the image. Build it again with create_sysimage, or ",
        "start Julia without --sysimage. PCRS_GUARD=0 turns this warning off.\n")
end

"A sentence for each package of `held` that the Manifest with this text, in `folder`, has otherwise."
function disagreements(held::Vector{Held}, text::String, folder::String)
    found = String[]
    by_uuid = Dict{String,Held}()
    for package in held
        by_uuid[package.uuid] = package
    end
    uuid, version, tree_hash, path = "", "", "", ""
    in_entry = false
    at = 1
    stop = ncodeunits(text)
    while at <= stop + 1
        # A header ends the entry before it, and so does the end of the file.
        first, last = line_at(text, at)
        if at > stop || starts(text, first, last, "[[")
            compare!(found, by_uuid, uuid, version, tree_hash, path, folder)
            uuid, version, tree_hash, path = "", "", "", ""
            in_entry = true
        elseif starts(text, first, last, "[")
            # A table inside the entry, of dependencies or extensions.
            in_entry = false
        elseif !in_entry
        elseif starts(text, first, last, "uuid")
            uuid = value(text, first + 4, last, uuid)
        elseif starts(text, first, last, "version")
            version = value(text, first + 7, last, version)
        elseif starts(text, first, last, "git-tree-sha1")
            tree_hash = value(text, first + 13, last, tree_hash)
        elseif starts(text, first, last, "path")
            path = value(text, first + 4, last, path)
        end
        at = last + 2
    end
    return found
end

"Where the line that begins at `at` has its first character that is no space, and its last."
function line_at(text::String, at::Int)
    stop = ncodeunits(text)
    last = at > stop ? at - 1 : something(findnext(isequal('\n'), text, at), stop + 1) - 1
    first = at
    while first <= last && is_space(text, first)
        first += 1
    end
    return first, last
end

function compare!(found, by_uuid, uuid, version, tree_hash, path, folder)
    package = get(by_uuid, uuid, nothing)
    package === nothing && return nothing
    has_path = !isempty(path)
    of_julia = isempty(package.tree_hash) && !package.has_path
    # What belongs to Julia is what this Julia has, whatever the Manifest says of its version.
    of_julia && isempty(tree_hash) && !has_path && return nothing
    if version != package.version && !isempty(version) && !isempty(package.version)
        push!(found, string(package.name, " ", package.version, " in the image, ", version,
            " in the Manifest"))
    elseif has_path != package.has_path
        push!(found, string(package.name, has_path ?
            " from a registry or repository in the image, tracked by path in the Manifest" :
            " tracked by path in the image, not in the Manifest"))
    elseif tree_hash != package.tree_hash
        push!(found, string(package.name, " ", package.version,
            " in the image is of another commit than in the Manifest"))
    elseif has_path
        compare_source!(found, package, is_absolute(path) ? path : joinpath(folder, path))
    end
    return nothing
end

"The package that the project itself is stands in no Manifest."
function compare_own!(found::Vector{String}, held::Vector{Held}, uuid::String, folder::String)
    for package in held
        package.has_path && package.uuid == uuid && compare_source!(found, package, folder)
    end
    return nothing
end

"The UUID in the text of a project file, which stands above all tables."
function own_uuid(text::String)
    at = 1
    stop = ncodeunits(text)
    while at <= stop
        first, last = line_at(text, at)
        starts(text, first, last, "[") && break
        starts(text, first, last, "uuid") && return value(text, first + 4, last, "")
        at = last + 2
    end
    return ""
end

function compare_source!(found::Vector{String}, package::Held, folder::String)
    now = package.source == 0 ? package.source : source_of(folder)
    now == 0 || now == package.source || push!(found, string(package.name,
        " in the image is of another source than there is in `", folder, "` now"))
    return nothing
end

"How deep folders of source are looked into: links may go round in a circle."
const DEPTH = 8

"A checksum of the code in a package's folder, by names and contents; 0 where there is none."
source_of(folder::String) =
    add_folder(joinpath(folder, "ext"), add_folder(joinpath(folder, "src"), 0x00000000, DEPTH), DEPTH)

function add_folder(folder::String, sum::UInt32, depth::Int)
    depth > 0 && isdir(folder) || return sum
    for name in readdir(folder)
        path = joinpath(folder, name)
        if endswith(name, ".jl") && isfile(path)
            sum = add_text(read(path, String), add_text(name, sum))
        elseif isdir(path)
            sum = add_folder(path, add_text(name, sum), depth - 1)
        end
    end
    return sum
end

add_text(text::String, sum::UInt32) =
    ccall(:jl_crc32c, UInt32, (UInt32, Ptr{UInt8}, Csize_t), sum, text, sizeof(text))

"As `isabspath`, which is a regular expression on Windows."
is_absolute(path::String) = startswith(path, '/') || startswith(path, '\\') ||
    (ncodeunits(path) > 1 && codeunit(path, 2) == UInt8(':'))

is_space(text::String, at::Int) = (byte = codeunit(text, at); byte == 0x20 || byte == 0x09)

"Whether the bytes from `first` to `last` begin with `word`."
function starts(text::String, first::Int, last::Int, word::String)
    last - first + 1 < ncodeunits(word) && return false
    for i in 1:ncodeunits(word)
        codeunit(text, first + i - 1) == codeunit(word, i) || return false
    end
    return true
end

"The text between quotes after `=`; `otherwise` if this is another line."
function value(text::String, at::Int, last::Int, otherwise::String)
    while at <= last && is_space(text, at)
        at += 1
    end
    at <= last && codeunit(text, at) == UInt8('=') || return otherwise
    at += 1
    while at <= last && is_space(text, at)
        at += 1
    end
    at <= last || return otherwise
    # TOML has two kinds; Julia writes the first.
    quotes = codeunit(text, at)
    quotes == UInt8('"') || quotes == UInt8('\'') || return otherwise
    for stop in (at + 1):last
        codeunit(text, stop) == quotes || continue
        return GC.@preserve text unsafe_string(pointer(text, at + 1), stop - at - 1)
    end
    return otherwise
end

"Leaves nothing of the way through here to be compiled in a session. Called while the image is made."
function compile()
    precompile(__init__, ())
    precompile(is_wanted, ())
    precompile(warn, ())
    precompile(warning, (Vector{Held}, String, String, String, String, String))
    precompile(disagreements, (Vector{Held}, String, String))
    precompile(compare!, (Vector{String}, Dict{String,Held}, String, String, String, String, String))
    precompile(compare_own!, (Vector{String}, Vector{Held}, String, String))
    precompile(compare_source!, (Vector{String}, Held, String))
    precompile(own_uuid, (String,))
    precompile(source_of, (String,))
    precompile(add_folder, (String, UInt32, Int))
    precompile(Base.active_project, ())
    precompile(Base.project_file_manifest_path, (String,))
    precompile(Core.print, (typeof(Core.stderr), String))
    return nothing
end

end
