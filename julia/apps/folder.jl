# The folder of a bundle: it is made beside its place, and appears complete or not at all.

const APP_TABLE = joinpath("share", "julia", "app.json")

"""
    check_target(folder, package_dir; force, unlike=unlike_bundle, what="app or library", kept="the package")

A folder may be replaced if it is `what` and nothing else: `unlike` gives what speaks against that, or `nothing`. `kept`
names what is in `package_dir`, which may not.

# Errors
`BuildError` when something is at `folder` that stays there.
"""
function check_target(folder, package_dir; force, unlike=unlike_bundle, what="app or library", kept="the package")
    check_text("the path of the bundle", folder)
    is_within(real_path(package_dir), real_path(folder)) &&
        throw(BuildError("`$folder` holds $kept itself"; hint="give the path of a new folder"))
    ispath(folder) || islink(folder) || return nothing
    isdir(folder) && !islink(folder) ||
        throw(BuildError("`$folder` is no folder"; hint="give the path of a new folder"))
    isempty(readdir(folder)) && return nothing
    force || throw(BuildError("the folder `$folder` exists";
        hint="use `force=true` to replace it, or give another path"))
    why = with_cause(() -> unlike(folder), "`$folder` cannot be read")
    why === nothing || throw(BuildError("`$folder` is no $what, and is not replaced"; cause=why,
        hint="give another path, or move what is there away"))
    return nothing
end

"Whether the folder can be read as one that was made here, or by PackageCompiler: both have libraries of Julia's inside."
is_bundle(folder) = isfile(joinpath(folder, APP_TABLE)) || isdir(joinpath(folder, "lib", "julia"))

"All that is at the top of a bundle, one of PackageCompiler's included."
const BUNDLE_FOLDERS = ("bin", "include", "lib", "libexec", "share")

"What installations of Julia have, and bundles have not."
const OF_INSTALLATIONS = (joinpath("include", "julia"), joinpath("share", "julia", "base"),
    joinpath("share", "julia", "test"), joinpath("share", "julia", "julia-config.jl"))

"""
What tells that `folder` is no bundle, or more than one: Julia itself, and prefixes such as `/usr/local`, into which a
bundle may have been copied, have the same folders inside.
"""
function unlike_bundle(folder)
    has_table = isfile(joinpath(folder, APP_TABLE))
    has_table || isdir(joinpath(folder, "lib", "julia")) && isfile(joinpath(folder, "share", "julia", "Project.toml")) ||
        return "it has no `$APP_TABLE`, and not what PackageCompiler makes"
    for name in readdir(folder)
        # Notes of the user's beside the app go with it.
        name in BUNDLE_FOLDERS || has_table && !isdir(joinpath(folder, name)) ||
            return "it holds `$name`, which is of no app or library"
    end
    for (name, known) in ("share" => ("julia",), "lib" => ("julia", "pkgconfig"))
        for inner in folders_in(joinpath(folder, name))
            inner in known || return "it holds `$(joinpath(name, inner))`, which is of no app or library"
        end
    end
    stdlib = joinpath("share", "julia", "stdlib")
    sources = [joinpath(stdlib, version, name, "src") for version in folders_in(joinpath(folder, stdlib))
               for name in folders_in(joinpath(folder, stdlib, version))]
    for path in [OF_INSTALLATIONS...; sources]
        ispath(joinpath(folder, path)) && return "it holds `$path`, as installations of Julia do"
    end
    return nothing
end

folders_in(folder) = isdir(folder) ? filter(name -> isdir(joinpath(folder, name)), readdir(folder)) : String[]

real_path(path) = ispath(path) ? realpath(path) : abspath(path)

