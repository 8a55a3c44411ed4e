# Puts the engine where the package looks for it: made by cargo in a checkout, else taken from an artifact,
# else made by cargo. Pkg runs this on `Pkg.build`.
#
#   julia deps/build.jl           as above
#   julia deps/build.jl --cargo   by cargo, whatever there is

using Libdl: dlext

include("artifact.jl")

const ROOT = dirname(@__DIR__)
const USR = joinpath(@__DIR__, "usr")
const PREFIX = Sys.iswindows() ? "" : "lib"
const ENGINE = joinpath(USR, "lib", PREFIX * "packagecompilerrs." * dlext)
# The engine, and on Linux the allocator that its children preload (see `rust/allocator`).
const LIBRARIES = ["pcrs-ffi" => "packagecompilerrs"]
# Starts the Julia of libraries that `create_library` makes (see `rust/library`).
Sys.islinux() && push!(LIBRARIES, "pcrs-library" => "packagecompilerrs_library")
Sys.islinux() && push!(LIBRARIES, "pcrs-allocator" => "packagecompilerrs_allocator")
# What makes linked images (see `rust/interpose`), where these can be made.
Sys.islinux() && Sys.ARCH === :x86_64 &&
    push!(LIBRARIES, "pcrs-interpose" => "packagecompilerrs_interpose")

# By name: `Sys.which` of Julia 1.5 follows links, and rustup's cargo is one that must not be followed.
const CARGO = get(ENV, "CARGO", "cargo")

has_cargo() = Sys.which(CARGO) !== nothing
# With a history, and so with sources that may be newer than any release.
is_checkout() = ispath(joinpath(ROOT, ".git"))

"Puts a file in the folder `folder` of `deps/usr`, by rename, since a running session may have the old one loaded."
function put(file, folder)
    mkpath(joinpath(USR, folder))
    place = joinpath(USR, folder, basename(file))
    cp(file, place * ".new"; force=true)
    mv(place * ".new", place; force=true)
    return nothing
end

function build_by_cargo()
    # Hundreds of megabytes: kept in a checkout, where the next build is fast with them, and not in a depot.
    target = get(ENV, "CARGO_TARGET_DIR") do
        is_checkout() ? joinpath(ROOT, "target") : mktempdir()
    end
    packages = ["--package=$package" for (package, _) in LIBRARIES]
    # The executable of apps (see `rust/driver`).
    push!(packages, "--package=pcrs-driver")
    command = `$CARGO build --release --locked $packages --target-dir $target`
    run(setenv(command; dir=ROOT))
    made = joinpath(target, "release")
    for (_, library) in LIBRARIES
        put(joinpath(made, PREFIX * library * "." * dlext), "lib")
    end
    put(joinpath(made, "packagecompilerrs_driver" * (Sys.iswindows() ? ".exe" : "")), "bin")
    return nothing
end

function copy_artifact(artifact)
    # Those for other systems than Linux have no `bin`, as there are no apps.
    for folder in readdir(artifact), file in readdir(joinpath(artifact, folder))
        put(joinpath(artifact, folder, file), folder)
    end
    return nothing
end

function build()
    if "--cargo" in ARGS || is_checkout() && has_cargo()
        has_cargo() || error("There is no cargo on PATH. Install Rust with rustup (https://rustup.rs).")
        return build_by_cargo()
    end
    artifact, why_not = artifact_of_engine(joinpath(ROOT, "Artifacts.toml"))
    artifact === nothing || return copy_artifact(artifact)
    has_cargo() && return build_by_cargo()
    if isfile(ENGINE)
        println("The engine that is there stays: $why_not, and there is no cargo on PATH.")
        return nothing
    end
    error("PackageCompilerRS has no engine: none was built in `$USR`; $why_not; and there is no cargo on " *
          "PATH that could build one. Install a released version of the package, or Rust with rustup " *
          "(https://rustup.rs), then run `using Pkg; Pkg.build(\"PackageCompilerRS\")`.")
end

build()
