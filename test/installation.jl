# What `deps/build.jl` does where there is no cargo: a copy of the package, and the engine in an artifact.

module Installation

using PackageCompilerRS
import Pkg
using Test

const ROOT = PackageCompilerRS.package_folder()
const SYSTEM_FOLDER = PackageCompilerRS.system_folder()
const BUILT = joinpath(ROOT, "deps", "usr", SYSTEM_FOLDER)
const ENGINE = PackageCompilerRS.library_path("packagecompilerrs")
const NAME = "PackageCompilerRS_engine"

"What Pkg runs of the package where it installs it: without what was built, and without a history."
function installed_copy(folder)
    mkpath(joinpath(folder, "deps"))
    for name in ("Project.toml", "deps/build.jl", "deps/artifact.jl", "deps/cargo.jl", "deps/engine_files.jl")
        cp(joinpath(ROOT, name), joinpath(folder, name))
    end
    return folder
end

"""
An Artifacts.toml in `folder` with what was built here (and what `change_files` makes of it), for this system
(`changes` of its keys aside), and the archive beside the folder.
"""
function release(folder; change_files=dir -> nothing, changes...)
    tree = Pkg.Artifacts.create_artifact() do dir
        foreach(name -> cp(joinpath(BUILT, name), joinpath(dir, name)), ("lib", "bin"))
        change_files(dir)
    end
    # A URL has no spaces.
    archive = joinpath(dirname(folder), "engine.tar.gz")
    sha = Pkg.Artifacts.archive_artifact(tree, archive)
    Pkg.Artifacts.remove_artifact(tree)
    keys = Dict("arch" => string(Sys.ARCH), "os" => Sys.iswindows() ? "windows" : Sys.isapple() ? "macos" : "linux")
    Sys.islinux() && (keys["libc"] = "glibc")
    foreach(((key, value),) -> keys[string(key)] = value, collect(changes))
    lines = ["$key = \"$value\"\n" for (key, value) in keys]
    write(joinpath(folder, "Artifacts.toml"), "[[$NAME]]\n", lines..., "git-tree-sha1 = \"$tree\"\n",
        "    [[$NAME.download]]\n    sha256 = \"$sha\"\n    url = \"file://$archive\"\n")
    return archive
end

"""
Runs `code` on the package in `folder`, in a session without cargo and in a depot of its own: whether that succeeds,
and what it writes.
"""
function session(folder, arguments)
    depot = mkpath(joinpath(folder, "depot"))
    julia = Base.julia_cmd()
    command = `$julia --startup-file=no --project=$folder $arguments`
    # Pkg of Julia 1.5 downloads with curl and unpacks with tar.
    tools = join((path for path in split(ENV["PATH"], ':') if !isfile(joinpath(path, "cargo"))), ':')
    command = with_changes(command, "PATH" => tools, "CARGO" => "no-such-cargo", "JULIA_DEPOT_PATH" => depot * ":",
        "JULIA_PKG_SERVER" => "", "JULIA_LOAD_PATH" => nothing)
    return mktempdir() do dir
        said = joinpath(dir, "said")
        process = run(pipeline(ignorestatus(command); stdout=said, stderr=said, append=true))
        success(process), read(said, String)
    end
end

"The command with some variables changed; `addenv` came with Julia 1.6."
function with_changes(command, variables...)
    all = Dict{String,String}(ENV)
    for (name, value) in variables
        value === nothing ? delete!(all, name) : (all[name] = value)
    end
    return setenv(command, all)
end

const BUILD = joinpath("deps", "build.jl")

"Whether the library of the engine in `folder` is one that this package can call."
function has_engine(folder)
    library = replace(ENGINE, ROOT => folder)
    code = "using Libdl; print(ccall(dlsym(dlopen(ARGS[1]), :pcrs_abi_version), Cint, ()))"
    return session(folder, ["-e", code, library]) == (true, string(PackageCompilerRS.ABI_VERSION))
end

"Lets the library at `path` say that it is for another processor (`e_machine` of ELF, here RISC-V)."
for_another_cpu(path) = open(path, "r+") do io
    seek(io, 18)
    write(io, htol(UInt16(243)))
end

