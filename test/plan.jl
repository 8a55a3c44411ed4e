@testset "keywords reach the plan" begin
    plan = plan_of(["Greeter"])
    @test names_of(plan["packages"]) == ["Helper", "Late", "Twin", "Greeter"]
    @test [p["requested"] for p in plan["packages"]] == [false, false, false, true]
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
    @test [p["name"] for p in closure if p["load"]] == ["Greeter"]
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
end

@testset "defaults are PackageCompiler's" begin
    @test PackageCompilerRS.default_cpu_target() == (VERSION >= v"1.13-" ? "sysimage" : "native")
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
    if Sys.isunix()
        withenv("PCRS_TEST_RAW" => String(UInt8[0xff, 0x41])) do
            @test Any["PCRS_TEST_RAW", [255, 65]] in plan_of("Home")["surroundings"]["environment"]
        end
    end
end

@testset "JULIA_CC may hold arguments" begin
    withenv("JULIA_CC" => "my\\ cc -g 'a b'") do
        @test plan_of("Home")["compiler"] == ["my cc", "-g", "a b"]
    end
    withenv("JULIA_CC" => nothing) do
        @test plan_of("Home")["compiler"] === nothing
    end
end

@testset "a dry run shows everything and does nothing" begin
    mktempdir() do dir
        image = joinpath(dir, "new", "X.so")
        preview = create_sysimage(["Greeter"]; sysimage_path=image, project=PROJECT, dry_run=true,
            precompile_execution_file=joinpath(WORKLOADS, "greet.jl"), cpu_target="generic",
            sysimage_build_args=`-O1`)
        @test isempty(readdir(dir))
        @test preview.sysimage_path == image
        @test [p.name for p in preview.packages] == ["Helper", "Late", "Twin", "Greeter"]
        @test preview.packages[end].version == v"1.2.0"
        @test [c.stage for c in preview.commands] == [:precompile, :trace, :image, :link, :verify]
        commands = Dict(c.stage => c.command for c in preview.commands)
        @test occursin("--trace-compile=", commands[:trace])
        @test occursin("--cpu-target=generic", commands[:image])
        @test occursin(" -O1 ", commands[:image])
        @test occursin("--threads=1", commands[:image])
        @test occursin("-soname=X.so", commands[:link]) || !Sys.islinux()
        shown = sprint(show, MIME"text/plain"(), preview)
        @test occursin("Greeter 1.2.0", shown) && occursin(image, shown)

        fresh = create_sysimage(["Greeter"]; sysimage_path=image, project=PROJECT, dry_run=true,
            incremental=false)
        @test count(c -> c.stage === :base, fresh.commands) == 5
        filtered = create_sysimage(["Greeter"]; sysimage_path=image, project=PROJECT,
            dry_run=true, incremental=false, filter_stdlibs=true)
        @test count(c -> c.stage === :base, filtered.commands) == 4
    end
end