"""
    in_work_folder(make, check, target)

Runs `make(folder)` on an empty folder beside `target`, and puts that in the place of `target`, if `check()` finds that
it may. If one of them fails, nothing is left.
"""
function in_work_folder(make, check, target)
    parent = dirname(target)
    remove_remains(target)
    work = with_cause("a folder in `$parent` cannot be made") do
        mktempdir(mkpath(parent); prefix=string(work_prefix(target), getpid(), '-'))
    end
    try
        result = make(work)
        chmod(work, 0o755 & ~current_umask())
        in_stage(:publish) do
            # Something may have come there meanwhile.
            check()
            with_cause(() -> replace_folder(work, target), "`$target` cannot be put in its place")
        end
        return result
    finally
        rm(work; force=true, recursive=true)
    end
end

"Runs `f`, whose `BuildError` is then one of `stage`."
function in_stage(f, stage)
    failure = try
        return f()
    catch err
        err isa BuildError || rethrow()
        err
    end
    throw(BuildError(stage, failure.message, failure.cause, failure.hint, failure.log, failure.output))
end

"How the names of folders begin in which this machine makes `target`."
work_prefix(target) = string('.', basename(target), ".app-", gethostname(), '-')

"Removes folders of builds that were killed: those of processes that are no more."
function remove_remains(target)
    parent, prefix = dirname(target), work_prefix(target)
    isdir(parent) || return nothing
    for name in readdir(parent)
        startswith(name, prefix) || continue
        pid = tryparse(Int32, first(split(SubString(name, ncodeunits(prefix) + 1), '-')))
        pid === nothing || is_alive(pid) || rm(joinpath(parent, name); force=true, recursive=true)
    end
    return nothing
end

is_alive(pid) = ccall(:kill, Cint, (Cint, Cint), pid, 0) == 0 || Libc.errno() != Libc.ESRCH

function current_umask()
    mask = ccall(:umask, Cuint, (Cuint,), 0o022)
    ccall(:umask, Cuint, (Cuint,), mask)
    return Int(mask)
end

const AT_FDCWD = Cint(-100)
const RENAME_EXCHANGE = Cuint(2)

"Puts the folder `new` in the place of `old`, and removes `old`."
function replace_folder(new, old)
    isdir(old) || return rename_file(new, old)
    # In one step, where the file system can.
    exchanged = ccall(:renameat2, Cint, (Cint, Cstring, Cint, Cstring, Cuint),
        AT_FDCWD, new, AT_FDCWD, old, RENAME_EXCHANGE) == 0
    exchanged && return nothing
    aside = new * "-old"
    rename_file(old, aside)
    try
        rename_file(new, old)
    catch
        rename_file(aside, old)
        rethrow()
    end
    rm(aside; force=true, recursive=true)
    return nothing
end

"Copies a file, through links, and makes its folder."
function copy_file(from, to)
    mkpath(dirname(to))
    cp(from, to; follow_symlinks=true)
    return to
end

"""
    copy_folder(from, to)

Copies a folder so that nothing in the copy depends on what is elsewhere: a link within the folder stays one, and of
any other what it leads to is copied.
"""
copy_folder(from, to) = copy_folder(realpath(from), to, [realpath(from)])

"`around` holds the folders that are being copied, the innermost last."
function copy_folder(from, to, around)
    mkpath(to)
    for name in readdir(from)
        source, target = joinpath(from, name), joinpath(to, name)
        real = islink(source) ? end_of_link(source) : nothing
        if !islink(source) && isdir(source)
            copy_folder(source, target, around)
        elseif real === nothing
            # A file, or a link that leads nowhere and does so in the copy too.
            cp(source, target)
        elseif is_within(real, around[end])
            symlink(relpath(real, from), target)
        elseif isfile(real)
            copy_file(real, target)
        elseif any(folder -> is_within(folder, real), around)
            # It would never end.
            cp(source, target)
        else
            copy_folder(real, target, [around; real])
        end
    end
    return to
end

function end_of_link(path)
    try
        return realpath(path)
    catch err
        err isa Base.IOError || rethrow()
        return nothing
    end
end

is_within(path, folder) = startswith(joinpath(path, ""), joinpath(folder, ""))

function write_file(path, text)
    mkpath(dirname(path))
    write(path, text)
    return path
end
