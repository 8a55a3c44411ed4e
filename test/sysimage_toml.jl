# `create_sysimage()` without arguments: all it does is in the project's Sysimage.toml.

using PackageCompilerRS: Options, SYSIMAGE_TOML_KEYS, with_sysimage_toml

"Runs `f` with the folder of a copy of the project whose Sysimage.toml is `text`."
function with_toml(f, text)
    with_fixtures() do fixtures
        # As Julia itself names the project's files, wherever the temporary folder is a link to.
        project = realpath(joinpath(fixtures, "project"))
        write(joinpath(project, "Sysimage.toml"), text)
        f(project)
    end
end

"The error of a call without arguments, with this file."
function error_of(text)
    with_toml(text) do project
        err = @test_throws BuildError create_sysimage(; project=project, dry_run=true)
        return sprint(showerror, err.value)
    end
end

@testset "each keyword has its key" begin
    keywords = setdiff(string.(fieldnames(Options)), ["project", "image"])
    @test sort(collect(keys(SYSIMAGE_TOML_KEYS))) == sort([keywords; "packages"])
end

@testset "values become those of keywords" begin
    with_toml("""
        packages = ["Greeter", "Trigger"]
        sysimage_path = "images/X.so"
        precompile_execution_file = "run.jl"
        precompile_statements_file = ["a.jl", "/b.jl"]
        workload = { TestSuite = "Greeter" }
        incremental = false
        base_sysimage = "../base.so"
        cpu_target = "generic"
        sysimage_build_args = ["-O1", "two words"]
        verify = "trace"
        statement_timeout = 1.5
        image_threads = 2
        workload_deps = []
        """) do project
        packages, options = with_sysimage_toml(nothing, Dict{Symbol,Any}(), Options(; project=project))
        @test packages == ["Greeter", "Trigger"]
        @test options[:sysimage_path] == joinpath(project, "images", "X.so")
        @test options[:precompile_execution_file] == joinpath(project, "run.jl")
        @test options[:precompile_statements_file] == [joinpath(project, "a.jl"), "/b.jl"]
        @test options[:workload].package == "Greeter"
        @test options[:incremental] === false
        @test options[:base_sysimage] == joinpath(project, "../base.so")
        @test options[:cpu_target] == "generic"
        @test options[:sysimage_build_args] == Cmd(["-O1", "two words"])
        @test options[:verify] === :trace
        @test options[:statement_timeout] == 1.5
        @test options[:image_threads] == 2
        @test options[:workload_deps] == String[]
        @test PackageCompilerRS.options_from(options) isa Options
    end
    with_toml("sysimage_path = \"X.so\"\nworkload = [\"a.jl\", \"/b.jl\"]") do project
        _, options = with_sysimage_toml(nothing, Dict{Symbol,Any}(), Options(; project=project))
        @test options[:workload] == [joinpath(project, "a.jl"), "/b.jl"]
    end
    for (text, key, value) in (
        ("sysimage_build_args = \"-O1 '--a b'\"", :sysimage_build_args, `-O1 '--a b'`),
        ("verify = false", :verify, false),
        ("verify = \"load\"", :verify, :load),
        ("script = \"\"", :script, ""),
        ("statement_timeout = 10", :statement_timeout, 10),
    )
        with_toml("sysimage_path = \"X.so\"\n" * text) do project
            @test with_sysimage_toml(nothing, Dict{Symbol,Any}(), Options(; project=project))[2][key] == value
        end
    end
end

@testset "test suites" begin
    for text in (
        "workload = [{ TestSuite = \"A\" }, { TestSuite = \"B\", test_args = [\"quick\", \"x y\"] }]",
        "[[workload]]\nTestSuite = \"A\"\n[[workload]]\nTestSuite = \"B\"\ntest_args = [\"quick\", \"x y\"]",
    )
        with_toml("sysimage_path = \"X.so\"\n" * text) do project
            suites = with_sysimage_toml(nothing, Dict{Symbol,Any}(), Options(; project=project))[2][:workload]
            @test [suite.package for suite in suites] == ["A", "B"]
            @test [suite.test_args for suite in suites] == [String[], ["quick", "x y"]]
        end
    end
end