@testset "each system has a folder of its own" begin
    folder = PackageCompilerRS.system_folder
    @test folder(:x86_64, :Linux, "x86_64-linux-gnu") == "x86_64-linux-gnu"
    @test folder(:aarch64, :Linux, "aarch64-linux-musl") == "aarch64-linux-musl"
    @test folder(:aarch64, :Darwin, "aarch64-apple-darwin22.4.0") == "aarch64-darwin"
    @test folder(:x86_64, :NT, "x86_64-w64-mingw32") == "x86_64-nt"
end

include("../deps/cargo.jl")

@testset "cargo builds for the system of this Julia" begin
    linux, apple = "x86_64-unknown-linux-gnu", "aarch64-apple-darwin"
    @test other_target(linux, :x86_64, :Linux, "x86_64-linux-gnu") === nothing
    @test other_target(linux, :i686, :Linux, "i686-linux-gnu") == "i686-unknown-linux-gnu"
    @test other_target(linux, :x86_64, :Linux, "x86_64-linux-musl") == "x86_64-unknown-linux-musl"
    @test other_target(linux, :armv7l, :Linux, "armv7l-linux-gnueabihf") == "armv7-unknown-linux-gnueabihf"
    @test other_target(apple, :x86_64, :Darwin, "x86_64-apple-darwin22.4.0") == "x86_64-apple-darwin"
    @test other_target(apple, :aarch64, :Darwin, "aarch64-apple-darwin22.4.0") === nothing
    for library in ("gnu", "msvc")
        host = "aarch64-pc-windows-$library"
        @test other_target(host, :x86_64, :NT, "x86_64-w64-mingw32") == "x86_64-pc-windows-$library"
    end
    @test other_target("x86_64-unknown-freebsd", :x86_64, :FreeBSD, "x86_64-unknown-freebsd") === nothing
end

@testset "an engine that cannot be loaded is an error that says what to do" begin
    mktempdir() do dir
        path = joinpath(dir, basename(ENGINE))
        cp(ENGINE, path)
        @test PackageCompilerRS.why_not_loaded(path) === nothing
        Sys.islinux() && for_another_cpu(path)
        Sys.islinux() || write(path, "none")
        err = try PackageCompilerRS.open_engine(path) catch err; err end
        @test err isa BuildError && occursin("cannot be loaded", err.message)
        @test occursin(path, err.cause) && !occursin('\n', err.cause)
        @test occursin("Pkg.build", err.hint)
    end
end

@testset "an engine that a session has loaded is replaced" begin
    mktempdir() do dir
        new, usr = joinpath(dir, "engine"), joinpath(dir, "usr")
        for moves_away in (false, true), text in ("one", "two", "three")
            write(new, text)
            PackageCompilerRS.put(new, usr; moves_away=moves_away)
            @test read(joinpath(usr, "engine"), String) == text
        end
        # The last one that another session may still use.
        @test sort(readdir(usr)) == ["engine", "engine.old-$(getpid())"]
    end
end

@testset "the engine comes from an artifact where there is no cargo" begin
    mktempdir() do dir
        folder = installed_copy(joinpath(dir, "a folder"))
        archive = release(folder)
        good, said = session(folder, [joinpath(folder, BUILD)])
        @test good || said
        # Nothing else is needed from there on.
        rm(archive)
        rm(joinpath(folder, "depot", "artifacts"); recursive=true)
        @test has_engine(folder)
        @test sort(readdir(joinpath(folder, "deps", "usr", SYSTEM_FOLDER, "lib"))) == sort(readdir(joinpath(BUILT, "lib")))
    end
end

@testset "without an engine, the error names the ways to one" begin
    mktempdir() do dir
        folder = installed_copy(joinpath(dir, "package"))
        told(words) = (said = session(folder, [joinpath(folder, BUILD)]);
            !said[1] && all(word -> occursin(word, said[2]), ("no engine", "cargo", "rustup", words)))
        @test told("there is no Artifacts.toml")
        release(folder; arch="powerpc64le")
        @test told("has none for this system")
        rm(release(folder))
        @test told("could not be had")
        release(folder; change_files=dir -> for_another_cpu(joinpath(dir, "lib", basename(ENGINE))))
        @test told("that of the artifact cannot be loaded")
        # What is there stays.
        mkpath(joinpath(folder, "deps", "usr", SYSTEM_FOLDER, "lib"))
        cp(ENGINE, joinpath(folder, "deps", "usr", SYSTEM_FOLDER, "lib", basename(ENGINE)))
        good, said = session(folder, [joinpath(folder, BUILD)])
        @test good && occursin("stays", said)
        @test has_engine(folder)
    end
end

end
