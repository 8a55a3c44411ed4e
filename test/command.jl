# The command for shells: words become calls, results become lines and exit codes.

module Commands

using PackageCompilerRS
using PackageCompilerRS: main, option_value, options_of_words, parse_json
using Test
using ..Main: PROJECT

"Exit code, and what was written to `stdout` and `stderr`."
function run_main(words...)
    mktempdir() do dir
        out, errors = joinpath(dir, "out"), joinpath(dir, "err")
        code = open(out, "w") do o
            open(errors, "w") do e
                redirect_stdout(() -> redirect_stderr(() -> main(collect(words)), e), o)
            end
        end
        return code, read(out, String), read(errors, String)
    end
end

@testset "words of options" begin
    given, json = options_of_words(["--force", "--cpu-target=native", "--json", "--incremental=false",
        "--precompile_execution_file=a.jl", "--precompile_execution_file=b=c.jl", "--idle-limit=2.5", "--trace-jobs=3"])
    @test json
    @test Dict(given) == Dict(:force => true, :cpu_target => "native", :incremental => false,
        :precompile_execution_file => ["a.jl", "b=c.jl"], :idle_limit => 2.5, :trace_jobs => 3)
    @test option_value(:sysimage_build_args, "-O1 --strip-metadata") == `-O1 --strip-metadata`
    given, _ = options_of_words(["--sysimage-build-args=-O1", "--sysimage-build-args=-g1 --check-bounds=yes"])
    @test Dict(given) == Dict(:sysimage_build_args => `-O1 -g1 --check-bounds=yes`)
    given, _ = options_of_words(["--workload=Suited", "--workload=run.jl", "--workload=Other"])
    @test [item isa TestSuite ? item.package : item for item in given[1].second] == ["Suited", "run.jl", "Other"]
    @test option_value(:workload, "run.jl") == "run.jl"
    @test option_value(:workload, "Suited").package == "Suited"
    @test option_value(:verify, "trace") === :trace
    @test option_value(:verify, "false") === false
    @test option_value(:executables, "a=f") == ["a" => "f"]
    # A version is no number.
    @test option_value(:version, "1.0") == "1.0"
    @test option_value(:idle_limit, "soon") == "soon"
end

@testset "what is not understood" begin
    @test run_main()[1] == 2
    for words in (["nothing"], ["status"], ["bundle", "x"], ["app", "x"], ["app", "a", "b", "--executables=x"])
        code, out, err = run_main(words...)
        @test (code, out) == (2, "")
        @test startswith(err, "ERROR: ")
    end
    for (words, message) in (["build", "--sysimage-build-args='-O1"] => "`--sysimage-build-args='-O1` cannot be split into words: unterminated single quote",
        ["build", "--sysimage-path=X.so", "--incrementl"] => "`build` has no option `--incrementl`, did you mean `--incremental`?",
        ["status", "X.so", "--force"] => "`status` has no option `--force`",
        ["status", "X.so", "--project"] => "`--project` is true, it must be a path",
        ["bundle", "X.so", "folder", "--include-lazy-artifacts=yes"] => "it must be `true` or `false`",
        ["refresh", "X.so", "--log"] => "`--log` is true",
        ["app", "a", "b", "--executable=a=f"] => "did you mean `--executables`?",
        ["audit", "folder", "--sizes"] => "`audit` has no option `--sizes`",
        ["clean", "--all"] => "`clean` has no option `--all`")
        code, out, err = run_main(words...)
        @test (code, out) == (2, "")
        @test occursin(message, err)
    end
    for words in (["help"], ["--help"], ["build", "--help"], ["status", "X.so", "-h"])
        code, out, _ = run_main(words...)
        @test code == 0
        @test occursin("exit codes: 0 done", out)
    end
end

@testset "errors are those of the functions" begin
    code, out, err = run_main("build", "Greetr", "--project=$PROJECT", "--sysimage_path=X.so", "--dry-run")
    @test (code, out) == (1, "")
    @test occursin("did you mean `Greeter`", err)
    code, _, err = run_main("bundle", "no such image.so", "folder")
    @test code == 1
    @test occursin(VERSION < v"1.6" ? "cannot be bundled" : "there is no sysimage", err)
end

@testset "failures as JSON, and paths" begin
    code, out, err = run_main("build", "Greetr", "--project=$PROJECT", "--sysimage_path=X.so", "--dry-run", "--json")
    @test code == 1 && occursin("did you mean", err)
    @test parse_json(out)["error"]["stage"] == "check"
    code, out, _ = run_main("status", "X.so", "--force", "--json")
    @test code == 2 && occursin("no option", parse_json(out)["error"]["message"])
    given, _ = options_of_words(["--sysimage-path=~/X.so"])
    @test Dict(given)[:sysimage_path] == joinpath(homedir(), "X.so")
end

@testset "results" begin
    code, out, _ = run_main("build", "Greeter", "--project=$PROJECT", "--sysimage_path=X.so", "--dry-run", "--json")
    @test code == 0
    preview = parse_json(out)
    @test preview["sysimage_path"] == abspath("X.so")
    @test "Greeter" in [package["name"] for package in preview["packages"]]
    code, out, _ = run_main("status", "no such image.so")
    @test code == 4
    @test occursin("state    unknown", out)
    code, out, _ = run_main("status", PackageCompilerRS.default_sysimage(), "--json")
    @test code == 4
    @test parse_json(out)["state"] == "unknown"
end

end
