@testset "keywords reach the plan" begin
    plan = plan_of(["Greeter"])
    @test names_of(plan["packages"]) == ["Helper", "Late", "Twin", "Greeter"]
    @test [p["requested"] for p in of_project(plan["packages"])] == [false, false, false, true]
    @test all(p["load"] for p in plan["packages"])
    # Every package here is tracked by path, or a stdlib.
    @test [p["name"] for p in plan["packages"] if p["settled"]] ⊆ readdir(Sys.STDLIB)
    @test plan["linked"] === true
    @test startswith(basename(plan["julia"]["llvm"]), "libLLVM") && isfile(plan["julia"]["llvm"])
    @test plan["base"] == Dict("kind" => "existing", "path" => PackageCompilerRS.running_sysimage())
    @test plan["sysimage_path"] == abspath("X.so")

    for (packages, requested) in (
        "Greeter" => ["Greeter"],
        :Greeter => ["Greeter"],
        [:Greeter, :Trigger] => ["Greeter", "Trigger"],
        ["Trigger", "Greeter"] => ["Greeter", "Trigger"],
        String[] => String[],
        nothing => ["Dates", "Greeter", "Home", "Trigger", "Twin"],
    )
        asked = [p["name"] for p in plan_of(packages)["packages"] if p["requested"]]
        @test sort(asked) == requested
    end

    closure = plan_of(["Greeter"]; include_transitive_dependencies=false)["packages"]
    @test [p["name"] for p in of_project(closure) if p["load"]] == ["Greeter"]
    @test plan_of("Home"; import_into_main=false)["import_into_main"] == false
    @test plan_of("Home"; incremental=false)["base"] == Dict("kind" => "fresh", "filter_stdlibs" => false)
    @test plan_of("Home"; incremental=false, filter_stdlibs=true)["base"]["filter_stdlibs"]
    @test plan_of("Home"; base_sysimage="other.so")["base"]["path"] == abspath("other.so")
    @test plan_of("Home"; cpu_target="generic")["cpu_target"] == "generic"
    @test plan_of("Home"; sysimage_build_args=`-O1 --check-bounds=yes`)["build_args"] ==
          ["-O1", "--check-bounds=yes"]
    @test plan_of("Home"; compress_sysimage=true)["compress"]
    @test plan_of("Home"; script="s.jl")["script"] == abspath("s.jl")
    for files in ("a.jl", ["a.jl", "b.jl"])
        plan = plan_of("Home"; precompile_execution_file=files, precompile_statements_file=files)
        @test plan["statement_files"] == abspath.(vcat(files))
        @test [w["path"] for w in plan["workloads"]] == abspath.(vcat(files))
        @test all(w["kind"] == "script" for w in plan["workloads"])
    end
    @test plan_of("Home")["idle_limit"] == 600
    @test plan_of("Home"; idle_limit=1.5)["idle_limit"] == 1.5
    @test plan_of("Home"; idle_limit=Inf)["idle_limit"] === nothing
    @test plan_of("Home"; verify=false)["verify"] == "none"
    @test plan_of("Home")["work_dir"] === nothing
    @test plan_of("Home"; work_dir="work")["work_dir"] == abspath("work")
end

@testset "defaults are PackageCompiler's" begin
    # Of 2.4.5, on every Julia.
    @test plan_of("Home")["cpu_target"] == "native"
    @test PackageCompilerRS.Options().cpu_target == "native"
end

