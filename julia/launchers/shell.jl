# Launchers for shells: scripts that start Julia on the image, or say why they do not.

function shell_script(launcher, identity, arguments)
    images = [launcher.sysimage; launcher.others]
    needed = [needed_artifacts(image, identity.version) for image in images]
    takes = ["take $(shell_quote(image)) $(shell_quote(hash))" for (image, (hash, _)) in zip(images, needed)]
    artifacts = unique!(reduce(vcat, last.(needed)))
    fresh = launcher.refresh !== nothing
    return render("shell.sh", Dict(
        "MARKER" => marker(launcher),
        "NAME" => launcher.name,
        "JULIA" => shell_quote(launcher.julia),
        "VERSION" => shell_quote(identity.version),
        "COMMIT" => shell_quote(identity.commit),
        "COMMIT_FILE" => shell_quote(identity.version_file),
        # The first that this CPU can run.
        "TAKE" => join(takes, " ||\n    "),
        "CPU" => fragment("cpu.sh"),
        "ARTIFACTS" => shell_quote(join(artifacts, '\n')),
        "OPTIONS" => join(string.(shell_quote.(arguments), ' ')),
        "JULIA_ON_PATH" => fragment("julia_on_path.sh"),
        "NOTICE" => launcher.kind === :jupyter ? SHOWN_IN_NOTEBOOK : "",
        "REFRESH" => fresh ? refresh_functions(launcher) : "",
        "READ_KNOWN" => fresh ? "read_known\n    " : "",
        "IF_STALE" => fresh ? IF_STALE : "",
    ))
end

refresh_functions(launcher) = render("refresh.sh", Dict(
    "MODE" => string(launcher.refresh),
    "NAME" => launcher.name,
    "LAUNCHER" => shell_quote(launcher.path),
    "REFRESHER" => shell_quote(template("refresh.jl")),
    "LOOK" => look_functions(),
    "MODIFIED" => SYSTEM.modified,
))

const IF_STALE = raw"""
    elif is_stale; then
            is_built_anew && exec "$julia" --sysimage="$image" "$@"
        """

"Hands what the script says to `notice.jl`, which lies beside it."
const SHOWN_IN_NOTEBOOK = raw"""
    PACKAGECOMPILERRS_NOTICE=$notice
    export PACKAGECOMPILERRS_NOTICE
    [ -r "${0%/*}/notice.jl" ] && set -- --load="${0%/*}/notice.jl" "$@"
    """

"Between single quotes a POSIX shell takes every character as it is but the single quote."
shell_quote(text) = string('\'', replace(text, "'" => "'\\''"), '\'')

"""
The word as a script for `cmd.exe` holds it. Programs read quotes and the backslashes before them by the rules of
`CommandLineToArgvW`; `cmd` knows the quotes alone, and takes each for the begin or the end of plain text, so that where
the word has some of its own everything that has a meaning for it is escaped, and the quotes too.
"""
function cmd_quote(word)
    inner = replace(word, r"\\*\"" => found -> string(found[1:end-1]^2, "\\\""))
    quoted = string('"', replace(inner, r"\\+\z" => found -> found^2), '"')
    return occursin('"', word) ? replace(quoted, r"[\"&|<>^()]" => found -> "^$found") : quoted
end

function windows_script(launcher, identity)
    for word in launcher.args
        occursin(r"[\r\n]", word) && throw(LauncherError("a word of `args` has a line break: $(repr(word))";
            cause="cmd.exe reads a script line by line, and knows no word that goes on in the next one",
            hint="put that code into a file"))
    end
    values = Dict(
        "NAME" => launcher.name,
        "JULIA" => launcher.julia,
        "SYSIMAGE" => launcher.sysimage,
        "VERSION" => identity.version,
        "COMMIT" => identity.commit,
        "COMMIT_FILE" => identity.version_file,
        "OPTIONS" => join(string.(cmd_quote.(options(launcher)), ' ')),
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

function tell_if_not_on_path(folder, name)
    same(place) = !isempty(place) && ispath(place) && realpath(place) == realpath(folder)
    any(same, split(get(ENV, "PATH", ""), SYSTEM.list_separator)) && return nothing
    @info "`$folder` is not on PATH: add it there, or start the launcher by its path" launcher =
        joinpath(folder, name)
    return nothing
end
