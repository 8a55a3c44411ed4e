# The files of launchers but for VS Code's: what is written into them, and how they are known again.

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

template(name) = joinpath(package_folder(), "julia", "launchers", "templates", name)

"Fills in the `@NAMES@` of a template, once: what is filled in may hold such words itself."
function render(name, values)
    text = read(template(name), String)
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