@testset "environment and working folder are taken once, as they are" begin
    withenv("PCRS_TEST_A" => "b=c\nd", "PCRS_TEST_B" => "") do
        plan = plan_of("Home"; environment_inputs=["PCRS_TEST_A"])
        @test plan["environment_inputs"] == ["PCRS_TEST_A"]
        @test plan["surroundings"]["folder"] == pwd()
        @test plan["surroundings"]["home"] == homedir()
        variables = Dict(plan["surroundings"]["environment"])
        @test (variables["PCRS_TEST_A"], variables["PCRS_TEST_B"]) == ("b=c\nd", "")
    end
    @test plan_of("Home"; environment_inputs=:A)["environment_inputs"] == ["A"]
    mktempdir() do depot
        push!(DEPOT_PATH, depot)
        try
            variables = Dict(plan_of("Home")["surroundings"]["environment"])
            @test last(split(variables["JULIA_DEPOT_PATH"], PackageCompilerRS.SYSTEM.list_separator)) == depot
        finally
            pop!(DEPOT_PATH)
        end
    end
    if Sys.isunix()
        told = PackageCompilerRS.depots_for_children
        @test told(nothing, ["/a", "/b"]) == "/a:/b"
        @test told(nothing, ["/a:b"]) === told(nothing, String[]) === nothing
        @test told("/a:~/b", ["/a", joinpath(homedir(), "b")]) === nothing
        @test told("/a:", ["/a", "/b"]) == "/a::/b"
        @test told("/a:/c", ["/a", "/b", "/c"]) == "/a:/c:/b"
    end
    if Sys.isunix()
        to_write = PackageCompilerRS.depots_to_write
        mktempdir() do dir
            shut, open, new = joinpath.(dir, ("shut", "open", "new"))
            # Not even root can make folders below a file.
            touch(joinpath(mkpath(shut), "compiled"))
            mkpath(open)
            @test to_write(String[]) === to_write([open, shut]) === to_write([new, shut]) === nothing
            @test to_write([shut, open]) == "$open:$shut"
            @test to_write([shut, "$open:", new, open]) == "$new:$shut:$open"
            spare, rest = split(to_write([shut]), ':')
            @test isempty(readdir(spare)) && rest == shut && to_write([shut]) == "$spare:$shut"
            depots = copy(DEPOT_PATH)
            try
                pushfirst!(DEPOT_PATH, shut)
                variables = Dict(plan_of("Home")["surroundings"]["environment"])
                @test split(variables["JULIA_DEPOT_PATH"], ':') ⊇ [depots; shut]
                @test !startswith(variables["JULIA_DEPOT_PATH"], shut)
                # The session's own list stays.
                @test DEPOT_PATH == [shut; depots]
            finally
                copy!(DEPOT_PATH, depots)
            end
            if ccall(:getuid, Cuint, ()) != 0
                chmod(open, 0o500)
                @test to_write([open, new]) == "$new:$open"
                chmod(open, 0o700)
            end
        end
        withenv("PCRS_TEST_RAW" => String(UInt8[0xff, 0x41])) do
            @test Any["PCRS_TEST_RAW", [255, 65]] in plan_of("Home")["surroundings"]["environment"]
        end
    end
end

@testset "JULIA_CC may hold arguments" begin
    words(text) = PackageCompilerRS.compiler_words(text, PackageCompilerRS.SYSTEMS[:windows])
    @test words(raw"C:\mingw64\bin\gcc.exe -g") == [raw"C:\mingw64\bin\gcc.exe", "-g"]
    @test words(raw"'C:/a b/gcc.exe' -g") == ["C:/a b/gcc.exe", "-g"]
    @test words("\"C:\\a b\\gcc.exe\" -g") == [raw"C:\a b\gcc.exe", "-g"]
    mktempdir() do folder
        path = touch(joinpath(folder, "a c compiler"))
        @test PackageCompilerRS.compiler_words(path) == [path]
    end
    withenv("JULIA_CC" => "my\\ cc -g 'a b'") do
        @test plan_of("Home")["compiler"] == ["my cc", "-g", "a b"]
    end
    withenv("JULIA_CC" => nothing) do
        @test plan_of("Home")["compiler"] === nothing
    end
end

@testset "variables for other compilers do not choose the linker" begin
    mktempdir() do dir
        wrapper = joinpath(dir, "mpicxx")
        write(wrapper, "#!/bin/sh\nexit 1\n")
        chmod(wrapper, 0o755)
        withenv("CC" => wrapper, "CXX" => wrapper, "JULIA_CC" => nothing) do
            preview = create_sysimage("Home"; sysimage_path=joinpath(dir, "X.so"), project=PROJECT,
                dry_run=true)
            @test !occursin("mpicxx", preview.linker)
            # Julia's own links faster, where it brings one.
            @test !LINKABLE || occursin("brought by Julia", preview.linker)
            @test !LINKABLE || startswith(last(filter(c -> c.stage === :link, preview.commands)).command,
                first(split(preview.linker)))
        end
        withenv("JULIA_CC" => wrapper) do
            preview = create_sysimage("Home"; sysimage_path=joinpath(dir, "X.so"), project=PROJECT,
                dry_run=true)
            @test occursin(wrapper, preview.linker)
        end
    end
end

@testset "numbers of keywords" begin
    for keyword in (:statement_timeout, :idle_limit)
        limit(value) = plan_of("Home"; (keyword => value,)...)[string(keyword)]
        # JSON has no `Inf`.
        @test limit(Inf) === limit(big(10)^400) === nothing
        @test limit(1e300) === 1e300
    end
    @test plan_of("Home"; statement_timeout=2)["statement_timeout"] === 2.0
    @test plan_of("Home"; image_threads=3)["image_threads"] == 3
    mktempdir() do dir
        preview = create_sysimage("Home"; sysimage_path=joinpath(dir, "X.so"), project=PROJECT,
            dry_run=true, statement_timeout=Inf, image_threads=big(2))
        @test preview isa BuildPreview
    end
