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
- `project::Union{String,Nothing}`, `julia::Union{String,Nothing}`: `:vscode` has neither;
- `refresh::Union{Symbol,Nothing}`: `:background` or `:before`, if it keeps the image fresh;
- `others::Vector{String}`: images for other CPUs, which it tries in this order where the CPU cannot run `sysimage`.
"""
struct Launcher
    name::String
    kind::Symbol
    path::String
    sysimage::String
    project::Union{String,Nothing}
    julia::Union{String,Nothing}
    args::Vector{String}
    refresh::Union{Symbol,Nothing}
    others::Vector{String}
end

function Base.show(io::IO, launcher::Launcher)
    print(io, "Launcher(", repr(launcher.name), ", ", repr(launcher.kind), ", ",
        repr(launcher.path), ", sysimage ", repr(launcher.sysimage))
    isfile(launcher.sysimage) || print(io, " (gone)")
    isempty(launcher.others) || print(io, " or ", length(launcher.others), " for other CPUs")
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
| `:jupyter` | `folder/kernels/name/kernel.json`, `kernel.sh`, `notice.jl` | a Jupyter kernel |
| `:vscode` | `folder/.vscode/settings.json` | the setting `julia.additionalArgs` of a workspace |

# Keywords
- `sysimage`: path of the image, or a vector of paths of images for several CPUs (see `cpu_target` of
  [`create_sysimage`](@ref)), of which the launcher starts the one for the most able CPU that its machine can
  run; not for `:vscode`, and not on Windows. What this machine can run is started once, in `project`, to see that it
  fits `julia`.
- `project`: the folder of a project, its project file, or a shared environment such as `"@v1.10"`;
  handed to Julia as `--project`. Left out, Julia chooses as usual, but for `:jupyter`, whose kernel
  gets the project that is active now. For `:vscode` it only says where
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
- `refresh=nothing`: whether the launcher keeps the image fresh, see below: `nothing`, `:background` or
  `:before`; not for `:vscode`, and not on Windows.
- `kernel_file::AbstractString`, only with `:jupyter`: IJulia's `src/kernel.jl`. By default IJulia
  is looked for in `project` and in the default environment.

# What the kinds do
`:shell` is a script, and `:desktop` and `:jupyter` run such a script. It starts plain Julia with a
message on `stderr` when the image is gone, its Julia was replaced, another Julia has built the
image anew, or an artifact that a package in it needs is in no depot any more. Which artifacts these
are is looked up when the launcher is made; of an image that was built since they are not known. On x86-64 Linux it
also does so where the CPU lacks what the image needs, for which it compares `/proc/cpuinfo` with the
stamp. It does not follow `juliaup`'s default: the executable behind that command is what the script starts. An update in place is seen by the commit in Julia's `base/version_git.jl`, which the
shell reads itself; only where that file names none (Debian's Julia) does `julia --version` run first
(16 ms for Julia 1.10). Which Julia built the image is read in its stamp; an image without one, such
as PackageCompiler makes, is taken for that of the Julia it was installed with.

With `refresh` it sees in milliseconds, before each start, whether a file that went into the image has another
content now: the project's files, sources of packages tracked by path, workloads, scripts, statement files and
`workload_deps`. It also sees that an artifact is gone. Then the image is built anew as [`refresh_sysimage`](@ref) does it: with
`:background` by a process of its own, while Julia starts at once without the image and a line says so; with
`:before` first, and Julia then starts on the new one. What the launcher needs for that is in a folder beside the image
(`IMAGE.refresh`), with the log of that build (`IMAGE.refresh/log`). One process builds at a time. That a build failed is
told once, at the next start; it is tried again after the next change, and where the disk was full when that has room.

On Windows a `:jupyter` launcher starts Julia itself, without such a script. The script for `:shell`
there is written from the documentation of `cmd.exe` and was never run.

A `:jupyter` launcher runs IJulia's `kernel.jl`, or `IJulia.run_kernel()`, which took its place in
IJulia 1.28. IJulia must be in `project`, or in the default environment when there is none. What the
script says is in Jupyter's log, and in the notebook with the output of its first cell.

A `:vscode` launcher keeps the arguments, comments and format of the file, and marks its arguments
with comments. An older `--sysimage` or `-J` argument is replaced, with `force=true`. There is no
script: Julia does not start in VS Code when the image is gone or does not fit.

# Errors
[`LauncherError`](@ref): the image, project or Julia does not exist or they do not fit; a file is
already there and `force` is not given; of several images this machine can run none, or they are for several Julias; a settings file is not JSON with comments; IJulia is not
found; a file cannot be written; `refresh` is given for an image without a stamp.

# Examples
```julia
using PackageCompilerRS
install_launcher("julia-plots"; sysimage="Plots.so", project="@v1.10")
# then, in a shell: julia-plots script.jl
install_launcher("julia-plots"; sysimage="Plots.so", kind=:vscode, folder=pwd())
install_launcher("julia-fresh"; sysimage="Plots.so", project="@v1.10", refresh=:background)
```

Quoting in desktop entries follows the Desktop Entry Specification 1.5 ("The Exec key"); Jupyter's
folders and kernel names are those of `jupyter_core` and `jupyter_client`.
"""
function install_launcher(
    name::AbstractString;
    sysimage::Union{AbstractString,AbstractVector{<:AbstractString}},
    project::Union{Nothing,AbstractString}=nothing,
    kind::Symbol=:shell,
    folder::Union{Nothing,AbstractString}=nothing,
    force::Bool=false,
    julia::Union{Nothing,AbstractString}=nothing,
    args::AbstractVector{<:AbstractString}=String[],
    kernel_file::Union{Nothing,AbstractString}=nothing,
    refresh::Union{Nothing,Symbol}=nothing,
)
    check_kind(kind)
    check_name(name)
    check_refresh(refresh, kind)
    if kernel_file !== nothing && kind !== :jupyter
        throw(LauncherError("`kernel_file` is given with `kind=:$kind`";
            hint="it belongs to `kind=:jupyter`"))
    end
    project === nothing || (project = dirname(find_project(LauncherError, project)))
    # Jupyter starts kernels in folders of its own, where another project is the active one.
    kind === :jupyter && project === nothing && (project = active_folder())
    images = images_of(sysimage, kind)
    identity = start_runnable(executable(julia), images, project)
    folder = folder === nothing ? default_folder(kind, project) : given_path(LauncherError, folder)
    kind === :vscode && !isdir(folder) && throw(LauncherError("there is no folder `$folder`";
        hint="give that of the workspace as it is opened in VS Code"))
    path = launcher_path(kind, folder, String(name))
    launcher = Launcher(name, kind, path, images[1], project, identity.julia, args, refresh, images[2:end])
    if kind === :vscode
        install_setting(launcher, force)
    else
        files = launcher_files(launcher, identity, kernel_file)
        check_places(files, force)
        older = watched_images(replaced_launcher(kind, path))
        try
            foreach(image -> begin_watch(image, path, identity.version), watched_images(launcher))
            install_files(launcher, files)
        catch
            end_watches(watched_images(launcher), path; but=older)
            rethrow()
        end
        end_watches([older; images], path; but=watched_images(launcher))
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
    folder = folder === nothing ? default_folder(kind, nothing) : given_path(LauncherError, folder)
    path = launcher_path(kind, folder, String(name))
    isfile_nothrow(path) ||
        throw(LauncherError("there is no launcher `$path`"; hint=names_hint(kind, folder)))
    if kind === :vscode
        remove_setting(path, name, folder)
        return path
    end
    launcher = told_as(() -> remove_files(kind, path), LauncherError, "`$path` was not removed")
    end_watches(watched_images(launcher), path)
    return path
