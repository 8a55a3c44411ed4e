# Where launchers are, by kind.

"""
# Errors
`LauncherError` where the folder is in the user's home, and there is none.
"""
function default_folder(kind, project, system=SYSTEM)
    kind === :vscode && return something(project, pwd())
    return told_as(LauncherError, "there is no default folder for `kind=:$kind`"; hint="set HOME, or give `folder`") do
        kind === :shell && return joinpath(homedir(), ".local", "bin")
        kind === :desktop && return joinpath(data_home(), "applications")
        haskey(ENV, "JUPYTER_DATA_DIR") && return abspath(ENV["JUPYTER_DATA_DIR"])
        return system.jupyter_folder()
    end
end

function launcher_path(kind, folder, name, system=SYSTEM)
    kind === :shell && return joinpath(folder, name * system.command_suffix)
    kind === :desktop && return joinpath(folder, name * ".desktop")
    kind === :jupyter && return joinpath(folder, "kernels", name, "kernel.json")
    return joinpath(folder, ".vscode", "settings.json")
end

"Files beside the one at `path` that belong to the launcher."
function companions(kind, path, system=SYSTEM)
    kind === :desktop && return [string(chop(path; tail=length(".desktop")), ".sh")]
    # On Windows Jupyter would end the shell that reads a script, and not Julia.
    kind === :jupyter && system.posix && return joinpath.(dirname(path), ["kernel.sh", "notice.jl"])
    return String[]
end

"The files in `folder` that may be launchers; `broken` gets the folder if it cannot be read."
function candidates(kind, folder, broken)
    if kind === :vscode
        path = launcher_path(kind, folder, "")
        return isfile_nothrow(path) ? [path] : String[]
    end
    kind === :jupyter && (folder = joinpath(folder, "kernels"))
    names = try
        isdir(folder) || return String[]
        readdir(folder)
    catch err
        is_refusal(err) || rethrow()
        push!(broken, folder => first_line(err))
        return String[]
    end
    kind === :jupyter && (names = joinpath.(names, "kernel.json"))
    kind === :desktop && filter!(name -> endswith(name, ".desktop"), names)
    return filter!(isfile_nothrow, joinpath.(folder, names))
end

"`isfile` throws where a folder above must not be entered; then nothing is known of the file."
function isfile_nothrow(path)
    try
        return isfile(path)
    catch err
        is_refusal(err) || rethrow()
        return false
    end
end
