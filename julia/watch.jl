# What launchers that keep an image fresh (`install_launcher` with `refresh`) look at before each start, in a folder
# `X.so.refresh` beside the image `X.so`. Every build of that image keeps it up.
#
#   HASH/watched    the files that went into the image with this hash; each ends in NUL
#   HASH/seen       their sizes and times, before they were compared with what the image was built from
#   HASH/contents   their checksums then
#   HASH/artifacts  what the image needs of depots
#   lock            who builds it anew: a link to `PID@HOST`
#   alive           touched while that goes on; launchers on other machines look when
#   log             what that build says
#   failed/         of a build that failed: `watched` and `seen`, and its `message`, which is `told` later; where the
#                   disk was full, the `room` in KiB with which it is tried again
#   launchers       the files of the launchers; each ends in NUL

"The folder of launchers that keep the image at `path` fresh, whether it is there or not."
watch_folder(path) = (ispath(path) ? realpath(path) : abspath(path)) * ".refresh"

# Launchers come and go

"""
    begin_watch(image, launcher, version)

Makes the folder for the launcher whose file is at `launcher`. What is known of an image is noted, if the session's
Julia is the `version` that starts it; else the first start finds it out.

# Errors
`LauncherError` for an image that cannot be built again, and where the folder cannot be written.
"""
function begin_watch(image, launcher, version)
    outside_build(() -> call_of(stamp_to_follow(image)["plan"]), LauncherError)
    folder = watch_folder(image)
    told_as(LauncherError, "`$folder` cannot be written") do
        mkpath(folder)
        set_launchers(folder, union(launchers_in(folder), [launcher]))
    end
    version == string(VERSION) && outside_build(() -> note_inputs(image), LauncherError)
    return nothing
end

"The images that the launcher keeps fresh."
watched_images(launcher) = launcher === nothing || launcher.refresh === nothing ? String[] :
    [launcher.sysimage; launcher.others]

"`end_watch` for each of `images` that is none of those in `but`, by another path even."
function end_watches(images, launcher; but=String[])
    kept = watch_folder.(but)
    foreach(image -> watch_folder(image) in kept || end_watch(image, launcher), images)
    return nothing
end

"Removes the folder with the last launcher."
function end_watch(image, launcher)
    folder = watch_folder(image)
    isdir(folder) || return nothing
    told_as(LauncherError, "`$folder` cannot be written") do
        rest = filter(file -> file != launcher && isfile(file), launchers_in(folder))
        isempty(rest) ? rm(folder; recursive=true) : set_launchers(folder, rest)
    end
    return nothing
end

function launchers_in(folder)
    is_watched(folder) || return String[]
    return String[String(name) for name in split(read(launchers_file(folder), String), '\0'; keepempty=false)]
end

"Whether there are launchers that look into the folder."
is_watched(folder) = isfile(launchers_file(folder))

set_launchers(folder, files) = write_list(launchers_file(folder), files)

launchers_file(folder) = joinpath(folder, "launchers")

write_list(path, items) = write_whole(path, join(string.(items, '\0')))

"Half a list of files would be one of fewer."
function write_whole(path, text)
    write(path, text)
    check_whole(path, text)
    return nothing
end

# What is known of an image

