const FIXTURES = joinpath(@__DIR__, "fixtures")
const WORKLOADS = joinpath(FIXTURES, "workloads")
# A package with dependencies; one of its names stands for two packages.
const PROJECT = joinpath(FIXTURES, "project")
# An environment with a package in it that does not load.
const WORKSHOP = joinpath(FIXTURES, "workshop")

"Whether this Julia's native code can be linked into images."
const LINKABLE = PackageCompilerRS.interposer() !== nothing &&
    (VERSION.major, VERSION.minor) in ((1, 10), (1, 11), (1, 12))

"Whether what takes longest is to run too: PCRS_TEST_WHOLE=1."
const WHOLE = get(ENV, "PCRS_TEST_WHOLE", "") == "1"

"Runs `f` with the path of a copy of the fixtures, in a new folder called `name`."
function with_fixtures(f; name="fixtures")
    mktempdir() do dir
        copy = joinpath(dir, name)
        cp(FIXTURES, copy)
        f(copy)
    end
end

"`withenv` with the last value that each variable is given; it would not put back one that is given twice."
with_variables(f, variables...) = withenv(f, Dict{String,Union{String,Nothing}}(variables)...)

"The plan that `create_sysimage` would hand to the engine."
function plan_of(packages=nothing; kwargs...)
    options = PackageCompilerRS.Options(; sysimage_path="X.so", project=PROJECT, dry_run=true,
        quiet=true, cpu_target="native", kwargs...)
    return PackageCompilerRS.make_plan(packages, options)
end

"What Julia's prompt needs, which each image has since Julia took it out of its own (see `include_stdlibs`)."
const PROMPT = VERSION < v"1.11" ? String[] : ["Base64", "InteractiveUtils", "JuliaSyntaxHighlighting",
    "Markdown", "REPL", "Sockets", "StyledStrings", "Unicode"]

"Names of packages of a plan or a preview, but for those of the prompt."
names_of(packages) = [p.name for p in of_project(packages)]
names_of(packages::AbstractVector{<:AbstractDict}) = [p["name"] for p in of_project(packages)]
of_project(packages) = filter(p -> !((p isa AbstractDict ? p["name"] : p.name) in PROMPT), packages)

"Runs `f` with `depot` before the others, and `text` as its Overrides.toml, which Julia reads once."
function with_overrides(f, depot, text)
    artifacts = VERSION < v"1.6" ? PackageCompilerRS.pkg(:Artifacts) :
        PackageCompilerRS.artifacts_library()
    overrides = joinpath(mkpath(joinpath(depot, "artifacts")), "Overrides.toml")
    write(overrides, text)
    pushfirst!(DEPOT_PATH, depot)
    try
        Base.invokelatest(artifacts.load_overrides; force=true)
        f()
    finally
        popfirst!(DEPOT_PATH)
        rm(overrides)
        Base.invokelatest(artifacts.load_overrides; force=true)
    end
end

# Of the artifact of the fixture Herald.
const HASH = "0123456789abcdef0123456789abcdef01234567"

"The fixture's `Artifacts.toml` with a place to download from at which nothing is."
downloadable_nowhere() = """
    [greeting]
    git-tree-sha1 = "$HASH"

        [[greeting.download]]
        url = "file:///nowhere/greeting.tar.gz"
        sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
    """

"The app's folder in a copy of the fixtures, with its artifact in a depot."
function with_herald(f)
    with_fixtures() do fixtures
        depot = mkdir(joinpath(fixtures, "depot"))
        folder = mkpath(joinpath(depot, "artifacts", HASH))
        write(joinpath(folder, "text"), "from the artifact")
        package = joinpath(fixtures, "packages", "Herald")
        write(joinpath(package, "Artifacts.toml"), "[greeting]\ngit-tree-sha1 = \"$HASH\"\n")
        write(joinpath(package, "LocalPreferences.toml"), "[Herald]\nloudness = 11\n")
        push!(DEPOT_PATH, depot)
        try
            f(fixtures, package)
        finally
            pop!(DEPOT_PATH)
        end
    end
end

"""
The path of a script in the place of Julia in `folder`: it says which Julia it is, does what the shell's `cases` say,
and else prints what it is started with.
"""
function fake_julia(folder; cases="")
    julia = joinpath(folder, "julia")
    write(julia, """
        #!/bin/sh
        case \$* in
        --version) echo "julia version $VERSION" ;;
        *identity.jl*)
            for file; do :; done
            printf '%s\\0%s\\0%s\\0%s' '$julia' '$VERSION' '' '' >"\$file" ;;
        $cases
        *) printf '%s\\n' "\$@" ;;
        esac
        """)
    chmod(julia, 0o755)
    return julia
end

"Runs `f`, and puts a folder at `target` as soon as the work folder of a bundle there is seen."
function while_something_comes(f, target)
    prefix, ended = PackageCompilerRS.work_prefix(target), Ref(false)
    coming = @async begin
        while !ended[] && !any(name -> startswith(name, prefix), readdir(dirname(target)))
            sleep(0.001)
        end
        write(joinpath(mkdir(target), "mine"), "")
    end
    try
        return f()
    finally
        ended[] = true
        wait(coming)
    end
end

const CLEAN = ("JULIA_LOAD_PATH" => nothing, "JULIA_DEPOT_PATH" => nothing, "JULIA_PROJECT" => nothing)

"Exit code, and what was written to `stdout` and `stderr`."
function run_app(command; input=devnull, variables=())
    out, errors = IOBuffer(), IOBuffer()
    process = with_variables(CLEAN..., variables...) do
        run(pipeline(ignorestatus(command); stdin=input, stdout=out, stderr=errors))
    end
    return process.exitcode, String(take!(out)), String(take!(errors))
end
