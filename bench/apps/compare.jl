# The same app made by PackageCompiler and by this package, one after the other on this machine: what the build takes,
# how large the folder is, and how long the program takes to start.
#
#   julia bench/apps/compare.jl --packagecompiler=ENV [--incremental=yes|no]
#
# With `no`, the default of both tools, Base is compiled anew, which takes up to a quarter of an hour each. Ours is built
# twice then: the second build finds the fresh base in the cache.

include("../sysimage/measure.jl")
include("../sysimage/processes.jl")

const APP = """
    module Greet
    using Dates
    function julia_main()::Cint
        println("Hello, ", isempty(ARGS) ? "you" : ARGS[1], ", in ", year(Date(2026, 11, 30)))
        return 0
    end
    end
    """

const PROJECT = """
    name = "Greet"
    uuid = "8c1a4c50-2d36-4f3c-9b8d-6a3b0e6f7d11"
    version = "0.1.0"

    [deps]
    Dates = "ade2ca70-3891-5945-98fb-dc099432e06a"
    """

"`tool`'s name is that of its module."
build(tool, incremental) =
    "using $tool; create_app(ARGS[1], ARGS[2]; incremental=$incremental, cpu_target=\"native\", force=true)"

"Bytes of the files in `folder`; links count nothing."
folder_size(folder) = sum(filesize(path) for (root, _, files) in walkdir(folder)
                          for path in joinpath.(root, files) if !islink(path); init=0)

function main()
    opts = options(("packagecompiler",), Dict("incremental" => "yes"))
    incremental = opts["incremental"] == "yes"
    folder = mktempdir()
    package = mkpath(joinpath(folder, "Greet"))
    mkpath(joinpath(package, "src"))
    write(joinpath(package, "src", "Greet.jl"), APP)
    write(joinpath(package, "Project.toml"), PROJECT)

    environments = ["PackageCompiler" => opts["packagecompiler"], "PackageCompilerRS" => ROOT]
    depots = [depot_with_empty_registry() for _ in environments]
    for ((tool, environment), depot) in zip(environments, depots)
        prepare(tool, environment, depot, "")
        run(addenv(`$JULIA --startup-file=no --project=$package -e "using Pkg; Pkg.resolve(); using Greet"`,
            settings(depot, "")...))
    end

    builds = [(environments[1]..., depots[1], "PackageCompiler"), (environments[2]..., depots[2], "ours")]
    incremental || push!(builds, (environments[2]..., depots[2], "ours, the next app"))
    print_head(string("An app, `incremental=", incremental, "`"),
        ["build", "wall, s", "ratio", "CPU, s", "ratio", "peak memory, GiB", "ratio", "folder, MiB", "ratio"])
    places, first_build = String[], nothing
    for (tool, environment, depot, name) in builds
        place = joinpath(folder, replace(name, r"\W+" => "_"))
        found = measured(tool, environment, depot, build(tool, incremental), [package, place];
            cache=joinpath(folder, "cache"))
        found = merge(found, (size=folder_size(place) / 2^20,))
        first_build = something(first_build, Some(found))
        print_row(Any[name; reduce(vcat, [[found[key], found[key] / first_build[key]] for key in keys(found)])])
        push!(places, place)
    end

    print_head("Use", ["app", "start, s", "ratio"])
    program(place, errors=devnull) = pipeline(`$(joinpath(place, "bin", "Greet")) Ada`; stdout=devnull, stderr=errors)
    starts = map(places, builds) do place, (_, _, _, name)
        errors = IOBuffer()
        process = run(program(place, errors); wait=false)
        success(process) || println(name, " does not start, its time is left out: it ends with ", process.exitcode,
            " and says ", strip(String(take!(errors))))
        return success(process)
    end
    seconds(place, started) = started ? (@elapsed run(program(place))) : NaN
    best = vec(minimum(reduce(hcat, [map(seconds, places, starts) for _ in 1:15]); dims=2))
    for ((_, _, _, name), start) in zip(builds, best)
        print_row([name, start, start / best[1]])
    end
    return nothing
end

main()
