# Puts the engine where the package looks for it: made by cargo in a checkout, else taken from an artifact,
# else made by cargo. Pkg runs this on `Pkg.build`.
#
#   julia deps/build.jl           as above
#   julia deps/build.jl --cargo   by cargo, whatever there is

include("engine_files.jl")
include("artifact.jl")
include("cargo.jl")

const ROOT = dirname(@__DIR__)
const USR = joinpath(@__DIR__, "usr", system_folder())
const ENGINE = joinpath(USR, "lib", PREFIX * "packagecompilerrs." * dlext)

function copy_artifact(artifact)
    # Those for other systems than Linux have no `bin`, as there are no apps.
    for folder in readdir(artifact), file in readdir(joinpath(artifact, folder))
        put(joinpath(artifact, folder, file), joinpath(USR, folder))
    end
    return nothing
end

"Folder of an artifact with an engine that this Julia can load; or `nothing`, and why there is none."
function fitting_artifact()
    artifact, why_not = artifact_of_engine(joinpath(ROOT, "Artifacts.toml"))
    artifact === nothing && return nothing, why_not
    reason = why_not_loaded(joinpath(artifact, "lib", basename(ENGINE)))
    reason === nothing && return artifact, ""
    return nothing, "that of the artifact cannot be loaded ($reason)"
end

function build()
    if "--cargo" in ARGS || is_checkout(ROOT) && has_cargo()
        has_cargo() || error("There is no cargo on PATH. Install Rust with rustup (https://rustup.rs).")
        return build_by_cargo(ROOT, USR)
    end
    artifact, why_not = fitting_artifact()
    artifact === nothing || return copy_artifact(artifact)
    if has_cargo()
        println("The engine is built by cargo, as $why_not.")
        return build_by_cargo(ROOT, USR)
    end
    if isfile(ENGINE)
        println("The engine that is there stays: $why_not, and there is no cargo on PATH.")
        return nothing
    end
    error("PackageCompilerRS has no engine: none was built in `$USR`; $why_not; and there is no cargo on " *
          "PATH that could build one. Install a released version of the package, or Rust with rustup " *
          "(https://rustup.rs), then run `using Pkg; Pkg.build(\"PackageCompilerRS\")`.")
end

build()
