# Launchers in the settings of VS Code.

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
    path = launcher.path
    text = read_settings(path)
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
    text = read_settings(path)
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

function read_settings(path)
    return told_as(LauncherError, "`$path` cannot be read") do
        isfile(path) ? read(path, String) : ""
    end
end

"""
# Errors
An `ArgumentError` when there are launchers in settings that cannot be read as such.
"""
function read_settings_launchers(path)
    text = read(path, String)
    _, array = try
        parse_settings(path, text)
    catch err
        err isa LauncherError || rethrow()
        occursin(r"/\* PackageCompilerRS: ", text) && throw(ArgumentError(err.cause))
        return Launcher[]
    end
    array === nothing && return Launcher[]
    arguments = filter(a -> a.owner !== nothing, settings_arguments(text, array))
    return map(unique(a.owner for a in arguments)) do name
        own = filter(a -> a.owner == name, arguments)
        image = findfirst(a -> a.sysimage !== nothing, own)
        others = [a.text for a in own if a.sysimage === nothing]
        Launcher(name, :vscode, path, image === nothing ? "" : own[image].sysimage, nothing,
            nothing, others, nothing, String[])
    end
end