@testset "scripts as workloads" begin
    for (text, expected) in (
        "workload = \"a.jl\"" => project -> joinpath(project, "a.jl"),
        "workload = [\"a.jl\", { TestSuite = \"A\" }]" => project -> joinpath(project, "a.jl"),
    )
        # The TOML parser of Julia 1.5 takes arrays of one type only.
        VERSION < v"1.6" && startswith(text, "workload = [") && continue
        with_toml("sysimage_path = \"X.so\"\n" * text) do project
            value = with_sysimage_toml(nothing, Dict{Symbol,Any}(), Options(; project=project))[2][:workload]
            @test (value isa String ? value : value[1]) == expected(project)
            @test value isa String || value[2].package == "A"
        end
    end
end

@testset "several images" begin
    text = """
        cpu_target = "generic"
        packages = "Greeter"
        [images.one]
        sysimage_path = "One.so"
        [images.two]
        sysimage_path = "Two.so"
        packages = "Trigger"
        cpu_target = "native"
        """
    with_toml(text) do project
        preview(; keywords...) = create_sysimage(; project=project, dry_run=true, quiet=true, keywords...)
        one, two = preview(; image="one"), preview(; image=:two)
        @test one.sysimage_path == joinpath(project, "One.so")
        @test names_of(one.packages)[end] == "Greeter"
        @test any(c -> occursin("--cpu-target=generic", c.command), one.commands)
        @test two.sysimage_path == joinpath(project, "Two.so")
        @test names_of(two.packages) == ["Trigger"]
        @test any(c -> occursin("--cpu-target=native", c.command), two.commands)
        moved = preview(; image="two", sysimage_path=joinpath(project, "Y.so"))
        @test moved.sysimage_path == joinpath(project, "Y.so")
        @test names_of(moved.packages) == ["Trigger"]
        for (keywords, words) in (
            NamedTuple() => ["has several images", "`image=\"one\"`, `image=\"two\"`"],
            (image="three",) => ["has no image `three`", "`image=\"one\"`"],
            (image=1,) => ["`image` is 1", "a name as a String or Symbol"],
        )
            err = @test_throws BuildError preview(; keywords...)
            message = sprint(showerror, err.value)
            @test filter(word -> !occursin(word, message), words) == []
        end
    end
    err = @test_throws BuildError create_sysimage(; project=PROJECT, sysimage_path="X.so", image="a", dry_run=true)
    @test occursin("`image` is given, and there is no", err.value.message)
end

@testset "a call without arguments" begin
    with_toml("""
        packages = "Greeter"
        sysimage_path = "X.so"
        cpu_target = "generic"
        dry_run = true
        """) do project
        before = Base.ACTIVE_PROJECT[]
        preview = try
            Base.ACTIVE_PROJECT[] = joinpath(project, "Project.toml")
            create_sysimage()
        finally
            Base.ACTIVE_PROJECT[] = before
        end
        @test preview.sysimage_path == joinpath(project, "X.so")
        @test names_of(preview.packages) == ["Helper", "Late", "Twin", "Greeter"]
        @test any(c -> occursin("--cpu-target=generic", c.command), preview.commands)
    end
end

@testset "what the caller gives goes before what the file says" begin
    with_toml("""
        packages = "Greeter"
        sysimage_path = "X.so"
        cpu_target = "generic"
        script = "nowhere.jl"
        dry_run = true
        """) do project
        given = create_sysimage("Trigger"; project=project, cpu_target="native", script=nothing)
        @test given.sysimage_path == joinpath(project, "X.so")
        @test names_of(given.packages) == ["Trigger"]
        @test any(c -> occursin("--cpu-target=native", c.command), given.commands)
        # A path of its own is one key like others.
        other = joinpath(project, "Y.so")
        moved = @test_logs (:info, r"is taken from `.*Sysimage.toml`") create_sysimage("Trigger";
            project=project, sysimage_path=other, script=nothing)
        @test moved.sysimage_path == other
        @test names_of(moved.packages) == ["Trigger"]
        @test any(c -> occursin("--cpu-target=generic", c.command), moved.commands)
        @test_logs create_sysimage(; project=project, sysimage_path=other, script=nothing, quiet=true)
    end
    # The call may be all that names a path.
    with_toml("packages = [\"Trigger\"]") do project
        other = joinpath(project, "Y.so")
        preview = create_sysimage(; project=project, sysimage_path=other, dry_run=true)
        @test preview.sysimage_path == other
        @test names_of(preview.packages) == ["Trigger"]
    end
    # Where there is no file, or no project, it is not asked for.
    err = @test_throws BuildError create_sysimage(; project="/nowhere", sysimage_path="X.so", dry_run=true)
    @test occursin("`project` does not exist", err.value.message)
    # `nothing` as in the signature is no path.
    with_toml("sysimage_path = \"X.so\"") do project
        preview = create_sysimage("Greeter"; project=project, sysimage_path=nothing, dry_run=true)
        @test preview.sysimage_path == joinpath(project, "X.so")
    end
