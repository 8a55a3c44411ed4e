# Ways to start Julia on an image without typing `--sysimage`: files that other programs read.

"""
    LauncherError <: Exception

A launcher that was not installed or removed; files are as they were. Fields:

- `message::String`: what failed;
- `cause::Union{String,Nothing}`: why, as far as is known;
- `hint::Union{String,Nothing}`: what to do next.
"""
struct LauncherError <: FileError
    message::String
    cause::Union{String,Nothing}
    hint::Union{String,Nothing}
end

"""
    Launcher

An installed launcher, as [`list_launchers`](@ref) finds it. Fields:

- `name::String`; `kind::Symbol`: `:shell`, `:desktop`, `:jupyter` or `:vscode`;
- `path::String`: its file;
- `sysimage::String`, `args::Vector{String}`;
- `project::Union{String,Nothing}`, `julia::Union{String,Nothing}`: `:vscode` has neither.
"""
struct Launcher
    name::String
    kind::Symbol
    path::String
    sysimage::String
    project::Union{String,Nothing}
    julia::Union{String,Nothing}
    args::Vector{String}
end

function Base.show(io::IO, launcher::Launcher)
    print(io, "Launcher(", repr(launcher.name), ", ", repr(launcher.kind), ", ",
        repr(launcher.path), ", sysimage ", repr(launcher.sysimage))
    isfile(launcher.sysimage) || print(io, " (gone)")
    return print(io, ")")
end

const LAUNCHER_KINDS = (:shell, :desktop, :jupyter, :vscode)
const LAUNCHER_MARKER = "PackageCompilerRS launcher: "

