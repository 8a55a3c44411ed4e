# Linked images against PackageCompiler and against full builds of our own, in one run on this machine:
# the first build, the next one, and after an edit.
#
#   julia bench/sysimage/linked.jl --packagecompiler=ENV --project=DIR --packages=A,B --workload=FILE
#       [--edit=FILE] [--full=yes|no] [--name=TEXT]
#
# PROJECT is copied. FILE of --edit is in it: a line is added there. The depots of JULIA_DEPOT_PATH are used
# for what they have installed, which must not be caches; each tool makes its caches in one of its own. Ratios are to a build of
# PackageCompiler's with its packages precompiled.

include("measure.jl")
include("processes.jl")

function main()
    opts = options(("packagecompiler", "project", "packages", "workload"),
        Dict("edit" => "", "full" => "yes", "name" => ""))
    folder = mktempdir()
    opts["workload"] = abspath(opts["workload"])
    opts["project"] = cp(opts["project"], joinpath(folder, "project"))
    their_image, full_image, image = joinpath.(folder, ["theirs.so", "full.so", "linked.so"])
    ours(depot, cache; image=image, kwargs...) =
        measured_build("PackageCompilerRS", ROOT, depot, image, opts; cache=cache, kwargs...)

    theirs_depot, our_depot = depot_with_empty_registry(), depot_with_empty_registry()
    prepare("PackageCompiler", opts["packagecompiler"], theirs_depot, "")
    prepare("PackageCompilerRS", ROOT, our_depot, "")
    # The better case of theirs is what all others are compared with.
    prepare(opts["packages"], opts["project"], theirs_depot, "")
    theirs = measured_build("PackageCompiler", opts["packagecompiler"], theirs_depot, their_image, opts)

    print_head(string(isempty(opts["name"]) ? opts["packages"] : opts["name"], ": builds"),
        ["build", "wall, s", "ratio", "CPU, s", "ratio", "peak memory, GiB", "ratio", "image, MiB"])
    row(what, f) = print_row([what, f.wall, f.wall / theirs.wall, f.cpu, f.cpu / theirs.cpu, f.peak, f.peak / theirs.peak, f.size])
    row("PackageCompiler, packages precompiled", theirs)
    cache = joinpath(folder, "cache")
    row("linked, all caches cold", ours(our_depot, cache; force=false))
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
    # On the same sources.
    kept = joinpath(folder, "kept.so")
    mv(image, kept)
    images = ["PackageCompiler" => their_image, "linked" => kept]
    if opts["full"] == "yes"
        row("full (linked=false)", ours(our_depot, ""; image=full_image, linked=false, statements=[statements]))
        push!(images, "full" => full_image)
    end
    print_head("Use", ["image", "start, s", "workload, s"])
    for ((name, _), use) in zip(images, measured_use(our_depot, last.(images), opts))
        print_row([name, use...])
    end
    return nothing
end

main()
