# Real images. Those that are not linked take minutes, so that few of them answer many questions:
#   A  incremental, nearly every keyword, a workload, statements of every kind, a script
#   B  on top of A, in a folder with an awkward name, without a C compiler where Julia brings lld
#   C  incremental=false with filter_stdlibs
#   D  incremental=false
# Where linked images can be made these are; linked.jl has the comparison with a full one. PCRS_TEST_WHOLE=1 adds D,
# and C where that takes longer than all the rest, on Julia 1.10 and newer.

const JULIA = joinpath(Sys.BINDIR, Base.julia_exename())
const DLEXT = PackageCompilerRS.Libdl.dlext

# Options and a CPU target that leave an image linked, where it can be; else such that change it.
const ARGUMENTS = LINKABLE ? `--heap-size-hint=3G` : `-O1`
const TARGET = LINKABLE ? "native" : "generic"

include("statement_classes.jl")

"What `code` prints on the image."
function ask(image, code; options=``)
    clean = ("JULIA_LOAD_PATH" => nothing, "JULIA_PROJECT" => nothing)
    return withenv(() -> read(`$JULIA --sysimage=$image --startup-file=no $options -e $code`, String), clean...)
end

"What a session on the image writes to `stderr` when it starts in the project."
function warned(image, project; options=``, variables=())
    clean = ("JULIA_LOAD_PATH" => nothing, "JULIA_PROJECT" => nothing, "PCRS_GUARD" => nothing)
    command = `$JULIA --sysimage=$image --startup-file=no --project=$project $options -e 1`
    return mktemp() do path, io
        with_variables(() -> run(pipeline(command; stdout=devnull, stderr=path)), clean..., variables...)
        read(path, String)
    end
end

"Names and versions-by-uuid of the packages in the image."
loaded(image) = split(ask(image, "foreach(id -> id.uuid === nothing || println(id.name), keys(Base.loaded_modules))"))

"""
Julia 1.5 leaves out of an image what its own base has inferred and can inline, and signatures that
end in `Vararg`, though `precompile` returns true for both: of the workloads here, `println`.
"""
julia_drops(statement) = VERSION < v"1.6" && occursin("typeof(Base.println)", statement)

"The statements that Julia still compiles for a script."
function still_compiled(image, project, script)
    trace = tempname()
    command = `$JULIA --sysimage=$image --startup-file=no --project=$project --trace-compile=$trace $script`
    # Both, as Julia 1.5 compiles something for each kind of stream.
    run(pipeline(command; stdout=devnull, stderr=devnull))
    statements = isfile(trace) ? readlines(trace) : String[]
    rm(trace; force=true)
    return statements
end

