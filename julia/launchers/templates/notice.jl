# Loaded before IJulia's kernel when the launcher starts Julia without its image: shows that in the
# notebook, with the first cell, as what the launcher writes to `stderr` is in Jupyter's log only.
module PackageCompilerRSNotice

"A kernel may be a script that finds IJulia by itself, or needs none: it is to start in any case."
const HAS_IJULIA = try
    @eval import IJulia
    true
catch
    false
end

const TEXT = pop!(ENV, "PACKAGECOMPILERRS_NOTICE", "")
const SAID = Ref(false)

"IJulia shows what its hooks write as output of the cell."
function say()
    SAID[] || isempty(TEXT) || printstyled(stderr, TEXT, '\n'; color=:yellow)
    SAID[] = true
    return nothing
end

"""
Hooks belong to the kernel, and newer IJulias have none before theirs runs: it is tried again until
then, for a minute.
"""
function hook(tries=600)
    try
        IJulia.push_preexecute_hook(say)
    catch
        tries > 0 && Timer(_ -> hook(tries - 1), 0.1)
    end
    return nothing
end

HAS_IJULIA && hook()

end
