# Builds the same sysimage with PackageCompiler and with PackageCompilerRS, in turns on this
# machine, and prints figures and ratios. Each tool gets a depot of its own: empty (cold), then as
# its first build left it (warm).
#
#   julia bench/sysimage/compare.jl --packagecompiler=ENV --project=DIR --packages=A,B
#       --workload=FILE [--rounds=cold|warm|both]

include("measure.jl")

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
    "PackageCompiler" => "using PackageCompiler; create_sysimage(split(ARGS[1], ',') .|> String; sysimage_path=ARGS[2], project=ARGS[3], precompile_execution_file=ARGS[4])",
    "PackageCompilerRS" => "using PackageCompilerRS; create_sysimage(split(ARGS[1], ',') .|> String; sysimage_path=ARGS[2], project=ARGS[3], precompile_execution_file=ARGS[4], force=true)",
)

function measure(tool, environment, depot, opts)
    image = joinpath(mktempdir(), "bench.so")
    # Both tools find themselves precompiled; it is the build that is measured.
    setting = ("JULIA_DEPOT_PATH" => depot * ":", "JULIA_PKG_SERVER" => "", "PCRS_CACHE_DIR" => "",
        "JULIA_LOAD_PATH" => nothing, "JULIA_PROJECT" => nothing)
    build(code, args...) = addenv(`$JULIA --startup-file=no --project=$environment -e $code $args`, setting...)
    run(build("using $tool"))
    log = tempname()
    before = children_cpu()
    start = time()
    process = run(pipeline(build(PROGRAMS[tool], opts["packages"], image, opts["project"], opts["workload"]);
        stdout=log, stderr=log); wait=false)
    peak = peak_memory(process)
    wall = time() - start
    success(process) || error("$tool failed:\n" * read(log, String))
    cpu = children_cpu() - before
    on_image(args, n) = minimum(@elapsed(run(pipeline(addenv(`$JULIA --sysimage=$image --startup-file=no --project=$(opts["project"]) $args`, setting...); stdout=devnull))) for _ in 1:n)
    figures = (wall=wall, cpu=cpu, peak=peak / 2^30, size=filesize(image) / 2^20,
        start=on_image(["-e", "0"], 5), workload=on_image([opts["workload"]], 3))
    rm(image)
    return figures
end

const ROWS = (wall="wall time of the build, s", cpu="CPU time of the build, s",
    peak="peak memory, GiB", size="image, MiB", start="start on the image, s",
    workload="workload on the image, s")

function main()
    opts = options(("packagecompiler", "project", "packages", "workload"), Dict("rounds" => "both"))
    environments = ["PackageCompiler" => opts["packagecompiler"], "PackageCompilerRS" => ROOT]
    depots = Dict(tool => depot_with_empty_registry() for (tool, _) in environments)
    for round in (opts["rounds"] == "both" ? ["cold", "warm"] : [opts["rounds"]])
        figures = Dict(tool => measure(tool, environment, depots[tool], opts)
                       for (tool, environment) in environments)
        print_head(string(opts["packages"], ", dependency caches ", round),
            ["", "PackageCompiler", "PackageCompilerRS", "ratio"])
        for name in keys(ROWS)
            theirs, ours = getfield(figures["PackageCompiler"], name), getfield(figures["PackageCompilerRS"], name)
            print_row([ROWS[name], theirs, ours, ours / theirs])
        end
    end
    return nothing
end

main()
