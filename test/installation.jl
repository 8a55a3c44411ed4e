# What `deps/build.jl` does where there is no cargo: a copy of the package, and the engine in an artifact.

module Installation

using PackageCompilerRS
import Pkg
using Test

const ROOT = PackageCompilerRS.package_folder()
const BUILT = joinpath(ROOT, "deps", "usr")
const NAME = "PackageCompilerRS_engine"

"What Pkg runs of the package where it installs it: without what was built, and without a history."
function installed_copy(folder)
    mkpath(joinpath(folder, "deps"))
    for name in ("Project.toml", "deps/build.jl", "deps/artifact.jl")
        cp(joinpath(ROOT, name), joinpath(folder, name))
    end
    return folder
end

"""
An Artifacts.toml in `folder` with what was built here, for this system (`changes` of its keys aside), and the
archive beside the folder.
"""
function release(folder; changes...)
    tree = Pkg.Artifacts.create_artifact(dir -> foreach(name -> cp(joinpath(BUILT, name), joinpath(dir, name)), ("lib", "bin")))
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
    library = replace(PackageCompilerRS.library_path("packagecompilerrs"), ROOT => folder)
    code = "using Libdl; print(ccall(dlsym(dlopen(ARGS[1]), :pcrs_abi_version), Cint, ()))"
    return session(folder, ["-e", code, library]) == (true, string(PackageCompilerRS.ABI_VERSION))
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
        @test sort(readdir(joinpath(folder, "deps", "usr", "lib"))) == sort(readdir(joinpath(BUILT, "lib")))
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
        # What is there stays.
        mkpath(joinpath(folder, "deps", "usr", "lib"))
        cp(PackageCompilerRS.library_path("packagecompilerrs"),
            joinpath(folder, "deps", "usr", "lib", basename(PackageCompilerRS.library_path("packagecompilerrs"))))
        good, said = session(folder, [joinpath(folder, BUILD)])
        @test good && occursin("stays", said)
        @test has_engine(folder)
    end
end

end
