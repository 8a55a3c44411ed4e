# What this machine's CPU can do, and what it lacks for an image, in Linux's names. What an image needs is in its stamp
# (`rust/engine/src/identity/cpu_flags.rs`).

"The flags of this machine's CPU, where the system lists them as Linux does."
function cpu_flags(file="/proc/cpuinfo")
    isfile(file) || return nothing
    for line in eachline(file)
        startswith(line, "flags") && return split(split(line, ':'; limit=2)[end])
    end
    return nothing
end

"""
What a CPU with `flags` lacks of that which an image with `targets` needs: nothing where it can run one of them, or
where one side is not known (`nothing`).
"""
function flags_lacking(targets, flags)
    (targets === nothing || flags === nothing) && return String[]
    lacks = String[]
    for target in targets
        lacks = setdiff(split(target), flags)
        isempty(lacks) && break
    end
    return lacks
end