end

@testset "there is no file" begin
    err = @test_throws BuildError create_sysimage(; project=PROJECT, dry_run=true)
    text = sprint(showerror, err.value)
    @test occursin("`sysimage_path` is missing", text)
    @test occursin("no `$(joinpath(PROJECT, "Sysimage.toml"))`", text)
    @test occursin("`sysimage_path = \"Sysimage.", text)
    @test occursin("has no `sysimage_path`", error_of("packages = \"Greeter\""))
    mktempdir() do dir
        file = joinpath(dir, "Sysimage.toml")
        write(file, "script = \"~/s.jl\"\n[images.plots]\npackages = \"Greeter\"\n")
        read = PackageCompilerRS.read_sysimage_toml(file, "plots", false)
        @test read[:script] == joinpath(homedir(), "s.jl")
        write(joinpath(dir, "Project.toml"), "")
        err = @test_throws BuildError create_sysimage(; project=dir, image="plots")
        @test occursin("`[images.plots]` in `$file` has no `sysimage_path`", err.value.message)
    end
end

@testset "keys and values that are wrong" begin
    for (line, words) in (
        "sysimage_pth = \"X.so\"" => ["unknown key `sysimage_pth`", "did you mean `sysimage_path`"],
        "workloads = \"a.jl\"" => ["unknown key `workloads`", "`workload`"],
        "xyz = 1" => ["unknown key `xyz`", "precompile_execution_file, "],
        "project = \".\"" => ["unknown key `project`", "the project whose folder it is in"],
        "strict = \"yes\"" => ["`strict`", "Sysimage.toml` is \"yes\"", "true or false"],
        "image_threads = 1.5" => ["`image_threads`", "1.5", "a whole number"],
        "image_threads = true" => ["`image_threads`", "true", "a whole number"],
        "sysimage_path = 3" => ["`sysimage_path`", "3", "a path as a string"],
        "precompile_execution_file = [1]" => ["`precompile_execution_file`", "array"],
        "sysimage_build_args = \"'a\"" => ["`sysimage_build_args`", "'a"],
        "sysimage_build_args = 1" => ["`sysimage_build_args`", "a string or an array of strings"],
        "verify = \"maybe\"" => ["`verify`", "\"maybe\"", "\"load\", \"trace\" or false"],
        "verify = true" => ["`verify`", "true", "\"load\", \"trace\" or false"],
        "workload = 1" => ["`workload`", "{ TestSuite = \"Example\" }", "path of a script"],
        "image = \"a\"" => ["unknown key `image`", "[images.NAME]"],
        "images = 1" => ["`images`", "a table for each image"],
        "[images]\na = 1" => ["`images`", "a table for each image"],
        "[images.a]\nstrit = true" => ["unknown key `strit`", "did you mean `strict`"],
        "workload = { TestSuit = \"Greeter\" }" => ["`workload`", "TestSuite"],
        "workload = { TestSuite = \"Greeter\", args = [] }" => ["`workload`", "TestSuite"],
        "statement_timeout = 2020-01-01T00:00:00Z" => ["`statement_timeout`", "a number of seconds"],
        "packages = [\"Greter\"]\nsysimage_path = \"X.so\"" => ["`Greter`", "`Greeter`"],
        "script = \"\"\nsysimage_path = \"X.so\"" => ["`script`", "empty"],
        "[verify\n" => ["Sysimage.toml", "cannot be read"],
    )
        text = error_of(line)
        @testset "$line" begin
            @test filter(word -> !occursin(word, text), words) == []
        end
    end
end