"""
    note_inputs(image) -> Bool

Notes how the files look that the image was built from, for launchers that watch it; whether the image was found to be
what its project would give. Nothing is noted of another, nor without such launchers.

# Errors
`StatusError` when the image cannot be read.
"""
function note_inputs(image)
    folder = watch_folder(image)
    isdir(folder) || return false
    stamp = inspect_image(image)["stamp"]
    (stamp === nothing || stamp["content_key"] === nothing) && return false
    known = joinpath(folder, stamp["image_hash"])
    new = joinpath(folder, "new-$(getpid())")
    try
        told_as(StatusError, "`$folder` cannot be written") do
            rm(new; force=true, recursive=true)
            # Before the files are compared: a change after that shows.
            note_looks(new, watched_files(stamp, image))
            write_whole(joinpath(new, "contents"), looked("contents", joinpath(new, "watched")))
            write_whole(joinpath(new, "artifacts"), join(needed_artifacts(image, stamp["julia_version"])[2], '\n'))
        end
        # Of what cannot be compared the build knows no more.
        fits = readable_environment(project_of(stamp)) !== nothing && sysimage_status(image).state !== :stale
        fits && told_as(StatusError, "`$folder` cannot be written") do
            rm(known; force=true, recursive=true)
            rename_file(new, known)
            for name in readdir(folder)
                is_of_another = occursin(r"^[0-9a-f]{64}\z", name) && name != basename(known)
                is_of_another && rm(joinpath(folder, name); force=true, recursive=true)
            end
            rm(joinpath(folder, "failed"); force=true, recursive=true)
        end
        return fits
    finally
        unless_refused(() -> rm(new; force=true, recursive=true))
    end
end

"After a build: as `note_inputs`, where there are launchers; what fails is theirs to find out."
function note_inputs_for_launchers(image)
    isfile(image) && isdir(watch_folder(image)) || return nothing
    try
        on_demand(note_inputs, image)
    catch err
        err isa Union{BuildError,FileError} || rethrow()
    end
    return nothing
end

"Whether something is noted of the image that is there now."
function is_noted(image)
    stamp = stamp_beside(image)
    return stamp !== nothing && isdir(joinpath(watch_folder(image), stamp["image_hash"]))
end

function note_looks(folder, files)
    mkpath(folder)
    list = joinpath(folder, "watched")
    write_list(list, files)
    write_whole(joinpath(folder, "seen"), looked("look", list))
    return nothing
end

"What the function `name` of `look.sh`, which launchers call too, says of the files in `list`."
function looked(name, list)
    script = string(look_functions(), "\"\$@\"\n")
    _, out, _ = captured(`/bin/sh -c $script sh $name $list`)
    return out
end

look_functions(system=SYSTEM) = render("look.sh", Dict("STAT" => system.stat))

"""
The files and folders that tell of a change of what `image` with this stamp was built from. Some are not there: a
change is also that they come.
"""
function watched_files(stamp, image)
    plan = stamp["plan"]
    project, base = plan["project"], plan["base"]
    files = Set{String}()
    names = [Base.project_names..., Base.manifest_names..., "JuliaLocalPreferences.toml", "LocalPreferences.toml"]
    for folder in unique([dirname(project["file"]), dirname(project["manifest"])])
        union!(files, joinpath.(folder, names))
    end
    push!(files, project["file"], project["manifest"])
    union!(files, joinpath.(DEPOT_PATH, "artifacts", "Overrides.toml"))
    below = get(base, "path", nothing)
    # Julia's own goes with Julia, and of one of ours the stamp is shorter.
    below === nothing || same_path(below, default_sysimage()) ||
        push!(files, isfile(below * ".json") ? below * ".json" : below)
    folders = sources_that_count(plan)
    foreach(folder -> add_package!(files, folder), folders)
    for workload in plan["workloads"], folder in get(workload, "sources", [])
        # Of the tests' own dependencies the project knows nothing.
        add_package!(files, folder)
        add_folder!(files, joinpath(folder, "test"))
    end
    for part in stamp["parts"]
        part["kind"] == "source" && !(part["name"] in folders) && continue
        union!(files, get(part, "files", []))
        listed = get(part, "listed", nothing)
        listed === nothing || union!(files, listed["files"])
        part["kind"] in ("workload_dep", "statements", "script") || continue
        isdir(part["name"]) ? add_folder!(files, part["name"]) : push!(files, part["name"])
    end
    filter!(file -> !is_made_by_build(file, realpath(image)), files)
    return sort!(collect(files))
end