end

@testset "the signature shows the keywords" begin
    method = only(m for m in methods(create_sysimage) if m.nargs == 2)
    shown = Base.kwarg_decl(method)
    @test Set(shown) == Set([fieldnames(PackageCompilerRS.Options)...; Symbol("unknown...")])
end

@testset "packages can be left out of all of the project" begin
    asked(; kwargs...) = [p["name"] for p in plan_of(; kwargs...)["packages"] if p["requested"]]
    @test asked(; exclude="Home") == ["Dates", "Greeter", "Trigger", "Twin"] ∩ asked()
    @test asked(; exclude=[:Home, :Trigger]) == [name for name in asked() if !(name in ("Home", "Trigger"))]
    @test plan_of(; exclude=["Trigger", "Home"])["exclude"] == ["Home", "Trigger"]
    for (packages, excluded, words) in (
        # The project is a package itself.
        (nothing, "Twin", ["`Twin`", "`Home` needs"]),
        (nothing, "Triger", ["`Triger`", "`Trigger`"]),
        (nothing, "Helper", ["`Helper`", "dependency of", "`Greeter`", "exclude"]),
        (nothing, 1, ["`exclude`", "1"]),
        (nothing, [1], ["`exclude` holds 1"]),
        ("Greeter", "Trigger", ["`exclude`", "`packages`"]),
    )
        err = @test_throws BuildError create_sysimage(packages; sysimage_path="X.so",
            project=PROJECT, dry_run=true, exclude=excluded)
        text = sprint(showerror, err.value)
        @test all(word -> occursin(word, text), words)
    end
end

@testset "a project whose own source is not there yet" begin
    # A container installs what it needs before it has the code.
    mktempdir() do dir
        write(joinpath(dir, "Project.toml"), """
            name = "Unborn"
            uuid = "11111111-aaaa-4aaa-8aaa-0000000000f1"
            [deps]
            Dates = "ade2ca70-3891-5945-98fb-dc099432e06a"
            """)
        write(joinpath(dir, "Manifest.toml"), "[[Dates]]\nuuid = \"ade2ca70-3891-5945-98fb-dc099432e06a\"\n")
        options = PackageCompilerRS.Options(; sysimage_path="X.so", project=dir, quiet=true, dry_run=true)
        requested(plan) = [p["name"] for p in plan["packages"] if p["requested"]]
        plan = PackageCompilerRS.make_plan(nothing, options)
        @test requested(plan) == ["Dates"]
        # The user has not asked for that.
        @test plan["exclude"] == []
        # Its file may have another name than `src/Unborn.jl`.
        file = joinpath(dir, "Project.toml")
        table = read(file, String)
        touch(joinpath(mkdir(joinpath(dir, "code")), "main.jl"))
        for key in (VERSION >= v"1.12-" ? ["path", "entryfile"] : ["path"])
            rm(file)
            write(file, "$key = \"code/main.jl\"\n", table)
            @test requested(PackageCompilerRS.make_plan(nothing, options)) == ["Dates", "Unborn"]
            write(file, "$key = \"code/none.jl\"\n", table)
            @test requested(PackageCompilerRS.make_plan(nothing, options)) == ["Dates"]
        end
        write(file, table)
        mkdir(joinpath(dir, "src"))
        write(joinpath(dir, "src", "Unborn.jl"), "module Unborn end")
        @test requested(PackageCompilerRS.make_plan(nothing, options)) == ["Dates", "Unborn"]
    end
end