with_fixtures() do fixtures
    project = joinpath(fixtures, "project")
    workshop = joinpath(fixtures, "workshop")
    folder = joinpath(fixtures, "images", "new")
    image_a = joinpath(folder, "A.$DLEXT")
    log_a = joinpath(fixtures, "a.log")

    @testset "A: the keywords together" begin
        # A task of the user's must run on while the image is built.
        ticks = Ref(0)
        ticker = Timer(_ -> ticks[] += 1, 0.1; interval=0.1)
        report = create_sysimage([:Greeter, :Home]; sysimage_path=image_a, project=project,
            precompile_execution_file=[joinpath(WORKLOADS, "greet.jl"), joinpath(WORKLOADS, "home.jl")],
            precompile_statements_file=joinpath.(WORKLOADS, ["statements.jl", "classes.jl"]),
            statement_timeout=60,
            script=joinpath(WORKLOADS, "script.jl"), sysimage_build_args=ARGUMENTS,
            cpu_target=TARGET, log=log_a, verify=:trace, guard=true, quiet=true)
        close(ticker)
        @test ticks[] > report.seconds
        @test readdir(folder) == ["A.$DLEXT", "A.$DLEXT.json"]

        names = loaded(image_a)
        @test all(in(names), ["Greeter", "Home", "Helper", "Late"])
        @test count(==("Twin"), names) == 2
        @test ask(image_a, "print(Main.Greeter.greet(Main.Greeter.Name(\"x\")), Main.Home.welcome())") ==
              "* Hello, x two ** Hello, home two *one"
        @test ask(image_a, "print(isdefined(Main, :Helper))") == "false"
        @test ask(image_a, "print(from_script)") == "42"
        @test ask(image_a, "print(described('x'))") == "Char from a session"
        # What `ARGUMENTS` say.
        @test ask(image_a, LINKABLE ? "print(heap_in_script)" : "print(level_in_script)") ==
              (LINKABLE ? string(3 << 30) : "1")
        @test ask(image_a, "print(ran_in_script)") == "julia version $VERSION\n"
        @test ask(image_a, "print(drawn_in_script)") in string.(1:6)
        @test ask(image_a, "print(allocators)") ==
              (Sys.islinux() ? "[\"libpackagecompilerrs_allocator.so\"]" : "Any[]")
        # What belonged to the building process is not in the image, and no name that it used is taken.
        @test ask(image_a, "read = 1; joinpath() = 2; Core.print(read, joinpath())") == "12"
        there = "foreach(println, (ARGS, LOAD_PATH, DEPOT_PATH, Base.load_path(), Sys.STDLIB, Sys.BINDIR, Base.PROGRAM_FILE))"
        @test ask(image_a, there) == ask(PackageCompilerRS.running_sysimage(), there)
        # Each in a session of its own, as a user would call it.
        for call in ("Greeter.whisper(\"X\")", "Greeter.Nested.deep(1)")
            compiled = mktemp() do script, io
                write(io, "using Greeter\n$call\n")
                close(io)
                still_compiled(image_a, project, script)
            end
            @test isempty(compiled)
        end
        @test all(julia_drops, still_compiled(image_a, project, joinpath(WORKLOADS, "greet.jl")))

        @test names_of(report.packages) == filter!(name -> !(name in PROMPT), ["Helper", "Late", "Twin",
            "Greeter", "Unicode", "Printf", "Dates", "Trigger", "Twin", "Home"])
        @test of_project(report.packages)[4].version == v"1.2.0"
        @test report.image_size == filesize(image_a)
        @test report.base_sysimage == PackageCompilerRS.running_sysimage()
        outcomes = Dict(s.text => s.outcome for s in report.statements)
        @test outcomes["precompile(Tuple{typeof(Greeter.whisper), String})"] === :precompiled
        @test outcomes["precompile(Greeter.Nested.deep, (Int,))"] === :precompiled
        @test outcomes["precompile(Tuple{typeof(Greeter.missing_function), Int})"] === :name_not_found
        @test outcomes["println(\"a statements file runs nothing\")"] === :rejected
        check_statement_classes(report)
        for name in ("crash", "hang")
            @test any(text -> occursin("`precompile(Greeter.Hostile.$name, (Int,))`", text), report.warnings)
        end
        @test all(row -> row.script_local || julia_drops(row.text), report.residual)
        @test issorted([s.seconds for s in slowest_statements(report)]; rev=true)
        written = PackageCompilerRS.parse_json(read(write_report(joinpath(fixtures, "a.json"), report), String))
        @test written["image_size"] == report.image_size
        @test length(written["statements"]) == length(report.statements)
        log = read(log_a, String)
        @test occursin(" $(ARGUMENTS.exec[1]) ", log) && occursin("--cpu-target=$TARGET", log)
        # What Julia 1.12 says of code that looks a name up too early.
        @test !occursin("in a world prior to its definition world", log)
        @test report.how.linked == LINKABLE
        @test !occursin("\na statements file runs nothing", log)
        @test occursin("with 0 arguments", log)
        @test length(split(sprint(show, MIME"text/plain"(), report), '\n')) <= 18
    end

    @testset "the image knows what it was built from, and minds" begin
        changed = joinpath(fixtures, "changed")
        cp(project, changed)
        manifest = joinpath(changed, "Manifest.toml")
        write(manifest, replace(read(manifest, String), "\"1.2.0\"" => "\"1.2.1\""))
        differs = "Greeter 1.2.0 in the image, 1.2.1 in the Manifest"

        @test warned(image_a, project) == ""
        @test occursin(differs, warned(image_a, changed))
        @test warned(image_a, changed; variables=("PCRS_GUARD" => "0",)) == ""
        @test warned(image_a, fixtures) == ""
        object = joinpath(fixtures, "made.ji")
        making = `--output-incremental=yes --output-ji $object`
        @test !occursin(differs, warned(image_a, changed; options=making))

        @test sysimage_status(image_a; project=project).state === :fresh
        @test any(p -> p.message == differs, sysimage_status(image_a; project=changed).problems)
        path = join([dirname(@__DIR__), "@stdlib"], Sys.iswindows() ? ';' : ':')
        # On an image our package would first be precompiled, which takes longer than the question.
        at_once = VERSION >= v"1.9" ? `--compiled-modules=no --compile=min` : ``
        for (there, state) in (project => "fresh", changed => "stale")
            code = "using PackageCompilerRS; print(sysimage_status(; project=$(repr(there))).state)"
            clean = ("JULIA_LOAD_PATH" => path, "JULIA_PROJECT" => nothing)
            command = `$JULIA --sysimage=$image_a --startup-file=no $at_once -e $code`
            @test withenv(() -> read(command, String), clean...) == state
        end
    end

    @testset "an extension is loaded with its trigger" begin
        if VERSION >= v"1.9"
            code = "using Greeter, Trigger; print(Greeter.extended(nothing))"
            @test ask(image_a, code; options=`--project=$project`) == "true"
        else
            println("skipped: extensions came with Julia 1.9, this is $VERSION")
        end
    end

    @testset "interrupted builds leave nothing and keep the older image" begin
        before = (mtime(image_a), filesize(image_a))
        code = """
            using PackageCompilerRS
            Base.exit_on_sigint(false)
            try
                create_sysimage("Greeter"; sysimage_path=$(repr(image_a)), project=$(repr(project)),
                    linked=false)
            catch err
                err isa InterruptException || rethrow()
                exit(3)
            end
            """
        sighup = 1
        for signal in (Base.SIGINT, Base.SIGTERM, sighup, Base.SIGKILL)
            output = tempname()
            path = join([dirname(@__DIR__), "@stdlib"], ':')
            process = withenv("JULIA_LOAD_PATH" => path) do
                run(pipeline(`$JULIA --startup-file=no -e $code`; stdout=output, stderr=output); wait=false)
            end
            reached = timedwait(() -> occursin(r"^image "m, read(output, String)), 600.0; pollint=0.2)
            @test reached === :ok
            sleep(1)
            kill(process, signal)
            @test timedwait(() -> process_exited(process), 30.0; pollint=0.1) === :ok
            signal == Base.SIGINT && @test process.exitcode == 3
            # After SIGKILL it is the watchdog that cleans up.
            left = ["A.$DLEXT", "A.$DLEXT.json"]
            @test timedwait(() -> readdir(folder) == left, 15.0; pollint=0.1) === :ok
            @test isempty(readlines(ignorestatus(`pgrep -f $(folder)`)))
            rm(output; force=true)
        end
        @test (mtime(image_a), filesize(image_a)) == before
        @test ask(image_a, "print(1)") == "1"
    end

    @testset "B: on another image, in a folder with an awkward name" begin
        name = Sys.iswindows() ? "a b'c\$d e é" : "a b'c\"\$d:e é"
        with_fixtures(; name=name) do odd
            image_b = joinpath(odd, "B.$DLEXT")
            # Where Julia brings a linker, no compiler may be needed.
            empty_path = mkpath(joinpath(odd, "empty"))
            has_lld = PackageCompilerRS.bundled_lld() !== nothing
            environment = has_lld ? ("PATH" => empty_path, "JULIA_CC" => nothing) :
                ("JULIA_CC" => "cc -Wl,--build-id=none",)
            report = withenv(environment...) do
                create_sysimage("Trigger"; sysimage_path=image_b,
                    project=joinpath(odd, "workshop"),
                    base_sysimage=image_a, import_into_main=false,
                    include_transitive_dependencies=false, quiet=true, strict=true,
                    precompile_execution_file=joinpath(odd, "workloads", "greet.jl"))
            end
            @test occursin(has_lld ? "brought by Julia" : "JULIA_CC", report.linker)
            @test report.base_sysimage == image_a
            @test report.how.linked == LINKABLE
            names = loaded(image_b)
            @test "Trigger" in names && "Greeter" in names
            @test ask(image_b, "print(isdefined(Main, :Trigger), isdefined(Main, :Greeter))") == "falsetrue"
            # A's guard is in it, and has nothing to compare.
            changed = joinpath(fixtures, "changed")
            @test warned(image_b, changed) == ""
            # What A holds is known; of the project of A, B is as stale as A.
            @test sysimage_status(image_b; project=joinpath(odd, "workshop")).state === :stale
            @test any(p -> p.name == "Greeter" && occursin("from the one below", p.message),
                sysimage_status(image_b; project=changed).problems)
            # Broken is in this environment, and nobody asked for it.
            @test !("Broken" in names)
            @test readdir(odd) == ["B.$DLEXT", "B.$DLEXT.json", "empty", "packages",
                "project", "suites", "workloads", "workshop"]
        end
    end

    if LINKABLE && !WHOLE
        println("skipped: C, a fresh base, without PCRS_TEST_WHOLE=1")
    else
        @testset "C: a fresh base without the stdlibs" begin
            image_c = joinpath(folder, "C.$DLEXT")
            report = create_sysimage(:Greeter; sysimage_path=image_c, project=workshop, quiet=true,
                incremental=false, filter_stdlibs=true,
                precompile_execution_file=joinpath(WORKLOADS, "greet.jl"))
            @test report.base_sysimage === nothing
            names = loaded(image_c)
            @test "Greeter" in names && !("Pkg" in names) && !("LinearAlgebra" in names)
            @test ask(image_c, "print(Main.Greeter.shout(Main.Greeter.Name(\"x\")))") == "X!"
            @test filesize(image_c) < filesize(image_a)
            # Julia's own source, not the copy that it was made from.
            @test Base.samefile(ask(image_c, "print(Base._included_files[1][2])"),
                joinpath(PackageCompilerRS.base_source(), "sysimg.jl"))
        end
    end

    if WHOLE
        @testset "D: a fresh base with the stdlibs of the default image" begin
            image_d = joinpath(folder, "D.$DLEXT")
            create_sysimage("Greeter"; sysimage_path=image_d, project=project, quiet=true,
                incremental=false)
            default_packages = loaded(PackageCompilerRS.running_sysimage())
            @test issubset(union(default_packages, ["Greeter"]), loaded(image_d))
            @test ask(image_d, "using LinearAlgebra, Dates; print(det([2.0 0; 0 3]), year(Date(2024)))") == "6.02024"
        end
    else
        println("skipped: D, a second fresh base, without PCRS_TEST_WHOLE=1")
    end
end
