# Bad input, and what the user is told before anything is compiled: each row is what is wrong, the
# arguments, and words of the message and of the hint or cause.

const ROOT_CAN_WRITE_ANYWHERE = Sys.isunix() && ccall(:geteuid, Cuint, ()) == 0

mktempdir() do dir
    ok = (project=PROJECT, sysimage_path=joinpath(dir, "X.so"), quiet=true)
    empty_project = mkpath(joinpath(dir, "empty"))
    no_manifest = mkpath(joinpath(dir, "no_manifest"))
    write(joinpath(no_manifest, "Project.toml"), "")
    bad_toml = mkpath(joinpath(dir, "bad_toml"))
    write(joinpath(bad_toml, "Project.toml"), "[deps\n")
    function broken_manifest(manifest, project="")
        folder = mktempdir(dir)
        write(joinpath(folder, "Project.toml"), project)
        write(joinpath(folder, "Manifest.toml"), manifest)
        return folder
    end
    other_name = joinpath(mkpath(joinpath(dir, "envs")), "Gpu.toml")
    write(other_name, "")
    second_name = joinpath(mkpath(joinpath(dir, "two")), "Project.toml")
    foreach(name -> write(joinpath(dir, "two", name), ""), ("Project.toml", "JuliaProject.toml"))
    versioned = mkpath(joinpath(dir, "versioned"))
    foreach(name -> write(joinpath(versioned, name), ""), ("Project.toml", "Manifest-v1.4.toml"))
    extended = broken_manifest("""
        [[A]]
        path = "A"
        uuid = "5f2a1e6c-6a0e-4b6e-9a55-0e6c3c9d1b7a"
        weakdeps = ["B"]

            [A.extensions]
            ABExt = "B"
        """, "[deps]\nA = \"5f2a1e6c-6a0e-4b6e-9a55-0e6c3c9d1b7a\"\n")
    unresolved = broken_manifest("", "[deps]\nA = \"5f2a1e6c-6a0e-4b6e-9a55-0e6c3c9d1b7a\"\n")
    plain_file = joinpath(dir, "plain.txt")
    write(plain_file, "no image")
    script = joinpath(WORKLOADS, "script.jl")
    # A shared library that is no sysimage.
    libjulia = first(PackageCompilerRS.runtime_libraries())

    library = joinpath(dir, "library.so")
    cp(libjulia, library; follow_symlinks=true)
    write(joinpath(dir, "settings.so.json"), "{\"name\": \"mine\"}")

    cases = Any[
        ("unknown package", "Greter", ok, ["`Greter` is not in the project"], ["did you mean `Greeter`?"]),
        ("unknown package, as a symbol", :Greter, ok, ["`Greter`"], ["`Greeter`"]),
        ("one of several is unknown", ["Greeter", "Nothere"], ok, ["`Nothere`"], ["Pkg.add(\"Nothere\")"]),
        ("only an indirect dependency", "Helper", ok, ["`Helper` is not in the project"], ["dependency of another"]),
        ("an empty name", "", ok, ["name is empty"], []),
        ("an empty name among others", ["Greeter", ""], ok, ["name is empty"], []),
        ("a blank name", " ", ok, ["name is empty"], []),
        ("a name with its ending", "Greeter.jl", ok, ["`Greeter.jl` is not a package name"], ["leave out the `.jl`"]),
        ("a path for a name", "../Greeter", ok, ["not a package name"], []),
        ("no project there", "Greeter", merge(ok, (project=joinpath(dir, "nowhere"),)), ["does not exist", "nowhere"], []),
        ("a folder without a project", "Greeter", merge(ok, (project=empty_project,)), ["no Project.toml"], ["Pkg.activate"]),
        ("an empty project path", "Greeter", merge(ok, (project="",)), ["`project` is empty"], []),
        ("no such shared environment", "Greeter", merge(ok, (project="@no-such-env",)), ["no shared environment `@no-such-env`"], []),
        ("a project without a Manifest", "Greeter", merge(ok, (project=no_manifest, dry_run=true)), ["no Manifest.toml"], ["Pkg.instantiate"]),
        ("a project that is not TOML", "Greeter", merge(ok, (project=bad_toml,)), ["bad_toml"], []),
        ("a Manifest that is not TOML", "Greeter", merge(ok, (project=broken_manifest("[[A]\n"),)), ["Manifest.toml"], []),
        ("a Manifest without UUIDs", "Greeter", merge(ok, (project=broken_manifest("[[A]]\n"),)), ["Manifest.toml", "not as Pkg writes"], ["Pkg.instantiate", "uuid"]),
        ("a Manifest with a number for a version", "Greeter", merge(ok, (project=broken_manifest("[[A]]\nuuid = \"5f2a1e6c-6a0e-4b6e-9a55-0e6c3c9d1b7a\"\nversion = 1\n"),)), ["Manifest.toml", "not as Pkg writes"], ["Pkg.instantiate"]),
        ("a project with a bad UUID", "Greeter", merge(ok, (project=broken_manifest("", "[deps]\nA = \"1\"\n"),)), ["Project.toml", "not as Pkg writes"], ["Pkg.resolve", "UUID"]),
        ("an empty image path", "Greeter", merge(ok, (sysimage_path="",)), ["`sysimage_path` is empty"], []),
        ("the image path is a folder", "Greeter", merge(ok, (sysimage_path=dir,)), ["is a directory", dir], []),
        ("a name that is too long", "Greeter", merge(ok, (sysimage_path="n"^253 * ".so",)), ["has 256 bytes"], ["at most 255"]),
        ("the image path lies below a file", "Greeter", merge(ok, (sysimage_path=joinpath(plain_file, "X.so"),)), ["plain.txt"], []),
        ("no such workload", "Greeter", merge(ok, (precompile_execution_file="nope.jl",)), ["precompile_execution_file", "nope.jl"], ["pwd()"]),
        ("one workload of several is missing", "Greeter", merge(ok, (precompile_execution_file=[script, "nope.jl"],)), ["nope.jl"], []),
        ("a workload that is a folder", "Greeter", merge(ok, (precompile_execution_file=dir,)), ["precompile_execution_file", "directory"], []),
        ("an empty workload path", "Greeter", merge(ok, (precompile_execution_file="",)), ["precompile_execution_file", "empty"], []),
        ("no such statements file", "Greeter", merge(ok, (precompile_statements_file=["nope.jl"],)), ["precompile_statements_file", "nope.jl"], []),
        ("an empty statements path", "Greeter", merge(ok, (precompile_statements_file=[""],)), ["precompile_statements_file"], []),
        ("no such script", "Greeter", merge(ok, (script="nope.jl",)), ["script", "nope.jl"], []),
        ("an empty script path", "Greeter", merge(ok, (script="",)), ["script"], []),
        ("filter_stdlibs with incremental", "Greeter", merge(ok, (filter_stdlibs=true,)), ["filter_stdlibs", "incremental=false"], []),
        ("base_sysimage without incremental", "Greeter", merge(ok, (base_sysimage=libjulia, incremental=false)), ["base_sysimage", "incremental=false"], []),
        ("no such base image", "Greeter", merge(ok, (base_sysimage="nope.so",)), ["base_sysimage", "nope.so"], []),
        ("an empty base image path", "Greeter", merge(ok, (base_sysimage="",)), ["base_sysimage"], []),
        ("a base that is a folder", "Greeter", merge(ok, (base_sysimage=dir,)), ["base_sysimage", "directory"], []),
        ("a base that is no library", "Greeter", merge(ok, (base_sysimage=plain_file,)), ["not a sysimage"], []),
        ("a base that is another library", "Greeter", merge(ok, (base_sysimage=libjulia,)), ["not a sysimage"], []),
        ("an empty cpu_target", "Greeter", merge(ok, (cpu_target="",)), ["`cpu_target` is empty"], ["native"]),
        ("an option after the name of a CPU", "Greeter", merge(ok, (cpu_target="haswell,clone_all;", verify=:maybe)), ["verify"], []),
        ("an unknown way to verify", "Greeter", merge(ok, (verify=:maybe,)), ["verify"], [":load"]),
        ("a target that is a source file", "Greeter", merge(ok, (sysimage_path=plain_file,)), ["`sysimage_path`", "no sysimage", plain_file], ["remove it"]),
        ("a target that is a library", "Greeter", merge(ok, (sysimage_path=library,)), ["no sysimage"], []),
        ("a stamp that is none", "Greeter", merge(ok, (sysimage_path=joinpath(dir, "settings.so"),)), ["settings.so.json"], ["another `sysimage_path`"]),
        ("a log that is a source file", "Greeter", merge(ok, (log=plain_file,)), ["`log`", "no log of a build", plain_file], []),
        ("no threads", "Greeter", merge(ok, (image_threads=0,)), ["image_threads"], []),
        ("less than no threads", "Greeter", merge(ok, (image_threads=-1,)), ["`image_threads` is -1"], ["1 or more"]),
        ("a flag for a number of threads", "Greeter", merge(ok, (image_threads=true,)), ["`image_threads` is true"], ["1 or more"]),
        ("more threads than can be counted", "Greeter", merge(ok, (image_threads=2^40,)), ["`image_threads`"], ["1 or more"]),
        ("a flag for a number of jobs", "Greeter", merge(ok, (trace_jobs=true,)), ["`trace_jobs` is true"], []),
        ("a time that is no number", "Greeter", merge(ok, (statement_timeout=NaN,)), ["`statement_timeout` is NaN"], ["Inf"]),
        ("a time below zero", "Greeter", merge(ok, (statement_timeout=-Inf,)), ["`statement_timeout` is -Inf"], []),
        ("a flag for a time", "Greeter", merge(ok, (statement_timeout=true,)), ["`statement_timeout` is true"], []),
        ("an image path that is no text", "Greeter", merge(ok, (sysimage_path="\xff.so",)), ["`sysimage_path` is not valid UTF-8"], ["rename"]),
        ("a workload path that is no text", "Greeter", merge(ok, (precompile_execution_file=["a.jl", "\xff.jl"],)), ["`precompile_execution_file` is not valid UTF-8"], []),
        ("a project path that is no text", "Greeter", merge(ok, (project="\xff",)), ["`project` is not valid UTF-8"], []),
        ("a script path with a NUL", "Greeter", merge(ok, (script="a\0b",)), ["`script` holds a NUL"], []),
        ("an option that is no text", "Greeter", merge(ok, (sysimage_build_args=Cmd(["--\xff"]),)), ["`sysimage_build_args` is not valid UTF-8"], []),
        ("a project file that Julia does not know", "Greeter", merge(ok, (project=other_name,)), ["Gpu.toml` cannot be used"], ["Project.toml"]),
        ("a project file beside one that comes first", "Greeter", merge(ok, (project=second_name,)), ["`", "Project.toml` cannot be used"], ["`JuliaProject.toml` is beside it", "give the folder"]),
        ("no name for a package", [1], ok, ["`packages` holds 1"], ["names as Strings"]),
        ("no names for packages", 1, ok, ["`packages` is 1"], ["String or Symbol"]),
        ("no path for a workload", "Greeter", merge(ok, (precompile_execution_file=[1],)), ["`precompile_execution_file` holds 1"], ["paths as Strings"]),
        ("a symbol for a workload", "Greeter", merge(ok, (precompile_execution_file=[:a],)), ["`precompile_execution_file` holds :a"], ["paths as Strings"]),
        ("a table for a workload", "Greeter", merge(ok, (workload=Dict("TestSuite" => "A"),)), ["`workload` is Dict("], ["a `TestSuite`"]),
        ("threads for the image process", "Greeter", merge(ok, (sysimage_build_args=`--threads=6`,)), ["--threads=6"], ["image_threads"]),
        ("threads in one word", "Greeter", merge(ok, (sysimage_build_args=`-t6`,)), ["-t6"], ["image_threads"]),
        ("caches for the image process", "Greeter", merge(ok, (sysimage_build_args=`--pkgimages=yes`,)), ["--pkgimages=yes"], ["linked"]),
        ("a startup file for the image process", "Greeter", merge(ok, (sysimage_build_args=`--startup-file=yes`,)), ["--startup-file=yes"], ["script"]),
        ("a Manifest of another Julia", "Greeter", merge(ok, (project=versioned,)), ["does not read `Manifest-v1.4.toml`"], ["Pkg.instantiate"]),
        ("a Manifest of another Julia, in a dry run", "Greeter", merge(ok, (project=versioned, dry_run=true)), ["does not read `Manifest-v1.4.toml`"], []),
        ("a dependency that the Manifest lacks", nothing, merge(ok, (project=unresolved, dry_run=true)), ["lacks `A`"], ["Pkg.resolve"]),
        ("one by its name", "A", merge(ok, (project=unresolved, dry_run=true)), ["lacks `A`"], ["Pkg.resolve"]),
        ("one by its tests", String[], merge(ok, (project=unresolved, dry_run=true, workload=TestSuite("A"))), ["lacks `A`"], ["Pkg.resolve"]),
        ("the name of an extension", "ABExt", merge(ok, (project=extended, dry_run=true)), ["`ABExt` is an extension of `A`"], ["when A and B do"]),
        ("no jobs", "Greeter", merge(ok, (trace_jobs=0,)), ["trace_jobs"], []),
        ("no threads", "Greeter", merge(ok, (workload_threads=0,)), ["workload_threads"], []),
        ("no time for a statement", "Greeter", merge(ok, (statement_timeout=0,)), ["statement_timeout"], []),
        ("no time to wait", "Greeter", merge(ok, (idle_limit=0,)), ["idle_limit"], ["Inf"]),
        ("less than no time to wait", "Greeter", merge(ok, (idle_limit=-Inf,)), ["idle_limit"], []),
        ("a variable with its value", "Greeter", merge(ok, (environment_inputs="A=1",)), ["environment_inputs", "A=1"], ["names alone"]),
        ("no name for a variable", "Greeter", merge(ok, (environment_inputs=["A", 1],)), ["`environment_inputs` holds 1"], ["names as Strings"]),
        ("an option that is a keyword", "Greeter", merge(ok, (sysimage_build_args=`--sysimage=x.so`,)), ["--sysimage=x.so"], ["base_sysimage"]),
        ("another such option", "Greeter", merge(ok, (sysimage_build_args=`--output-o x.o`,)), ["--output-o"], ["sysimage_path"]),
        ("an option for sessions", "Greeter", merge(ok, (sysimage_build_args=`-O1 -q`,)), ["holds `-q`"], ["no prompt"]),
        ("an option that only prints", "Greeter", merge(ok, (sysimage_build_args=`--version`,)), ["holds `--version`"], ["nothing else"]),
        ("a file among the options", "Greeter", merge(ok, (sysimage_build_args=`-O1 setup.jl`,)), ["holds `setup.jl`, which is no option"], ["`script`"]),
        ("the end of options", "Greeter", merge(ok, (sysimage_build_args=`--`,)), ["holds `--`"], []),
        ("--strip-ir alone", "Greeter", merge(ok, (sysimage_build_args=`--strip-ir`,)), ["--strip-ir"], []),
        ("a log in a folder that is not there", "Greeter", merge(ok, (log=joinpath(dir, "no", "x.log"),)), ["log"], []),
        ("a log that is a folder", "Greeter", merge(ok, (log=dir,)), ["log", "directory"], []),
    ]
    if Sys.ARCH === :x86_64 && VERSION < v"1.14-"
        push!(cases, ("a slip in the name of a CPU", "Greeter", merge(ok, (cpu_target="skylak",)), ["`cpu_target` names `skylak`"], ["did you mean `skylake`"]))
        push!(cases, ("a slip in the second CPU", "Greeter", merge(ok, (cpu_target="generic;haswel,clone_all",)), ["`haswel`"], ["`haswell`"]))
        push!(cases, ("a feature that no CPU has", "Greeter", merge(ok, (cpu_target="generic;haswell,-rdrnd,avx9",)), ["the feature `avx9`"], ["`avx2`"]))
        push!(cases, ("a blank before a name", "Greeter", merge(ok, (cpu_target="generic; haswell",)), ["names ` haswell`"], ["`haswell`"]))
        push!(cases, ("a blank before a feature", "Greeter", merge(ok, (cpu_target="haswell, avx2",)), ["the feature ` avx2`"], ["`avx2`"]))
        push!(cases, ("a feature like no other", "Greeter", merge(ok, (cpu_target="haswell,+quantum",)), ["the feature `+quantum`"], ["leave it out"]))
        push!(cases, ("features that are known", "Greeter", merge(ok, (cpu_target="generic;sandybridge,-xsaveopt,clone_all;haswell,+sse4.1,-rdrnd,base(1)", verify=:maybe)), ["verify"], []))
        push!(cases, ("no CPU at all", "Greeter", merge(ok, (cpu_target="my computer",)), ["`my computer`"], ["native"]))
    end
    if VERSION < v"1.13-"
        push!(cases, ("compression on an old Julia", "Greeter", merge(ok, (compress_sysimage=true,)), ["compress_sysimage", "1.13", "$VERSION"], []))
        push!(cases, ("the base's cpu_target on an old Julia", "Greeter", merge(ok, (cpu_target="sysimage",)), ["cpu_target", "1.13"], []))
    end
    if VERSION < v"1.8"
        push!(cases, ("stripping on an old Julia", "Greeter", merge(ok, (sysimage_build_args=`--strip-metadata`,)), ["--strip-metadata", "1.8"], []))
    end

    before = sort(readdir(dir))
    @testset "$what" for (what, packages, kwargs, message, rest) in cases
        err = try
            create_sysimage(packages; kwargs...)
            nothing
        catch err
            err
        end
        @test err isa BuildError
        if err isa BuildError
            @test err.stage === :check
            @test all(word -> occursin(word, err.message), message)
            @test all(word -> occursin(word, string(err.cause, ' ', err.hint)), rest)
            @test occursin(err.message, sprint(showerror, err))
        end
    end
    @testset "a base without code for the target" begin
        julia = joinpath(Sys.BINDIR, Base.julia_exename())
        start = `$julia --startup-file=no --cpu-target=generic -e 0`
        if Sys.ARCH !== :x86_64 || success(pipeline(start; stderr=devnull))
            println("skipped: the image of this Julia has code that \"generic\" starts with")
        else
            err = @test_throws BuildError create_sysimage("Greeter"; ok..., cpu_target="generic")
            @test err.value.stage === :check
            @test occursin("`cpu_target=\"generic\"` cannot be built on", err.value.message)
            @test occursin(PackageCompilerRS.running_sysimage(), err.value.message)
            @test occursin(r"the base image has (no code|code for \S+)", err.value.hint)
            @test occursin("`incremental=false`", err.value.hint)
        end
    end

    @testset "nothing was left behind" begin
        @test sort(readdir(dir)) == before
        @test read(plain_file, String) == "no image"
    end

    @testset "the active project is one that Julia does not read in its folder" begin
        before = Base.ACTIVE_PROJECT[]
        try
            Base.ACTIVE_PROJECT[] = second_name
            err = @test_throws BuildError create_sysimage("Greeter"; sysimage_path=ok.sysimage_path)
            @test occursin("cannot be used as a project", err.value.message)
        finally
            Base.ACTIVE_PROJECT[] = before
        end
    end

    @testset "JULIA_CC that is not there, empty or unbalanced" begin
        for (value, word) in ("no-such-compiler -g" => "no-such-compiler", "" => "empty", "'a" => "split")
            withenv("JULIA_CC" => value) do
                err = @test_throws BuildError create_sysimage("Greeter"; ok...)
                @test occursin(word, err.value.message)
            end
        end
    end

    @testset "no permission" begin
        locked = mkpath(joinpath(dir, "locked"))
        chmod(locked, 0o500)
        if ROOT_CAN_WRITE_ANYWHERE
            println("skipped: permissions do not bind root")
        else
            err = @test_throws BuildError create_sysimage("Greeter"; ok..., sysimage_path=joinpath(locked, "X.so"))
            @test occursin("permission", err.value.message)
        end
    end
