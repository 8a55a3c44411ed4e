# Test suites as workloads. No image is built: the command that a build would run is taken from its
# dry run, and run by itself. What becomes of its outcome is tested in rust/engine/tests.

const SUITES = joinpath(FIXTURES, "suites")

plan_of_tests(workload; kwargs...) = plan_of("Suited"; project=SUITES, workload=workload, kwargs...)
file_texts(dir) = Dict(joinpath(root, file) => read(joinpath(root, file), String)
    for (root, _, files) in walkdir(dir) for file in files)

function command_of(workload; project=SUITES)
    preview = create_sysimage("Suited"; sysimage_path=joinpath(mktempdir(), "X.so"),
        project=project, workload=workload, dry_run=true)
    return only_one(c.command for c in preview.commands if c.stage === :trace)
end

only_one(items) = (all = collect(items); @assert(length(all) == 1, all); all[1])

"""
Runs the tests as a build would, in a depot without registries and without the network: success,
output, statements.
"""
function run_tests(workload; project=SUITES)
    words = Base.shell_split(command_of(workload; project=project))
    at = findfirst(word -> endswith(word, "test_suite.jl"), words)
    mktempdir() do dir
        staging = joinpath(dirname(@__DIR__), "rust", "engine", "src", "staging")
        # As the engine lays them out.
        cp(staging, joinpath(dir, "staging"))
        recording = joinpath(dirname(@__DIR__), "julia", "recording")
        cp(joinpath(recording, "trace.jl"), joinpath(dir, "staging", "static_calls.jl"))
        cp(joinpath(recording, "whole.jl"), joinpath(dir, "staging", "whole.jl"))
        planned = dirname(words[at + 3])
        words = replace.(words, planned => dir)
        depot = mkpath(joinpath(dir, "depot"))
        environment = ("JULIA_DEPOT_PATH" => depot * (Sys.iswindows() ? ";" : ":"),
            "JULIA_PKG_SERVER" => "", "JULIA_PKG_PRECOMPILE_AUTO" => "0",
            "JULIA_LOAD_PATH" => nothing, "JULIA_PROJECT" => nothing)
        process, out, err = withenv(() -> PackageCompilerRS.captured(Cmd(words)), environment...)
        trace = joinpath(dir, "trace-1.jl")
        return success(process), out * err, isfile(trace) ? readlines(trace) : nothing
    end
end

@testset "what the plan says of tests" begin
    plan = plan_of_tests(TestSuite("Suited"; test_args=["quick"]))
    folder = joinpath(FIXTURES, "packages", "Suited")
    @test plan["workloads"] == [Dict{String,Any}(
        "kind" => "test_suite",
        "name" => "Suited",
        "uuid" => "11111111-aaaa-4aaa-8aaa-000000000021",
        "path" => folder,
        "args" => ["quick"],
        "sources" => [folder, joinpath(FIXTURES, "packages", "Checker")],
    )]
    both = plan_of_tests([TestSuite(:Suited; test_args=`a b`), TestSuite("Extras")];
        precompile_execution_file="a.jl")["workloads"]
    @test [w["kind"] for w in both] == ["script", "test_suite", "test_suite"]
    @test both[1]["path"] == abspath("a.jl")
    @test plan_of_tests("b.jl")["workloads"] == [Dict{String,Any}("kind" => "script", "path" => abspath("b.jl"))]
    mixed = plan_of_tests([TestSuite("Suited"), "b.jl"]; precompile_execution_file="a.jl")["workloads"]
    @test [get(w, "name", basename(w["path"])) for w in mixed] == ["a.jl", "b.jl", "Suited"]
    @test both[2]["args"] == ["a", "b"]
    @test both[3]["sources"] == [joinpath(FIXTURES, "packages", "Extras")]
    # Scripts are workloads by either keyword, and run once.
    scripts = plan_of_tests(["b.jl", TestSuite("Extras"), "a.jl"]; precompile_execution_file="a.jl")["workloads"]
    @test [get(w, "name", basename(w["path"])) for w in scripts] == ["a.jl", "b.jl", "Extras"]
    @test plan_of_tests("b.jl")["workloads"] == [Dict{String,Any}("kind" => "script", "path" => abspath("b.jl"))]
    # Of the project itself, and of what is only in its Manifest.
    with_fixtures() do fixtures
        project = joinpath(fixtures, "project")
        for folder in (project, joinpath(fixtures, "packages", "Helper"))
            mkpath(joinpath(folder, "test"))
            touch(joinpath(folder, "test", "runtests.jl"))
            name = folder == project ? "Home" : "Helper"
            plan = plan_of("Home"; project=project, workload=TestSuite(name))
            @test plan["workloads"][1]["path"] == folder
        end
    end
