# The files of launchers but for VS Code's: what is written into them, and how they are known again.

"The files of a launcher, as `(path, text, executable)`."
function launcher_files(launcher, identity, kernel_file, system=SYSTEM)
    kind, path = launcher.kind, launcher.path
    arguments = kind === :jupyter ? kernel_arguments(launcher, kernel_file) : options(launcher)
    if kind === :shell
        return [system.posix ? (path, shell_script(launcher, identity, arguments), true) :
            (path, windows_script(launcher, identity), false)]
    end
    beside = companions(kind, path, system)
    scripts = filter(file -> endswith(file, ".sh"), beside)
    # Not the script itself: in a desktop entry the program's name must not hold `=`, and GLib
    # leaves `%%` in it.
    command = isempty(scripts) ?
        [launcher.julia; "--sysimage=$(launcher.sysimage)"; arguments] : ["/bin/sh"; scripts]
    text = kind === :desktop ? desktop_entry(launcher, command) : kernel_spec(launcher, command, system)
    files = [(script, shell_script(launcher, identity, arguments), true) for script in scripts]
    for notice in setdiff(beside, scripts)
        push!(files, (notice, read(template("notice.jl"), String), false))
    end
    return push!(files, (path, text, false))
end

template(name) = joinpath(package_folder(), "julia", "launchers", "templates", name)

"The text of a template. Git on Windows may have changed the line ends."
fragment(name) = replace(read(template(name), String), "\r\n" => "\n")

"Fills in the `@NAMES@` of a template, once: what is filled in may hold such words itself."
function render(name, values)
    return replace(fragment(name), r"@[A-Z_]+@" => word -> values[strip(word, '@')])
end

"What `list_launchers` reads, on one line. JSON, because it has no bare newlines."
marker(launcher) = string(LAUNCHER_MARKER, write_json(marked(launcher)))

marked(launcher) = Dict("name" => launcher.name, "sysimage" => launcher.sysimage,
    "project" => launcher.project, "julia" => launcher.julia, "args" => launcher.args,
    "refresh" => launcher.refresh, "others" => launcher.others)

"What Julia is started with besides the image."
options(launcher) = launcher.project === nothing ? launcher.args :
    ["--project=$(launcher.project)"; launcher.args]

function check_places(files, force)
    for (path, text, _) in files
        told_as(LauncherError, "`$path` cannot be read") do
            ispath(path) && !force && !(isfile(path) && read(path, String) == text) &&
                throw(already_there(path))
        end
    end
    return nothing
end

function install_files(launcher, files)
    for (path, text, executable) in files
        # A link to somebody else's file makes way itself, and that file stays.
        leads_elsewhere(launcher.kind, path) &&
            told_as(() -> rm(path), LauncherError, "`$path` cannot be replaced")
        write_atomically(LauncherError, path, text; executable=executable)
    end
    return nothing
end

function leads_elsewhere(kind, path)
    return told_as(LauncherError, "`$path` cannot be read") do
        islink(path) && ispath(path) && marker_in(kind, path) === nothing
    end
end

already_there(path) = LauncherError("`$path` is already there";
    hint="replace it with `force=true`, or choose another name")

"The launcher in the file at `path`; `nothing` for a file that is not one."
function read_launcher(kind, path)
    text = marker_in(kind, path)
    return text === nothing ? nothing : launcher_of(kind, path, text)
end

const JUPYTER_KEY = "PackageCompilerRS"

"What `install_launcher` has put into the file at `path`; `nothing` in those of other programs."
function marker_in(kind, path)
    # Folders of commands hold large files that are not ours.
    filesize(path) > 1 << 20 && return nothing
    text = read(path, String)
    # Part of a kernel's JSON, and of the comments of everything else.
    endswith(path, ".json") && return occursin("\"$JUPYTER_KEY\"", text) ? text : nothing
    found = match(Regex("^\\W*$LAUNCHER_MARKER(.*?)\\r?\$", "m"), text)
    return found === nothing ? nothing : String(found[1])
end

"""
The launcher that a marker tells of; `nothing` where a kernel is of another program.

# Errors
An `ArgumentError` when the marker is not as `install_launcher` writes it.
"""
function launcher_of(kind, path, text)
    table = parse_json(text)
    if kind === :jupyter
        metadata = table isa AbstractDict ? get(table, "metadata", nothing) : nothing
        metadata isa AbstractDict && haskey(metadata, JUPYTER_KEY) || return nothing
        table = metadata[JUPYTER_KEY]
    end
    value(key, T) = table isa AbstractDict && get(table, key, missing) isa T ? table[key] :
        throw(ArgumentError("`$key` is missing or no $T"))
    args = value("args", AbstractVector)
    all(arg -> arg isa AbstractString, args) || throw(ArgumentError("`args` are no strings"))
    optional = Union{Nothing,AbstractString}
    # Launchers that were made before there was this have none.
    refresh = haskey(table, "refresh") ? value("refresh", optional) : nothing
    others = haskey(table, "others") ? value("others", AbstractVector) : String[]
    all(path -> path isa AbstractString, others) || throw(ArgumentError("`others` are no strings"))
    return Launcher(value("name", AbstractString), kind, path, value("sysimage", AbstractString),
        value("project", optional), value("julia", optional), args,
        refresh === nothing ? nothing : Symbol(refresh), others)
end