"""
    install_launcher(name; sysimage, project=nothing, kind=:shell, kwargs...) -> String

Makes a way to start Julia on a sysimage, and returns the path of its file. `name` is made of ASCII
letters, digits, `.`, `_` and `-`, and starts with a letter or digit (Jupyter takes no other names).

| `kind` | file | what it is |
|---|---|---|
| `:shell` | `folder/name` (Windows: `name.cmd`) | a command that takes Julia's arguments |
| `:desktop` | `folder/name.desktop`, `name.sh` | an entry in the menu of a Linux or BSD desktop |
| `:jupyter` | `folder/kernels/name/kernel.json`, `kernel.sh` | a Jupyter kernel |
| `:vscode` | `folder/.vscode/settings.json` | the setting `julia.additionalArgs` of a workspace |

# Keywords
- `sysimage::AbstractString`: path of the image. It is started once, to see that it fits `julia`.
- `project`: the folder of a project, its project file, or a shared environment such as `"@v1.10"`;
  handed to Julia as `--project`. Left out, Julia chooses as usual. For `:vscode` it only says where
  the workspace is: the extension passes a `--project` of its own, which can be chosen in VS Code.
- `folder::AbstractString`: by default `~/.local/bin` for `:shell`; `applications` in
  `XDG_DATA_HOME`, or else `~/.local/share`, for `:desktop`; Jupyter's data folder
  (`JUPYTER_DATA_DIR`, or else `~/.local/share/jupyter`, on macOS `~/Library/Jupyter`, on Windows
  `%APPDATA%\\jupyter`) for `:jupyter`; the folder of `project`, or else the current one, for
  `:vscode`.
- `force::Bool=false`: replace what is there.
- `julia::AbstractString`: the Julia to start, a path or a command on `PATH`; this session's by
  default. VS Code has a setting of its own for it.
- `args::Vector{String}=String[]`: further arguments for Julia, such as `["--threads=auto"]`.
- `kernel_file::AbstractString`, only with `:jupyter`: IJulia's `src/kernel.jl`. By default IJulia
  is looked for in `project`, in the active environments, and among the loaded packages.

# What the kinds do
`:shell` is a script, and `:desktop` and `:jupyter` run such a script. It starts plain Julia with a
message on `stderr` when the image is gone, its Julia was replaced, or another Julia has built the
image anew. It does not follow `juliaup`'s default: the executable behind that command is what the
script starts. An update in place is seen by the commit in Julia's `base/version_git.jl`, which the
shell reads itself; only where that file names none (Debian's Julia) does `julia --version` run first
(16 ms for Julia 1.10). Which Julia built the image is read in its stamp; an image without one, such
as PackageCompiler makes, is taken for that of the Julia it was installed with.

On Windows a `:jupyter` launcher starts Julia itself, without such a script. The script for `:shell`
there is written from the documentation of `cmd.exe` and was never run.

A `:jupyter` launcher runs IJulia's `kernel.jl`, or `IJulia.run_kernel()`, which took its place in
IJulia 1.28. IJulia must be in `project`, or in the default environment when there is none. What the
script says is in Jupyter's log.

A `:vscode` launcher keeps the arguments, comments and format of the file, and marks its arguments
with comments. An older `--sysimage` or `-J` argument is replaced, with `force=true`. There is no
script: Julia does not start in VS Code when the image is gone or does not fit.

# Errors
[`LauncherError`](@ref): the image, project or Julia does not exist or they do not fit; a file is
already there and `force` is not given; a settings file is not JSON with comments; IJulia is not
found; a file cannot be written.

# Examples
```julia
using PackageCompilerRS
install_launcher("julia-plots"; sysimage="Plots.so", project="@v1.10")
# then, in a shell: julia-plots script.jl
install_launcher("julia-plots"; sysimage="Plots.so", kind=:vscode, folder=pwd())
```

Quoting in desktop entries follows the Desktop Entry Specification 1.5 ("The Exec key"); Jupyter's
folders and kernel names are those of `jupyter_core` and `jupyter_client`.
"""
function install_launcher(
    name::AbstractString;
    sysimage::AbstractString,
    project::Union{Nothing,AbstractString}=nothing,
    kind::Symbol=:shell,
    folder::Union{Nothing,AbstractString}=nothing,
    force::Bool=false,
    julia::Union{Nothing,AbstractString}=nothing,
    args::AbstractVector{<:AbstractString}=String[],
    kernel_file::Union{Nothing,AbstractString}=nothing,
)
    check_kind(kind)
    check_name(name)
    if kernel_file !== nothing && kind !== :jupyter
        throw(LauncherError("`kernel_file` is given with `kind=:$kind`";
            hint="it belongs to `kind=:jupyter`"))
    end
    project === nothing || (project = dirname(find_project(LauncherError, project)))
    isfile(sysimage) || throw(LauncherError("there is no sysimage `$(abspath(sysimage))`";
        hint="build it with `create_sysimage`, or give its path"))
    identity = start_once(executable(julia), abspath(sysimage))
    folder = folder === nothing ? default_folder(kind, project) : abspath(expanduser(folder))
    path = launcher_path(kind, folder, String(name))
    launcher = Launcher(name, kind, path, abspath(sysimage), project, identity.julia, args)
    if kind === :vscode
        install_setting(launcher, force)
    else
        install_files(launcher_files(launcher, identity, kernel_file), force)
    end
    kind === :shell && tell_if_not_on_path(folder, String(name))
    return path
end

"""
    remove_launcher(name; kind=:shell, folder=nothing) -> String

Removes what [`install_launcher`](@ref) made under this name, kind and folder, and returns the path
of its file. A `:vscode` launcher's arguments are taken out of the settings; the rest stays.

# Errors
[`LauncherError`](@ref): there is no such launcher, or the file is not of this package's making.

# Examples
```julia
using PackageCompilerRS
remove_launcher("julia-plots")
remove_launcher("julia-plots"; kind=:vscode, folder=pwd())
```
"""
function remove_launcher(
    name::AbstractString; kind::Symbol=:shell, folder::Union{Nothing,AbstractString}=nothing
)
    check_kind(kind)
    check_name(name)
    folder = folder === nothing ? default_folder(kind, nothing) : abspath(expanduser(folder))
    path = launcher_path(kind, folder, String(name))
    isfile(path) ||
        throw(LauncherError("there is no launcher `$path`"; hint=names_hint(kind, folder)))
    if kind === :vscode
        remove_setting(path, name, folder)
        return path
    end
    read_launcher(kind, path) === nothing && throw(LauncherError(
        "`$path` was not removed"; cause="it was not made by `install_launcher`"))
    foreach(file -> rm(file; force=true), [path; companions(kind, path)])
    # The folder is the kernel's own; other files in it (logos) are not ours.
    kind === :jupyter && isempty(readdir(dirname(path))) && rm(dirname(path))
    return path
