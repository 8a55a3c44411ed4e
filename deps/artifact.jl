# The engine as a release has it: an artifact for this system, named in the package's Artifacts.toml.

import Pkg

"""
    artifact_of_engine(file) -> Tuple{Union{Nothing,String},String}

Folder of the artifact that `file` names for this system, downloaded if need be; or `nothing`, and the
beginning of a sentence that says why.
"""
function artifact_of_engine(file)
    name = "PackageCompilerRS_engine"
    isfile(file) || return nothing, "there is no Artifacts.toml, as only releases have"
    # Of Pkg, as Julia 1.5 has no other.
    Pkg.Artifacts.artifact_meta(name, file) === nothing &&
        return nothing, "its Artifacts.toml has none for this system ($(Sys.MACHINE))"
    try
        return Pkg.Artifacts.ensure_artifact_installed(name, file), ""
    catch err
        err isa InterruptException && rethrow()
        reason = first(split(sprint(showerror, err), '\n'))
        return nothing, "the artifact that its Artifacts.toml names could not be had ($reason)"
    end
end
