# Linked images against PackageCompiler and against full builds of our own, in one run on this machine:
# the first build, the next one, and after an edit.
#
#   julia bench/sysimage/linked.jl --packagecompiler=ENV --project=DIR --packages=A,B --workload=FILE
#       [--edit=FILE] [--full=yes|no] [--name=TEXT]
#
# PROJECT is copied. FILE of --edit is in it: a line is added there. The depots of JULIA_DEPOT_PATH are used
# for what they have installed; each tool makes its caches in one of its own.

include("measure.jl")
include("processes.jl")

function main()
    opts = options(("packagecompiler", "project", "packages", "workload"),
        Dict("edit" => "", "full" => "yes", "name" => ""))
    folder = mktempdir()
    opts["workload"] = abspath(opts["workload"])
    opts["project"] = cp(opts["project"], joinpath(folder, "project"))
    image = joinpath(folder, "bench.so")
    ours(depot, cache; kwargs...) = measured_build("PackageCompilerRS", ROOT, depot, image, opts; cache=cache, kwargs...)

    theirs_depot, our_depot = depot_with_empty_registry(), depot_with_empty_registry()
    prepare("PackageCompiler", opts["packagecompiler"], theirs_depot, "")
    prepare("PackageCompilerRS", ROOT, our_depot, "")
    theirs = measured_build("PackageCompiler", opts["packagecompiler"], theirs_depot, image, opts)
    their_use = measured_use(theirs_depot, image, opts)

    print_head(string(isempty(opts["name"]) ? opts["packages"] : opts["name"], ": builds"),
        ["build", "wall, s", "ratio", "CPU, s", "ratio", "peak memory, GiB", "ratio", "image, MiB"])
    row(what, f) = print_row([what, f.wall, f.wall / theirs.wall, f.cpu, f.cpu / theirs.cpu, f.peak, f.peak / theirs.peak, f.size])
    row("PackageCompiler, all caches cold", theirs)
    rm(image)
    cache = joinpath(folder, "cache")
    row("linked, all caches cold", ours(our_depot, cache; force=false))
    linked_use = measured_use(our_depot, image, opts)
    # Our own cache is empty again; the packages' are filled.
    rm(image)
    rm(cache; recursive=true)
    row("linked, packages precompiled", ours(our_depot, cache; force=false))
    if !isempty(opts["edit"])
        open(io -> println(io, "\n# An edit."), joinpath(opts["project"], opts["edit"]), "a")
        row("one byte of a package", ours(our_depot, cache; force=false))
    end
    statements = joinpath(folder, "statements.jl")
    write(statements, "precompile(Tuple{typeof(Base.join), Vector{Symbol}, String})\n")
    row("a statement added", ours(our_depot, cache; force=false, statements=[statements]))
    row("nothing changed", ours(our_depot, cache; force=false, statements=[statements]))
    full_use = nothing
    if opts["full"] == "yes"
        rm(image)
        row("full (linked=false)", ours(our_depot, ""; linked=false))
        full_use = measured_use(our_depot, image, opts)
    end
    print_head("Use", ["image", "start, s", "workload, s"])
    print_row(["PackageCompiler", their_use.start, their_use.workload])
    full_use === nothing || print_row(["full", full_use.start, full_use.workload])
    print_row(["linked", linked_use.start, linked_use.workload])
    return nothing
end

main()