end

function names_hint(kind, folder)
    names = [launcher.name for launcher in list_launchers(; kind=kind, folder=folder)]
    isempty(names) && return "there is none of kind `:$kind` in `$folder`"
    return "in `$folder` there are $(join(string.('`', names, '`'), ", "))"
end

"""
    list_launchers(; kind=nothing, folder=nothing) -> Vector{Launcher}

The launchers that [`install_launcher`](@ref) made: of all kinds, or one `kind`; in their default
folders, or in `folder`. Other programs' files are left out.

# Errors
[`LauncherError`](@ref) for an unknown `kind`.

# Examples
```julia
using PackageCompilerRS
for launcher in list_launchers()
    println(launcher.name, " starts Julia on ", launcher.sysimage)
end
```
"""
function list_launchers(;
    kind::Union{Nothing,Symbol}=nothing, folder::Union{Nothing,AbstractString}=nothing
)
    kind === nothing || check_kind(kind)
    found = Launcher[]
    for kind in (kind === nothing ? LAUNCHER_KINDS : (kind,))
        place = folder === nothing ? default_folder(kind, nothing) : abspath(expanduser(folder))
        for path in candidates(kind, place)
            if kind === :vscode
                append!(found, read_settings_launchers(path))
            else
                launcher = read_launcher(kind, path)
                launcher === nothing || push!(found, launcher)
            end
        end
    end
    return found
end

# Arguments

function check_kind(kind)
    kind in LAUNCHER_KINDS || throw(LauncherError("`kind` is `$(repr(kind))`";
        hint="use $(join(repr.(LAUNCHER_KINDS), ", ", " or "))"))
    if kind === :desktop && (Sys.iswindows() || Sys.isapple())
        throw(LauncherError("desktop entries are for Linux and BSD"; hint="use `kind=:shell`"))
    end
    return nothing
end

# `\z`: `$` would let a last newline pass.
check_name(name) = occursin(r"^[A-Za-z0-9][A-Za-z0-9._-]*\z", name) ? nothing :
    throw(LauncherError("`$(escape_string(name))` cannot be the name of a launcher";
        hint="use ASCII letters, digits, `.`, `_` and `-`, starting with a letter or digit"))

function executable(julia)
    julia === nothing && return joinpath(Sys.BINDIR, Base.julia_exename())
    found = Sys.which(julia)
    found === nothing && throw(LauncherError("there is no Julia `$julia`";
        cause="it is neither an executable file nor a command on PATH"))
    return found
end

"""
    start_once(julia, sysimage) -> (julia, version, commit, version_file)

Starts `julia` on the image. The version and the commit that come back are those of the image, and
`julia` is the executable behind a link or a version manager such as juliaup.

# Errors
`LauncherError` when it does not start, or is another version than the image.
"""
function start_once(julia, sysimage)
    script = joinpath(@__DIR__, "launcher_templates", "identity.jl")
    command = `$julia --sysimage=$sysimage --startup-file=no $script`
    out, err = IOBuffer(), IOBuffer()
    if !success(pipeline(ignorestatus(command); stdout=out, stderr=err))
        lines = split(String(take!(err)), '\n'; keepempty=false)
        throw(LauncherError("`$julia` does not start on `$sysimage`";
            cause=isempty(lines) ? nothing : String(first(lines)),
            hint="name the Julia that built the image with the keyword `julia`, or build it anew"))
    end
    exe, version, commit, version_file = split(String(take!(out)), '\0')
    installed = read(`$exe --version`, String)
    if strip(installed) != "julia version $version"
        throw(LauncherError("`$sysimage` is an image of Julia $version";
            cause="`$exe` is $(strip(installed))",
            hint="name the Julia that built the image with the keyword `julia`, or build it anew"))
    end
    # A commit that the file does not hold could never be found there by the launcher.
    known = !isempty(commit) && isfile(version_file) && occursin(commit, read(version_file, String))
    return (julia=String(exe), version=String(version), commit=known ? String(commit) : "",
        version_file=known ? String(version_file) : "")