"""
Folders of the packages tracked by path that can be loaded when the image is built: as that was, and as far as the
project can be read now.
"""
function sources_that_count(plan)
    of(packages) = String[package["path"] for package in packages if package["path"] !== nothing]
    then = runs_code(plan) ? plan["project"]["sources"] : of(plan["packages"])
    environment = readable_environment(plan["project"]["file"])
    environment === nothing && return then
    now = runs_code(plan) ? sources(environment) :
        of(described.(load_order(environment, requested_now(plan, environment))))
    return union(then, now)
end

function readable_environment(project_file)
    try
        return isfile(project_file) ? read_environment(project_file) : nothing
    catch err
        err isa BuildError || rethrow()
        return nothing
    end
end

"What goes into an image of a package tracked by path (`source.rs`)."
function add_package!(files, folder)
    union!(files, joinpath.(folder, ["JuliaProject.toml", "Project.toml", "JuliaArtifacts.toml", "Artifacts.toml"]))
    for name in ("src", "ext", "deps")
        add_folder!(files, joinpath(folder, name))
    end
    return nothing
end

"Adds the folder, so that new files show, with all that is in it. Links may lead in a circle."
function add_folder!(files, folder, above=Set{String}())
    isdir(folder) || return nothing
    place = realpath(folder)
    place in above && return nothing
    push!(above, place)
    push!(files, folder)
    for name in readdir(folder)
        path = joinpath(folder, name)
        if isdir(path)
            name == ".git" || add_folder!(files, path, above)
        elseif (isfile(path) || !ispath(path)) && !endswith(name, ".cov") && !endswith(name, ".mem")
            push!(files, path)
        end
    end
    return nothing
end

"Images, and what lies beside them: of one that has a stamp, and the one at `image`."
function is_made_by_build(file, image)
    any(start -> startswith(file, start), (image, joinpath(dirname(image), '.' * basename(image) * ".build-"))) &&
        return true
    library = endswith(file, ".json") ? chop(file; tail=length(".json")) : file
    return endswith(library, '.' * Libdl.dlext) && isfile(library * ".json")
end

# Who builds an image anew

"The owner of the lock in `folder`, as `PID@HOST`, if it lives as far as can be told; as `is_under_way` in `refresh.sh`."
function refreshing_process(folder)
    lock = joinpath(folder, "lock")
    owner = link_or_nothing(lock)
    owner === nothing && return nothing
    pid, host = (split(owner, '@'; limit=2)..., "")
    if host != this_host()
        # As `gives_sign_of_life`, but by this machine's clock: to ask writes nothing.
        alive = joinpath(folder, "alive")
        patience = ispath(alive) ? 300 : 3600
        return any(path -> time() - lstat(path).mtime < patience, (lock, alive)) ? owner : nothing
    end
    command = isdir("/proc/self") ? replace(read_or_nothing("/proc/$pid/cmdline"), '\0' => ' ') :
        captured(`ps -ww -o args= -p $pid`)[2]
    image = basename(chop(folder; tail=length(".refresh")))
    return occursin("/refresh.jl ", command) && occursin("/$image ", command) ? owner : nothing
end

"As `uname -n` has it."
function this_host()
    buffer = zeros(UInt8, 256)
    GC.@preserve buffer begin
        ccall(:gethostname, Cint, (Ptr{UInt8}, Csize_t), buffer, 255) == 0 || return ""
        return unsafe_string(pointer(buffer))
    end
end

"Where the link at `path` leads; `nothing` without one, as when its owner has just removed it."
function link_or_nothing(path)
    try
        return islink(path) ? readlink(path) : nothing
    catch err
        is_refusal(err) || rethrow()
        return nothing
    end
end

function read_or_nothing(path)
    try
        return read(path, String)
    catch err
        is_refusal(err) || rethrow()
        return ""
    end
end