end

"The launcher whose file at `path` is to be replaced, as far as that can be read."
function replaced_launcher(kind, path)
    try
        return isfile(path) ? read_launcher(kind, path) : nothing
    catch err
        is_refusal(err) || rethrow()
        return nothing
    end
end

function remove_files(kind, path)
    launcher = read_launcher(kind, path)
    launcher === nothing && throw(LauncherError(
        "`$path` was not removed"; cause="it was not made by `install_launcher`"))
    for file in [path; companions(kind, path)]
        # What a link leads to was written through it.
        foreach(place -> rm(place; force=true), unique([link_end(file), file]))
    end
    # The folder is the kernel's own; other files in it (logos) are not ours.
    kind === :jupyter && isempty(readdir(dirname(path))) && rm(dirname(path))
    return launcher
end

function names_hint(kind, folder)
    names = [launcher.name for launcher in list_launchers(; kind=kind, folder=folder)]
    isempty(names) && return "there is none of kind `:$kind` in `$folder`"
    return "in `$folder` there are $(join(string.('`', names, '`'), ", "))"
end

"""
    list_launchers(; kind=nothing, folder=nothing) -> Vector{Launcher}

The launchers that [`install_launcher`](@ref) made: of all kinds, or one `kind`; in their default
folders, or in `folder`. Other programs' files are left out. Files that cannot be read, or whose mark
is not as `install_launcher` writes it, are named in a warning.

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
    broken = Pair{String,String}[]
    for kind in (kind === nothing ? LAUNCHER_KINDS : (kind,))
        place = folder === nothing ? default_folder(kind, nothing) : given_path(LauncherError, folder)
        for path in candidates(kind, place, broken)
            collect_launchers!(found, broken, kind, path)
        end
    end
    if !isempty(broken)
        @warn "Not listed:" * join(("\n  `$path`: $why" for (path, why) in broken))
    end
    return found
end

function collect_launchers!(found, broken, kind, path)
    try
        if kind === :vscode
            append!(found, read_settings_launchers(path))
        else
            launcher = read_launcher(kind, path)
            launcher === nothing || push!(found, launcher)
        end
    catch err
        is_refusal(err) || rethrow()
        push!(broken, path => first_line(err))
    end
    return nothing
end

# Arguments

function check_kind(kind, system=SYSTEM)
    kind in LAUNCHER_KINDS || throw(LauncherError("`kind` is `$(repr(kind))`";
        hint="use $(join(repr.(LAUNCHER_KINDS), ", ", " or "))"))
    if kind === :desktop && !system.desktop_entries
        throw(LauncherError("desktop entries are for Linux and BSD"; hint="use `kind=:shell`"))
    end
    return nothing
end

function check_refresh(refresh, kind, system=SYSTEM)
    refresh in (nothing, :background, :before) || throw(LauncherError("`refresh` is `$(repr(refresh))`";
        hint="use `:background`, `:before` or `nothing`"))
    refresh === nothing && return nothing
    kind === :vscode && throw(LauncherError("`refresh` is given with `kind=:vscode`";
        cause="VS Code starts Julia itself, and runs no script that could look at the image first",
        hint="call `refresh_sysimage` by a script or task of the workspace"))
    system.posix || throw(LauncherError("`refresh=$(repr(refresh))` is not there on $(system.name)";
        cause="the script for its shell cannot tell whether files have changed",
        hint="call `refresh_sysimage` before Julia is started"))
    return nothing
end

"""
    images_of(sysimage, kind) -> Vector{String}