end

# Places

function default_folder(kind, project)
    kind === :shell && return joinpath(homedir(), ".local", "bin")
    kind === :vscode && return something(project, pwd())
    kind === :desktop && return joinpath(data_home(), "applications")
    haskey(ENV, "JUPYTER_DATA_DIR") && return abspath(ENV["JUPYTER_DATA_DIR"])
    Sys.isapple() && return joinpath(homedir(), "Library", "Jupyter")
    Sys.iswindows() && return joinpath(get(ENV, "APPDATA", homedir()), "jupyter")
    return joinpath(data_home(), "jupyter")
end

"By the XDG Base Directory Specification, a relative path in the variable does not count."
function data_home()
    folder = get(ENV, "XDG_DATA_HOME", "")
    return isabspath(folder) ? folder : joinpath(homedir(), ".local", "share")
end

function launcher_path(kind, folder, name)
    kind === :shell && return joinpath(folder, Sys.iswindows() ? name * ".cmd" : name)
    kind === :desktop && return joinpath(folder, name * ".desktop")
    kind === :jupyter && return joinpath(folder, "kernels", name, "kernel.json")
    return joinpath(folder, ".vscode", "settings.json")
end

"Files beside the one at `path` that belong to the launcher."
function companions(kind, path)
    kind === :desktop && return [string(chop(path; tail=length(".desktop")), ".sh")]
    # On Windows Jupyter would end the shell that reads a script, and not Julia.
    kind === :jupyter && !Sys.iswindows() && return [joinpath(dirname(path), "kernel.sh")]
    return String[]
end

"The files in `folder` that may be launchers."
function candidates(kind, folder)
    if kind === :vscode
        path = launcher_path(kind, folder, "")
        return isfile(path) ? [path] : String[]
    end
    kind === :jupyter && (folder = joinpath(folder, "kernels"))
    isdir(folder) || return String[]
    names = readdir(folder)
    kind === :jupyter && (names = joinpath.(names, "kernel.json"))
    kind === :desktop && filter!(name -> endswith(name, ".desktop"), names)
    return filter!(isfile, joinpath.(folder, names))
end

function tell_if_not_on_path(folder, name)
    separator = Sys.iswindows() ? ';' : ':'
    same(place) = !isempty(place) && ispath(place) && realpath(place) == realpath(folder)
    any(same, split(get(ENV, "PATH", ""), separator)) && return nothing
    @info "`$folder` is not on PATH: add it there, or start the launcher by its path" launcher =
        joinpath(folder, name)
    return nothing
end

# Contents

"The files of a launcher, as `(path, text, mode)`."
function launcher_files(launcher, identity, kernel_file)
    kind, path = launcher.kind, launcher.path
    arguments = kind === :jupyter ? kernel_arguments(launcher, kernel_file) : options(launcher)
    if kind === :shell
        return [Sys.iswindows() ? (path, windows_script(launcher, identity), 0o644) :
            (path, shell_script(launcher, identity, arguments), 0o755)]
    end
    scripts = companions(kind, path)
    # Not the script itself: in a desktop entry the program's name must not hold `=`, and GLib
    # leaves `%%` in it.
    command = isempty(scripts) ?
        [launcher.julia; "--sysimage=$(launcher.sysimage)"; arguments] : ["/bin/sh"; scripts]
    text = kind === :desktop ? desktop_entry(launcher, command) : kernel_spec(launcher, command)
    files = [(script, shell_script(launcher, identity, arguments), 0o755) for script in scripts]
    return push!(files, (path, text, 0o644))
end

"Fills in the `@NAMES@` of a template, once: what is filled in may hold such words itself."
function render(template, values)
    text = read(joinpath(@__DIR__, "launcher_templates", template), String)
    # Git on Windows may have changed the line ends.
    text = replace(text, "\r\n" => "\n")
    return replace(text, r"@[A-Z_]+@" => word -> values[strip(word, '@')])
end

"What `list_launchers` reads, on one line. JSON, because it has no bare newlines."
marker(launcher) = string(LAUNCHER_MARKER, write_json(marked(launcher)))

marked(launcher) = Dict("name" => launcher.name, "sysimage" => launcher.sysimage,
    "project" => launcher.project, "julia" => launcher.julia, "args" => launcher.args)