"""
What launchers do about the image at `path`: `:running` when a process builds it anew, `:failed` when the last such
build has failed, with a message and the path of its log; `nothing` in all other cases.
"""
function refresh_state(path)
    isempty(path) && return nothing
    folder = watch_folder(path)
    isdir(folder) || return nothing
    log = joinpath(folder, "log")
    owner = refreshing_process(folder)
    owner === nothing || return RefreshState((:running, "process $owner builds it anew", log))
    for name in ("message", "told")
        file = joinpath(folder, "failed", name)
        isfile(file) && return RefreshState((:failed, String(strip(read(file, String))), log))
    end
    return nothing
end

"""
    refresh_for_launcher(image, mode) -> Int

What the process does that a launcher has started, which holds the lock: builds the image anew until it is what its
project gives, and gives the exit code. With the `mode` "background" all that it writes goes to the log; with "before"
the user sees it, and only why the build failed is kept.
"""
function refresh_for_launcher(image, mode)
    folder = watch_folder(image)
    lock, alive = joinpath(folder, "lock"), joinpath(folder, "alive")
    holds_lock() = link_or_nothing(lock) == "$(getpid())@$(this_host())"
    # Another launcher has taken it for the one of a dead process in the same moment.
    holds_lock() || return 75
    release() = holds_lock() && foreach(path -> rm(path; force=true), (alive, lock))
    atexit(release)
    signs = Timer(_ -> holds_lock() && give_sign_of_life(alive), 0; interval=SIGN_OF_LIFE[])
    try
        begun = joinpath(folder, "begun")
        rm(begun; force=true, recursive=true)
        failed = joinpath(folder, "failed")
        try
            told_as(StatusError, "`$folder` cannot be written") do
                note_looks(begun, watched_files(stamp_to_follow(image), image))
            end
            build_until_noted(image)
        catch err
            err isa Union{BuildError,FileError} || rethrow()
            unless_refused(() -> println(stderr, sprint(showerror, err)))
            is_watched(folder) || return 1
            # On a full disk it is not noted, and the next start tries again.
            unless_refused() do
                # Of an image without a stamp nothing else is known.
                isdir(begun) || note_looks(begun, [image * ".json"])
                write_whole(joinpath(begun, "message"), told_in_one_line(err) * '\n')
                is_of_full_disk(err) && write_whole(joinpath(begun, "room"), string(room_to_wait_for(folder, image)))
                mode == "before" && write_whole(joinpath(folder, "log"), sprint(showerror, err) * '\n')
                rm(failed; force=true, recursive=true)
                rename_file(begun, failed)
            end
            unless_refused(() -> rm(begun; force=true, recursive=true))
            return 1
        end
        rm(begun; force=true, recursive=true)
        rm(failed; force=true, recursive=true)
        return 0
    finally
        flush(stderr)
        close(signs)
        release()
        # The launchers may have been removed meanwhile.
        is_watched(folder) || rm(folder; force=true, recursive=true)
    end
end

"As the engine (`full_disk.rs`) and the system say it."
is_of_full_disk(err) = occursin(r"no space (is )?left on"i, something(err.cause, ""))

"Free KiB on the disk of `folder` when there is place for one more image than now."
room_to_wait_for(folder, image) = something(tryparse(Int, strip(looked("room", folder))), 0) + filesize(image) ÷ 1024

"Seconds between two; launchers wait for several."
const SIGN_OF_LIFE = Ref(60.0)

"""
Not by `touch`, which takes the time from this machine: the file system's own clock is what launchers compare with. The
shell has made the file; a folder that is removed meanwhile gets none.
"""
function give_sign_of_life(alive)
    unless_refused(() -> close(open(alive; write=true, create=false, truncate=true)))
    return nothing
end

"Files may change while they are built."
function build_until_noted(image)
    for _ in 1:3
        refresh_sysimage(image)
        (is_noted(image) || !is_watched(watch_folder(image))) && return nothing
    end
    status = sysimage_status(image)
    throw(BuildError("the image is not what its project would give, even after it was built";
        cause=isempty(status.problems) ? nothing : first(status.problems).message,
        hint="call `sysimage_status` to see why"))
end
