# The calls into the Rust library. It builds on threads of its own; this side only waits for its
# events, so that other tasks run on.

const ABI_VERSION = 4
const LIBRARY = Ref{Ptr{Cvoid}}(C_NULL)

include("../../deps/engine_files.jl")

"Where `deps/build.jl` leaves `file`, which is in the folder `folder`, for this system."
engine_file(folder, file) = joinpath(package_folder(), "deps", "usr", system_folder(), folder, file)

"Where the library called `name` is."
library_path(name) = engine_file("lib", string(SYSTEM.library_prefix, name, '.', Libdl.dlext))

"Opens the library of the engine at `path`, if it is one that this package can call."
function open_engine(path)
    isfile(path) || throw(BuildError("the engine is not built: there is no `$path`";
        hint="run `using Pkg; Pkg.build(\"PackageCompilerRS\")`; but for released versions it " *
             "needs cargo, see https://rustup.rs"))
    why_not = why_not_loaded(path)
    why_not === nothing || throw(BuildError("the engine at `$path` cannot be loaded"; cause=why_not,
        hint="it may be of another system, or need a newer C library than there is here ($(Sys.MACHINE)): run " *
             "`using Pkg; Pkg.build(\"PackageCompilerRS\")` with this Julia"))
    handle = Libdl.dlopen(path)
    abi = ccall(Libdl.dlsym(handle, :pcrs_abi_version), Cint, ())
    if abi != ABI_VERSION
        # Windows replaces no library that is loaded.
        Libdl.dlclose(handle)
        throw(BuildError("the engine at `$path` is of another version";
            cause="it speaks version $abi, this package $ABI_VERSION",
            hint="run `using Pkg; Pkg.build(\"PackageCompilerRS\")` and start Julia anew"))
    end
    return handle
end

"Address of a function of the library, which is opened at the first call."
function engine(name)
    LIBRARY[] == C_NULL && (LIBRARY[] = open_engine(library_path("packagecompilerrs")))
    return Libdl.dlsym(LIBRARY[], name)
end

"Takes over a string of the engine's; `nothing` for null."
function take_string(pointer::Ptr{UInt8})
    pointer == C_NULL && return nothing
    text = unsafe_string(pointer)
    ccall(engine(:pcrs_free_string), Cvoid, (Ptr{UInt8},), pointer)
    return text
end

mutable struct Build
    pointer::Ptr{Cvoid}
    wake::Base.AsyncCondition
end

const LIVE_BUILDS = Build[]

"Starts what `start(wake)` starts and gives the engine's pointer for, and lists it as live."
function start_build(start)
    wake = Base.AsyncCondition()
    build = Build(start(wake), wake)
    push!(LIVE_BUILDS, build)
    return build
end

function start_with(plan, name, wake)
    json = write_json(plan)
    return GC.@preserve json ccall(engine(name), Ptr{Cvoid},
        (Ptr{UInt8}, Csize_t, Ptr{Cvoid}, Ptr{Cvoid}),
        pointer(json), sizeof(json), cglobal(:uv_async_send), wake.handle)
end

function next_event(build)
    text = take_string(ccall(engine(:pcrs_next_event), Ptr{UInt8}, (Ptr{Cvoid},), build.pointer))
    return text === nothing ? nothing : parse_json(text)
end

cancel(build) = ccall(engine(:pcrs_cancel), Cvoid, (Ptr{Cvoid},), build.pointer)

"Blocks this thread until the build has ended, at most `seconds`."
function block_until_ended(build, seconds)
    ended = ccall(engine(:pcrs_wait), Cint, (Ptr{Cvoid}, UInt64), build.pointer,
        round(UInt64, 1000 * seconds))
    return ended == 1
end

function free(build)
    filter!(other -> other !== build, LIVE_BUILDS)
    ccall(engine(:pcrs_free), Cvoid, (Ptr{Cvoid},), build.pointer)
    build.pointer = C_NULL
    close(build.wake)
    return nothing
end

"Seconds that an ending session waits for its builds to end their children."
const EXIT_PATIENCE = 10

function cancel_live_builds()
    foreach(cancel, LIVE_BUILDS)
    foreach(build -> block_until_ended(build, EXIT_PATIENCE), LIVE_BUILDS)
    return nothing
end

"""
    run_build(handle, plan) -> Dict

Builds by `plan` and gives the engine's report; `handle` is called with each event. An exception
in this task, Ctrl-C among them, ends the build with all its processes before it goes on.

# Errors
`BuildError` when the build fails.
"""
run_build(handle, plan) =
    run_to_end(handle, wake -> start_with(plan, :pcrs_start, wake))

"Starts a build, or a question, follows it to its end, whatever comes, and gives its result."
function run_to_end(handle, start)
    # Interrupts come only where the build is in hand and will be ended: one that came between its
    # start and `try` would lose it, a second one while it ends would leave the children behind.
    return disable_sigint() do
        build = start_build(start)
        try
            return reenable_sigint() do
                follow(handle, build)
                return unwrap(take_string(ccall(engine(:pcrs_result), Ptr{UInt8}, (Ptr{Cvoid},),
                    build.pointer)))
            end
        catch
            cancel(build)
            block_until_ended(build, EXIT_PATIENCE)
            rethrow()
        finally
            free(build)
        end
    end
end

function follow(handle, build)
    while true
        # No task switch lies between the last look and `wait`, so that no wake-up is missed.
        while (event = next_event(build)) !== nothing
            handle(event)
            event["event"] == "finished" && return nothing
        end
        wait(build.wake)
    end
end

"The answer to a question that the engine takes a while for; Ctrl-C ends the reading."
ask(start) = run_to_end(event -> nothing, start)

"The answer to the question that the engine's function `name` starts, of two texts."
function ask_of(name, one, other)
    return ask() do wake
        GC.@preserve one other ccall(engine(name), Ptr{Cvoid},
            (Ptr{UInt8}, Csize_t, Ptr{UInt8}, Csize_t, Ptr{Cvoid}, Ptr{Cvoid}),
            pointer(one), sizeof(one), pointer(other), sizeof(other),
            cglobal(:uv_async_send), wake.handle)
    end
end

"The answer to the question that the engine's function `name` starts, of one value."
ask_about(name, question) = ask(wake -> start_with(question, name, wake))

"What the engine would do with `plan`, without doing it."
dry_run(plan) = ask_about(:pcrs_start_dry_run, plan)

"The stamp that an image at `image` would get if it were built by `plan` now; reads large files."
stamp_of(plan, image) = ask_of(:pcrs_start_stamp, write_json(plan), image)

"""
    inspect_image(path) -> Dict

What the sysimage at `path` says of itself; reads all of it.

# Errors
`BuildError` when it cannot be read.
"""
inspect_image(path) = ask_of(:pcrs_start_inspect, path, string(VERSION))

function unwrap(text)
    result = parse_json(text)
    haskey(result, "Ok") && return result["Ok"]
    throw(BuildError(result["Err"]))
end