@testset "standard libraries that the project does not name" begin
    loaded(plan) = [p["name"] for p in plan["packages"] if p["load"]]
    plan(; keywords...) = plan_of("Greeter"; include_transitive_dependencies=false, keywords...)
    # The prompt, which Julia 1.11 took out of its own image.
    @test ("REPL" in loaded(plan())) == (VERSION >= v"1.11")
    @test !("REPL" in loaded(plan(; incremental=false)))
    @test plan(; include_stdlibs=[])["stdlibs"] == []
    both = plan(; include_stdlibs=[:Random, "Test"])
    @test issubset(["Greeter", "Random", "Test"], loaded(both))
    # With what they need, which is not asked for by name.
    @test "Serialization" in [p["name"] for p in both["packages"]]
    @test [p["name"] for p in both["packages"] if p["requested"]] == ["Greeter"]
    # Some versions have zeros that no `VersionNumber` shows: the one of MozillaCACerts_jll (Julia 1.6 and newer) is a date.
    dated = filter(in(readdir(Sys.STDLIB)), ["MozillaCACerts_jll"])
    @test [p["name"] for p in plan(; include_stdlibs=dated)["packages"] if p["version"] !== nothing &&
        p["version"] != string(VersionNumber(p["version"]))] == []
    @test PackageCompilerRS.version_in(Dict("version" => "2025.11.04")) == "2025.11.4"
    @test PackageCompilerRS.version_in(Dict("version" => "of today")) == "of today"
    @test PackageCompilerRS.version_in(Dict()) === nothing
    err = @test_throws BuildError plan(; include_stdlibs="Rendom")
    @test all(words -> occursin(words, sprint(showerror, err.value)), ["`Rendom`", "did you mean `Random`"])
end

@testset "packages under development are told of" begin
    mktempdir() do dir
        preview = create_sysimage("Greeter"; sysimage_path=joinpath(dir, "X.so"), project=PROJECT,
            dry_run=true)
        folder(name) = joinpath(FIXTURES, "packages", name)
        @test (name="Greeter", path=folder("Greeter")) in preview.developed
        shown = sprint(show, MIME"text/plain"(), preview)
        @test occursin("developed: ", shown) && occursin("Greeter ($(folder("Greeter")))", shown)
    end
    table = PackageCompilerRS.parse_json(PackageCompilerRS.SAMPLE_REPORT)
    report = PackageCompilerRS.BuildReport(table)
    @test isempty(report.developed)
    @test !occursin("developed", sprint(show, MIME"text/plain"(), report))
    table["packages"][1]["path"] = "/dev/A"
    report = PackageCompilerRS.BuildReport(table)
    @test report.developed == [(name="A", path="/dev/A")]
    @test occursin("A (/dev/A): edits need a new image", sprint(show, MIME"text/plain"(), report))
end

@testset "what each start of an image does is told" begin
    table = PackageCompilerRS.parse_json(PackageCompilerRS.SAMPLE_REPORT)
    shown() = sprint(show, MIME"text/plain"(), PackageCompilerRS.BuildReport(table))
    @test PackageCompilerRS.BuildReport(table).at_start === nothing
    table["statements"]["at_start"] = Dict("compiled" => [], "lines" => 0, "printed" => [])
    @test !occursin("each start", shown())
    compiled(package, text) = Dict("package" => package, "text" => "precompile(Tuple{$text})")
    table["statements"]["at_start"] = Dict("lines" => 2, "printed" => ["hello from A", "and more"],
        "compiled" => [compiled("A", "A.f"), compiled("B", "B.g"), compiled("A", "A.h"), compiled(nothing, "Int")])
    @test PackageCompilerRS.BuildReport(table).at_start.compiled[2].package == "B"
    @test occursin("each start:  compiles 4 methods (2 A, 1 B, 1 others), see `report.at_start` and " *
                   "writes 2 lines, such as `hello from A`", shown())
end

@testset "a standard library in the base cannot be replaced" begin
    inside = PackageCompilerRS.packages_in_image(PackageCompilerRS.running_sysimage())
    id = first(id for id in inside if isfile(joinpath(Sys.STDLIB, id.name, "Project.toml")))
    mktempdir() do dir
        write(joinpath(dir, "Project.toml"), "[deps]\n$(id.name) = \"$(id.uuid)\"\n")
        write(joinpath(dir, "Manifest.toml"),
            "[[$(id.name)]]\npath = \"Newer\"\nuuid = \"$(id.uuid)\"\nversion = \"9.9.9\"\n")
        mkpath(joinpath(dir, "Newer", "src"))
        err = @test_throws BuildError plan_of(id.name; project=dir)
        @test occursin("the base image holds $(id.name)", err.value.message)
        @test occursin("9.9.9", err.value.message)
        @test occursin("incremental=false", err.value.hint)
        @test plan_of(id.name; project=dir, incremental=false) isa Dict
        # As it comes with Julia.
        write(joinpath(dir, "Manifest.toml"), "[[$(id.name)]]\nuuid = \"$(id.uuid)\"\n")
        @test plan_of(id.name; project=dir) isa Dict
    end
end