"What Julia is started with besides the image."
options(launcher) = launcher.project === nothing ? launcher.args :
    ["--project=$(launcher.project)"; launcher.args]

function shell_script(launcher, identity, arguments)
    return render("shell.sh", Dict(
        "MARKER" => marker(launcher),
        "NAME" => launcher.name,
        "JULIA" => shell_quote(launcher.julia),
        "SYSIMAGE" => shell_quote(launcher.sysimage),
        "VERSION" => shell_quote(identity.version),
        "COMMIT" => shell_quote(identity.commit),
        "COMMIT_FILE" => shell_quote(identity.version_file),
        "OPTIONS" => join(string.(shell_quote.(arguments), ' ')),
    ))
end

"Between single quotes a POSIX shell takes every character as it is but the single quote."
shell_quote(text) = string('\'', replace(text, "'" => "'\\''"), '\'')

function windows_script(launcher, identity)
    values = Dict(
        "NAME" => launcher.name,
        "JULIA" => launcher.julia,
        "SYSIMAGE" => launcher.sysimage,
        "VERSION" => identity.version,
        "COMMIT" => identity.commit,
        "COMMIT_FILE" => identity.version_file,
        "OPTIONS" => join(string.('"', replace.(options(launcher), '"' => "\\\""), "\" ")),
        # After the last `exit`, where nothing is run and `%` is no variable.
        "MARKER" => marker(launcher),
    )
    for (key, value) in values
        key == "MARKER" || (values[key] = replace(value, "%" => "%%"))
    end
    # cmd.exe reads a script in the console's code page; 65001 is UTF-8.
    values["CODE_PAGE"] = all(isascii, Base.values(values)) ? "rem" : "chcp 65001 >nul"
    return replace(render("windows.cmd", values), "\n" => "\r\n")
end

function desktop_entry(launcher, command)
    return render("application.desktop", Dict(
        "MARKER" => marker(launcher),
        "NAME" => launcher.name,
        "COMMENT" => desktop_string("Julia on the sysimage $(basename(launcher.sysimage))"),
        "EXEC" => desktop_string(join(desktop_argument.(command), ' ')),
    ))
end

"A value of type string or localestring: what would end or split it is escaped."
desktop_string(text) = replace(replace(replace(replace(text, "\\" => "\\\\"), "\n" => "\\n"),
    "\r" => "\\r"), "\t" => "\\t")

"An argument of `Exec`: quoted, and `%`, which would start a field code, doubled."
desktop_argument(text) = occursin(r"^[A-Za-z0-9/._-]+\z", text) ? text :
    string('"', replace(replace(text, r"[\"`$\\]" => s"\\\0"), "%" => "%%"), '"')

kernel_arguments(launcher, kernel_file) = ["-i"; "--color=yes"; options(launcher);
    kernel_command(kernel_file, launcher.project)]

function kernel_spec(launcher, command)
    return write_json(Dict(
        "argv" => [command; "{connection_file}"],
        "display_name" => launcher.name,
        "language" => "julia",
        "env" => Dict{String,String}(),
        # As in IJulia's own kernelspecs.
        "interrupt_mode" => Sys.iswindows() ? "message" : "signal",
        "metadata" => Dict("PackageCompilerRS" => marked(launcher)),
    )) * "\n"
end

"""
    kernel_command(kernel_file, project) -> Vector{String}

The arguments that make Julia an IJulia kernel: up to IJulia 1.27 the path of a script, later the
call of a function (IJulia's changelog, 1.28), whose file still is called `kernel.jl`.
"""
function kernel_command(kernel_file, project)
    if kernel_file === nothing
        source = ijulia_source(project)
        source === nothing && throw(LauncherError("IJulia was not found";
            cause="it is not in $(something(project, "the active environments"))",
            hint="add it with `Pkg.add(\"IJulia\")`, or give the path of its `src/kernel.jl` " *
                 "with the keyword `kernel_file`"))
        kernel_file = joinpath(dirname(source), "kernel.jl")
    elseif !isfile(kernel_file)
        throw(LauncherError("there is no kernel file `$(abspath(kernel_file))`";
            hint="give the path of IJulia's `src/kernel.jl`"))
    end
    if isfile(kernel_file) && !occursin("function run_kernel", read(kernel_file, String))
        return [abspath(kernel_file)]
    end
    return ["-e", "import IJulia; IJulia.run_kernel()"]