end

@testset "sources of test dependencies of Julia 1.11 and newer" begin
    with_fixtures() do fixtures
        folder = joinpath(fixtures, "packages", "Extras")
        open(io -> print(io, "[sources]\nChecker = { path = \"../Checker/\" }\n"),
            joinpath(folder, "Project.toml"), "a")
        @test PackageCompilerRS.test_sources(folder) == [folder, joinpath(dirname(folder), "Checker")]
    end
end

@testset "tests that cannot be run" begin
    for (workload, words) in (
        TestSuite("Suitd") => ["`Suitd` is not in the project", "`Suited`"],
        TestSuite("Helper") => ["`Helper` has no tests", joinpath("Helper", "test", "runtests.jl"),
            "precompile_execution_file"],
        [1] => ["`workload` holds 1", "TestSuite"],
        "" => ["`workload`", "empty"],
        "Suited" => ["`workload`", "there is no file", "Suited"],
    )
        err = @test_throws BuildError create_sysimage("Suited"; project=SUITES,
            sysimage_path="X.so", workload=workload, dry_run=true)
        text = sprint(showerror, err.value)
        @test filter(word -> !occursin(word, text), words) == []
    end
    err = @test_throws BuildError plan_of("Home"; workload=TestSuite("Printf_"))
    @test occursin("not in the project", err.value.message)
    # Neither of the two is a dependency of the project itself.
    with_fixtures() do fixtures
        manifest = joinpath(fixtures, "project", "Manifest.toml")
        trigger = "000000000007\"\nversion = \"0.1.0\"\n"
        text = read(manifest, String)
        @assert occursin(trigger, text)
        chmod(manifest, 0o644)
        write(manifest, replace(text, trigger => trigger *
            "\n    [Trigger.deps]\n    Twin = \"11111111-aaaa-4aaa-8aaa-000000000003\"\n"))
        project = joinpath(fixtures, "project")
        file = joinpath(project, "Project.toml")
        text = replace(read(file, String), r"\nTwin = .*" => "")
        chmod(file, 0o644)
        write(file, text)
        err = @test_throws BuildError plan_of("Home"; project=project, workload=TestSuite("Twin"))
        @test occursin("2 packages of the Manifest", err.value.message)
    end
end

before = file_texts(SUITES)

@testset "a test process is traced in its own environment" begin
    passed, output, statements = run_tests(TestSuite("Suited"))
    passed || println(output)
    @test passed
    @test occursin("Suited tests passed", output)
    @test any(line -> occursin("typeof(Suited.measure), String", line), statements)
    @test any(line -> occursin("typeof(Checker.check)", line), statements)
    @test !any(line -> occursin("PackageCompilerRSRecording", line), statements)
    @test !any(line -> occursin("Suited.widen", line), statements)
    # Called by a function of the tests, and known to inference: in no trace of Julia's.
    @test any(line -> occursin("typeof(Suited.hidden), Int", line), statements)

    passed, output, statements = run_tests(TestSuite("Extras"))
    passed || println(output)
    @test passed
    @test any(line -> occursin("typeof(Extras.twice), Dates.Day", line), statements)
end

@testset "tests that fail leave what they compiled" begin
    passed, output, statements = run_tests(TestSuite("Suited"; test_args=["broken"]))
    @test !passed
    errors = filter(line -> startswith(line, "ERROR: "), split(output, '\n'))
    # The tests' own words are the last.
    @test occursin("Some tests did not pass: 0 passed, 1 failed", errors[end])
    @test occursin("Package Suited errored during testing", output)
    @test any(line -> occursin("typeof(Suited.widen), String, Int", line), statements)
    @test !any(line -> occursin("SubString", line), filter(s -> occursin("widen", s), statements))
end

@testset "a sandbox that cannot be made is an error" begin
    with_fixtures() do fixtures
        file = joinpath(fixtures, "packages", "Suited", "test", "Project.toml")
        text = replace(read(file, String), "000000000023" => "000000000099")
        chmod(file, 0o644)
        write(file, text)
        passed, output, statements = run_tests(TestSuite("Suited"); project=joinpath(fixtures, "suites"))
        @test !passed
        @test statements === nothing
        @test occursin("Trying again with a registry", output)
        @test any(line -> startswith(line, "ERROR: "), split(output, '\n'))
    end
end

@testset "the project is as it was" begin
    @test file_texts(SUITES) == before
end