The full paths of the images that are meant by `sysimage`, a path or several, in the order in which a launcher tries
them.

# Errors
`LauncherError` when there is none, one is not there, or launchers of this `kind` take only one.
"""
function images_of(sysimage, kind, system=SYSTEM)
    images = unique!(String[abspath(path) for path in (sysimage isa AbstractVector ? sysimage : [sysimage])])
    isempty(images) && throw(LauncherError("`sysimage` is an empty list"; hint="give the path of an image"))
    for image in images
        isfile(image) && continue
        beside = images_beside(image)
        throw(LauncherError("there is no sysimage `$image`"; hint=isempty(beside) ?
            "build it with `create_sysimage`, or give its path" :
            "there are images for some CPUs: give `sysimage=[$(join(repr.(beside), ", "))]`"))
    end
    length(images) == 1 && return images
    kind !== :vscode && system.posix && return best_first(images)
    what = kind === :vscode ? "with `kind=:vscode`" : "on $(system.name)"
    throw(LauncherError("a launcher cannot choose among several images $what";
        cause="there is no script that could look at the CPU first", hint="give the path of one"))
end

"The images that `create_sysimage` made for some CPUs instead of one at `path`."
function images_beside(path)
    stem, extension = splitext(path)
    isdir(dirname(path)) || return String[]
    names = filter(name -> startswith(name, basename(stem) * ".") && endswith(name, extension) &&
        isfile(joinpath(dirname(path), name * ".json")), readdir(dirname(path)))
    return joinpath.(dirname(path), names)
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

"The folder of the active project, if it is another than the default one."
function active_folder()
    file = Base.active_project()
    (file === nothing || !isfile(file)) && return nothing
    default = Base.load_path_expand("@v#.#")
    default !== nothing && same_path(file, default) && return nothing
    return dirname(find_project(LauncherError, file))
end

"""
    start_once(julia, sysimage, project) -> (julia, version, commit, version_file)