end

const IJULIA = Base.PkgId(Base.UUID("7073ff75-c697-5162-941a-fcdaad2a7d2a"), "IJulia")

function ijulia_source(project)
    found = find_in(project, IJULIA.name)
    found === nothing || return found
    return haskey(Base.loaded_modules, IJULIA) ? pathof(Base.loaded_modules[IJULIA]) : nothing
end

"`Base.find_package` as it would answer in `project`."
function find_in(project, name)
    project === nothing && return Base.find_package(name)
    saved = copy(LOAD_PATH)
    try
        pushfirst!(LOAD_PATH, project)
        return Base.find_package(name)
    finally
        copy!(LOAD_PATH, saved)
    end
end

# Files

function install_files(files, force)
    for (path, text, _) in files
        ispath(path) && !force && !(isfile(path) && read(path, String) == text) &&
            throw(already_there(path))
    end
    for (path, text, mode) in files
        write_atomically(LauncherError, path, text; mode=mode)
    end
    return nothing
end

already_there(path) = LauncherError("`$path` is already there";
    hint="replace it with `force=true`, or choose another name")

"The launcher in the file at `path`; `nothing` for a file that is not one."
function read_launcher(kind, path)
    # Folders of commands hold large files that are not ours.
    filesize(path) > 1 << 20 && return nothing
    text = read(path, String)
    table = try
        if kind === :jupyter
            get(get(parse_json(text), "metadata", Dict()), "PackageCompilerRS", nothing)
        else
            found = match(Regex("^\\W*$LAUNCHER_MARKER({.*})\\r?\$", "m"), text)
            found === nothing ? nothing : parse_json(found[1])
        end
    catch err
        err isa ArgumentError || rethrow()
        nothing
    end
    table isa AbstractDict || return nothing
    return Launcher(table["name"], kind, path, table["sysimage"], table["project"],
        table["julia"], table["args"])
end

# VS Code's settings

const VSCODE_KEY = "julia.additionalArgs"

settings_marker(name) = "/* PackageCompilerRS: $name */"

"Arguments that stand in the setting: those of one launcher, or the user's image."
struct SettingsArgument
    "Index of the array's item, of which there are two for `-J path`."
    indices::UnitRange{Int}
    "Last byte, with the marker."
    last::Int
    "The launcher's name; `nothing` for what the user wrote."
    owner::Union{String,Nothing}
    sysimage::Union{String,Nothing}
    text::String
end

"The arguments in the array node that are marked as ours or choose an image."
function settings_arguments(text, array)
    found = SettingsArgument[]
    items = array.items
    i = 1
    while i <= length(items)
        value = items[i].value
        indices = i:i
        sysimage = nothing
        if value isa String
            joined = match(r"^(?:--sysimage=|-J)(.+)"s, value)
            joined === nothing || (sysimage = String(joined[1]))
            if value in ("--sysimage", "-J") && i < length(items) && items[i + 1].value isa String
                indices = i:(i + 1)
                sysimage = items[i + 1].value
            end
        end
        at = items[last(indices)].last
        mark = match(r"\A\s*,?\s*/\* PackageCompilerRS: ([A-Za-z0-9._-]+) \*/",
            bytes_of(text, at + 1, ncodeunits(text)))
        if mark !== nothing || sysimage !== nothing
            owner = mark === nothing ? nothing : String(mark[1])
            stop = mark === nothing ? at : at + ncodeunits(mark.match)
            text_of = join((items[k].value for k in indices), ' ')
            push!(found, SettingsArgument(indices, stop, owner, sysimage, text_of))
        end
        i = last(indices) + 1
    end
    return found
end