@testset "values are short on one line" begin
    preview = create_sysimage("Greeter"; sysimage_path=joinpath(mktempdir(), "X.so"),
        project=PROJECT, dry_run=true)
    @test occursin(r"^BuildPreview\(\".*X.so\", \d+ packages, \d commands\)$", repr(preview))
    @test repr(BuildError("no"; cause=repeat("x", 1000))) == "BuildError(:check, \"no\")"
    @test repr(LauncherError("no"; cause="x")) == "LauncherError(\"no\")"
    @test repr(TestSuite("A")) == "TestSuite(\"A\")"
    @test repr(TestSuite("A"; test_args=["q"])) == "TestSuite(\"A\"; test_args=[\"q\"])"
    @test repr(PackageCompilerRS.CacheInfo("/c", [(kind=:image, entries=2, bytes=9)])) ==
          "CacheInfo(\"/c\", 2 entries)"
    @test repr(PackageCompilerRS.CacheInfo(nothing, [])) == "CacheInfo(nothing, 0 entries)"
end

@testset "the files of the package are found where it is now" begin
    @test PackageCompilerRS.package_folder() == dirname(@__DIR__)
    # Older Julias do not move caches.
    if isdefined(Base, :pkgorigins)
        origin = Base.pkgorigins[Base.PkgId(PackageCompilerRS)]
        path = origin.path
        try
            origin.path = joinpath("/moved", "src", "PackageCompilerRS.jl")
            @test startswith(PackageCompilerRS.library_path("x"), "/moved/deps")
            @test startswith(PackageCompilerRS.template("x"), "/moved/julia")
            @test any(arg -> occursin("/moved/julia/recording", arg),
                PackageCompilerRS.recording_command("t", nothing, ``).exec)
        finally
            origin.path = path
        end
    end
    @test isdir(dirname(PackageCompilerRS.template("x")))
end

@testset "precompiling the package asks nothing of the environment" begin
    withenv("PCRS_CACHE_GB" => "ten", "JULIA_CC" => "'a", "PCRS_ALLOCATOR" => "x",
        "TMPDIR" => "/nowhere") do
        @test PackageCompilerRS.run_for_precompilation() === nothing
        @test ENV["PCRS_CACHE_GB"] == "ten"
    end
end

@testset "a JULIA_CPU_TARGET that sessions on the image cannot use is told of" begin
    several = "generic;sandybridge,-xsaveopt,clone_all"
    said(target, wanted) = with_variables("JULIA_CPU_TARGET" => wanted) do
        PackageCompilerRS.notices(plan_of(["Greeter"]; cpu_target=target))
    end
    for (target, wanted) in (("native", nothing), ("native", "native"), ("native", Sys.CPU_NAME * ",clone_all"),
            (several, several), ("generic", "haswell"))
        @test isempty(said(target, wanted))
    end
    found = said("native", several)
    @test length(found) == (VERSION >= v"1.9" ? 1 : 0)
    VERSION >= v"1.9" && @test occursin("`JULIA_CPU_TARGET` is `$several`", found[1]) && occursin("unset it", found[1])
end

@testset "a dry run shows everything and does nothing" begin
    mktempdir() do dir
        image = joinpath(dir, "new", "X.so")
        preview = create_sysimage(["Greeter"]; sysimage_path=image, project=PROJECT, dry_run=true,
            precompile_execution_file=joinpath(WORKLOADS, "greet.jl"), cpu_target="generic",
            sysimage_build_args=`-O1`)
        @test isempty(readdir(dir))
        @test preview.sysimage_path == image
        @test names_of(preview.packages) == ["Helper", "Late", "Twin", "Greeter"]
        @test of_project(preview.packages)[end].version == v"1.2.0"
        @test [c.stage for c in preview.commands] == [:precompile, :trace, :image, :link, :verify]
        commands = Dict(c.stage => c.command for c in preview.commands)
        @test occursin("--trace-compile=", commands[:trace])
        @test occursin("--cpu-target=generic", commands[:image])
        @test occursin(" -O1 ", commands[:image])
        @test occursin("--threads=1", commands[:image])
        @test occursin("-soname=X.so", commands[:link]) || !Sys.islinux()
        shown = sprint(show, MIME"text/plain"(), preview)
        @test occursin("Greeter 1.2.0", shown) && occursin(image, shown)
        # On a Julia that links images for `-O1`, elsewhere for more.
        @test !isempty(preview.not_linked) && occursin(preview.not_linked, shown)

        fresh = create_sysimage(["Greeter"]; sysimage_path=image, project=PROJECT, dry_run=true,
            incremental=false)
        @test count(c -> c.stage === :base, fresh.commands) == 5
        filtered = create_sysimage(["Greeter"]; sysimage_path=image, project=PROJECT,
            dry_run=true, incremental=false, filter_stdlibs=true)
        @test count(c -> c.stage === :base, filtered.commands) == 4
    end
end
