# The cache of earlier results; the engine reads and fills it.

"""
    cache_dir() -> Union{String,Nothing}

Where results of earlier builds are kept: the environment variable `PCRS_CACHE_DIR` if it is set
(set and empty: nowhere), else a folder in the first depot. No scratch space: `Pkg.gc` deletes those
of projects that are gone, whether a build uses them or not.
"""
function cache_dir()
    chosen = get(ENV, "PCRS_CACHE_DIR", nothing)
    chosen === nothing || return isempty(chosen) ? nothing : abspath(chosen)
    isempty(DEPOT_PATH) && return nothing
    return abspath(DEPOT_PATH[1], "packagecompilerrs", "cache")
end

"Moves the cache from its former place, a scratch space, if it is the default one and not moved yet."
function adopt_former_cache()
    (haskey(ENV, "PCRS_CACHE_DIR") || isempty(DEPOT_PATH)) && return nothing
    former = abspath(DEPOT_PATH[1], "scratchspaces", string(Base.PkgId(@__MODULE__).uuid), "cache")
    dir = cache_dir()
    try
        isdir(former) && !ispath(dir) || return nothing
        mkpath(dirname(dir); mode=0o755)
        rename_file(former, dir)
        isempty(readdir(dirname(former))) && rm(dirname(former))
    catch err
        # As in a depot that is read-only: what is not moved is made anew.
        err isa SystemError || err isa Base.IOError || rethrow()
    end
    return nothing
end

const DEFAULT_CACHE_GIGABYTES = "10"

"Bytes that the cache may hold: `PCRS_CACHE_GB`, or $DEFAULT_CACHE_GIGABYTES GB."
function cache_limit()
    text = get(ENV, "PCRS_CACHE_GB", DEFAULT_CACHE_GIGABYTES)
    gigabytes = tryparse(Float64, text)
    if gigabytes === nothing || !(0 <= gigabytes < 1e9)
        throw(BuildError("PCRS_CACHE_GB is `$text`"; hint="use a number of gigabytes, such as 10"))
    end
    return round(Int, gigabytes * 1e9)
end

function cache_plan()
    dir = cache_dir()
    dir === nothing && return nothing
    return Dict{String,Any}("dir" => dir, "max_bytes" => cache_limit(),
        "shared" => is_cache_shared())
end

"Whether those who may write to the cache are trusted."
is_cache_shared() = get(ENV, "PCRS_CACHE_SHARED", "") == "1"

"""
    CacheError <: Exception

The cache could not be looked at or cleared. Fields:

- `message::String`: what failed;
- `cause::Union{String,Nothing}`: why, as far as is known;
- `hint::Union{String,Nothing}`: what to do next.
"""
struct CacheError <: FileError
    message::String
    cause::Union{String,Nothing}
    hint::Union{String,Nothing}
end

"""
    CacheInfo

What [`cache_info`](@ref) gives: `dir`, and `kinds`, a vector of `(kind, entries, bytes)` with the
kinds `:image`, `:trace`, `:base` and `:layer`.
"""
struct CacheInfo
    dir::Union{String,Nothing}
    kinds::Vector{NamedTuple{(:kind, :entries, :bytes),Tuple{Symbol,Int,Int}}}
end

"""
    cache_info() -> CacheInfo

Where results of earlier builds are kept, and how much there is. `PCRS_CACHE_DIR` chooses another
folder, or none if empty; `PCRS_CACHE_GB` how much is kept (10 by default), least recently used
entries going first. A folder to which others may write is not used, unless `PCRS_CACHE_SHARED` is `1`.

# Errors
[`CacheError`](@ref) when the folder cannot be read.

# Examples
```julia
using PackageCompilerRS
cache_info()
```
"""
function cache_info()
    adopt_former_cache()
    dir = cache_dir()
    dir === nothing && return CacheInfo(nothing, [])
    answer = GC.@preserve dir ccall(engine_for_cache(:pcrs_cache_info), Ptr{UInt8}, (Ptr{UInt8}, Csize_t),
        pointer(dir), sizeof(dir))
    table = cache_answer(dir, answer)
    return CacheInfo(dir, [(kind=Symbol(k["kind"]), entries=k["entries"], bytes=k["bytes"])
                           for k in table["kinds"]])
end

function Base.show(io::IO, info::CacheInfo)
    entries = sum(Int[k.entries for k in info.kinds])
    return print(io, "CacheInfo(", repr(info.dir), ", ", entries, entries == 1 ? " entry)" : " entries)")
end

function Base.show(io::IO, ::MIME"text/plain", info::CacheInfo)
    info.dir === nothing && return print(io, "No cache: PCRS_CACHE_DIR is set and empty")
    print(io, "Cache in ", info.dir)
    for k in info.kinds
        print(io, "\n  ", rpad(string(k.kind), 6), lpad(string(k.entries), 5), " entries  ",
            Base.format_bytes(k.bytes))
    end
    return nothing
end

"""
    clear_cache!() -> Int

Removes all results of earlier builds but those in use, and the work folders of builds that died
with their machine; gives the number of bytes removed. Images that were built stay where they are.

# Errors
[`CacheError`](@ref) when the folder cannot be read.

# Examples
```julia
using PackageCompilerRS
clear_cache!()
```
"""
function clear_cache!()
    adopt_former_cache()
    dir = cache_dir()
    dir === nothing && return 0
    answer = GC.@preserve dir ccall(engine_for_cache(:pcrs_cache_clear), Ptr{UInt8}, (Ptr{UInt8}, Csize_t, Cint),
        pointer(dir), sizeof(dir), is_cache_shared())
    return cache_answer(dir, answer)
end

engine_for_cache(name) = outside_build(() -> engine(name), CacheError)

function cache_answer(dir, answer)
    result = parse_json(take_string(answer))
    haskey(result, "Ok") && return result["Ok"]
    throw(CacheError("the cache in `$dir` cannot be read"; cause=result["Err"],
        hint="set PCRS_CACHE_DIR to another folder, or remove this one"))
end
