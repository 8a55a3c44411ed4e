# What builds in processes of their own cost, for the comparisons with PackageCompiler.

const JULIA = joinpath(Sys.BINDIR, Base.julia_exename())

"CPU seconds of all child processes that have ended, their own included."
function children_cpu()
    # struct rusage: two timevals, then longs; 1 means RUSAGE_CHILDREN with a sign.
    usage = zeros(Clong, 18)
    ccall(:getrusage, Cint, (Cint, Ptr{Clong}), -1, usage)
    return (usage[1] + usage[3]) + (usage[2] + usage[4]) / 1e6
end

"Most bytes that `pid` and its descendants held, sampled until it ends."
function peak_memory(process)
    peak = 0
    while process_running(process)
        peak = max(peak, tree_memory(getpid(process)))
        sleep(0.5)
    end
    return peak
end

function tree_memory(root)
    parent, resident = Dict{Int,Int}(), Dict{Int,Int}()
    for name in readdir("/proc")
        pid = tryparse(Int, name)
        pid === nothing && continue
        try
            fields = split(last(split(read("/proc/$pid/stat", String), ") ")))
            parent[pid] = parse(Int, fields[2])
            resident[pid] = parse(Int, fields[22]) * 4096
        catch err
            err isa Union{SystemError,Base.IOError,ArgumentError,BoundsError} || rethrow()
        end
    end
    belongs(pid) = pid == root || (haskey(parent, pid) && parent[pid] > 1 && belongs(parent[pid]))
    return sum(resident[pid] for pid in keys(resident) if belongs(pid); init=0)
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

"Lets `tool` be precompiled in `depot`, which is not part of what is measured."
prepare(tool, environment, depot, cache) =
    run(addenv(`$JULIA --startup-file=no --project=$environment -e "using $tool"`, settings(depot, cache)...))

"""
Builds `image` with `tool`, and gives wall time and CPU time in seconds, peak memory in GiB and size in
MiB; `linked` and `force` are for PackageCompilerRS.
"""
function measured_build(tool, environment, depot, image, opts; cache="", statements=String[], linked=true, force=true)
    code = replace(PROGRAMS[tool], "FORCE" => force, "LINKED" => linked)
    arguments = [opts["packages"], image, opts["project"], opts["workload"], statements...]
    command = addenv(`$JULIA --startup-file=no --project=$environment -e $code $arguments`, settings(depot, cache)...)
    log = tempname()
    before = children_cpu()
    start = time()
    process = run(pipeline(command; stdout=log, stderr=log); wait=false)
    peak = peak_memory(process)
    wall = time() - start
    success(process) || error("$tool failed:\n" * read(log, String))
    return (wall=wall, cpu=children_cpu() - before, peak=peak / 2^30, size=filesize(image) / 2^20)
end

"Seconds that a start on `image` takes, and the workload on it: the best of several."
function measured_use(depot, image, opts)
    on_image(args, n) = minimum(@elapsed(run(pipeline(addenv(`$JULIA --sysimage=$image --startup-file=no --project=$(opts["project"]) $args`,
        settings(depot, "")...); stdout=devnull))) for _ in 1:n)
    return (start=on_image(["-e", "0"], 5), workload=on_image([opts["workload"]], 3))
end
