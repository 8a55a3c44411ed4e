# Recordings: files of precompile statements, written while a user works.
#
# Julia writes a statement for each method that it compiles while `jl_options.trace_compile` is set
# (record_precompile_statement in src/gf.c, up to Julia 1.8 src/jitlayers.cpp). The option is looked
# at each time, so it can be switched in a running session. The file is opened once, by the first
# method compiled, and stays open: a session has one trace file, of which a recording is a part.
# (`jl_dump_compiles`, the other switch, shows the same methods up to Julia 1.8, as times and types.)

"""
    RecordingError <: Exception

A recording that was not made. Fields:

- `message::String`: what failed;
- `cause::Union{String,Nothing}`: why, as far as is known;
- `hint::Union{String,Nothing}`: what to do next.
"""
struct RecordingError <: FileError
    message::String
    cause::Union{String,Nothing}
    hint::Union{String,Nothing}
end

"The recording under way: the file it is for, and where in the session's trace it starts."
struct Recording
    path::String
    trace::String
    start::Int
end

const RECORDING = Ref{Union{Nothing,Recording}}(nothing)

"Whether the end of the session also ends a recording."
const HAS_HOOK = Ref(false)

"Path of the session's trace; also keeps alive the string that the option points to."
const TRACE_PATH = Ref("")

"""
    record_statements(f, path)
    record_statements(path) do ... end

Calls `f()` and writes what Julia compiled meanwhile to the file at `path`, as statements for the
keyword `precompile_statements_file` of [`create_sysimage`](@ref). Returns what `f()` returns. When
`f` throws, what was compiled until then is written.

The first line of the file is a comment that says which Julia wrote it. A file that is there already
gets the new statements added. See [`start_recording`](@ref) for what is recorded.

# Errors
[`RecordingError`](@ref), and what `f` throws.

# Examples
```julia
using PackageCompilerRS, Dates
record_statements("statements.jl") do
    Dates.format(Date(2026, 1, 1), "d. U yyyy")
end
```
"""
function record_statements(f, path::AbstractString)
    start_recording(path)
    try
        # Not compiled as a part of `record_statements`, before the recording starts.
        return Base.invokelatest(f)
    finally
        stop_recording()
    end
end

"""
    PackageCompilerRS.record(f, path)

The former name of [`record_statements`](@ref). It is not exported, as plotting packages export one of
the same name.
"""
const record = record_statements

"""
    start_recording(path) -> String

From now on, records what this session compiles, until [`stop_recording`](@ref) or its end. Returns
the absolute path of the file, which is written then. A file of an earlier recording gets the new
statements added, if it was written by the same minor version of Julia; lines of another origin are
kept.

Only what is compiled is recorded. What the session compiled before, or what comes compiled with a
package (Julia 1.9 and newer), is not compiled again: to record everything from the start, use
[`julia_record`](@ref). Other processes, such as Distributed's workers, are not recorded.

# Errors
[`RecordingError`](@ref): a recording is under way; the file cannot be written or is from another
minor version of Julia; this session's trace goes elsewhere (`--trace-compile=stderr`, or in Julia
1.12 and newer an earlier `@trace_compile`).

# Examples
```julia
using PackageCompilerRS
start_recording("statements.jl")
sum(rand(3, 3) .^ 2; dims=1)
stop_recording()
```
"""
function start_recording(path::AbstractString)
    if RECORDING[] !== nothing
        throw(RecordingError("a recording is under way, to `$(RECORDING[].path)`";
            hint="end it with `stop_recording()`"))
    end
    path = given_path(RecordingError, path)
    # Before there is something to lose.
    save_recording(path, String[])
    trace = switch_on()
    if !is_traced(trace)
        switch_off()
        throw(RecordingError("this session cannot record";
            cause="what Julia compiles is not written to `$trace`: " *
                  "it was started with `--trace-compile=stderr`, has used `@trace_compile`, or " *
                  "does not compile",
            hint="use `julia_record(path)`, or a new session"))
    end
    RECORDING[] = Recording(path, trace, filesize(trace))
    HAS_HOOK[] || atexit(stop_recording_at_exit)
    HAS_HOOK[] = true
    return path
end

"""
    stop_recording() -> String

Ends the recording that [`start_recording`](@ref) began, writes the file, and returns its path.

# Errors
[`RecordingError`](@ref): there is no recording, or the file cannot be written.
"""
function stop_recording()
    recording = RECORDING[]
    recording === nothing && throw(RecordingError("there is no recording to stop";
        hint="start one with `start_recording(path)`"))
    switch_off()
    RECORDING[] = nothing
    lines = open(recording.trace) do io
        seek(io, recording.start)
        readlines(io)
    end
    save_and_tell(recording.path, portable_statements(lines))
    return recording.path
end

"A session that ends while it records keeps what it has."
stop_recording_at_exit() = RECORDING[] === nothing ? nothing : (stop_recording(); nothing)