end

@testset "there is no active project" begin
    code = """
        using PackageCompilerRS
        Base.ACTIVE_PROJECT[] = nothing; empty!(LOAD_PATH)
        try create_sysimage(; sysimage_path="X.so") catch err; print(err.message) end
        """
    # Julia reads LOAD_PATH from the environment before the code empties it.
    path = join([dirname(@__DIR__), "@stdlib"], Sys.iswindows() ? ';' : ':')
    command = `$(joinpath(Sys.BINDIR, Base.julia_exename())) --startup-file=no -e $code`
    output = withenv(() -> read(command, String), "JULIA_LOAD_PATH" => path, "JULIA_PROJECT" => nothing)
    @test output == "there is no active project"
end

@testset "keywords that there are not, and values of the wrong type" begin
    for (keywords, words) in (
        (sysimage_pth="X.so",) => ["no keyword `sysimage_pth`", "`sysimage_path`"],
        (incremental="yes",) => ["`incremental`", "Bool"],
        (sysimage_build_args="-O1",) => ["`sysimage_build_args`", "Cmd"],
        (verify=true, sysimage_path="X.so") => ["`verify` is true", ":load"],
        NamedTuple() => ["`sysimage_path` is missing", "Sysimage.toml"],
    )
        err = @test_throws BuildError create_sysimage("Greeter"; project=PROJECT, keywords...)
        text = sprint(showerror, err.value)
        @test all(word -> occursin(word, text), words)
    end
end

@testset "a cause is a sentence, and not what announces one" begin
    cause(text) = PackageCompilerRS.first_sentence(text)
    @test cause("no such file\nStacktrace:\n [1] f()") == "no such file"
    @test cause("Unsatisfiable requirements detected for package A [1]:\n A [1] log:\n ├─possible versions are: 1.0\n └─x") ==
          "Unsatisfiable requirements detected for package A [1]: A [1] log: ├─possible versions are: 1.0"
    @test cause("On worker 2:\n\nStacktrace:\n [1] f()") == "On worker 2"
    @test cause("a:\n" * "b"^400 * ":\nc") == "a: " * "b"^400
    @test cause("") == ""
end