"The settings in `text`, and the array of arguments in them, each `nothing` where there is none."
function parse_settings(path, text)
    root = try
        parse_jsonc(text)
    catch err
        err isa ArgumentError || rethrow()
        throw(LauncherError("`$path` was left as it is"; cause=err.msg,
            hint="correct it, in VS Code with \"Preferences: Open Workspace Settings (JSON)\""))
    end
    root === nothing && return nothing, nothing
    root.kind === :object || throw(LauncherError("`$path` was left as it is";
        cause="it does not hold a JSON object"))
    array = jsonc_member(root, VSCODE_KEY)
    # `null` is as good as nothing.
    if array !== nothing && (array.kind === :object || array.value !== nothing)
        throw(LauncherError("`$path` was left as it is"; cause="`$VSCODE_KEY` is not an array"))
    end
    return root, array
end

function install_setting(launcher, force)
    path = isfile(launcher.path) ? realpath(launcher.path) : launcher.path
    text = isfile(path) ? read(path, String) : ""
    wanted = ["--sysimage=$(launcher.sysimage)"; launcher.args]
    for argument in wanted
        # The extension fills in such words (parseVSCodeVariables in its src/utils.ts).
        occursin("\${", argument) && throw(LauncherError("VS Code cannot be given `$argument`";
            cause="it takes `\${` for the start of a variable"))
    end
    _, array = parse_settings(path, text)
    if array !== nothing && array.kind === :array
        present = settings_arguments(text, array)
        own = filter(a -> a.owner == launcher.name, present)
        images = [a for a in present if a.sysimage !== nothing]
        [a.text for a in own] == wanted && length(images) == 1 && return nothing
        if !isempty(present) && !force
            text = first(isempty(images) ? present : images).text
            throw(LauncherError("`$path` already has the argument `$text`";
                hint="replace it with `force=true`"))
        end
        text = without_arguments(path, text, _ -> true)
    end
    text = with_array(path, text)
    for argument in wanted
        _, array = parse_settings(path, text)
        text = append_item(text, array,
            string(write_json(argument), ' ', settings_marker(launcher.name)))
    end
    write_atomically(LauncherError, path, text)
    return nothing
end

"Takes out the arguments that are marked as ours or choose an image and for which `test` holds."
function without_arguments(path, text, test)
    while true
        _, array = parse_settings(path, text)
        array === nothing && return text
        found = findlast(test, settings_arguments(text, array))
        found === nothing && return text
        argument = settings_arguments(text, array)[found]
        for index in reverse(argument.indices)
            stop = index == last(argument.indices) ? argument.last : 0
            text = remove_item(text, parse_settings(path, text)[2], index, stop)
        end
    end
end

"`text` with an array of arguments in it; an empty one if there was none."
function with_array(path, text)
    root, array = parse_settings(path, text)
    member = string(write_json(VSCODE_KEY), ": []")
    if root === nothing
        newline = isempty(text) || endswith(text, '\n') ? "" : newline_of(text)
        text = string(text, newline, "{}", newline_of(text))
        return append_item(text, parse_settings(path, text)[1], member)
    end
    array === nothing && return append_item(text, root, member)
    array.kind === :array && return text
    return splice_text(text, array.first, array.last, "[]")
end

function remove_setting(path, name, folder)
    path = realpath(path)
    text = read(path, String)
    new = without_arguments(path, text, argument -> argument.owner == name)
    new == text && throw(LauncherError("`$path` has no arguments of a launcher `$name`";
        hint=names_hint(:vscode, folder)))
    root, array = parse_settings(path, new)
    if isempty(array.items) && array.last == array.first + 1
        index = findlast(item -> item === array, root.items)
        new = remove_item(new, root, index, 0)
    end
    write_atomically(LauncherError, path, new)
    return nothing
end

function read_settings_launchers(path)
    text = read(path, String)
    _, array = try
        parse_settings(path, text)
    catch err
        err isa LauncherError || rethrow()
        return Launcher[]
    end
    array === nothing && return Launcher[]
    arguments = filter(a -> a.owner !== nothing, settings_arguments(text, array))
    return map(unique(a.owner for a in arguments)) do name
        own = filter(a -> a.owner == name, arguments)
        image = findfirst(a -> a.sysimage !== nothing, own)
        others = [a.text for a in own if a.sysimage === nothing]
        Launcher(name, :vscode, path, image === nothing ? "" : own[image].sysimage, nothing,
            nothing, others)
    end
end
