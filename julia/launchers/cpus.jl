# Of several images for several CPUs a launcher starts the best that its machine can run. What an image needs is in its
# stamp, by Linux's names (`cpu_flags.rs`); launchers compare it with those of the CPU (`cpu.sh`).

"""
    best_first(images) -> Vector{String}

The paths of `images`, those for more able CPUs first; among equals in the order given.
"""
best_first(images) = sort(images; by=image -> -flags_needed(image), alg=MergeSort)

"How many flags the most demanding target of an image needs; 0 where that is not known."
function flags_needed(image)
    targets = cpus_of(image)
    targets === nothing && return 0
    return maximum(Int[0; length.(split.(targets))])
end

"What the stamp of an image says of CPUs: the flags that each of its targets needs, between spaces; or `nothing`."
function cpus_of(image)
    stamp = stamp_beside(image)
    cpus = stamp === nothing ? nothing : get(stamp, "cpus", nothing)
    return cpus isa AbstractVector ? String[target for target in cpus] : nothing
end

"Whether the CPU of this machine can run an image, as far as that is known."
runs_here(image) = isempty(flags_lacking(cpus_of(image), cpu_flags()))

"""
    start_runnable(julia, images, project) -> identity

What [`start_once`](@ref) says of the first of `images` that this machine can run; the others that it can run are
started too.

# Errors
`LauncherError` when it can run none, one does not start, or they are for several Julias.
"""
function start_runnable(julia, images, project)
    runnable = filter(runs_here, images)
    isempty(runnable) && throw(LauncherError(
        "the CPU of this machine, $(Sys.CPU_NAME), can run none of $(join(string.('`', images, '`'), ", "))";
        hint="install the launcher on a machine that can run one, or build one for this CPU"))
    identities = [start_once(julia, image, project) for image in runnable]
    versions = Dict{String,String}(image => identity.version for (image, identity) in zip(runnable, identities))
    for image in setdiff(images, runnable)
        versions[image] = stamp_beside(image)["julia_version"]
    end
    for image in images
        versions[image] == identities[1].version || throw(LauncherError(
            "the sysimages are for several Julias"; cause="`$(runnable[1])` is for $(identities[1].version), " *
            "`$image` for $(versions[image])", hint="build them with one Julia"))
    end
    return identities[1]
end
