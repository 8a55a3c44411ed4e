# Where the engine's files are, and how they come there.

using Libdl: dlclose, dlopen

"""
Folder below `deps/usr` for the system that this Julia is made for. There may be several: one depot serves Julias for
Intel's and for Apple's processors on a Mac, or machines and containers that share a home (JuliaLang/julia#62540).
"""
function system_folder(arch=Sys.ARCH, kernel=Sys.KERNEL, machine=Sys.MACHINE)
    libc = kernel !== :Linux ? "" : occursin("musl", machine) ? "-musl" : "-gnu"
    return string(arch, '-', lowercase(string(kernel)), libc)
end

"""
Puts a file in `folder`, by rename, since a running session may have the old one loaded. Windows renames nothing onto a
loaded library, but lets it be renamed away (`moves_away`).
"""
function put(file, folder; moves_away=Sys.iswindows())
    mkpath(folder)
    place = joinpath(folder, basename(file))
    cp(file, place * ".new"; force=true)
    moves_away && move_away(place)
    mv(place * ".new", place; force=true)
    return nothing
end

"Moves what is at `place` aside, and removes what was moved there before, as far as no session has it loaded any more."
function move_away(place)
    for name in readdir(dirname(place))
        startswith(name, basename(place) * ".old-") || continue
        try
            rm(joinpath(dirname(place), name))
        catch err
            err isa Base.IOError || rethrow()
        end
    end
    ispath(place) && mv(place, string(place, ".old-", getpid()); force=true)
    return nothing
end

"Why this Julia cannot load the library at `path`, on one line; `nothing` if it can."
function why_not_loaded(path)
    try
        dlclose(dlopen(path))
        return nothing
    catch err
        err isa ErrorException || rethrow()
        return replace(err.msg, '\n' => ": ")
    end
end
