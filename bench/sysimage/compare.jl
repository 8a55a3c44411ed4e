# Builds the same sysimage with PackageCompiler and with PackageCompilerRS, in turns on this
# machine, and prints figures and ratios. Each tool gets a depot of its own: empty (cold), then as
# its first build left it (warm).
#
#   julia bench/sysimage/compare.jl --packagecompiler=ENV --project=DIR --packages=A,B
#       --workload=FILE [--rounds=cold|warm|both]

include("measure.jl")

include("processes.jl")

function measure(tool, environment, depot, opts)
    image = joinpath(mktempdir(), "bench.so")
    prepare(tool, environment, depot, "")
    figures = merge(measured_build(tool, environment, depot, image, opts), measured_use(depot, image, opts))
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
