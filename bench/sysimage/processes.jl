# What builds in processes of their own cost, for the comparisons with PackageCompiler.

const JULIA = joinpath(Sys.BINDIR, Base.julia_exename())

"CPU seconds of all child processes that have ended, their own included."
function children_cpu()
    # struct rusage: two timevals, then longs; 1 means RUSAGE_CHILDREN with a sign.
    usage = zeros(Clong, 18)
    ccall(:getrusage, Cint, (Cint, Ptr{Clong}), -1, usage)
    return (usage[1] + usage[3]) + (usage[2] + usage[4]) / 1e6
end

"Most bytes that `process` and its descendants held, sampled until it ends."
function peak_memory(process)
    peak = 0
    while process_running(process)
        taken = @elapsed peak = max(peak, tree_memory(getpid(process)))
        # The peak of a linked image lasts for 0.3 s; to look at several GiB takes 0.05 s of a core, and not more than a
        # tenth of one should go there.
        sleep(max(0.1, 9 * taken))
    end
    return peak
end

"""
What `root` and its descendants hold: a page that several of them have mapped, such as those of Julia's
own image, is counted once ("Pss", proc(5)).
"""
function tree_memory(root)
    parent, held = Dict{Int,Int}(), Dict{Int,Int}()
    for name in readdir("/proc")
        pid = tryparse(Int, name)
        pid === nothing && continue
        try
            parent[pid] = parse(Int, split(last(split(read("/proc/$pid/stat", String), ") ")))[2])
        catch err
            err isa Union{SystemError,Base.IOError,ArgumentError,BoundsError} || rethrow()
        end
    end
    belongs(pid) = pid == root || (get(parent, pid, 0) > 1 && belongs(parent[pid]))
    return sum(proportional_size(pid) for pid in keys(parent) if belongs(pid); init=0)
end

function proportional_size(pid)
    found = try
        match(r"^Pss: *(\d+) kB"m, read("/proc/$pid/smaps_rollup", String))
    catch err
        # It has ended.
        err isa Union{SystemError,Base.IOError} || rethrow()
        nothing
    end
    return found === nothing ? 0 : 1024 * parse(Int, found[1])
end

function depot_with_empty_registry()
    depot = mktempdir()
    folder = mkpath(joinpath(depot, "registries", "Empty"))
    write(joinpath(folder, "Registry.toml"), """
        name = "Empty"
        uuid = "22222222-2222-2222-2222-222222222222"
        repo = ""

        [packages]
        """)
    return depot
end

const PROGRAMS = Dict(
    "PackageCompiler" => "using PackageCompiler; create_sysimage(split(ARGS[1], ',') .|> String; sysimage_path=ARGS[2], project=ARGS[3], precompile_execution_file=ARGS[4], precompile_statements_file=String[ARGS[5:end]...])",
    "PackageCompilerRS" => "using PackageCompilerRS; create_sysimage(split(ARGS[1], ',') .|> String; sysimage_path=ARGS[2], project=ARGS[3], precompile_execution_file=ARGS[4], precompile_statements_file=String[ARGS[5:end]...], force=FORCE, linked=LINKED)",
)

"Variables of both tools' processes: the first depot is `depot`, and nothing comes from a server."
settings(depot, cache) = ("JULIA_DEPOT_PATH" => depot * ":" * get(ENV, "JULIA_DEPOT_PATH", ""), "JULIA_PKG_SERVER" => "",
    "PCRS_CACHE_DIR" => cache, "JULIA_LOAD_PATH" => nothing, "JULIA_PROJECT" => nothing)

"Lets `packages` be precompiled in `depot`, which is not part of what is measured."
prepare(packages, environment, depot, cache) =
    run(addenv(`$JULIA --startup-file=no --project=$environment -e "using $packages"`, settings(depot, cache)...))

"""
Builds `image` with `tool`, and gives wall time and CPU time in seconds, peak memory in GiB and size in
MiB; `linked` and `force` are for PackageCompilerRS.
"""
function measured_build(tool, environment, depot, image, opts; cache="", statements=String[], linked=true, force=true)
    code = replace(PROGRAMS[tool], "FORCE" => force, "LINKED" => linked)
    arguments = [opts["packages"], image, opts["project"], opts["workload"], statements...]
    return merge(measured(tool, environment, depot, code, arguments; cache=cache), (size=filesize(image) / 2^20,))
end

"Runs `code` in a session of `environment`, and gives wall time and CPU time in seconds and peak memory in GiB."
function measured(what, environment, depot, code, arguments; cache="")
    command = addenv(`$JULIA --startup-file=no --project=$environment -e $code $arguments`, settings(depot, cache)...)
    log = tempname()
    before = children_cpu()
    start = time()
    process = run(pipeline(command; stdout=log, stderr=log); wait=false)
    peak = peak_memory(process)
    wall = time() - start
    success(process) || error("$what failed:\n" * read(log, String))
    return (wall=wall, cpu=children_cpu() - before, peak=peak / 2^30)
end

"""
Seconds that a start on each of `images` takes, and the workload on it: the best of several, taken in
turns, so that what else the machine does meets all of them.
"""
function measured_use(depot, images, opts)
    seconds(image, args) = @elapsed run(pipeline(addenv(`$JULIA --sysimage=$image --startup-file=no --project=$(opts["project"]) $args`,
        settings(depot, "")...); stdout=devnull))
    best(args) = minimum(reduce(hcat, [[seconds(image, args) for image in images] for _ in 1:15]); dims=2)
    return collect(zip(best(["-e", "0"]), best([opts["workload"]])))
end