Starts `julia` on the image, in `project` if there is one. The version and the commit that come back are those of the image, and
`julia` is the executable behind a link or a version manager such as juliaup.

# Errors
`LauncherError` when it does not start, or is another version than the image.
"""
function start_once(julia, sysimage, project)
    command = `$julia --sysimage=$sysimage --startup-file=no`
    project === nothing || (command = `$command --project=$project`)
    process, out, err, told = mktempdir() do folder
        file = joinpath(folder, "identity")
        (captured(`$command $(template("identity.jl")) $file`)..., read_or_nothing(file))
    end
    if !success(process)
        lines = split(err, '\n'; keepempty=false)
        failed = initialization_error(lines)
        failed === nothing || throw(LauncherError("`$sysimage` does not start"; cause=failed,
            hint=project === nothing ? "a package in it needs a project that has it: give `project`" :
                 "a package in it fails in `$project`"))
        throw(LauncherError("`$julia` does not start on `$sysimage`";
            cause=something(of_another_julia(julia, sysimage), isempty(lines) ? nothing : String(first(lines)), Some(nothing)),
            hint="name the Julia that built the image with the keyword `julia`, or build it anew"))
    end
    identity = split(told, '\0')
    length(identity) == 4 || throw(LauncherError("`$julia` did not tell which Julia it is";
        cause=isempty(strip(out)) ? "it wrote nothing" : "it wrote `$(first(split(strip(out), '\n')))`",
        hint="name a Julia with the keyword `julia`; a package in the image may also end Julia in its `__init__`"))
    exe, version, commit, version_file = identity
    installed = strip(captured(`$exe --version`)[2])
    if installed != "julia version $version"
        throw(LauncherError("`$sysimage` is an image of Julia $version";
            cause="`$exe` is $installed",
            hint="name the Julia that built the image with the keyword `julia`, or build it anew"))
    end
    # A commit that the file does not hold could never be found there by the launcher.
    known = !isempty(commit) && isfile(version_file) && occursin(commit, read(version_file, String))
    return (julia=String(exe), version=String(version), commit=known ? String(commit) : "",
        version_file=known ? String(version_file) : "")
end

"A sentence where the image is of another Julia than `julia`, as its stamp says."
function of_another_julia(julia, sysimage)
    stamp = stamp_beside(sysimage)
    builder = stamp === nothing ? nothing : get(stamp, "julia_version", nothing)
    installed = strip(captured(`$julia --version`)[2])
    builder === nothing || installed == "julia version $builder" ? nothing :
        "the image was built by Julia $builder, and this is $installed"
end

"""
What the `__init__` of a package in an image threw when Julia started on it, or `nothing`. Julia shows it
without its usual text, as in `InitError(mod=:A, error=ErrorException("no B"))`, and older versions
with fields that have no name.
"""
function initialization_error(lines)
    for line in lines
        found = match(r"InitError\((?:mod=)?:?\"?(\w+)\"?, (?:error=)?(.*)\)$", line)
        found === nothing && continue
        text = match(r"\w+\((?:msg=)?\"(.*)\"", found[2])
        return string("InitError: ", text === nothing ? found[2] : unescape_string(text[1]),
            " (in `__init__` of ", found[1], ")")
    end
    return nothing
end
