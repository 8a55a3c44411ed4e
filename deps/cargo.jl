# The engine as cargo makes it from the sources.

using Libdl: dlext

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

has_cargo() = Sys.which(CARGO) !== nothing
# With a history, and so with sources that may be newer than any release.
is_checkout(root) = ispath(joinpath(root, ".git"))

"""
The target that makes what this Julia can load, where it is another one than Rust's own system `host` (as `cargo -vV`
names it): a Julia for Intel's processors on one of Apple's, one of 32 bits. `nothing` where it is the same.
"""
function other_target(host, arch=Sys.ARCH, kernel=Sys.KERNEL, machine=Sys.MACHINE)
    cpu = string(arch)
    target = if kernel === :Linux
        libc = occursin("musl", machine) ? "musl" : "gnu"
        arch === :armv7l ? "armv7-unknown-linux-$(libc)eabihf" : "$cpu-unknown-linux-$libc"
    elseif kernel === :Darwin
        "$cpu-apple-darwin"
    elseif kernel === :NT
        replace(host, r"^[^-]*" => cpu)
    else
        host
    end
    return target == host ? nothing : target
end

"Rust's own system; `nothing` where cargo does not tell."
function host_of_cargo()
    found = match(r"^host: (\S+)$"m, read(ignorestatus(`$CARGO -vV`), String))
    return found === nothing ? nothing : found[1]
end

"Builds the engine with what belongs to it, and puts it in the folders `lib` and `bin` of `usr`."
function build_by_cargo(root, usr)
    # Hundreds of megabytes: kept in a checkout, where the next build is fast with them, and not in a depot.
    work = get(ENV, "CARGO_TARGET_DIR") do
        is_checkout(root) ? joinpath(root, "target") : mktempdir()
    end
    packages = ["--package=$package" for (package, _) in LIBRARIES]
    # The executable of apps (see `rust/driver`).
    push!(packages, "--package=pcrs-driver")
    host = host_of_cargo()
    target = host === nothing ? nothing : other_target(host)
    options = target === nothing ? `` : `--target=$target`
    environment = Dict{String,String}(ENV)
    # The user's may be for programs of theirs.
    delete!(environment, "CARGO_BUILD_TARGET")
    if occursin("musl", something(target, host, ""))
        # Without this, Rust makes no shared libraries there.
        environment["RUSTFLAGS"] = get(environment, "RUSTFLAGS", "") * " -C target-feature=-crt-static"
    end
    run(setenv(`$CARGO build --release --locked $packages --target-dir $work $options`, environment; dir=root))
    made = target === nothing ? joinpath(work, "release") : joinpath(work, target, "release")
    libraries = [joinpath(made, PREFIX * library * "." * dlext) for (_, library) in LIBRARIES]
    isfile(libraries[1]) || error("cargo put the engine elsewhere than to `$(libraries[1])`: its configuration names " *
                                  "another target (`build.target`). Take that out, and build again.")
    why_not = why_not_loaded(libraries[1])
    why_not === nothing || error("cargo built an engine that this Julia ($(Sys.MACHINE)) cannot load: $why_not")
    foreach(library -> put(library, joinpath(usr, "lib")), libraries)
    put(joinpath(made, "packagecompilerrs_driver" * (Sys.iswindows() ? ".exe" : "")), joinpath(usr, "bin"))
    return nothing
end