"""
    julia_record(path; project=nothing, args=``) -> String

Starts an interactive Julia in this terminal that records from its first moment, and waits for it to
end. Returns the absolute path of the file, to which its statements are then added as by
[`start_recording`](@ref). Julia 1.9 and newer is started with `--pkgimages=no`, because code that
comes compiled with a package leaves no statement; packages may be precompiled anew for it, once.

# Arguments
- `path::AbstractString`: the file of statements.
- `project`: a project's folder or file, or a shared environment such as `"@v1.10"`; the active
  project by default.
- `args::Cmd`: further arguments for Julia, such as `` `--startup-file=no` `` or a script.

# Errors
[`RecordingError`](@ref): the file cannot be written, or is from another minor version of Julia; the
project does not exist; nothing was recorded.

# Examples
```julia
using PackageCompilerRS
julia_record("statements.jl"; args=`-e 'println(sum([1, 2] .+ 0.5))'`)
```
"""
function julia_record(
    path::AbstractString; project::Union{Nothing,AbstractString}=nothing, args::Cmd=``
)
    path = given_path(RecordingError, path)
    save_recording(path, String[])
    mktempdir() do folder
        trace, statements = joinpath(folder, "trace.jl"), joinpath(folder, "statements.jl")
        command = recording_command(trace, recorded_project(project), args)
        command = setenv(command, merge(Dict{String,String}(ENV),
            Dict("PACKAGECOMPILERRS_TRACE" => trace, "PACKAGECOMPILERRS_STATEMENTS" => statements)))
        # Without `wait` Julia would connect it to nothing.
        process = run(pipeline(command; stdin=stdin, stdout=stdout, stderr=stderr); wait=false)
        SYSTEM.without_interrupts(() -> wait(process))
        isfile(trace) || throw(RecordingError("nothing was recorded";
            cause="Julia ended before it compiled anything"))
        # The session's own view if it came to its end, else only what the trace shows.
        whole = read_statements(statements)
        save_and_tell(path, whole === nothing ? portable_statements(readlines(trace)) : whole)
    end
    return path
end

function recording_command(trace, project, args)
    first = joinpath(package_folder(), "julia", "recording", "session.jl")
    command = `$(joinpath(Sys.BINDIR, Base.julia_exename())) --sysimage=$(running_sysimage())
        --trace-compile=$trace --load=$first`
    project === nothing || (command = `$command --project=$project`)
    VERSION >= v"1.9" && (command = `$command --pkgimages=no`)
    # Tells packages in the startup file, which runs before `session.jl`, of the prompt.
    stdin isa Base.TTY && comes_to_prompt(args) && (command = `$command -i`)
    return `$command $args`
end

"Whether a session with these arguments is sure to come to a prompt: options only, none with code."
comes_to_prompt(args) = all(arg -> occursin(r"^-(?!-?e|E|-print|-?\z)", arg), args.exec)

# A session may have no project file yet; Julia then starts as it would by itself.
recorded_project(project) = project === nothing ? Base.active_project() :
    find_project(RecordingError, project)

# The switch

function trace_option()
    index = Base.fieldindex(Base.JLOptions, :trace_compile)
    return Ptr{Ptr{UInt8}}(cglobal(:jl_options) + fieldoffset(Base.JLOptions, index))
end

"Has Julia write its trace, and returns to which file. One that the user asked for is used."
function switch_on()
    option = unsafe_load(trace_option())
    option == C_NULL || return abspath(unsafe_string(option))
    isempty(TRACE_PATH[]) && (TRACE_PATH[] = tempname())
    unsafe_store!(trace_option(), pointer(TRACE_PATH[]))
    return TRACE_PATH[]
end

function switch_off()
    # The user's own `--trace-compile` goes on.
    unsafe_load(trace_option()) == pointer(TRACE_PATH[]) && unsafe_store!(trace_option(), C_NULL)
    return nothing
end

const SAMPLES = Ref(0)

# With an effect, or there would be nothing to compile.
sample(::Val{N}) where {N} = (SAMPLES[] += 1; N)

"Whether a method that was never compiled before shows up in the trace when it is."
function is_traced(trace)
    before = isfile(trace) ? filesize(trace) : 0
    Base.invokelatest(sample, Val(time_ns()))
    return isfile(trace) && filesize(trace) > before
end

# Files

const RECORDING_HEADER = "# Precompile statements recorded by Julia "

"""
    save_recording(path, statements) -> Int

Adds to the file those of `statements` that are not in it, and returns how many these were.

# Errors
`RecordingError` when the file is from another minor version of Julia or cannot be written.
"""
function save_recording(path, statements)
    lines = told_as(RecordingError, "`$path` cannot be read") do
        isdir(path) && throw(RecordingError("`$path` is a folder"; hint="give the path of a file"))
        isfile(path) ? readlines(path) : String[]
    end
    versions = String[]
    if !isempty(lines) && startswith(lines[1], RECORDING_HEADER)
        header = popfirst!(lines)
        versions = split(header[(ncodeunits(RECORDING_HEADER) + 1):end], ", ")
        check_versions(path, versions)
    end
    fresh = setdiff(statements, lines)
    versions = union(versions, [string(VERSION)])
    header = string(RECORDING_HEADER, join(versions, ", "))
    text = join(string.([header; lines; fresh], '\n'))
    write_atomically(RecordingError, path, text)
    return length(fresh)
end

function check_versions(path, versions)
    for version in versions
        if !startswith(version, "$(VERSION.major).$(VERSION.minor).")
            throw(RecordingError("`$path` was recorded by Julia $version, this is $VERSION";
                cause="statements of one minor version mostly fail in another",
                hint="record to another file"))
        end
    end
    return nothing
end

function save_and_tell(path, statements)
    fresh = save_recording(path, statements)
    @info "Recorded $(length(statements)) statements, $fresh new, to `$path`"
    return nothing
end
