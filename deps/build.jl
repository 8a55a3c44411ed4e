# Builds the engine and leaves it where the package looks for it. Pkg runs this on `Pkg.build`.

using Libdl: dlext

const ROOT = dirname(@__DIR__)
const PREFIX = Sys.iswindows() ? "" : "lib"
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
if Sys.which(CARGO) === nothing
    error("PackageCompilerRS needs cargo to build its engine, and there is none on PATH. Install " *
          "Rust with rustup (https://rustup.rs), then run `Pkg.build(\"PackageCompilerRS\")`.")
end

# Hundreds of megabytes: kept in a checkout, where the next build is fast with them, and not in a depot.
const TARGET = get(ENV, "CARGO_TARGET_DIR") do
    isdir(joinpath(ROOT, ".git")) ? joinpath(ROOT, "target") : mktempdir()
end
packages = ["--package=$package" for (package, _) in LIBRARIES]
# The executable of apps (see `rust/driver`).
push!(packages, "--package=pcrs-driver")
command = `$CARGO build --release --locked $packages --target-dir $TARGET`
run(setenv(command; dir=ROOT))

# By rename, since a running session may have the old one loaded.
function put(name, folder)
    mkpath(folder)
    fresh = joinpath(folder, name * ".new")
    cp(joinpath(TARGET, "release", name), fresh; force=true)
    mv(fresh, joinpath(folder, name); force=true)
end
for (_, library) in LIBRARIES
    put(PREFIX * library * "." * dlext, joinpath(@__DIR__, "usr", "lib"))
end
put("packagecompilerrs_driver" * (Sys.iswindows() ? ".exe" : ""), joinpath(@__DIR__, "usr", "bin"))
